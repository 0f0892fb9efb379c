// The adjoint rule of every operation: how the adjoint of a result reaches each operand (reverse-mode differentiation, Griewank and Walther 2008, ch. 3).

import type { Builder } from '../2-graph/builder.ts';
import type { Node, ValueId } from '../2-graph/graph.ts';
import type { Attrs, ComputeKind, ElementwiseKind } from '../2-graph/ops.ts';
import { batchDim, bindDim, dimProduct, elementCount, sameShape } from '../2-graph/types.ts';
import type { Dim, Shape } from '../2-graph/types.ts';
import { broadcastAxes } from '../2-graph/window.ts';

/** From the adjoint of a result, which has its shape, that of one operand. Nodes are made only when it is called, so none are made in vain. */
export type OperandAdjoint = (dy: ValueId) => ValueId;

/** One entry an operand; `undefined` where no gradient flows on by definition. */
export type AdjointRule<K extends ComputeKind = ComputeKind> = (b: Builder, node: Node<K>) => readonly (OperandAdjoint | undefined)[];

/** An operation without an adjoint: a gradient that must flow through it is an error that gives this reason. */
export interface NoAdjoint {
  readonly none: string;
}

const none = (why: string): NoAdjoint => ({ none: why });
const step = none('its slope is zero wherever it has one');
const derivative = none('it is itself a derivative, and second derivatives are not taken');

// Small words for the rules.

const scalar = (b: Builder, value: number): ValueId => b.add('constant', [], { shape: [], value });
const mul = (b: Builder, x: ValueId, y: ValueId): ValueId => b.add('mul', [x, y], {});
const scaled = (b: Builder, x: ValueId, factor: number): ValueId => (factor === 1 ? x : mul(b, x, scalar(b, factor)));
const shapeOf = (b: Builder, x: ValueId): Shape => b.type(x).shape;
const reshaped = (b: Builder, x: ValueId, shape: Shape): ValueId => (sameShape(shapeOf(b, x), shape) ? x : b.add('reshape', [x], { shape }));
const broadcast = (b: Builder, x: ValueId, shape: Shape): ValueId => (sameShape(shapeOf(b, x), shape) ? x : b.add('broadcast', [x], { shape }));

/** Sums an adjoint over the axes along which its value was repeated. */
function unbroadcast(b: Builder, dy: ValueId, shape: Shape): ValueId {
  const axes = broadcastAxes(shape, shapeOf(b, dy));
  return axes.length === 0 ? dy : reshaped(b, b.add('reduce_sum', [dy], { axes, keep: false }), shape);
}

/** A reduction's result or adjoint with the reduced axes put back with length 1, so that it broadcasts against the operand. */
const withAxes = (b: Builder, y: ValueId, x: ValueId, axes: readonly number[]): ValueId =>
  reshaped(b, y, shapeOf(b, x).map((dim, axis) => (axes.includes(axis) ? 1 : dim)));

/** dy divided by how many elements these axes of x have together, which is only known at run time where the batch is among them. */
function dividedByCount(b: Builder, dy: ValueId, x: ValueId, axes: readonly number[]): ValueId {
  const dims = axes.map((axis) => shapeOf(b, x)[axis] as Dim);
  const batch = dims.find((dim) => typeof dim === 'string');
  const share = scaled(b, dy, 1 / elementCount(dims.filter((dim) => typeof dim === 'number')));
  if (batch === undefined) return share;
  const ones = b.add('constant', [], { shape: [batch], value: 1 });
  return b.add('div', [share, b.add('reduce_sum', [ones], { axes: [0], keep: false })], {});
}

const lastAxis = (b: Builder, x: ValueId): number => shapeOf(b, x).length - 1;
const sumLast = (b: Builder, x: ValueId): ValueId => b.add('reduce_sum', [x], { axes: [lastAxis(b, x)], keep: true });

