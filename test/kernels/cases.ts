// Random operand shapes and attributes for every operation that computes, and the graphs that hold them.

import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Builder } from '../../compiler/2-graph/builder.ts';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import type { Attrs, ComputeKind, ElementwiseKind } from '../../compiler/2-graph/ops.ts';
import { OPS } from '../../compiler/2-graph/ops.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import { samePadding } from '../../compiler/2-graph/window.ts';
import { textKey, uniforms } from '../../runtime/random.ts';

export interface Operand {
  readonly shape: readonly number[];
  /** How many classes labels name. */
  readonly classes?: number;
  /** Values above 0. */
  readonly positive?: boolean;
  /** Few different values, so that some are equal. */
  readonly ties?: boolean;
}

export interface Case<K extends ComputeKind = ComputeKind> {
  readonly attrs: Attrs<K>;
  readonly operands: readonly Operand[];
}

type Random = (from: number, to: number) => number;
type Draw<K extends ComputeKind> = (random: Random) => Case<K>;

const anyShape = (random: Random): number[] => Array.from({ length: random(0, 5) }, () => random(1, 5));
const image = (random: Random, least = 1): number[] => [random(1, 3), random(least, 9), random(least, 9), random(1, 5)];
const none = {} as never;

/** Shapes that broadcast: axes are left out or made 1 at random, but not all operands' at once. */
function broadcasting(random: Random, count: number): Operand[] {
  const full = anyShape(random);
  return Array.from({ length: count }, (_, i) => ({
    shape: i === 0 ? full : full.slice(random(0, 1) * random(0, full.length)).map((dim) => (random(0, 2) === 0 ? 1 : dim)),
    ties: random(0, 1) === 0,
  }));
}

const elementwise =
  <K extends ElementwiseKind>(kind: K, attrs: Attrs<K> = none, positive = false): Draw<K> =>
  (random) => ({ attrs, operands: broadcasting(random, OPS[kind].operands.length).map((operand) => ({ ...operand, positive })) });

const reduction: Draw<'reduce_sum' | 'reduce_mean' | 'reduce_max'> = (random) => {
  const shape = Array.from({ length: random(1, 4) }, () => random(1, 6));
  const axes = shape.map((_, axis) => axis).filter(() => random(0, 1) === 0);
  return { attrs: { axes: axes.length === 0 ? [0] : axes, keep: random(0, 1) === 0 }, operands: [{ shape }] };
};

const rows: Draw<'softmax' | 'log_softmax'> = (random) => ({ attrs: none, operands: [{ shape: [random(1, 6), random(1, 12)] }] });

interface Drawn {
  readonly attrs: { readonly stride: number; readonly pad: 'same' | 'valid'; readonly dilation: number; readonly groups: number };
  readonly x: readonly number[];
  readonly filter: readonly number[];
  readonly dy: readonly number[];
}

/** A convolution of any stride, dilation and groups, whose window fits. */
function convolution(random: Random): Drawn {
  const groups = random(1, 3);
  const k = random(1, 4);
  const dilation = random(1, 2);
  const attrs = { stride: random(1, 3), pad: random(0, 1) === 0 ? ('same' as const) : ('valid' as const), dilation, groups };
  const least = (k - 1) * dilation + 1;
  const [n, height, width] = [random(1, 3), random(least, least + 5), random(least, least + 5)];
  const [depth, perGroup] = [random(1, 5), random(1, 5)];
  const out = (size: number): number => samePadding(size, k, attrs.stride, dilation, attrs.pad).out;
  return { attrs, x: [n, height, width, depth * groups], filter: [k, k, depth, perGroup * groups], dy: [n, out(height), out(width), perGroup * groups] };
}

const heads = (random: Random): readonly [Operand, Operand] => {
  const [n, classes] = [random(1, 9), random(1, 11)];
  return [{ shape: [n, classes], ties: random(0, 1) === 0 }, { shape: [n], classes }];
};

