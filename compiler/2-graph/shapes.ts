// The shape rule of every operation: attributes and operand types in, the result's type out, or a ShapeError that explains itself.

import { OPS } from './ops.ts';
import type { Attrs, OpKind } from './ops.ts';
import { batchDim, batchFactor, dimProduct, sameShape, showShape, showType } from './types.ts';
import type { Dim, DType, Shape, TensorType } from './types.ts';
import { broadcastShapes, convOutputSize, ShapeError, windowSpan } from './window.ts';
import type { Pad } from './window.ts';

export { ShapeError } from './window.ts';

/** How an operation's type follows from its attributes and its operands, which inferType has counted. */
export type ShapeRule<K extends OpKind = OpKind> = (attrs: Attrs<K>, ...operands: TensorType[]) => TensorType;

/** A tensor has at most this many elements for each image. */
const MAX_ELEMENTS = 2 ** 31;

const fail = (code: ShapeError['code'], message: string): never => {
  throw new ShapeError(code, message);
};

const f32 = (shape: Shape): TensorType => ({ dtype: 'f32', shape });

/** The dtype of float operands, which must be the same for all: there are no implicit conversions. */
function floatType(...operands: readonly TensorType[]): DType {
  const dtype = operands[0]?.dtype ?? 'f32';
  if (dtype === 'i32' || operands.some((operand) => operand.dtype !== dtype)) {
    fail('ZZ2006', `${operands.map(showType).join(' and ')}: operands are all f32 or all f16`);
  }
  return dtype;
}

/** Requires a whole number from `least`. */
function atLeast(least: number, value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < least) fail('ZZ2007', `${name} is ${value}, but must be a whole number from ${least}`);
}

function ranked(x: TensorType, rank: number, what: string): void {
  if (x.shape.length !== rank) fail('ZZ3002', `${showShape(x.shape)} has ${axesOf(x.shape)}, but ${what} has ${rank}`);
}

const axesOf = (shape: Shape): string => (shape.length === 1 ? '1 axis' : `${shape.length} axes`);

/** The axis's dimension. Axes count from 0: negative ones are the language's business, not the graph's. */
function axisOf(shape: Shape, axis: number): Dim {
  return shape[axis] ?? fail('ZZ3008', `${showShape(shape)} has no axis ${axis}: it has ${axesOf(shape)}`);
}

/** A dimension that must be a number, not the batch. */
function known(shape: Shape, axis: number, why: string): number {
  const dim = axisOf(shape, axis);
  return typeof dim === 'number' ? dim : fail('ZZ3013', `axis ${axis} of ${showShape(shape)} is the batch, ${why}`);
}

function distinctAxes(shape: Shape, axes: readonly number[]): void {
  for (const axis of axes) axisOf(shape, axis);
  if (new Set(axes).size !== axes.length) fail('ZZ3008', `axes [${axes.join(',')}] name an axis of ${showShape(shape)} twice`);
}

// Rules that many operations share.

const same = (_attrs: unknown, x: TensorType): TensorType => x;
const leafOf = (attrs: { readonly shape: Shape }): TensorType => f32(attrs.shape);

/** Element-wise: the operands' shapes broadcast. */
const elementwise = (_attrs: unknown, ...operands: TensorType[]): TensorType => ({
  dtype: floatType(...operands),
  shape: operands.map((operand) => operand.shape).reduce(broadcastShapes),
});

function reduced({ axes, keep }: Attrs<'reduce_sum'>, x: TensorType): TensorType {
  const dtype = floatType(x);
  distinctAxes(x.shape, axes);
  return { dtype, shape: x.shape.flatMap((dim, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [dim])) };
}

function overLastAxis(_attrs: unknown, x: TensorType): TensorType {
  if (x.shape.length === 0) fail('ZZ3002', '[] has no axis to take the softmax over');
  return { dtype: floatType(x), shape: x.shape };
}

