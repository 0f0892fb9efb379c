// Every operation's adjoint against central differences in float64, on random shapes.

import { describe, expect, test } from 'vitest';
import type { Attrs, ComputeKind, OpKind } from '../../compiler/2-graph/ops.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import { convOutputSize } from '../../compiler/2-graph/window.ts';
import { ADJOINTS } from '../../compiler/3-passes/adjoints.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { textKey } from '../../runtime/random.ts';
import { build, draws, entrySlope, gradientsOf, graphOf, oneOf, pick, relativeError, seeded, weight } from './numeric.ts';
import type { Random, Values } from './numeric.ts';

const DRAWS = 16;
const TOLERANCE = 1e-6;

interface Operand {
  readonly shape: readonly number[];
  /** The values, drawn off kinks. Missing: uniform in [-1, 1). */
  readonly values?: Float64Array;
  /** Not differentiated. */
  readonly fixed?: 'data' | 'labels';
}

interface Case<A = object> {
  readonly attrs: A;
  readonly operands: readonly Operand[];
}

type Draw<A = object> = (random: Random) => Case<A>;

const shape = (random: Random, rank = pick(random, 1, 4)): number[] => Array.from({ length: rank }, () => pick(random, 1, 4));
const image = (random: Random, least = 1): number[] => [pick(random, 1, 2), pick(random, least, 7), pick(random, least, 7), pick(random, 1, 3)];

/** Numbers at least `gap` from zero, of both signs. */
const offZero = (count: number, random: Random, gap = 0.2): Float64Array => draws(count, random).map((x) => x + (x < 0 ? -gap : gap));
const positive = (count: number, random: Random): Float64Array => draws(count, random, 0.3, 2);

/** Numbers of which no two are closer than 0.02, in random order. */
function distinct(count: number, random: Random): Float64Array {
  const order = Array.from({ length: count }, (_, i) => [random(), i] as const).sort(([a], [b]) => a - b);
  return Float64Array.from(order, ([, i]) => 0.02 * (i - count / 2) + 0.01);
}

const unary =
  <A>(attrs: (random: Random) => A, values?: (count: number, random: Random) => Float64Array): Draw<A> =>
  (random) => {
    const dims = shape(random);
    return { attrs: attrs(random), operands: [{ shape: dims, ...(values && { values: values(elementCount(dims), random) }) }] };
  };

const none = (): Record<string, never> => ({});

/** Two or three shapes that broadcast: axes are left out or made 1 at random. */
function broadcasting(random: Random, count: number): number[][] {
  const full = shape(random, pick(random, 1, 4));
  return Array.from({ length: count }, () => full.slice(pick(random, 0, 2) === 0 ? pick(random, 0, full.length) : 0).map((dim) => (pick(random, 0, 2) === 0 ? 1 : dim)));
}

const binary =
  (values: (count: number, random: Random, operand: number) => Float64Array = draws): Draw<Attrs<'add'>> =>
  (random) => ({ attrs: {}, operands: broadcasting(random, 2).map((dims, i) => ({ shape: dims, values: values(elementCount(dims), random, i) })) });

/** The operands lie on grids a step of 0.1 apart, so that none is near another. */
const interleaved = (count: number, random: Random, operand: number): Float64Array => draws(count, random).map((x) => Math.round(x * 5) / 5 + 0.1 * operand);

const axesOf = (random: Random, rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis).filter(() => random() < 0.5);

const reduced =
  (values: (count: number, random: Random) => Float64Array = draws): Draw<Attrs<'reduce_sum'>> =>
  (random) => {
    const dims = shape(random);
    return { attrs: { axes: axesOf(random, dims.length), keep: random() < 0.5 }, operands: [{ shape: dims, values: values(elementCount(dims), random) }] };
  };

interface Convolution {
  readonly window: Attrs<'conv2d'>;
  readonly k: number;
  readonly x: readonly number[];
  readonly filter: readonly number[];
  readonly y: readonly number[];
}

/** A convolution of odd sizes, strides, dilation and groups that fits its image. */
function convolution(random: Random): Convolution {
  const [k, stride, dilation, groups] = [pick(random, 1, 3), pick(random, 1, 3), pick(random, 1, 2), pick(random, 1, 3)];
  const pad = oneOf(random, 'same' as const, 'valid' as const);
  const least = pad === 'valid' ? (k - 1) * dilation + 1 : 1;
  const [height, width] = [pick(random, least, 7), pick(random, least, 7)];
  const [inputs, outputs, batch] = [pick(random, 1, 3), pick(random, 1, 3), pick(random, 1, 2)];
  const out = [height, width].map((size) => convOutputSize(size, k, stride, dilation, pad));
  return {
    window: { stride, pad, dilation, groups },
    k,
    x: [batch, height, width, inputs * groups],
    filter: [k, k, inputs, outputs * groups],
    y: [batch, ...out, outputs * groups],
  };
}