/** A kind whose operands broadcast: each adjoint is made at the result's shape and summed down to the operand's. */
const elementwise =
  <K extends ElementwiseKind>(...adjoints: readonly (((b: Builder, dy: ValueId, node: Node<K>, operands: Operands) => ValueId) | undefined)[]): AdjointRule<K> =>
  (b, node) => {
    const inputs = node.inputs;
    const operands = { a: inputs[0] as ValueId, b: inputs[1] as ValueId, c: inputs[2] as ValueId, y: node.id };
    return adjoints.map((adjoint, i) => adjoint && ((dy) => unbroadcast(b, adjoint(b, dy, node, operands), shapeOf(b, inputs[i] as ValueId))));
  };

/** The operands in order, and the result. */
interface Operands {
  readonly a: ValueId;
  readonly b: ValueId;
  readonly c: ValueId;
  readonly y: ValueId;
}

/** minimum and maximum: all of dy to the operand that won, half to each of two that tie. */
const share = (wins: (o: Operands) => readonly [ValueId, ValueId]) => (b: Builder, dy: ValueId, _: unknown, o: Operands): ValueId => {
  const won = b.add('greater', wins(o), {});
  const tied = scaled(b, b.add('equal', [o.a, o.b], {}), 0.5);
  return mul(b, dy, b.add('add', [won, tied], {}));
};

/** Swaps the last two axes. */
function swapped(b: Builder, x: ValueId): ValueId {
  const rank = shapeOf(b, x).length;
  const perm = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  return b.add('transpose', [x], { perm });
}

const product = (b: Builder, x: ValueId, y: ValueId, transpose_a: boolean, transpose_b: boolean): ValueId => b.add('matmul', [x, y], { transpose_a, transpose_b });

/** The leading axes and the rows as one axis. */
const flat = (b: Builder, x: ValueId): ValueId => {
  const shape = shapeOf(b, x);
  return reshaped(b, x, [dimProduct(shape.slice(0, -1)), shape.at(-1) as Dim]);
};

const matmul: AdjointRule<'matmul'> = (b, { inputs, attrs: { transpose_a: ta, transpose_b: tb } }) => {
  const [left, right] = inputs as [ValueId, ValueId];
  const sharedRight = shapeOf(b, right).length < shapeOf(b, left).length;
  const da = (dy: ValueId): ValueId => {
    if (!ta) return product(b, dy, right, false, !tb);
    return sharedRight ? swapped(b, product(b, dy, right, false, !tb)) : product(b, right, dy, tb, true);
  };
  const db = (dy: ValueId): ValueId => {
    // One right operand for every matrix of the left: the sum over them is the product of the matrices laid end to end.
    const [rows, dRows] = sharedRight ? [flat(b, ta ? swapped(b, left) : left), flat(b, dy)] : [left, dy];
    const turned = ta && !sharedRight;
    return tb ? product(b, dRows, rows, true, turned) : product(b, rows, dRows, !turned, false);
  };
  return [da, db];
};

/** The part of a concatenation that starts at `start`; a symbolic axis is split by whole batches. */
function part(b: Builder, x: ValueId, axis: number, start: Dim, size: Dim): ValueId {
  if (typeof start === 'number' && typeof size === 'number') return b.add('slice', [x], { axis, start, size });
  const shape = shapeOf(b, x);
  const batches = (dim: Dim): number => bindDim(dim, 1);
  const split = [...shape.slice(0, axis), batches(shape[axis] as Dim), 'B' as const, ...shape.slice(axis + 1)];
  const taken = b.add('slice', [reshaped(b, x, split)], { axis, start: start === 0 ? 0 : batches(start), size: batches(size) });
  return reshaped(b, taken, shape.map((dim, i) => (i === axis ? size : dim)));
}

const concat: AdjointRule<'concat'> = (b, { inputs, attrs: { axis } }) => {
  let end: Dim = 0;
  return inputs.map((input) => {
    const size = shapeOf(b, input)[axis] as Dim;
    const start = end;
    end = typeof size === 'number' ? bindDim(start, 1) + size : batchDim(bindDim(start, 1) + bindDim(size, 1));
    return (dy) => part(b, dy, axis, start, size);
  });
};

/** Zeros for the rows and columns at the lower and right edges that a pool left out. */
const withRest = (b: Builder, dx: ValueId, x: ValueId): ValueId =>
  [1, 2].reduce((grown, axis) => {
    const after = (shapeOf(b, x)[axis] as number) - (shapeOf(b, grown)[axis] as number);
    return after === 0 ? grown : b.add('pad', [grown], { axis, before: 0, after });
  }, dx);

