// Every operation on the wasm backend against the evaluator: odd sizes, strides, dilation, groups, broadcasting, tiny and empty-edged shapes.

import { describe, expect, it } from 'vitest';
import { OP_KINDS } from '../../compiler/2-graph/ops.ts';
import { hasRelaxedSimd } from '../../runtime/backends/wasm.ts';
import { uniforms } from '../../runtime/random.ts';
import { computes, evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { casesGraph, KINDS, relativeError } from '../kernels/cases.ts';
import { describeCase, errorsOf, op, runWasm } from './harness.ts';
import type { Case } from './harness.ts';

const none = {};
const wide = (shape: readonly number[], low: number, high: number) => ({ shape, low, high });
const positive = (shape: readonly number[]) => ({ shape, low: 0.01, high: 5 });

const unary = (['identity', 'stop_gradient', 'neg', 'abs', 'sign', 'floor', 'exp', 'expm1', 'square', 'cos', 'tanh', 'sigmoid', 'softplus', 'relu', 'gelu', 'silu'] as const).flatMap((kind) => [
  op(kind, none, wide([3, 37], -6, 6)),
  op(kind, none, wide([1], -0.01, 0.01)),
  op(kind, none, wide([2, 2, 3, 16], -1e-3, 1e-3)),
]);

const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[5, 7], [5, 7]],
  [[2, 3, 4, 8], [8]],
  [[2, 3, 4, 5], [3, 1, 5]],
  [[1, 6], [5, 1]],
  [[], [3, 3]],
  [[2, 1, 1, 12], [2, 5, 5, 12]],
];
const binary = (['add', 'sub', 'mul', 'minimum', 'maximum', 'greater', 'equal'] as const).flatMap((kind) => pairs.map(([a, b]) => op(kind, none, a, b)));

const elementwise: Case[] = [
  ...unary,
  ...binary,
  ...pairs.map(([a, b]) => op('div', none, a, positive(b))),
  op('cast', { to: 'f32' }, [3, 17]),
  op('log', none, positive([3, 17])),
  op('sqrt', none, positive([3, 17])),
  op('leaky_relu', { slope: 0.1 }, [5, 9]),
  op('elu', { alpha: 1 }, wide([4, 33], -5, 5)),
  op('elu', { alpha: 0.7 }, wide([2, 2, 2, 5], -5, 5)),
  op('relu_grad', none, [3, 11], [3, 11]),
  op('leaky_relu_grad', { slope: 0.2 }, [3, 11], [3, 11]),
  op('elu_grad', { alpha: 1.5 }, [3, 11], [3, 11]),
  op('gelu_grad', none, wide([3, 11], -4, 4), [3, 11]),
  op('silu_grad', none, wide([3, 11], -4, 4), [3, 11]),
  op('tanh_grad', none, [3, 11], [3, 11]),
  op('sigmoid_grad', none, [3, 11], [3, 11]),
  op('select', none, wide([4, 6], 0, 1), [4, 6], [6]),
];

const reductions: Case[] = [op('all_finite', none, [65, 70]), op('all_finite', none, [])];
reductions.push(...(['reduce_sum', 'reduce_mean', 'reduce_max'] as const).flatMap((kind) => [
  op(kind, { axes: [0], keep: false }, [7, 5]),
  op(kind, { axes: [1], keep: true }, [7, 5]),
  op(kind, { axes: [0, 1, 2], keep: false }, [2, 9, 8, 13]),
  op(kind, { axes: [0, 1, 2], keep: true }, [3, 5, 4, 32]),
  op(kind, { axes: [3], keep: true }, [2, 3, 4, 19]),
  op(kind, { axes: [0, 1], keep: false }, [65, 70]),
  op(kind, { axes: [0, 2], keep: false }, [3, 6, 5, 3]),
]));

const movement: Case[] = [
  op('reshape', { shape: [6, 4] }, [2, 3, 4]),
  op('broadcast', { shape: [4, 3, 5] }, [3, 1]),
  op('broadcast', { shape: [2, 2, 2, 20] }, []),
  op('transpose', { perm: [1, 0] }, [7, 9]),
  op('transpose', { perm: [0, 3, 1, 2] }, [2, 3, 5, 8]),
  op('transpose', { perm: [2, 0, 1, 3] }, [2, 3, 5, 8]),
  op('slice', { axis: 3, start: 2, size: 5 }, [2, 3, 2, 9]),
  op('slice', { axis: 1, start: 1, size: 1 }, [2, 3, 2, 9]),
  op('pad', { axis: 3, before: 3, after: 2 }, [2, 3, 2, 9]),
  op('pad', { axis: 1, before: 0, after: 2 }, [2, 3, 2, 8]),
  op('concat', { axis: 3 }, [2, 2, 2, 16], [2, 2, 2, 5], [2, 2, 2, 1]),
  op('concat', { axis: 0 }, [2, 3], [4, 3]),
  op('concat', { axis: 1 }, ...Array.from({ length: 9 }, (_, i) => [2, i + 1, 4])),
  op('upsample', { k: 2 }, [2, 3, 4, 5]),
  op('upsample', { k: 3 }, [1, 2, 2, 8]),
];

