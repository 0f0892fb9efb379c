// The text of a few shaders: an element-wise kernel in fours, a tree, a convolution in tiles with what follows it, a factor read along the summed axis, and the steps
// that make a batch.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { fuse } from '../../compiler/3-passes/fuse.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import type { WebGpuOptions } from '../../compiler/5-emit/wgsl/emit.ts';
import { compileNet } from '../../compiler/compile.ts';
import { feedOf } from '../../compiler/5-emit/wgsl/data/feed.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import type { BufferSpec, ViewSpec, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { graphOf } from '../kernels/cases.ts';
import { multiplyingHalves } from './halves.ts';

const TILE = { rows: 8, columns: 8, depth: 4, threadRows: 4, threadColumns: 4 };

const shadersOf = (graph: Graph, options: WebGpuOptions = {}): string =>
  textOf(emitWebGpu(fuse({ remat: false }).run(graph), options, 2).steps);

const textOf = (steps: readonly WebGpuStep[]): string =>
  steps
    .map(({ name, shader, workgroups, bindings }) => `// ${name}: ${workgroups.join(' x ')}, ${bindings.map(({ buffer, access }) => `${access} ${buffer}`).join(', ')}\n${shader}`)
    .join('\n');

test('an element-wise kernel, four elements at once, beyond the end of 21', async () => {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [7, 3] }, { id: 'x' });
  builder.add('input', [], { name: 'y', shape: [] }, { id: 'y' });
  builder.add('elu', ['x'], { alpha: 1 }, { id: 'elu' });
  builder.add('mul', ['elu', 'y'], {}, { id: 'out' });
  await expect(shadersOf(graphOf(builder, ['out']))).toMatchFileSnapshot('shaders/elementwise.wgsl');
});

test('the mean of each row, by a tree', async () => {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [6, 200] }, { id: 'x' });
  builder.add('reduce_mean', ['x'], { axes: [1], keep: false }, { id: 'out' });
  await expect(shadersOf(graphOf(builder, ['out']))).toMatchFileSnapshot('shaders/tree.wgsl');
});

test('a convolution with bias and relu, in tiles', async () => {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [2, 5, 5, 4] }, { id: 'x' });
  builder.add('weight', [], { name: 'w', shape: [3, 3, 4, 8], init: 'zeros', std: 0, decay: false }, { id: 'w' });
  builder.add('weight', [], { name: 'b', shape: [8], init: 'zeros', std: 0, decay: false }, { id: 'b' });
  builder.add('conv2d', ['x', 'w'], { stride: 1, pad: 'same', dilation: 1, groups: 1 }, { id: 'conv' });
  builder.add('add', ['conv', 'b'], {}, { id: 'biased' });
  builder.add('relu', ['biased'], {}, { id: 'out' });
  await expect(shadersOf(graphOf(builder, ['out']), { tiling: () => ({ tile: TILE, parts: 1, buffers: 2 }) })).toMatchFileSnapshot('shaders/conv2d.wgsl');
});

test('a product of odd sizes, its summed axis in two parts', async () => {
  const builder = createBuilder();
  builder.add('input', [], { name: 'a', shape: [9, 7] }, { id: 'a' });
  builder.add('input', [], { name: 'b', shape: [5, 7] }, { id: 'b' });
  builder.add('matmul', ['a', 'b'], { transpose_a: false, transpose_b: true }, { id: 'out' });
  await expect(shadersOf(graphOf(builder, ['out']), { tiling: () => ({ tile: TILE, parts: 2, buffers: 1 }) })).toMatchFileSnapshot('shaders/matmul.wgsl');
});

test('a product of 16-bit numbers by matrices of subgroups', async () => {
  const builder = createBuilder();
  builder.add('input', [], { name: 'a', shape: [40, 24] }, { id: 'a' });
  builder.add('weight', [], { name: 'b', shape: [24, 20], init: 'zeros', std: 0, decay: false }, { id: 'b' });
  builder.add('matmul', ['a', 'b'], { transpose_a: false, transpose_b: false }, { id: 'y' });
  builder.add('relu', ['y'], {}, { id: 'out' });
  const tile = { rows: 32, columns: 32, depth: 16, threadRows: 16, threadColumns: 16, subgroup: { size: 32, matrix: { rows: 16, columns: 16, depth: 16 } } };
  await expect(shadersOf(multiplyingHalves(graphOf(builder, ['out'])), { tiling: () => ({ tile, parts: 1, buffers: 2 }) })).toMatchFileSnapshot('shaders/matrices.wgsl');
});

test('what is fetched in the loops of the example nets has no divisions left in it', () => {
  const divisions: string[] = [];
  let loops = 0;
  for (const net of ['case-b', 'case-d', 'case-e-crossed']) {
    const path = `${net}.zz`;
    const program = loadProgram(path, memoryReader({ [path]: readFileSync(new URL(`../../dsl-examples/${path}`, import.meta.url), 'utf8') }));
    const { graph } = compileNet(program, undefined, { mode: 'train', batch: 50 });
    if (!graph) throw new Error(`${net} does not compile`);
    for (const { name, shader } of emitWebGpu(graph, {}, 50).steps) {
      for (const [, fetch = ''] of shader.matchAll(/^ {4}if slice < .* \{\n((?: {6}.*\n)*) {4}\}\n {4}if slice > /gm)) {
        loops++;
        divisions.push(...fetch.split('\n').filter((line) => /[/%*]/.test(line)).map((line) => `${name}: ${line.trim()}`));
      }
    }
  }
  expect(loops).toBeGreaterThan(60);
  // But for the ten classes and the three channels, whose vectors are put together.
  expect(divisions.filter((line) => !line.includes('lane'))).toEqual([]);
});

test('the steps that make a batch: selection, two readings of each image, normalisation, random numbers', async () => {
  const leaf = (id: string, dtype: BufferSpec['dtype'], shape: number[], role: BufferSpec['role']): BufferSpec => ({ id, dtype, shape, role });
  const view: ViewSpec = { name: 'both', parts: [{ source: 'image', steps: [] }, { source: 'image', steps: [{ op: 'hflip', p: 0.5 }, { op: 'sometimes', p: 0.1, then: { op: 'blur', sigma: [0, 0.5] } }] }] };
  const buffers = [
    leaf('both', 'f32', [10, 8, 8, 3], { kind: 'input', view: 'both' }),
    leaf('labels', 'i32', [10], { kind: 'labels' }),
    leaf('step', 'f32', [], { kind: 'scalar', name: 'step' }),
    leaf('drop', 'f32', [10, 7], { kind: 'random', salt: 3 }),
  ];
  const feed = feedOf({ buffers, views: [view], batch: 5 }, 'per_batch', 5, EVERY_DEVICE);
  await expect(textOf(feed?.steps ?? [])).toMatchFileSnapshot('shaders/data.wgsl');
});