/** Batch, height, width and channels of an image tensor; all but the batch are numbers. */
function image(x: TensorType, what = 'an image [batch,height,width,channels]'): [Dim, number, number, number] {
  ranked(x, 4, what);
  const size = (axis: number): number => known(x.shape, axis, 'where an image has height, width or channels');
  return [axisOf(x.shape, 0), size(1), size(2), size(3)];
}

/** The size of a square filter, its input channels in a group and its output channels. */
function filterOf(filter: TensorType, groups: number): [k: number, inputs: number, outputs: number] {
  ranked(filter, 4, 'a filter [k,k,inputs,outputs]');
  const size = (axis: number): number => known(filter.shape, axis, 'and a filter has none');
  const [k, width, inputs, outputs] = [size(0), size(1), size(2), size(3)];
  if (k !== width) fail('ZZ3013', `the filter ${showShape(filter.shape)} is not square`);
  if (outputs % groups !== 0) fail('ZZ3005', `${groups} groups do not divide the ${outputs} output channels of the filter ${showShape(filter.shape)}`);
  return [k, inputs, outputs];
}

interface WindowAttrs {
  readonly stride: number;
  readonly pad: Pad;
  readonly dilation: number;
  readonly groups: number;
}

/** The positions of a convolution's window over an image. */
function convSize([height, width]: readonly [number, number], k: number, { stride, pad, dilation }: WindowAttrs): [number, number] {
  const out = [height, width].map((size) => convOutputSize(size, k, stride, dilation, pad)) as [number, number];
  if (out.some((size) => size < 1)) {
    const span = windowSpan(k, dilation);
    const dilated = dilation === 1 ? '' : ` (${k}x${k} with dilation ${dilation})`;
    fail('ZZ3004', `a ${span}x${span} window${dilated} does not fit an image of ${height}x${width} without padding`);
  }
  return out;
}

function checkWindow({ stride, dilation, groups }: WindowAttrs): void {
  atLeast(1, stride, 'stride');
  atLeast(1, dilation, 'dilation');
  atLeast(1, groups, 'groups');
}

/** Requires of an output gradient the shape that the forward operation gives. */
function expectShape(name: string, found: TensorType, wanted: Shape, why: string): void {
  if (!sameShape(found.shape, wanted)) fail('ZZ3002', `${name} is ${showShape(found.shape)}, but ${why} is ${showShape(wanted)}`);
}

function conv2d(attrs: WindowAttrs, x: TensorType, filter: TensorType): TensorType {
  floatType(x, filter);
  checkWindow(attrs);
  const [batch, height, width, channels] = image(x);
  if (channels % attrs.groups !== 0) fail('ZZ3005', `${attrs.groups} groups do not divide the ${channels} channels of ${showShape(x.shape)}`);
  const [k, inputs, outputs] = filterOf(filter, attrs.groups);
  if (inputs * attrs.groups !== channels) {
    const grouped = attrs.groups === 1 ? '' : ` in each of ${attrs.groups} groups`;
    fail('ZZ3003', `${showShape(x.shape)} has ${channels} channels, but the filter ${showShape(filter.shape)} takes ${inputs}${grouped}`);
  }
  return f32([batch, ...convSize([height, width], k, attrs), outputs]);
}

function conv2dInputGrad(attrs: Attrs<'conv2d_input_grad'>, dy: TensorType, filter: TensorType): TensorType {
  floatType(dy, filter);
  checkWindow(attrs);
  const [batch, , , channels] = image(dy);
  const [k, inputs, outputs] = filterOf(filter, attrs.groups);
  if (outputs !== channels) fail('ZZ3003', `${showShape(dy.shape)} has ${channels} channels, but the filter ${showShape(filter.shape)} gives ${outputs}`);
  const [height = 0, width = 0, ...rest] = attrs.size;
  if (rest.length > 0) fail('ZZ2007', `size is [${attrs.size.join(',')}], but must be [height,width]`);
  atLeast(1, height, 'the height of size');
  atLeast(1, width, 'the width of size');
  expectShape('dy', dy, [batch, ...convSize([height, width], k, attrs), outputs], `the convolution of an image of ${height}x${width}`);
  return f32([batch, height, width, inputs * attrs.groups]);
}

