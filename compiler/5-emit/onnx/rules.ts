// Every operation of the graph as ONNX operators of opset 17. https://onnx.ai/onnx/operators/

import type { Node } from '../../2-graph/graph.ts';
import type { Attrs, ComputeKind } from '../../2-graph/ops.ts';
import { samePadding, windowSpan } from '../../2-graph/window.ts';
import { isPointwise, laidOut, placeOf, sameOrder } from '../image-layout.ts';
import type { ImageLayout } from '../image-layout.ts';
import { elementCode } from './model.ts';
import type { ElementType } from './model.ts';
import { withOpenBatch } from './scope.ts';
import type { Scope } from './scope.ts';

/** Writes a node's operators and gives the name of its value. */
export type OnnxRule<K extends ComputeKind = ComputeKind> = (scope: Scope, node: Node<K>) => string;

/** Why ONNX has no operator. */
export interface Lacking {
  readonly lacks: string;
}

const BACKWARD: Lacking = { lacks: 'it is a part of training, and the file is for prediction' };

type Elementwise = (scope: Scope, ...operands: string[]) => string;

/** The operands as they broadcast with each other in the layout of the result. */
const operandsOf = (scope: Scope, node: Pick<Node, 'id' | 'inputs' | 'type'>): string[] => node.inputs.map((id) => scope.aligned(id, node.type.shape.length, scope.layout(node.id)));

const formula =
  <K extends ComputeKind>(write: (scope: Scope, attrs: Attrs<K>, ...operands: string[]) => string): OnnxRule<K> =>
  (scope, node) => write(scope, node.attrs as Attrs<K>, ...operandsOf(scope, node));

/** One operator of the same meaning. */
const plain = (op: string): OnnxRule => formula((scope, _, ...operands) => scope.op(op, operands));

const cast = (scope: Scope, x: string, type: ElementType): string => scope.op('Cast', [x], { to: { int: elementCode(type) } });

const mul: Elementwise = (scope, a = '', b = '') => scope.op('Mul', [a, b]);
const add: Elementwise = (scope, a = '', b = '') => scope.op('Add', [a, b]);

const compare = (op: string): OnnxRule => formula((scope, _, a = '', b = '') => cast(scope, scope.op(op, [a, b]), 'float'));

/** The value itself. */
const same: OnnxRule = (scope, node) => scope.value(node.inputs[0] ?? '');

/** Axes of the graph where they lie in the operand. */
const placed = (scope: Scope, node: Pick<Node, 'inputs'>, axes: readonly number[]): number[] => {
  const [x = ''] = node.inputs;
  return axes.map((axis) => placeOf(axis, scope.shape(x).length, scope.layout(x)));
};

type Reduction = 'reduce_sum' | 'reduce_mean' | 'reduce_max';

/** ReduceSum takes its axes as an operand, the others, in this opset, as an attribute. */
const reduction =
  <K extends Reduction>(op: string, axesAsOperand = false): OnnxRule<K> =>
  (scope, node) => {
    const { axes, keep } = node.attrs;
    const [x = ''] = node.inputs;
    if (axes.length === 0) return scope.value(x);
    const at = placed(scope, node, axes).sort((a, b) => a - b);
    const keepdims = { keepdims: { int: keep ? 1 : 0 } };
    const y = axesAsOperand ? scope.op(op, [scope.value(x), scope.ints(at)], keepdims) : scope.op(op, [scope.value(x)], { axes: { ints: at }, ...keepdims });
    if (keep) return y;
    // What is left of channels first is brought back into the graph's order.
    const rank = scope.shape(x).length;
    const rest = scope.shape(x).flatMap((_, axis) => (axes.includes(axis) ? [] : [placeOf(axis, rank, scope.layout(x))]));
    const perm = rest.map((place) => rest.toSorted((a, b) => a - b).indexOf(place));
    return perm.every((from, to) => from === to) ? y : scope.op('Transpose', [y], { perm: { ints: perm } });
  };

