// Convolutions in Winograd's way: the matrices, where it is taken, and its results on awkward sizes and many channels.

import { describe, expect, it, test } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Node } from '../../compiler/2-graph/graph.ts';
import { cookToom, SIGNAL } from '../../compiler/5-emit/wasm/cook-toom.ts';
import type { Matrix } from '../../compiler/5-emit/wasm/cook-toom.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import { winogradOf } from '../../compiler/5-emit/wasm/winograd.ts';
import { uniforms } from '../../runtime/random.ts';
import { describeCase, errorsOf, graphOf, op, runWasm } from './harness.ts';
import type { Case } from './harness.ts';

const TAPS = [2, 3, 4, 5];
const apply = (matrix: Matrix, x: readonly number[]): number[] => matrix.map((row) => row.reduce((sum, factor, j) => sum + factor * (x[j] as number), 0));

test.each(TAPS)('the matrices for %d taps give correlations', (taps) => {
  const { input, filter, output, outputs } = cookToom(taps);
  const next = uniforms(taps);
  const [x, w] = [Array.from({ length: SIGNAL }, next), Array.from({ length: taps }, next)];
  const filtered = apply(filter, w);
  const found = apply(output, apply(input, x).map((value, i) => value * (filtered[i] as number)));
  const expected = Array.from({ length: outputs }, (_, i) => w.reduce((sum, factor, j) => sum + factor * (x[i + j] as number), 0));
  expect(outputs).toBe(SIGNAL - taps + 1);
  found.forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, 12));
});

interface Convolution {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly k?: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly pad?: 'same' | 'valid';
}

/** A convolution with both its adjoints. */
function convolution({ n, h, w, inputs, outputs, k = 3, stride = 1, dilation = 1, groups = 1, pad = 'same' }: Convolution): Case[] {
  const size = (length: number): number => (pad === 'same' ? Math.ceil(length / stride) : Math.floor((length - (k - 1) * dilation - 1) / stride) + 1);
  const attrs = { stride, dilation, groups, pad };
  const [x, filter, y] = [[n, h, w, inputs], [k, k, inputs / groups, outputs], [n, size(h), size(w), outputs]];
  return [op('conv2d', attrs, x, filter), op('conv2d_input_grad', { ...attrs, size: [h, w] }, y, filter), op('conv2d_filter_grad', { ...attrs, k }, x, y)];
}

function isWinograd({ kind, attrs, operands }: Case): boolean {
  const builder = createBuilder();
  const inputs = operands.map(({ shape }, i) => builder.add('input', [], { name: `x${i}`, shape }, { id: `x${i}` }));
  builder.add(kind, inputs, attrs as never, { id: 'y' });
  return winogradOf(builder.nodes().at(-1) as Node, operands.map(({ shape }) => shape)) !== undefined;
}

test('it is taken where it saves work', () => {
  const taken = (each: Convolution): boolean[] => convolution(each).map(isWinograd);
  expect(taken({ n: 50, h: 8, w: 8, inputs: 192, outputs: 192 })).toEqual([true, true, true]);
  expect(taken({ n: 50, h: 8, w: 8, inputs: 24, outputs: 24, k: 5 })).toEqual([true, true, true]);
  // By steps, only the adjoint by the input would multiply zeros.
  expect(taken({ n: 50, h: 8, w: 8, inputs: 192, outputs: 192, stride: 2 })).toEqual([false, true, false]);
  expect(taken({ n: 50, h: 8, w: 8, inputs: 192, outputs: 192, dilation: 2 })).toEqual([false, false, false]);
  expect(taken({ n: 50, h: 8, w: 8, inputs: 192, outputs: 192, k: 1 })).toEqual([false, false, false]);
  expect(taken({ n: 50, h: 8, w: 8, inputs: 16, outputs: 16, groups: 16 })).toEqual([false, false, false]);
  expect(taken({ n: 50, h: 12, w: 12, inputs: 32, outputs: 32, k: 7 })).toEqual([false, false, false]);
  // One tile hardly repays the transform of so many filters.
  expect(taken({ n: 1, h: 4, w: 4, inputs: 192, outputs: 192 })).toEqual([false, false, false]);
});

