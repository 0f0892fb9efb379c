// Batches that the device makes of a data set's bytes: the host's images, labels and draws exactly, its pixels up to rounding.

import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import type { Model, TrainSettings, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { compileModel } from '../../compiler/compile.ts';
import type { Run } from '../../runtime/backend.ts';
import { isFed } from '../../runtime/backends/webgpu/memory.ts';
import { batchesOf } from '../../runtime/data/batches.ts';
import type { Dataset, ImageShape } from '../../runtime/data/dataset.ts';
import { makePlan } from '../../runtime/data/loader.ts';
import { feedsOf, firstImages, programOf } from '../../runtime/feeds.ts';
import { randomDataset } from '../data/helpers.ts';
import { checkedProgram, OUTSIDE } from './bounds.ts';
import { backend, missing, skipped } from './harness.ts';

/** Every augmentation, alone, in chains and in parts; the blur called wide is computed in two dispatches. */
const VIEWS = [
  'mirrored = image -> hflip(p: 0.5)',
  'moved = image -> crop(pad: 2)',
  'soft = image -> blur(sigma: 0..0.5)',
  'wide = image -> blur(sigma: 2..4) -> hflip(p: 1)',
  'hidden = image -> cutout(size: 3)',
  'lit = image -> brightness(0.2)',
  'noisy = image -> noise(0.1)',
  'seldom = image -> sometimes(0.5, sometimes(0.5, blur(sigma: 1))) -> sometimes(0, hflip(p: 1)) -> sometimes(1, brightness(0.3))',
  'chain = image -> noise(0.05) -> crop(pad: 1) -> sometimes(0.7, blur(sigma: 3)) -> cutout(size: 2) -> blur(sigma: 0.6) -> hflip(p: 0.5)',
  'all = each(image, mirrored, wide, image -> noise(0.2))',
];
const BATCH = 6;

interface Case {
  readonly views: readonly string[];
  readonly shape: ImageShape;
  readonly normalize: TrainSettings['normalize'];
}

/** A net that reads all the views, with dropout and a schedule, and its data. */
function compile({ views, shape, normalize }: Case): { model: Model<WebGpuStep>; dataset: Dataset; settings: TrainSettings } {
  const names = views.map((view) => view.split(' ')[0] ?? '');
  const text = `net Test {
    input image: [${shape.join(', ')}]
    ${views.map((view) => `view ${view}`).join('\n')}
    logits = ${names[0]} -> globalavgpool -> dropout(0.5) -> dense(3)
    output logits
    loss softmax_cross_entropy(logits) + ${names.map((name) => `mean(${name})`).join(' + ')}
  }`;
  const program = loadProgram('test.zz', memoryReader({ 'test.zz': text }));
  const settings: TrainSettings = { ...DEFAULT_SETTINGS, schedule: { kind: 'cosine', warmup: 2 }, batch: BATCH, epochs: 4, seed: 678, normalize };
  const dataset = randomDataset(50, 100, shape);
  const size = BATCH * views.reduce((parts, view) => parts + (view.startsWith('all') ? 4 : 1), 0);
  const compiled = compileModel(program, 'Test', {
    train: { mode: 'train', batch: BATCH },
    evaluate: { mode: 'evaluate', batch: size },
    'evaluate-rest': { mode: 'evaluate', batch: dataset.test.count % size, filledTo: size },
  }, { fused: true, emit: (graph, batch, filledTo) => emitWebGpu(graph, {}, batch, filledTo) }, { settings });
  if ('diagnostics' in compiled) throw new Error(compiled.diagnostics.map(({ message }) => message).join('\n'));
  return { model: compiled.model, dataset, settings };
}

const runOf = (model: Model<WebGpuStep>, program: string, selection: Run['selection'], step: number, stepsPerEpoch: number): Run => ({
  program, selection, clock: { step, stepsPerEpoch, totalSteps: 4 * stepsPerEpoch },
  wanted: programOf(model, program).buffers.filter(isFed).map(({ id }) => id),
});

/** By run and leaf, how far the device's batch is from the host's: of pixels the largest difference over the largest number, of all else how many numbers differ. */
async function differences(of: Case): Promise<Record<string, number>> {
  const { model, dataset, settings } = compile(of);
  const plan = makePlan(dataset, { batch: BATCH, seed: settings.seed, normalize: settings.normalize, views: programOf(model, 'train').views });
  const batches = batchesOf(dataset, plan, programOf(model, 'evaluate').views);
  const session = await backend.open(model);
  try {
    const runner = await session.load?.({ splits: { train: dataset.train, test: dataset.test }, ...(plan.channels && { channels: plan.channels }) });
    if (!runner) throw new Error('the data are not on the device');
    const { stepsPerEpoch } = batches;
    const runs = [
      ...[0, 9, 4_000_001].map((step) => runOf(model, 'train', batches.train(step), step, stepsPerEpoch)),
      ...batches.test().map((selection) => runOf(model, selection.count === selection.batch ? 'evaluate' : 'evaluate-rest', selection, 0, stepsPerEpoch)),
    ];
    for (const run of runs) await runner.begin(run);
    const found: Record<string, number> = {};
    (await runner.finish()).forEach(({ run, results }, i) => {
      const program = programOf(model, run.program);
      const images = firstImages(batches.images(run.selection, run.clock.step), program.batch, run.selection.batch);
      for (const [id, expected] of feedsOf(program, images, run.clock, settings.seed)) {
        const actual = results.get(id) ?? new Float32Array(0);
        const isInput = program.buffers.some((buffer) => buffer.id === id && buffer.role.kind === 'input');
        expect(actual).toHaveLength(expected.length);
        const errors = Array.from(expected, (value, at) => Math.abs((actual[at] ?? NaN) - value));
        const largest = Math.max(...Array.from(expected, Math.abs));
        found[`${i} ${run.program} ${id}`] = isInput ? Math.max(...errors) / largest : errors.filter((error) => error !== 0).length;
      }
    });
    return found;
  } finally {
    await session.dispose();
  }
}

describe.skipIf(missing !== undefined)(`batches on the device${skipped}`, () => {
  // Images in whole runs of four elements, others, and ones of few.
  it.each([
    ['per_batch', [6, 8, 3]], ['per_batch', [5, 7, 3]], ['per_batch', [3, 3, 1]], ['channel', [6, 8, 3]], ['channel', [5, 7, 3]], ['none', [3, 3, 1]],
  ] as const)('normalised %s, of [%s], are the host\'s', async (normalize, shape) => {
    const found = await differences({ views: VIEWS, shape, normalize });
    expect(new Set(Object.keys(found).map((key) => key.split(' ')[1]))).toEqual(new Set(['train', 'evaluate', 'evaluate-rest']));
    expect(Object.entries(found).filter(([, error]) => !(error < 1e-6))).toEqual([]);
  });

  it.each(['train', 'evaluate-rest'])('of the program %s reach nowhere outside their buffers', async (name) => {
    const { model, dataset, settings } = compile({ views: VIEWS, shape: [5, 7, 3], normalize: 'per_batch' });
    const plan = makePlan(dataset, { batch: BATCH, seed: settings.seed, normalize: settings.normalize, views: programOf(model, 'train').views });
    const batches = batchesOf(dataset, plan, programOf(model, 'evaluate').views);
    const program = model.programs[name];
    if (!program) throw new Error(`no program ${name}`);
    const checked = checkedProgram(program);
    const session = await backend.open({ ...model, programs: { [name]: checked } });
    try {
      const runner = await session.load?.({ splits: { train: dataset.train, test: dataset.test } });
      const selection = name === 'train' ? batches.train(5) : batches.test().at(-1);
      if (!runner || !selection) throw new Error('the data are not on the device');
      await runner.begin(runOf(model, name, selection, 5, batches.stepsPerEpoch));
      await runner.finish();
      const counts = await session.read(OUTSIDE);
      expect(counts).toHaveLength(program.steps.length + (program.feed ?? []).length);
      expect([...program.steps, ...(program.feed ?? [])].flatMap((step, i) => (counts[i] === 0 ? [] : [step.name]))).toEqual([]);
    } finally {
      await session.dispose();
    }
  });
});