const overLastAxis = (op: string): OnnxRule => (scope, node) => {
  const [x = ''] = node.inputs;
  return scope.op(op, [scope.value(x)], { axis: { int: placeOf(node.type.shape.length - 1, node.type.shape.length, scope.layout(x)) } });
};

const pool = (op: string): OnnxRule<'avgpool' | 'maxpool'> => (scope, node) => {
  const { k } = node.attrs;
  return scope.op(op, [scope.value(node.inputs[0] ?? '', 'nchw')], { kernel_shape: { ints: [k, k] }, strides: { ints: [k, k] } });
};

/** Padding of height and width before and after, of a convolution over an image of this size. */
function windowOf([height, width]: readonly number[], k: number, { stride, pad, dilation }: Attrs<'conv2d'>) {
  const [rows, columns] = [height, width].map((size) => samePadding(size ?? 1, k, stride, dilation, pad));
  return { before: [rows?.before ?? 0, columns?.before ?? 0], after: [rows?.after ?? 0, columns?.after ?? 0], out: [rows?.out ?? 0, columns?.out ?? 0] };
}

const windowAttributes = (k: number, { stride, dilation, groups }: Attrs<'conv2d'>, pads: readonly number[]) => ({
  kernel_shape: { ints: [k, k] },
  strides: { ints: [stride, stride] },
  dilations: { ints: [dilation, dilation] },
  group: { int: groups },
  pads: { ints: pads },
});

/** A convolution, with a bias for each channel or without. */
export function convolution(scope: Scope, node: Node<'conv2d'>, bias?: string): string {
  const [x = '', filter = ''] = node.inputs;
  const k = Number(scope.shape(filter)[0]);
  const { before, after } = windowOf(scope.shape(x).slice(1, 3).map(Number), k, node.attrs);
  const operands = [scope.value(x, 'nchw'), scope.filter(filter), ...(bias === undefined ? [] : [bias])];
  return scope.op('Conv', operands, windowAttributes(k, node.attrs, [...before, ...after]));
}

/** A product; Gemm where there is a bias or a transposed operand. */
export function product(scope: Scope, node: Node<'matmul'>, bias?: string): string {
  const [a = '', b = ''] = node.inputs;
  const { transpose_a, transpose_b } = node.attrs;
  const [rankA, rankB] = [scope.shape(a).length, scope.shape(b).length];
  if (scope.layout(node.id) === 'nchw' && rankA === 4) return pointwise(scope, node, bias);
  if (rankA === 2 && rankB === 2 && (bias !== undefined || transpose_a || transpose_b)) {
    const operands = [scope.value(a), scope.value(b), ...(bias === undefined ? [] : [bias])];
    return scope.op('Gemm', operands, { transA: { int: Number(transpose_a) }, transB: { int: Number(transpose_b) } });
  }
  const matrix = (id: string, rank: number, flip: boolean): string => {
    const perm = Array.from({ length: rank }, (_, i) => (flip && i >= rank - 2 ? 2 * rank - 3 - i : i));
    return flip ? scope.op('Transpose', [scope.value(id, 'nhwc')], { perm: { ints: perm } }) : scope.value(id, 'nhwc');
  };
  const y = scope.op('MatMul', [matrix(a, rankA, transpose_a), matrix(b, rankB, transpose_b)]);
  return bias === undefined ? y : add(scope, y, bias);
}

/** A dense layer over the channels of an image that lies channels first: a convolution with a window of one pixel. */
function pointwise(scope: Scope, node: Node<'matmul'>, bias?: string): string {
  const [a = '', b = ''] = node.inputs;
  const matrix = scope.value(b);
  const outIn = node.attrs.transpose_b ? matrix : scope.op('Transpose', [matrix], { perm: { ints: [1, 0] } });
  const filter = scope.op('Unsqueeze', [outIn, scope.ints([2, 3])]);
  return scope.op('Conv', [scope.value(a, 'nchw'), filter, ...(bias === undefined ? [] : [bias])], { kernel_shape: { ints: [1, 1] } });
}

