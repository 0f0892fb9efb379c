// Compiled modules of all example nets: they type-check, and in Node and in Chromium five training steps and the predictions after them are those of zz train and
// zz predict, bit for bit. Chromium's part is skipped where there is none: `apt-get install chromium`, or set CHROMIUM to one.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeCheckpoint } from '../../runtime/checkpoint.ts';
import { readCheckpoint } from '../../runtime/checkpoint-file.ts';
import type { CompiledModel, Images, Labels, NetTypes, OpenOptions } from '../../runtime/compiled/exports.ts';
import { indicesOf, labelsOf, trainSelection } from '../../runtime/data/loader.ts';
import { readMetrics } from '../../runtime/metrics.ts';
import { chromium } from '../browser/page.ts';
import { zz } from '../cli/zz.ts';
import { createApp, example, NETS, ROOT, type App, type NetName } from './app.ts';
import { inChromium, type Found, type Given } from './chromium.ts';

const names = Object.keys(NETS) as NetName[];
const WIDTH = 0.1;
const BATCH = 4;
const STEPS = 5;

/** What each net was given in Node, and what came of it. */
const inNode = new Map<NetName, { readonly given: Given; readonly found: Omit<Found, 'device'> }>();

let app: App;
beforeAll(async () => {
  app = await createApp();
}, 120_000);
afterAll(() => app.remove());

/** What a compiled module exports, of any net. */
interface Module {
  readonly createModel: (options: OpenOptions) => Promise<CompiledModel>;
}

const load = async (file: string): Promise<Module> => (await import(/* @vite-ignore */ join(app.folder, file))) as Module;
const images = (count: number, data: Uint8Array): Images<NetTypes> => ({ shape: [count, 32, 32, 3], data }) as unknown as Images<NetTypes>;
const labels = (data: Uint8Array): Labels => ({ shape: [data.length], data });

/** The images and labels of a step of zz train. */
function batchOf(step: number, seed: number): { readonly pixels: Uint8Array; readonly classes: Uint8Array } {
  const { train } = app.dataset;
  const indices = indicesOf(train, trainSelection(app.dataset, { batch: BATCH, seed, normalize: 'none', views: [] }, step));
  const size = 32 * 32 * 3;
  return { pixels: Uint8Array.from([...indices].flatMap((index) => [...train.images.subarray(index * size, (index + 1) * size)])), classes: Uint8Array.from(labelsOf(train, indices)) };
}

const base64 = ({ buffer, byteOffset, byteLength }: Uint8Array | Float32Array): string => Buffer.from(buffer, byteOffset, byteLength).toString('base64');

const bits = (tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>): Record<string, string> =>
  Object.fromEntries([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { shape, data }]) => [name, `${shape.join('x')} ${base64(data)}`]));

describe.each(names)('%s', (name) => {
  test('trains and predicts as zz train does', async () => {
    const shared = ['--width', String(WIDTH), '--batch', String(BATCH)];
    const run = join(app.folder, `run-${name}`);
    await app.zz('train', example(name), ...shared, '--data', 'images', '--epochs', '1', '--backend', 'wasm', '--out', run, '--quiet');
    for (const extension of ['ts', 'js']) await app.zz('compile', example(name), ...shared, '--backend', 'wasm', '-o', `${name}.${extension}`);
    const trained = await readCheckpoint(join(run, 'checkpoint.safetensors'));
    expect(trained.progress.step).toBe(STEPS);
    const { settings } = JSON.parse(await readFile(join(run, 'config.json'), 'utf8')) as { settings: { seed: number } };

    const { createModel } = await load(`${name}.js`);
    const model = await createModel({ stepsPerEpoch: STEPS, epochs: 1 });
    try {
      model.calibrate(images(20, app.dataset.train.images));
      const steps = Array.from({ length: STEPS }, (_, step) => batchOf(step, settings.seed));
      for (const [step, { pixels, classes }] of steps.entries()) expect((await model.trainStep(images(BATCH, pixels), labels(classes))).step).toBe(step + 1);
      const bytes = await model.save();
      const saved = decodeCheckpoint('saved', bytes);
      expect(bits(saved.tensors)).toEqual(bits(trained.tensors));
      expect(saved.statistics).toEqual(trained.statistics);

      const pictures = app.dataset.classes.map((each) => join('images/test', each, '0.png'));
      const predicted = await zz(['predict', run, ...pictures, '--top', '10', '--json'], { cwd: app.folder });
      const expected = predicted.stdout.trim().split('\n').map((line) => (JSON.parse(line) as { classes: { probability: number }[] }).classes.map(({ probability }) => probability));
      const tests = pictures.length;
      const pixels = testPixels();
      const found = await model.classify(images(tests, pixels));
      expect(found.map(({ probabilities }) => [...probabilities].sort((a, b) => b - a))).toEqual(expected);
      const { test: score } = (await readMetrics(join(run, 'metrics.jsonl'))).at(-1) ?? { test: { loss: NaN, accuracy: NaN } };
      const own = await model.evaluate(images(tests, pixels), labels(Uint8Array.from(app.dataset.test.labels)));
      expect(own.accuracy).toBe(score.accuracy);
      expect(Math.abs(own.loss / score.loss - 1)).toBeLessThan(1e-5);

      const outputs = Object.entries(await model.predict(images(tests, pixels))).map(([output, { data }]) => [output, base64(data)]);
      inNode.set(name, {
        given: { training: base64(app.dataset.train.images), steps: steps.map((step) => ({ images: base64(step.pixels), labels: base64(step.classes) })), tests: base64(pixels) },
        found: { saved: base64(bytes), predicted: Object.fromEntries(outputs) as Found['predicted'] },
      });
    } finally {
      await model.dispose();
    }
  });
});