const pooled = (values?: (count: number, random: Random) => Float64Array): Draw<Attrs<'avgpool'>> => (random) => {
  const k = pick(random, 1, 3);
  const dims = image(random, k);
  return { attrs: { k }, operands: [{ shape: dims, ...(values && { values: values(elementCount(dims), random) }) }] };
};

const matmul: Draw<Attrs<'matmul'>> = (random) => {
  const [m, k, n] = [pick(random, 1, 4), pick(random, 1, 4), pick(random, 1, 4)];
  const leading = oneOf(random, [], [2], [2, 3]);
  const [transpose_a, transpose_b] = [random() < 0.5, random() < 0.5];
  const a = [...leading, ...(transpose_a ? [k, m] : [m, k])];
  const b = [...(random() < 0.5 ? leading : []), ...(transpose_b ? [n, k] : [k, n])];
  return { attrs: { transpose_a, transpose_b }, operands: [{ shape: a }, { shape: b }] };
};

const CASES: { readonly [K in ComputeKind]: Draw<Attrs<K>> | 'none' } = {
  identity: unary(none),
  cast: unary(() => ({ to: 'f32' as const })),
  stop_gradient: 'none', // below
  neg: unary(none),
  abs: unary(none, offZero),
  sign: 'none',
  floor: 'none',
  exp: unary(none),
  expm1: unary(none),
  log: unary(none, positive),
  sqrt: unary(none, positive),
  square: unary(none),
  cos: unary(none, (count, random) => draws(count, random, -4, 4)),
  tanh: unary(none),
  sigmoid: unary(none, (count, random) => draws(count, random, -4, 4)),
  softplus: unary(none, (count, random) => draws(count, random, -4, 4)),
  relu: unary(none, offZero),
  leaky_relu: unary((random) => ({ slope: random() }), offZero),
  elu: unary((random) => ({ alpha: oneOf(random, 1, 0.3, 1.7, -0.4) }), offZero),
  gelu: unary(none, (count, random) => draws(count, random, -3, 3)),
  silu: unary(none, (count, random) => draws(count, random, -3, 3)),

  relu_grad: 'none',
  leaky_relu_grad: 'none',
  elu_grad: 'none',
  gelu_grad: 'none',
  silu_grad: 'none',
  tanh_grad: 'none',
  sigmoid_grad: 'none',

  add: binary(),
  sub: binary(),
  mul: binary(),
  div: binary((count, random, operand) => (operand === 1 ? offZero(count, random, 0.5) : draws(count, random))),
  minimum: binary(interleaved),
  maximum: binary(interleaved),
  greater: 'none',
  equal: 'none',
  select: (random) => {
    const [condition = [], a = [], b = []] = broadcasting(random, 3);
    const values = draws(elementCount(condition), random).map((x) => (x > 0 ? 1 : 0));
    return { attrs: {}, operands: [{ shape: condition, values, fixed: 'data' }, { shape: a }, { shape: b }] };
  },

  reduce_sum: reduced(),
  reduce_mean: reduced(),
  reduce_max: reduced(distinct),
  softmax: unary(none, (count, random) => draws(count, random, -2, 2)),
  log_softmax: unary(none, (count, random) => draws(count, random, -2, 2)),

  reshape: (random) => {
    const dims = shape(random, 3);
    return { attrs: { shape: oneOf(random, [elementCount(dims)], [1, ...dims], [...dims.slice().reverse()]) }, operands: [{ shape: dims }] };
  },
  broadcast: (random) => {
    const [from = []] = broadcasting(random, 1);
    return { attrs: { shape: [pick(random, 1, 3), ...from.map((dim) => (dim === 1 ? pick(random, 1, 3) : dim))] }, operands: [{ shape: from }] };
  },
  transpose: (random) => {
    const dims = shape(random);
    const perm = dims.map((_, axis) => [random(), axis] as const).sort(([a], [b]) => a - b).map(([, axis]) => axis);
    return { attrs: { perm }, operands: [{ shape: dims }] };
  },
  slice: (random) => {
    const dims = shape(random);
    const axis = pick(random, 0, dims.length - 1);
    const start = pick(random, 0, (dims[axis] as number) - 1);
    return { attrs: { axis, start, size: pick(random, 1, (dims[axis] as number) - start) }, operands: [{ shape: dims }] };
  },
  pad: (random) => {
    const dims = shape(random);
    return { attrs: { axis: pick(random, 0, dims.length - 1), before: pick(random, 0, 2), after: pick(random, 0, 2) }, operands: [{ shape: dims }] };
  },
  concat: (random) => {
    const dims = shape(random);
    const axis = pick(random, 0, dims.length - 1);
    return { attrs: { axis }, operands: Array.from({ length: pick(random, 1, 4) }, () => ({ shape: dims.with(axis, pick(random, 1, 3)) })) };
  },
  upsample: (random) => ({ attrs: { k: pick(random, 1, 3) }, operands: [{ shape: image(random) }] }),

  matmul,
  conv2d: (random) => {
    const { window, x, filter } = convolution(random);
    return { attrs: window, operands: [{ shape: x }, { shape: filter }] };
  },
  conv2d_input_grad: (random) => {
    const { window, x, filter, y } = convolution(random);
    return { attrs: { ...window, size: x.slice(1, 3) }, operands: [{ shape: y }, { shape: filter }] };
  },
  conv2d_filter_grad: (random) => {
    const { window, k, x, y } = convolution(random);
    return { attrs: { ...window, k }, operands: [{ shape: x }, { shape: y }] };
  },

  avgpool: pooled(),
  maxpool: pooled(distinct),
  maxpool_grad: 'none',

  softmax_cross_entropy: (random) => {
    const [rows, classes] = [pick(random, 1, 4), pick(random, 2, 5)];
    const labels = Float64Array.from({ length: rows }, () => pick(random, 0, classes - 1));
    return {
      attrs: { label_smoothing: oneOf(random, 0, 0.1, 0.3) },
      operands: [{ shape: [rows, classes], values: draws(rows * classes, random, -3, 3) }, { shape: [rows], values: labels, fixed: 'labels' }],
    };
  },
  softmax_cross_entropy_grad: 'none',
  count_correct: 'none',
  all_finite: 'none',
};