const size = (b: Builder, x: ValueId): readonly number[] => shapeOf(b, x).slice(1, 3) as number[];
const window = ({ stride, pad, dilation, groups }: Attrs<'conv2d'>): Attrs<'conv2d'> => ({ stride, pad, dilation, groups });
const filterSize = (b: Builder, filter: ValueId): number => shapeOf(b, filter)[0] as number;

export const ADJOINTS: { readonly [K in ComputeKind]: AdjointRule<K> | NoAdjoint } = {
  identity: elementwise((_, dy) => dy),
  cast: elementwise((b, dy, _, { a }) => (b.type(dy).dtype === b.type(a).dtype ? dy : b.add('cast', [dy], { to: b.type(a).dtype as 'f32' | 'f16' }))),
  stop_gradient: () => [undefined],
  neg: elementwise((b, dy) => b.add('neg', [dy], {})),
  abs: elementwise((b, dy, _, { a }) => mul(b, dy, b.add('sign', [a], {}))),
  sign: step,
  floor: step,
  exp: elementwise((b, dy, _, { y }) => mul(b, dy, y)),
  expm1: elementwise((b, dy, _, { y }) => mul(b, dy, b.add('add', [y, scalar(b, 1)], {}))),
  log: elementwise((b, dy, _, { a }) => b.add('div', [dy, a], {})),
  sqrt: elementwise((b, dy, _, { y }) => b.add('div', [scaled(b, dy, 0.5), y], {})),
  square: elementwise((b, dy, _, { a }) => mul(b, dy, scaled(b, a, 2))),
  // -sin(x) = cos(x + pi/2)
  cos: elementwise((b, dy, _, { a }) => mul(b, dy, b.add('cos', [b.add('add', [a, scalar(b, Math.PI / 2)], {})], {}))),
  tanh: elementwise((b, dy, _, { y }) => b.add('tanh_grad', [y, dy], {})),
  sigmoid: elementwise((b, dy, _, { y }) => b.add('sigmoid_grad', [y, dy], {})),
  softplus: elementwise((b, dy, _, { a }) => mul(b, dy, b.add('sigmoid', [a], {}))),
  relu: elementwise((b, dy, _, { y }) => b.add('relu_grad', [y, dy], {})),
  leaky_relu: elementwise<'leaky_relu'>((b, dy, { attrs }, { a }) => b.add('leaky_relu_grad', [a, dy], attrs)),
  // elu_grad tells the sides apart by the sign of y, which it may not where alpha is negative.
  elu: elementwise<'elu'>((b, dy, { attrs }, { a, y }) => {
    if (attrs.alpha >= 0) return b.add('elu_grad', [y, dy], attrs);
    const below = mul(b, dy, b.add('add', [y, scalar(b, attrs.alpha)], {}));
    return b.add('select', [b.add('greater', [a, scalar(b, 0)], {}), dy, below], {});
  }),
  gelu: elementwise((b, dy, _, { a }) => b.add('gelu_grad', [a, dy], {})),
  silu: elementwise((b, dy, _, { a }) => b.add('silu_grad', [a, dy], {})),

  relu_grad: derivative,
  leaky_relu_grad: derivative,
  elu_grad: derivative,
  gelu_grad: derivative,
  silu_grad: derivative,
  tanh_grad: derivative,
  sigmoid_grad: derivative,

  add: elementwise((_, dy) => dy, (_, dy) => dy),
  sub: elementwise((_, dy) => dy, (b, dy) => b.add('neg', [dy], {})),
  mul: elementwise((b, dy, _, o) => mul(b, dy, o.b), (b, dy, _, o) => mul(b, dy, o.a)),
  div: elementwise((b, dy, _, o) => b.add('div', [dy, o.b], {}), (b, dy, _, o) => b.add('neg', [b.add('div', [mul(b, dy, o.y), o.b], {})], {})),
  minimum: elementwise(share((o) => [o.b, o.a]), share((o) => [o.a, o.b])),
  maximum: elementwise(share((o) => [o.a, o.b]), share((o) => [o.b, o.a])),
  greater: step,
  equal: step,
  select: elementwise(
    undefined,
    (b, dy, _, { a }) => b.add('select', [a, dy, scalar(b, 0)], {}),
    (b, dy, _, { a }) => b.add('select', [a, scalar(b, 0), dy], {}),
  ),

  reduce_sum: (b, { inputs: [x = ''], attrs: { axes } }) => [(dy) => broadcast(b, withAxes(b, dy, x, axes), shapeOf(b, x))],
  reduce_mean: (b, { inputs: [x = ''], attrs: { axes } }) => [(dy) => broadcast(b, dividedByCount(b, withAxes(b, dy, x, axes), x, axes), shapeOf(b, x))],
  reduce_max: (b, { id, inputs: [x = ''], attrs: { axes } }) => [
    (dy) => {
      const largest = b.add('equal', [x, withAxes(b, id, x, axes)], {});
      const ties = b.add('reduce_sum', [largest], { axes, keep: true });
      return mul(b, b.add('div', [withAxes(b, dy, x, axes), ties], {}), largest);
    },
  ],
  softmax: (b, { id }) => [(dy) => mul(b, id, b.add('sub', [dy, sumLast(b, mul(b, dy, id))], {}))],
  log_softmax: (b, { id }) => [(dy) => b.add('sub', [dy, mul(b, b.add('exp', [id], {}), sumLast(b, dy))], {})],

  reshape: (b, { inputs: [x = ''] }) => [(dy) => reshaped(b, dy, shapeOf(b, x))],
  broadcast: (b, { inputs: [x = ''] }) => [(dy) => unbroadcast(b, dy, shapeOf(b, x))],
  transpose: (b, { attrs: { perm } }) => [(dy) => b.add('transpose', [dy], { perm: perm.map((_, axis) => perm.indexOf(axis)) })],
  slice: (b, { inputs: [x = ''], attrs: { axis, start, size } }) => [
    (dy) => b.add('pad', [dy], { axis, before: start, after: (shapeOf(b, x)[axis] as number) - start - size }),
  ],
  pad: (b, { inputs: [x = ''], attrs: { axis, before } }) => [(dy) => b.add('slice', [dy], { axis, start: before, size: shapeOf(b, x)[axis] as number })],
  concat,
  upsample: (b, { attrs: { k } }) => [(dy) => scaled(b, b.add('avgpool', [dy], { k }), k * k)],

  matmul,
  // The convolution and its two adjoints are the three derivatives of one trilinear form in x, filter and dy.
  conv2d: (b, { inputs: [x = '', filter = ''], attrs }) => [
    (dy) => b.add('conv2d_input_grad', [dy, filter], { ...window(attrs), size: size(b, x) }),
    (dy) => b.add('conv2d_filter_grad', [x, dy], { ...window(attrs), k: filterSize(b, filter) }),
  ],
  conv2d_input_grad: (b, { inputs: [y = '', filter = ''], attrs }) => [
    (dx) => b.add('conv2d', [dx, filter], window(attrs)),
    (dx) => b.add('conv2d_filter_grad', [dx, y], { ...window(attrs), k: filterSize(b, filter) }),
  ],
  conv2d_filter_grad: (b, { inputs: [x = '', y = ''], attrs }) => [
    (dfilter) => b.add('conv2d_input_grad', [y, dfilter], { ...window(attrs), size: size(b, x) }),
    (dfilter) => b.add('conv2d', [x, dfilter], window(attrs)),
  ],

  avgpool: (b, { inputs: [x = ''], attrs: { k } }) => [(dy) => withRest(b, b.add('upsample', [scaled(b, dy, 1 / (k * k))], { k }), x)],
  maxpool: (b, { inputs: [x = ''], attrs: { k } }) => [(dy) => b.add('maxpool_grad', [x, dy], { k })],
  maxpool_grad: derivative,

  softmax_cross_entropy: (b, { inputs: [logits = '', labels = ''], attrs }) => [
    (dy) => b.add('softmax_cross_entropy_grad', [logits, labels, dy], attrs),
    undefined,
  ],
  softmax_cross_entropy_grad: derivative,
  count_correct: step,
  all_finite: step,
};