const AWKWARD: readonly Convolution[] = [
  { n: 3, h: 8, w: 8, inputs: 16, outputs: 32 },
  { n: 2, h: 9, w: 15, inputs: 21, outputs: 35 },
  { n: 5, h: 7, w: 12, inputs: 18, outputs: 17, pad: 'valid' },
  { n: 2, h: 12, w: 8, inputs: 60, outputs: 45, groups: 3 },
  { n: 7, h: 10, w: 10, inputs: 33, outputs: 18, k: 2 },
  { n: 4, h: 9, w: 9, inputs: 20, outputs: 26, k: 4, pad: 'valid' },
  { n: 3, h: 10, w: 6, inputs: 22, outputs: 19, k: 5 },
  { n: 9, h: 8, w: 8, inputs: 6, outputs: 70 },
  { n: 2, h: 12, w: 12, inputs: 520, outputs: 20 },
];

describe.each([true, false])('with relaxed SIMD %s', (relaxed) => {
  test('a filter gradient over several chunks of tiles', async () => {
    const [, , gradient] = convolution({ n: 240, h: 8, w: 8, inputs: 30, outputs: 46 }) as [Case, Case, Case];
    const { steps } = emitWasm(graphOf([gradient]).graph, { relaxed }, 1);
    expect(steps.filter(({ kernel }) => kernel.startsWith('winograd_product')).length).toBeGreaterThan(1);
    for (const error of await errorsOf([gradient], { relaxed, threads: 2 })) expect(error).toBeLessThan(5e-6);
  });

  it.each(AWKWARD)('n $n, $h x $w, $inputs -> $outputs', async (each) => {
    const cases = convolution(each);
    expect(cases.filter((one) => !isWinograd(one)).map(describeCase)).toEqual([]);
    for (const error of await errorsOf(cases, { relaxed, threads: 2 })) expect(error).toBeLessThan(5e-6);
  });

  it.each([
    { n: 2, h: 9, w: 12, inputs: 20, outputs: 33, stride: 2 },
    { n: 3, h: 8, w: 8, inputs: 24, outputs: 36, stride: 2, groups: 2 },
    { n: 2, h: 11, w: 13, inputs: 18, outputs: 22, stride: 2, pad: 'valid' },
    { n: 2, h: 12, w: 10, inputs: 18, outputs: 22, stride: 3 },
    { n: 2, h: 12, w: 11, inputs: 24, outputs: 26, stride: 2, k: 5 },
    { n: 2, h: 10, w: 10, inputs: 24, outputs: 26, stride: 2, k: 2 },
  ] as const)('the adjoint by the input of a convolution by steps: n $n, $h x $w, $inputs -> $outputs, stride $stride', async (each) => {
    const [, adjoint] = convolution(each) as [Case, Case, Case];
    expect(isWinograd(adjoint)).toBe(true);
    for (const error of await errorsOf([adjoint], { relaxed, threads: 2 })) expect(error).toBeLessThan(5e-6);
  });
});

test('numbers of one sign over many channels, and sums over many tiles, stay as close', async () => {
  const shape = { low: 0, high: 1 };
  const attrs = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
  const [x, filter, y] = [{ ...shape, shape: [16, 16, 16, 256] }, { ...shape, shape: [3, 3, 256, 16] }, { ...shape, shape: [16, 16, 16, 16] }];
  const errors = await errorsOf([op('conv2d', attrs, x, filter), op('conv2d_filter_grad', { ...attrs, k: 3 }, x, y), op('conv2d_input_grad', { ...attrs, size: [16, 16] }, x, { ...shape, shape: [3, 3, 16, 256] })]);
  for (const error of errors) expect(error).toBeLessThan(5e-6);
});

test('results are the same on any number of threads', async () => {
  const { graph, feeds } = graphOf(AWKWARD.slice(0, 4).flatMap(convolution));
  const [one, ...more] = await Promise.all([1, 2, 3, 5].map((threads) => runWasm(graph, feeds, { threads })));
  for (const other of more) expect(other).toEqual(one);
});