function conv2dFilterGrad(attrs: Attrs<'conv2d_filter_grad'>, x: TensorType, dy: TensorType): TensorType {
  floatType(x, dy);
  checkWindow(attrs);
  atLeast(1, attrs.k, 'k');
  const [batch, height, width, channels] = image(x);
  const [, , , outputs] = image(dy);
  if (channels % attrs.groups !== 0) fail('ZZ3005', `${attrs.groups} groups do not divide the ${channels} channels of ${showShape(x.shape)}`);
  if (outputs % attrs.groups !== 0) fail('ZZ3005', `${attrs.groups} groups do not divide the ${outputs} channels of ${showShape(dy.shape)}`);
  expectShape('dy', dy, [batch, ...convSize([height, width], attrs.k, attrs), outputs], `the convolution of ${showShape(x.shape)}`);
  return f32([attrs.k, attrs.k, channels / attrs.groups, outputs]);
}

function matmul({ transpose_a, transpose_b }: Attrs<'matmul'>, a: TensorType, b: TensorType): TensorType {
  floatType(a, b);
  for (const x of [a, b]) if (x.shape.length < 2) fail('ZZ3002', `${showShape(x.shape)} has ${axesOf(x.shape)}, but a matrix has 2`);
  const leading = a.shape.slice(0, -2);
  if (b.shape.length > 2 && !sameShape(b.shape.slice(0, -2), leading)) {
    fail('ZZ3002', `${showShape(a.shape)} times ${showShape(b.shape)}: the right operand has 2 axes, or the left one's before its last two`);
  }
  const matrix = (x: Shape, flip: boolean): readonly Dim[] => (flip ? x.slice(-2).reverse() : x.slice(-2));
  const [rows, inner] = matrix(a.shape, transpose_a) as [Dim, Dim];
  const [outer, columns] = matrix(b.shape, transpose_b) as [Dim, Dim];
  if (inner !== outer) {
    const shown = (x: TensorType, flip: boolean): string => `${showShape(x.shape)}${flip ? ' transposed' : ''}`;
    fail('ZZ3003', `${shown(a, transpose_a)} times ${shown(b, transpose_b)}: the inner dimensions are ${inner} and ${outer}`);
  }
  return f32([...leading, rows, columns]);
}

function pooled({ k }: { readonly k: number }, x: TensorType): TensorType {
  const dtype = floatType(x);
  atLeast(1, k, 'k');
  const [batch, height, width, channels] = image(x);
  if (k > height || k > width) fail('ZZ3004', `a ${k}x${k} window does not fit an image of ${height}x${width}`);
  return { dtype, shape: [batch, Math.floor(height / k), Math.floor(width / k), channels] };
}

function concat({ axis }: Attrs<'concat'>, ...xs: TensorType[]): TensorType {
  const [first, ...rest] = xs;
  if (first === undefined) return fail('ZZ3006', 'nothing to concatenate');
  let total = axisOf(first.shape, axis);
  for (const x of rest) {
    if (x.dtype !== first.dtype) fail('ZZ2006', `${showType(first)} and ${showType(x)} do not concatenate: their dtypes differ`);
    const pair = `${showShape(first.shape)} and ${showShape(x.shape)} do not concatenate along axis ${axis}`;
    if (x.shape.length !== first.shape.length) fail('ZZ3006', `${pair}: they have ${first.shape.length} and ${axesOf(x.shape)}`);
    const other = first.shape.findIndex((dim, i) => i !== axis && dim !== x.shape[i]);
    if (other >= 0) fail('ZZ3006', `${pair}: axis ${other} is ${first.shape[other]} and ${x.shape[other]}`);
    total = addDims(total, axisOf(x.shape, axis)) ?? fail('ZZ3006', `${pair}: it is the batch in one and a number in the other`);
  }
  return { dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? total : dim)) };
}

/** The sum of two numbers or of two multiples of the batch; nothing for one of each. */
function addDims(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return typeof a === 'string' && typeof b === 'string' ? batchDim(batchFactor(a) + batchFactor(b)) : undefined;
}