/** The test images, in the order of their classes. */
function testPixels(): Uint8Array {
  const { images: all, labels: classes } = app.dataset.test;
  const size = 32 * 32 * 3;
  return Uint8Array.from(app.dataset.classes.flatMap((_, label) => {
    const at = Array.from(classes).indexOf(label);
    return [...all.subarray(at * size, (at + 1) * size)];
  }));
}

test('all modules pass tsc --strict, and their types tell wrong shapes and names', async () => {
  await writeFile(join(app.folder, 'use.ts'), `
import { createModel, images, labels, BATCH, type ClassName } from './threeStreams.ts';

const model = await createModel({ backend: 'wasm', batch: 1, stepsPerEpoch: 10 });
const bytes = new Uint8Array(BATCH * 3072);
const { logits, early } = await model.predict(images(2, bytes));
export const shapes: readonly [readonly [2, 10], readonly [2, 10]] = [logits.shape, early.shape];
export const { loss, accuracy } = await model.trainStep(images(${BATCH}, bytes), labels(BATCH, new Uint8Array(BATCH)));
export const names: readonly ClassName[] = (await model.classify(images(1, bytes))).map((each) => each.class);
// @ts-expect-error a batch of another size
await model.trainStep(images(3, bytes), labels(BATCH, new Uint8Array(BATCH)));
// @ts-expect-error images of another shape
await model.predict({ shape: [1, 28, 28, 1], data: bytes });
// @ts-expect-error labels for other images
await model.trainStep(images(BATCH, bytes), labels(3, new Uint8Array(3)));
// @ts-expect-error an output that the net does not have
export const { scores } = await model.predict(images(1, bytes));
// @ts-expect-error a backend that the module was not compiled for
await createModel({ backend: 'webgpu' });
// @ts-expect-error a batch that it was not compiled for
await createModel({ batch: 7 });
export const cat: ClassName = 'cat';
// @ts-expect-error no class of the net
export const lion: ClassName = 'lion';
`);
  const at = (entry: string): string[] => [join(ROOT, `runtime/compiled/${entry}.ts`)];
  const program = ts.createProgram([...names.map((name) => join(app.folder, `${name}.ts`)), join(app.folder, 'use.ts')], {
    strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
    noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, noUnusedLocals: true, noUnusedParameters: true, verbatimModuleSyntax: true, isolatedModules: true,
    allowImportingTsExtensions: true, lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'], types: ['@webgpu/types', 'node'], typeRoots: [join(ROOT, 'node_modules/@types'), join(ROOT, 'node_modules')],
    paths: { 'zigzag-nn/runtime': at('index'), 'zigzag-nn/runtime/wasm': at('wasm') },
  });
  expect(ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)).toEqual([]);
});

test.skipIf(chromium === undefined)('in Chromium, bundled by Vite, they train and predict as in Node', async () => {
  const given = Object.fromEntries([...inNode].map(([name, each]) => [name, each.given]));
  const expected = Object.fromEntries([...inNode].map(([name, each]) => [name, { ...each.found, device: 'WebAssembly SIMD on 1 thread' }]));
  expect(Object.keys(expected)).toEqual(names);
  expect(await inChromium(app, given, 'wasm')).toEqual(expected);
});