export const CASES: { readonly [K in ComputeKind]: Draw<K> } = {
  identity: elementwise('identity'),
  cast: elementwise('cast', { to: 'f32' }),
  stop_gradient: elementwise('stop_gradient'),
  neg: elementwise('neg'),
  abs: elementwise('abs'),
  sign: elementwise('sign'),
  floor: elementwise('floor'),
  exp: elementwise('exp'),
  expm1: elementwise('expm1'),
  log: elementwise('log', none, true),
  sqrt: elementwise('sqrt', none, true),
  square: elementwise('square'),
  cos: elementwise('cos'),
  tanh: elementwise('tanh'),
  sigmoid: elementwise('sigmoid'),
  softplus: elementwise('softplus'),
  relu: elementwise('relu'),
  leaky_relu: elementwise('leaky_relu', { slope: 0.1 }),
  elu: elementwise('elu', { alpha: 1.5 }),
  gelu: elementwise('gelu'),
  silu: elementwise('silu'),
  relu_grad: elementwise('relu_grad'),
  leaky_relu_grad: elementwise('leaky_relu_grad', { slope: 0.1 }),
  elu_grad: elementwise('elu_grad', { alpha: 1.5 }),
  gelu_grad: elementwise('gelu_grad'),
  silu_grad: elementwise('silu_grad'),
  tanh_grad: elementwise('tanh_grad'),
  sigmoid_grad: elementwise('sigmoid_grad'),
  add: elementwise('add'),
  sub: elementwise('sub'),
  mul: elementwise('mul'),
  div: elementwise('div', none, true),
  minimum: elementwise('minimum'),
  maximum: elementwise('maximum'),
  greater: elementwise('greater'),
  equal: elementwise('equal'),
  select: elementwise('select'),

  reduce_sum: reduction,
  reduce_mean: reduction,
  reduce_max: reduction,
  all_finite: (random) => ({ attrs: none, operands: [{ shape: anyShape(random) }] }),
  softmax: rows,
  log_softmax: rows,

  reshape: (random) => {
    const [a, b, c] = [random(1, 5), random(1, 5), random(1, 5)];
    return { attrs: { shape: [a * c, b] }, operands: [{ shape: [a, b, c] }] };
  },
  broadcast: (random) => {
    const shape = anyShape(random);
    const from = shape.slice(random(0, shape.length)).map((dim) => (random(0, 1) === 0 ? 1 : dim));
    return { attrs: { shape }, operands: [{ shape: from }] };
  },
  transpose: (random) => {
    const shape = anyShape(random);
    const perm = shape.map((_, axis) => axis).sort(() => random(0, 2) - 1);
    return { attrs: { perm }, operands: [{ shape }] };
  },
  slice: (random) => {
    const shape = image(random);
    const axis = random(0, 3);
    const length = shape[axis] ?? 1;
    const start = random(0, length - 1);
    return { attrs: { axis, start, size: random(1, length - start) }, operands: [{ shape }] };
  },
  pad: (random) => ({ attrs: { axis: random(0, 3), before: random(0, 3), after: random(0, 3) }, operands: [{ shape: image(random) }] }),
  concat: (random) => {
    const shape = image(random);
    const axis = random(0, 3);
    return { attrs: { axis }, operands: Array.from({ length: random(1, 8) }, () => ({ shape: shape.with(axis, random(1, 4)) })) };
  },
  upsample: (random) => ({ attrs: { k: random(1, 3) }, operands: [{ shape: image(random) }] }),

  matmul: (random) => {
    const [m, k, n] = [random(1, 9), random(1, 9), random(1, 9)];
    const attrs = { transpose_a: random(0, 1) === 0, transpose_b: random(0, 1) === 0 };
    const batch = Array.from({ length: random(0, 2) }, () => random(1, 3));
    const shared = random(0, 1) === 0 ? [] : batch;
    return { attrs, operands: [{ shape: [...batch, ...(attrs.transpose_a ? [k, m] : [m, k])] }, { shape: [...shared, ...(attrs.transpose_b ? [n, k] : [k, n])] }] };
  },
  conv2d: (random) => {
    const { attrs, x, filter } = convolution(random);
    return { attrs, operands: [{ shape: x }, { shape: filter }] };
  },
  conv2d_input_grad: (random) => {
    const { attrs, x, filter, dy } = convolution(random);
    return { attrs: { ...attrs, size: x.slice(1, 3) }, operands: [{ shape: dy }, { shape: filter }] };
  },
  conv2d_filter_grad: (random) => {
    const { attrs, x, filter, dy } = convolution(random);
    return { attrs: { ...attrs, k: filter[0] ?? 1 }, operands: [{ shape: x }, { shape: dy }] };
  },

  avgpool: (random) => ({ attrs: { k: random(1, 3) }, operands: [{ shape: image(random, 3) }] }),
  maxpool: (random) => ({ attrs: { k: random(1, 3) }, operands: [{ shape: image(random, 3), ties: true }] }),
  maxpool_grad: (random) => {
    const k = random(1, 3);
    const [n = 1, height = 1, width = 1, c = 1] = image(random, 3);
    return { attrs: { k }, operands: [{ shape: [n, height, width, c], ties: true }, { shape: [n, Math.floor(height / k), Math.floor(width / k), c] }] };
  },

  softmax_cross_entropy: (random) => ({ attrs: { label_smoothing: random(0, 1) * 0.1 }, operands: heads(random) }),
  softmax_cross_entropy_grad: (random) => ({ attrs: { label_smoothing: random(0, 1) * 0.1 }, operands: [...heads(random), { shape: [] }] }),
  count_correct: (random) => ({ attrs: none, operands: heads(random) }),
};