function reshape({ shape }: Attrs<'reshape'>, x: TensorType): TensorType {
  checkDims(shape);
  const [from, to] = [dimProduct(x.shape), dimProduct(shape)];
  if (from !== to) fail('ZZ3007', `${showShape(x.shape)} has ${from} elements, ${showShape(shape)} has ${to}`);
  return { dtype: x.dtype, shape };
}

function broadcast({ shape }: Attrs<'broadcast'>, x: TensorType): TensorType {
  if (!sameShape(broadcastShapes(x.shape, shape), shape)) fail('ZZ3001', `${showShape(x.shape)} does not broadcast to ${showShape(shape)}`);
  return { dtype: x.dtype, shape };
}

function transpose({ perm }: Attrs<'transpose'>, x: TensorType): TensorType {
  distinctAxes(x.shape, perm);
  if (perm.length !== x.shape.length) fail('ZZ3008', `perm [${perm.join(',')}] names ${perm.length} of the ${axesOf(x.shape)} of ${showShape(x.shape)}`);
  return { dtype: x.dtype, shape: perm.map((axis) => axisOf(x.shape, axis)) };
}

function slice({ axis, start, size }: Attrs<'slice'>, x: TensorType): TensorType {
  const length = known(x.shape, axis, 'which is not sliced while its size is not known');
  atLeast(0, start, 'start');
  atLeast(1, size, 'size');
  if (start + size > length) fail('ZZ3008', `${showShape(x.shape)} has no elements ${start} to ${start + size - 1} along axis ${axis}: it has ${length}`);
  return { dtype: x.dtype, shape: x.shape.map((dim, i) => (i === axis ? size : dim)) };
}

function padded({ axis, before, after }: Attrs<'pad'>, x: TensorType): TensorType {
  const dtype = floatType(x);
  const length = known(x.shape, axis, 'which is not padded');
  atLeast(0, before, 'before');
  atLeast(0, after, 'after');
  return { dtype, shape: x.shape.map((dim, i) => (i === axis ? before + length + after : dim)) };
}

function upsample({ k }: Attrs<'upsample'>, x: TensorType): TensorType {
  const dtype = floatType(x);
  atLeast(1, k, 'k');
  const [batch, height, width, channels] = image(x);
  return { dtype, shape: [batch, height * k, width * k, channels] };
}

/** Logits [N,C] with labels i32[N]: one row of class scores for every label. */
function classified(logits: TensorType, labels: TensorType): void {
  floatType(logits);
  if (logits.shape.length !== 2) fail('ZZ3012', `logits are ${showShape(logits.shape)}, but must be [batch,classes]`);
  if (labels.dtype !== 'i32') fail('ZZ2006', `labels are ${showType(labels)}, but must be i32`);
  if (!sameShape(labels.shape, logits.shape.slice(0, 1))) {
    fail('ZZ3012', `logits are ${showShape(logits.shape)}, labels ${showShape(labels.shape)}: there must be one row of class scores for every label`);
  }
}

const perBatch = (_attrs: unknown, logits: TensorType, labels: TensorType): TensorType => {
  classified(logits, labels);
  return f32([]);
};