const pooling: Case[] = [[2, 2, [3, 8, 8, 16]], [3, 3, [2, 7, 8, 5]], [2, 2, [1, 5, 3, 3]]].flatMap(([k, , shape]) => {
  const [n, h, w, c] = shape as [number, number, number, number];
  const size = k as number;
  const pooled = [n, Math.floor(h / size), Math.floor(w / size), c];
  return [op('avgpool', { k: size }, [n, h, w, c]), op('maxpool', { k: size }, [n, h, w, c]), op('maxpool_grad', { k: size }, [n, h, w, c], pooled)];
});

const classifiers: Case[] = [[5, 10], [1, 3], [33, 7]].flatMap(([rows = 1, classes = 1]) => {
  const logits = wide([rows, classes], -8, 8);
  const labels = { shape: [rows], classes };
  return [
    op('softmax', none, logits),
    op('log_softmax', none, logits),
    op('softmax_cross_entropy', { label_smoothing: 0 }, logits, labels),
    op('softmax_cross_entropy', { label_smoothing: 0.1 }, logits, labels),
    op('softmax_cross_entropy_grad', { label_smoothing: 0 }, logits, labels, []),
    op('softmax_cross_entropy_grad', { label_smoothing: 0.1 }, logits, labels, []),
    op('count_correct', none, logits, labels),
  ];
});

interface Convolution {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly k: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly pad?: 'same' | 'valid';
}

/** A convolution with both its adjoints. */
function convolution({ n, h, w, inputs, outputs, k, stride = 1, dilation = 1, groups = 1, pad = 'same' }: Convolution): Case[] {
  const span = (k - 1) * dilation + 1;
  const size = (length: number): number => (pad === 'same' ? Math.ceil(length / stride) : Math.floor((length - span) / stride) + 1);
  const attrs = { stride, dilation, groups, pad };
  const [x, filter, y] = [[n, h, w, inputs], [k, k, inputs / groups, outputs], [n, size(h), size(w), outputs]];
  return [op('conv2d', attrs, x, filter), op('conv2d_input_grad', { ...attrs, size: [h, w] }, y, filter), op('conv2d_filter_grad', { ...attrs, k }, x, y)];
}

const convolutions: Case[] = [
  { n: 2, h: 8, w: 8, inputs: 16, outputs: 32, k: 3 },
  { n: 2, h: 9, w: 7, inputs: 3, outputs: 20, k: 3 },
  { n: 1, h: 5, w: 6, inputs: 7, outputs: 5, k: 5 },
  { n: 3, h: 6, w: 6, inputs: 10, outputs: 10, k: 1 },
  { n: 2, h: 7, w: 7, inputs: 8, outputs: 12, k: 3, stride: 2 },
  { n: 2, h: 11, w: 10, inputs: 6, outputs: 9, k: 3, stride: 3, pad: 'valid' },
  { n: 1, h: 12, w: 11, inputs: 4, outputs: 8, k: 3, dilation: 2 },
  { n: 2, h: 10, w: 10, inputs: 12, outputs: 18, k: 3, groups: 3 },
  { n: 2, h: 6, w: 5, inputs: 8, outputs: 8, k: 3, groups: 8 },
  { n: 2, h: 6, w: 5, inputs: 6, outputs: 12, k: 3, groups: 6, stride: 2 },
  { n: 2, h: 1, w: 1, inputs: 24, outputs: 17, k: 3 },
  { n: 1, h: 2, w: 2, inputs: 5, outputs: 4, k: 3 },
  { n: 2, h: 8, w: 8, inputs: 5, outputs: 6, k: 1, stride: 2 },
  { n: 2, h: 4, w: 4, inputs: 2, outputs: 300, k: 1 },
  { n: 2, h: 4, w: 4, inputs: 300, outputs: 2, k: 3 },
  // So many rows of a filter's adjoint that blocks of an even number of them would begin inside a panel of four.
  { n: 2, h: 9, w: 9, inputs: 16, outputs: 32, k: 3, stride: 2 },
  { n: 2, h: 5, w: 5, inputs: 16, outputs: 16, k: 3 },
  { n: 2, h: 7, w: 6, inputs: 80, outputs: 32, k: 3, stride: 2, groups: 2 },
  // No tap of an even filter meets the image.
  { n: 4, h: 1, w: 1, inputs: 8, outputs: 8, k: 2, stride: 2, dilation: 2 },
].flatMap((each) => convolution(each as Convolution));