/** loss = sum of (result * random numbers), so that no entry of the result is special. */
function check(kind: OpKind, { attrs, operands }: Case, random: Random): number {
  const b = build();
  const values: Values = new Map();
  const ids = operands.map(({ shape: dims, values: given, fixed }, i) => {
    const name = `x${i}`;
    values.set(name, given ?? draws(elementCount(dims), random));
    if (fixed === 'labels') return b.add('labels', [], { shape: dims }, { id: name });
    return fixed ? b.add('state', [], { name, shape: dims, value: 0 }, { id: name }) : weight(b, name, dims);
  });
  const y = b.add<OpKind>(kind, ids, attrs as Attrs);
  const dims = b.type(y).shape as number[];
  b.add('state', [], { name: 'p', shape: dims, value: 0 }, { id: 'p' });
  values.set('p', draws(elementCount(dims), random));
  const loss = b.add('reduce_sum', [b.add('mul', [y, 'p'], {})], { axes: dims.map((_, axis) => axis), keep: false });
  const graph = graphOf(b, { loss });
  const gradients = gradientsOf(autodiff.run(graph), values);
  const wanted = operands.flatMap((operand, i) => (operand.fixed ? [] : [`x${i}`]));
  expect([...gradients.keys()]).toEqual(wanted);
  return Math.max(
    ...[...gradients].map(([id, gradient]) => relativeError(gradient, gradient.map((_, entry) => entrySlope(graph, loss, values, id, entry)))),
  );
}

describe('the adjoint of every operation equals central differences', () => {
  for (const [kind, draw] of Object.entries(CASES) as [ComputeKind, Draw | 'none'][]) {
    if (draw === 'none') continue;
    test(kind, () => {
      const errors = Array.from({ length: DRAWS }, (_, i) => {
        const random = seeded(textKey(kind), i);
        return check(kind, draw(random), random);
      });
      expect(Math.max(...errors), `relative errors ${errors.join(', ')}`).toBeLessThan(TOLERANCE);
    });
  }
});

test('an operation has no case here exactly where it declares no adjoint', () => {
  const without = (Object.keys(CASES) as ComputeKind[]).filter((kind) => CASES[kind] === 'none' && kind !== 'stop_gradient');
  expect(without).toEqual((Object.keys(ADJOINTS) as ComputeKind[]).filter((kind) => 'none' in ADJOINTS[kind]));
});