/** The shape rule of every operation. Call them through inferType, which counts the operands and bounds the result. */
export const SHAPES: { readonly [K in OpKind]: ShapeRule<K> } = {
  input: leafOf,
  labels: ({ shape }) => {
    if (shape.length !== 1) fail('ZZ3002', `labels are ${showShape(shape)}, but have 1 axis`);
    return { dtype: 'i32', shape };
  },
  weight: leafOf,
  state: leafOf,
  scalar: () => f32([]),
  constant: leafOf,
  random: leafOf,

  call: () => {
    throw new Error('the type of a call is its region\'s, not inferred');
  },
  route: same,
  adjoint: same,

  identity: same,
  cast: ({ to }, x) => {
    floatType(x);
    return { dtype: to, shape: x.shape };
  },
  stop_gradient: same,
  neg: elementwise,
  abs: elementwise,
  sign: elementwise,
  floor: elementwise,
  exp: elementwise,
  expm1: elementwise,
  log: elementwise,
  sqrt: elementwise,
  square: elementwise,
  cos: elementwise,
  tanh: elementwise,
  sigmoid: elementwise,
  softplus: elementwise,
  relu: elementwise,
  leaky_relu: elementwise,
  elu: elementwise,
  gelu: elementwise,
  silu: elementwise,

  relu_grad: elementwise,
  leaky_relu_grad: elementwise,
  elu_grad: elementwise,
  gelu_grad: elementwise,
  silu_grad: elementwise,
  tanh_grad: elementwise,
  sigmoid_grad: elementwise,

  add: elementwise,
  sub: elementwise,
  mul: elementwise,
  div: elementwise,
  minimum: elementwise,
  maximum: elementwise,
  greater: elementwise,
  equal: elementwise,
  select: elementwise,

  reduce_sum: reduced,
  reduce_mean: reduced,
  reduce_max: reduced,
  all_finite: (_attrs, x) => {
    floatType(x);
    return f32([]);
  },
  softmax: overLastAxis,
  log_softmax: overLastAxis,

  reshape,
  broadcast,
  transpose,
  slice,
  pad: padded,
  concat,
  upsample,

  matmul,
  conv2d,
  conv2d_input_grad: conv2dInputGrad,
  conv2d_filter_grad: conv2dFilterGrad,

  avgpool: pooled,
  maxpool: pooled,
  maxpool_grad: (attrs, x, dy) => {
    floatType(x, dy);
    expectShape('dy', dy, pooled(attrs, x).shape, `the pooled ${showShape(x.shape)}`);
    return x;
  },

  softmax_cross_entropy: perBatch,
  softmax_cross_entropy_grad: (_attrs, logits, labels, dloss) => {
    classified(logits, labels);
    expectShape('dloss', dloss, [], 'the loss');
    return logits;
  },
  count_correct: perBatch,
};

/** Throws ShapeError unless dimensions are whole numbers from 1, at most one of them the batch, with at most MAX_ELEMENTS elements for each image. */
export function checkDims(shape: Shape): void {
  let batched = 0;
  let elements = 1;
  for (const dim of shape) {
    const factor = typeof dim === 'number' ? dim : batchFactor(dim);
    if (!Number.isSafeInteger(factor) || factor < 1 || (typeof dim === 'string' && dim !== batchDim(factor))) fail('ZZ3013', `${showShape(shape)}: dimensions are whole numbers from 1, not ${dim}`);
    if (typeof dim === 'string') batched++;
    elements *= factor;
  }
  if (batched > 1) fail('ZZ3013', `${showShape(shape)} has ${batched} batch axes`);
  if (elements > MAX_ELEMENTS) fail('ZZ3013', `${showShape(shape)} has more than 2^31 elements${batched > 0 ? ' for each image' : ''}`);
}

/** Throws Error where an operation is given the wrong number of operands. */
export function checkArity(kind: OpKind, count: number): void {
  const names: readonly string[] = OPS[kind].operands;
  const variadic = names.at(-1)?.startsWith('...') ?? false;
  const least = variadic ? names.length - 1 : names.length;
  if (count < least || (!variadic && count > least)) throw new Error(`${kind} takes ${least} operand${least === 1 ? '' : 's'}, not ${count}`);
}

/**
 * The type of an operation's result. A symbolic batch is kept, through reshapes as well ([B,32,32] has 1024B elements).
 * Float operands share one dtype, which the result has too; products, losses and counts are f32.
 * Throws ShapeError where the operands do not fit, Error for a wrong number of operands and for a `call`, whose type is its region's.
 */
export function inferType<K extends OpKind>(kind: K, attrs: Attrs<K>, operands: readonly TensorType[]): TensorType {
  checkArity(kind, operands.length);
  const type = (SHAPES[kind] as ShapeRule<K>)(attrs, ...operands);
  checkDims(type.shape);
  return type;
}