const products: Case[] = [[1, 64, 10], [5, 7, 3], [33, 300, 41], [64, 16, 16], [4, 4, 600], [130, 5, 9]].flatMap(([rows = 1, depth = 1, columns = 1]) =>
  [false, true].flatMap((transpose_a) =>
    [false, true].flatMap((transpose_b) => {
      const a = transpose_a ? [depth, rows] : [rows, depth];
      const b = transpose_b ? [columns, depth] : [depth, columns];
      return [
        op('matmul', { transpose_a, transpose_b }, a, b),
        op('matmul', { transpose_a, transpose_b }, [2, ...a], b),
        op('matmul', { transpose_a, transpose_b }, [2, 2, ...a], [2, 2, ...b]),
      ];
    }),
  ),
);

/** So many multiply-adds a case, at most: enough for blocks of every size, and soon evaluated. */
const MOST = 2e6;

/** Convolutions and products of sizes drawn from a seed: small ones, odd ones, and multiples of 16. */
function drawn(count: number, seed: number): Case[] {
  const next = uniforms(seed);
  const draw = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const pick = <T>(...all: readonly T[]): T => all[draw(0, all.length - 1)] as T;
  const extent = (): number => pick(1, draw(1, 9), draw(1, 40), 16 * draw(1, 6));
  const product = (): readonly [Case[], number] => {
    const [rows, depth, columns] = [extent(), pick(extent(), draw(1, 700)), pick(extent(), draw(1, 700))];
    const [transpose_a, transpose_b] = [next() < 0.5, next() < 0.5];
    const [lead, shared] = [pick([], [draw(1, 3)], [draw(1, 3), 2]), next() < 0.5];
    const b = transpose_b ? [columns, depth] : [depth, columns];
    return [[op('matmul', { transpose_a, transpose_b }, [...lead, ...(transpose_a ? [depth, rows] : [rows, depth])], shared ? b : [...lead, ...b])], 6 * rows * depth * columns];
  };
  const anyConvolution = (): readonly [Case[], number] => {
    const [groups, k, dilation, stride, pad] = [pick(1, 1, draw(1, 4), draw(1, 16)), pick(1, 3, draw(1, 7)), pick(1, draw(1, 3)), pick(1, 2, draw(1, 4)), pick('same' as const, 'valid' as const)];
    const least = pad === 'valid' ? (k - 1) * dilation + 1 : 1;
    const [n, h, w] = [draw(1, 4), draw(least, least + 13), draw(least, least + 13)];
    const [inputs, outputs] = [groups * extent(), groups * extent()];
    return [convolution({ n, h, w, inputs, outputs, k, stride, dilation, groups, pad }), (n * h * w * k * k * inputs * outputs) / groups];
  };
  const cases: Case[] = [];
  while (cases.length < count) {
    const [made, work] = (next() < 0.3 ? product : anyConvolution)();
    if (work <= MOST) cases.push(...made);
  }
  return cases;
}

const all: Readonly<Record<string, readonly Case[]>> = { elementwise, reductions, movement, pooling, classifiers, convolutions, products };

describe('the wasm backend', () => {
  for (const [name, cases] of Object.entries(all)) {
    it(`computes ${name} as the evaluator does`, async () => {
      const errors = await errorsOf(cases);
      expect(errors.flatMap((error, i) => (error < 1e-5 ? [] : [`${describeCase(cases[i] as Case)}: ${error}`]))).toEqual([]);
    });
  }

  it.each([[1, 1], [2, 1], [3, 2], [4, 2]])('computes convolutions and products of random sizes: seed %i, threads %i', async (seed, threads) => {
    const cases = drawn(60, seed);
    const errors = await errorsOf(cases, { threads });
    // Of few large sums that nearly cancel more digits are lost.
    expect(errors.flatMap((error, i) => (error < 2e-5 ? [] : [`${describeCase(cases[i] as Case)}: ${error}`]))).toEqual([]);
  });

  it('computes every operation on random shapes', async () => {
    const { graph, feeds, values } = casesGraph(KINDS, 12);
    const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
    const found = await runWasm(graph, feeds);
    const errors = values.map((id) => [id, relativeError(found.get(id) ?? [], expected.get(id) ?? [])] as const);
    expect(errors.filter(([, error]) => !(error < 1e-5))).toEqual([]);
  });

  it('finds relaxed SIMD, which every supported Node has', () => {
    expect(hasRelaxedSimd()).toBe(true);
  });

  it('needs no relaxed SIMD', async () => {
    const cases = [...convolutions.slice(0, 12), ...elementwise.slice(0, 60)];
    const errors = await errorsOf(cases, { relaxed: false });
    expect(Math.max(...errors)).toBeLessThan(1e-5);
  });

  it('is tested on every operation that computes', () => {
    const tested = new Set(Object.values(all).flatMap((cases) => cases.map((each) => each.kind)));
    expect(OP_KINDS.filter((kind) => computes(kind) && !tested.has(kind))).toEqual([]);
  });
});