export const KINDS = Object.keys(CASES) as ComputeKind[];

/** Whole numbers between two, both included, for a key. */
export function draws(...key: number[]): Random {
  const next = uniforms(...key);
  return (from, to) => from + Math.floor(next() * (to - from + 1));
}

export type Feeds = Map<ValueId, Float32Array | Int32Array>;

/** A leaf of the graph with random contents. */
export function feedLeaf(builder: Builder, feeds: Feeds, id: ValueId, operand: Operand): ValueId {
  const next = uniforms(textKey(id), 7);
  const { shape, classes } = operand;
  const count = elementCount(shape);
  if (classes !== undefined) {
    feeds.set(id, Int32Array.from({ length: count }, () => Math.floor(next() * classes)));
    return builder.add('labels', [], { shape: [...shape] }, { id });
  }
  const real = (): number => (operand.positive ? 0.2 + 2 * next() : 4 * next() - 2);
  feeds.set(id, Float32Array.from({ length: count }, () => (operand.ties ? Math.ceil(real()) : real())));
  return builder.add('input', [], { name: id, shape: [...shape] }, { id });
}

/** `repeats` random cases of each kind in one graph; each case's value has the id `kind.repeat`. */
export function casesGraph(kinds: readonly ComputeKind[], repeats: number): { graph: Graph; feeds: Feeds; values: ValueId[] } {
  const builder = createBuilder();
  const feeds: Feeds = new Map();
  const values = kinds.flatMap((kind) =>
    Array.from({ length: repeats }, (_, repeat) => {
      const { attrs, operands } = CASES[kind](draws(textKey(kind), repeat));
      const id = `${kind}.${repeat}`;
      const inputs = operands.map((operand, i) => feedLeaf(builder, feeds, `${id}.in${i}`, operand));
      return builder.add(kind, inputs, attrs as never, { id });
    }),
  );
  return { graph: graphOf(builder, values), feeds, values };
}

/** A graph of the builder's nodes with some results. */
export function graphOf(builder: Builder, results: readonly ValueId[], more: Partial<Graph> = {}): Graph {
  return {
    name: 'Test',
    mode: 'train',
    nodes: builder.nodes(),
    regions: [],
    outputs: results.map((value) => ({ name: value, value })),
    routes: [],
    gradients: [],
    updates: [],
    views: [],
    train: TRAIN,
    ...more,
  };
}

const TRAIN: Graph['train'] = {
  dataset: 'synthetic',
  optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false },
  schedule: { kind: 'constant' },
  batch: 2,
  epochs: 1,
  seed: 1,
  normalize: 'none',
  weightDecay: 0,
  clipNorm: 0,
};

/** |a - b| / max(|b|, 1e-6), with Euclidean norms; Infinity where the lengths differ or a number is not finite. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  const square = Array.from(b).reduce((total, x, i) => total + ((a[i] ?? NaN) - x) ** 2, 0);
  const norm = Math.sqrt(Array.from(b).reduce((total, x) => total + x * x, 0));
  const error = Math.sqrt(square) / Math.max(norm, 1e-6);
  return Number.isNaN(error) ? Infinity : error;
}