function transposedConvolution(scope: Scope, node: Node<'conv2d_input_grad'>): string {
  const [dy = '', filter = ''] = node.inputs;
  const k = Number(scope.shape(filter)[0]);
  const { attrs } = node;
  const { before, after, out } = windowOf(attrs.size, k, attrs);
  // What the window does not reach at the lower and right edge.
  const beyond = attrs.size.map((size, i) => size - ((out[i] ?? 0) - 1) * attrs.stride - windowSpan(k, attrs.dilation) + (before[i] ?? 0) + (after[i] ?? 0));
  return scope.op('ConvTranspose', [scope.value(dy, 'nchw'), scope.filter(filter)], { ...windowAttributes(k, attrs, [...before, ...after]), output_padding: { ints: beyond } });
}

/** Mean over rows of -log p[label]; smoothing spreads a share of the probability over all classes. */
function crossEntropy(scope: Scope, { attrs, inputs }: Node<'softmax_cross_entropy'>): string {
  const [logits, labels] = [scope.value(inputs[0] ?? ''), scope.value(inputs[1] ?? '')];
  const loss = scope.op('SoftmaxCrossEntropyLoss', [logits, cast(scope, labels, 'int64')], { reduction: { string: 'mean' } });
  const { label_smoothing: smoothing } = attrs;
  if (smoothing === 0) return loss;
  const even = scope.op('ReduceMean', [scope.op('LogSoftmax', [logits], { axis: { int: 1 } })], { axes: { ints: [0, 1] }, keepdims: { int: 0 } });
  return scope.op('Sub', [mul(scope, loss, scope.number(1 - smoothing)), mul(scope, even, scope.number(smoothing))]);
}

