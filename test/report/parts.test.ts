// What reports are made of: PNG files, learning rates, norms, published figures, and text that stays text.

import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { ScheduleSettings } from '../../compiler/5-emit/model.ts';
import { initialValues } from '../../runtime/init.ts';
import { persistent } from '../../runtime/checkpoint.ts';
import { hash } from '../../runtime/random.ts';
import { compareCharts, runCharts } from '../../runtime/report/charts.ts';
import { html } from '../../runtime/report/html.ts';
import { learningRateAt } from '../../runtime/report/learning-rate.ts';
import { weightNorms } from '../../runtime/report/norms.ts';
import { encodePng } from '../../runtime/report/png.ts';
import { publishedFor } from '../../runtime/report/published.ts';
import { fakeModel } from '../runtime/fake.ts';

/** What sharp reads of a PNG file, in the file's own channels: left alone it gives RGB for grey. */
async function decode(png: Uint8Array) {
  const { channels } = await sharp(png).metadata();
  const image = channels === 1 ? sharp(png).toColourspace('b-w') : sharp(png);
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { data, height: info.height, width: info.width, channels: info.channels };
}

describe('PNG', () => {
  test.each([[1, 1, 1], [3, 5, 1], [32, 32, 3], [7, 2, 4], [300, 400, 3]] as const)('%i x %i x %i reads back as it was', async (height, width, channels) => {
    const image = Uint8Array.from({ length: height * width * channels }, (_, i) => hash(i) % 256);
    const read = await decode(encodePng(image, [height, width, channels]));
    expect([read.height, read.width, read.channels]).toEqual([height, width, channels]);
    expect(Buffer.compare(read.data, image)).toBe(0);
  });
  test('of two channels or five, the first is shown', async () => {
    const { data, channels } = await decode(encodePng(Uint8Array.of(1, 9, 2, 9), [1, 2, 2]));
    expect([channels, ...data]).toEqual([1, 1, 2]);
  });
});

describe('learning rate', () => {
  const at = (schedule: ScheduleSettings, step: number): number => learningRateAt({ optimizer: { kind: 'sgd', lr: 0.5, momentum: 0, nesterov: false }, schedule }, { step, stepsPerEpoch: 10, totalSteps: 100 });
  test.each<[ScheduleSettings, [number, number][]]>([
    [{ kind: 'constant' }, [[0, 0.5], [99, 0.5]]],
    [{ kind: 'cosine', warmup: 0 }, [[0, 0.5], [50, 0.25], [100, 0]]],
    [{ kind: 'cosine', warmup: 20 }, [[0, 0.025], [19, 0.5], [20, 0.5], [60, 0.25]]],
    [{ kind: 'step', every: 2, factor: 0.1 }, [[0, 0.5], [19, 0.5], [20, 0.05], [40, 0.005]]],
    [{ kind: 'inverse', rate: 0.01 }, [[0, 0.5], [100, 0.25]]],
  ])('%j', (schedule, points) => {
    for (const [step, rate] of points) expect(at(schedule, step)).toBeCloseTo(rate, 12);
  });
});

test('norms: of the first values by the seed, of those now, and of the way between', () => {
  const model = fakeModel();
  const first = initialValues(persistent(model), model.train.seed).get('w.1') ?? new Float32Array();
  const now = first.map((value, i) => value + (i === 0 ? 3 : 4));
  const [norms] = weightNorms(model)({ tensors: new Map([['w.1', { shape: [2], data: now }], ['m.w.1', { shape: [2], data: Float32Array.of(0.6, 0.8) }]]) });
  expect(norms).toMatchObject({ id: 'w.1', shape: [2], moved: 5 });
  expect(norms?.first).toBeCloseTo(Math.hypot(...first), 6);
  expect(norms?.now).toBeCloseTo(Math.hypot(...now), 6);
  expect(norms?.gradient).toBeCloseTo(1, 6);
});

describe('published figures', () => {
  const { train: settings } = fakeModel();
  const adam = { kind: 'adam', lr: 8e-5, beta1: 0.9, beta2: 0.9, eps: 1e-8 } as const;
  const recipe = { ...settings, batch: 25, epochs: 21, normalize: 'per_batch' as const, optimizer: adam };
  const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
  const run = { net: 'DualZigZag', settings: recipe, width: 1, limit: null, classes };
  test('stand for the five nets on CIFAR-10, with the same settings or as an orientation', () => {
    expect(publishedFor(run)).toEqual({ train: [0.711], test: 0.64, same: true });
    expect(publishedFor({ ...run, net: 'DualStream' })?.train).toEqual([0.711, 0.831]);
    expect(publishedFor({ ...run, width: 0.5 })?.same).toBe(false);
    expect(publishedFor({ ...run, limit: 5000 })?.same).toBe(false);
    expect(publishedFor({ ...run, settings: { ...recipe, epochs: 3 } })?.same).toBe(false);
  });
  test('do not for other nets or data', () => {
    expect(publishedFor({ ...run, net: 'constructor' })).toBeUndefined();
    expect(publishedFor({ ...run, net: 'Residual' })).toBeUndefined();
    expect(publishedFor({ ...run, classes: ['cat', 'dog'] })).toBeUndefined();
  });
});

describe('charts', () => {
  const epoch = (n: number, accuracy: number | null) => ({ epoch: n, step: 10 * n, train: { loss: 2 / n, accuracy }, test: { loss: 3 / n, accuracy }, seconds: 1, imagesPerSecond: 100 * n });
  const { train: settings } = fakeModel({ epochs: 4 });
  test('a run: values by epoch, in percent, and the learning rate over the whole run', () => {
    const charts = runCharts([epoch(1, 0.1), epoch(2, 0.5)], settings, { train: [0.7], test: 0.6, same: true });
    expect(charts.map(({ title }) => title)).toEqual(['Accuracy', 'Loss', 'Learning rate', 'Images a second']);
    expect(charts[0]).toMatchObject({ unit: '%', x: [1, 2], series: [{ values: [10, 50] }, { values: [10, 50] }], marks: [{ y: 70 }, { y: 60, label: 'published test 60.0 %' }] });
    expect(charts[1]?.series.map(({ values }) => values)).toEqual([[2, 1], [3, 1.5]]);
    expect(charts[2]?.x.at(0)).toBe(0);
    expect(charts[2]?.x.at(-1)).toBe(3.9);
  });
  test('a net without a classifier has no chart of accuracy', () => {
    expect(runCharts([epoch(1, null)], settings, undefined).map(({ title }) => title)).toEqual(['Loss', 'Learning rate', 'Images a second']);
  });
  test('runs of different lengths end where they end', () => {
    const charts = compareCharts([{ name: 'a', epochs: [epoch(1, 0.1)] }, { name: 'b', epochs: [epoch(1, 0.2), epoch(2, 0.4)] }]);
    expect(charts[0]).toMatchObject({ title: 'Test accuracy', x: [1, 2], series: [{ label: 'a', values: [10, null] }, { label: 'b', values: [20, 40] }] });
  });
});

test('text is escaped, HTML is not escaped again', () => {
  const name = `<script>alert("1 & '2'")</script>`;
  expect(html`<p title="${name}">${html`<b>${name}</b>`}</p>`.html).toBe(
    '<p title="&lt;script&gt;alert(&quot;1 &amp; &#39;2&#39;&quot;)&lt;/script&gt;"><b>&lt;script&gt;alert(&quot;1 &amp; &#39;2&#39;&quot;)&lt;/script&gt;</b></p>',
  );
});