export const RULES: { readonly [K in ComputeKind]: OnnxRule<K> | Lacking } = {
  identity: same,
  cast: { lacks: 'the file holds the net in f32' },
  stop_gradient: same,
  neg: plain('Neg'),
  abs: plain('Abs'),
  sign: plain('Sign'),
  floor: plain('Floor'),
  exp: plain('Exp'),
  // tanh(x / 2) (e^x + 1): e^x - 1 without the digits that the difference loses near 0.
  expm1: formula((s, _, x = '') => mul(s, s.op('Tanh', [mul(s, x, s.number(0.5))]), add(s, s.op('Exp', [x]), s.number(1)))),
  log: plain('Log'),
  sqrt: plain('Sqrt'),
  square: formula((s, _, x = '') => mul(s, x, x)),
  cos: plain('Cos'),
  tanh: plain('Tanh'),
  sigmoid: plain('Sigmoid'),
  softplus: plain('Softplus'),
  relu: plain('Relu'),
  leaky_relu: formula<'leaky_relu'>((s, { slope }, x = '') => s.op('LeakyRelu', [x], { alpha: { float: slope } })),
  elu: formula<'elu'>((s, { alpha }, x = '') => s.op('Elu', [x], { alpha: { float: alpha } })),
  gelu: formula((s, _, x = '') => {
    const inner = add(s, x, mul(s, s.number(0.044715), mul(s, x, mul(s, x, x))));
    const tanh = s.op('Tanh', [mul(s, s.number(Math.sqrt(2 / Math.PI)), inner)]);
    return mul(s, mul(s, s.number(0.5), x), add(s, tanh, s.number(1)));
  }),
  silu: formula((s, _, x = '') => mul(s, x, s.op('Sigmoid', [x]))),

  relu_grad: BACKWARD,
  leaky_relu_grad: BACKWARD,
  elu_grad: BACKWARD,
  gelu_grad: BACKWARD,
  silu_grad: BACKWARD,
  tanh_grad: BACKWARD,
  sigmoid_grad: BACKWARD,

  add: plain('Add'),
  sub: plain('Sub'),
  mul: plain('Mul'),
  div: plain('Div'),
  minimum: plain('Min'),
  maximum: plain('Max'),
  greater: compare('Greater'),
  equal: compare('Equal'),
  select: formula((s, _, condition = '', a = '', b = '') => s.op('Where', [cast(s, condition, 'bool'), a, b])),

  reduce_sum: reduction('ReduceSum', true),
  reduce_mean: reduction('ReduceMean'),
  reduce_max: reduction('ReduceMax'),
  all_finite: BACKWARD,
  softmax: overLastAxis('Softmax'),
  log_softmax: overLastAxis('LogSoftmax'),

  reshape: (scope, node) => {
    const [x = ''] = node.inputs;
    // Where both layouts hold the elements in one order, they need not be moved first.
    const from = sameOrder(scope.shape(x)) ? scope.value(x) : scope.value(x, 'nhwc');
    return scope.op('Reshape', [from, scope.ints(withOpenBatch(node.attrs.shape))]);
  },
  broadcast: (scope, node) => {
    const rank = node.type.shape.length;
    const layout = scope.layout(node.id);
    const from = [...Array.from({ length: rank - scope.shape(node.inputs[0] ?? '').length }, () => 1), ...scope.shape(node.inputs[0] ?? '')];
    // An axis that stays as it is has a 1: Expand takes the larger of the two.
    const to = node.attrs.shape.map((dim, axis) => (dim === from[axis] ? 1 : dim));
    return scope.op('Expand', [scope.aligned(node.inputs[0] ?? '', rank, layout), scope.shapeVector(laidOut(to, layout))]);
  },
  transpose: (scope, node) => {
    const perm = placed(scope, node, node.attrs.perm);
    return perm.length === 0 ? same(scope, node) : scope.op('Transpose', [scope.value(node.inputs[0] ?? '')], { perm: { ints: perm } });
  },
  slice: (scope, node) => {
    const { axis, start, size } = node.attrs;
    return scope.op('Slice', [scope.value(node.inputs[0] ?? ''), ...[[start], [start + size], placed(scope, node, [axis])].map(scope.ints)]);
  },
  pad: (scope, node) => {
    const { axis, before, after } = node.attrs;
    const [at] = placed(scope, node, [axis]);
    const along = (amount: number): number[] => node.type.shape.map((_, i) => (i === at ? amount : 0));
    return scope.op('Pad', [scope.value(node.inputs[0] ?? ''), scope.ints([...along(before), ...along(after)])]);
  },
  concat: (scope, node) => {
    const layout = scope.layout(node.id);
    return scope.op('Concat', node.inputs.map((id) => scope.value(id, layout)), { axis: { int: placeOf(node.attrs.axis, node.type.shape.length, layout) } });
  },
  upsample: (scope, node) => {
    const { k } = node.attrs;
    const x = scope.value(node.inputs[0] ?? '', 'nchw');
    return scope.op('Resize', [x, '', scope.floats([1, 1, k, k])], { mode: { string: 'nearest' }, coordinate_transformation_mode: { string: 'asymmetric' }, nearest_mode: { string: 'floor' } });
  },

  matmul: (scope, node) => product(scope, node),
  conv2d: (scope, node) => convolution(scope, node),
  conv2d_input_grad: transposedConvolution,
  conv2d_filter_grad: BACKWARD,

  avgpool: pool('AveragePool'),
  maxpool: pool('MaxPool'),
  maxpool_grad: BACKWARD,

  softmax_cross_entropy: crossEntropy,
  softmax_cross_entropy_grad: BACKWARD,
  count_correct: (scope, { inputs }) => {
    const [logits, labels] = [scope.value(inputs[0] ?? ''), scope.value(inputs[1] ?? '')];
    const best = scope.op('ArgMax', [logits], { axis: { int: 1 }, keepdims: { int: 0 } });
    const right = cast(scope, scope.op('Equal', [best, cast(scope, labels, 'int64')]), 'float');
    return scope.op('ReduceSum', [right], { keepdims: { int: 0 } });
  },
};

/** Whether a bias can be a part of the operation that it follows. */
export const takesBias = (node: Node, layoutOf: (id: string) => ImageLayout | undefined, typeOf: (id: string) => Node['type'] | undefined): node is Node<'conv2d' | 'matmul'> =>
  node.kind === 'conv2d' || (node.kind === 'matmul' && (node.type.shape.length === 2 || (layoutOf(node.id) === 'nchw' && isPointwise(node, typeOf))));
