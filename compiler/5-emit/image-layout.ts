// Channels first or last: where frameworks that keep channels first (ONNX, PyTorch) hold the values of four axes, so that nothing is transposed on the way.

import type { Node, ValueId } from '../2-graph/graph.ts';
import type { OpKind } from '../2-graph/ops.ts';

/** The graph's own layout of images, and the one with the channels before height and width. */
export type ImageLayout = 'nhwc' | 'nchw';

/** Of the axes of one layout, in order, the places in the other. */
export const TO_NCHW: readonly number[] = [0, 3, 1, 2];
export const TO_NHWC: readonly number[] = [0, 2, 3, 1];

/** Where the graph's axis lies in a value of `rank` axes. */
export const placeOf = (axis: number, rank: number, layout: ImageLayout): number => (rank === 4 && layout === 'nchw' ? (TO_NHWC[axis] ?? axis) : axis);

/** A shape of the graph as the value lies. */
export const laidOut = <T>(shape: readonly T[], layout: ImageLayout): T[] =>
  shape.length === 4 && layout === 'nchw' ? TO_NCHW.map((axis) => shape[axis] as T) : [...shape];

/** Whether both layouts hold the same elements in the same order. */
export const sameOrder = (shape: readonly (number | string)[]): boolean => shape.length !== 4 || shape[3] === 1 || (shape[1] === 1 && shape[2] === 1);

/**
 * What decides the layout of a result of four axes: `nchw`, the operation works on channels first; `operands`, it works on any, and is channels first where an
 * operand is; `nhwc`, it means the graph's own order of axes; `any`, all its elements are alike; `input`, the caller decides.
 */
const DECIDES: { readonly [K in OpKind]: ImageLayout | 'operands' | 'any' | 'input' } = {
  input: 'input',
  labels: 'any',
  weight: 'nhwc',
  state: 'nhwc',
  scalar: 'any',
  constant: 'any',
  random: 'any',

  call: 'nchw',
  route: 'operands',
  adjoint: 'operands',

  identity: 'operands',
  cast: 'operands',
  stop_gradient: 'operands',
  neg: 'operands',
  abs: 'operands',
  sign: 'operands',
  floor: 'operands',
  exp: 'operands',
  expm1: 'operands',
  log: 'operands',
  sqrt: 'operands',
  square: 'operands',
  cos: 'operands',
  tanh: 'operands',
  sigmoid: 'operands',
  softplus: 'operands',
  relu: 'operands',
  leaky_relu: 'operands',
  elu: 'operands',
  gelu: 'operands',
  silu: 'operands',
  relu_grad: 'operands',
  leaky_relu_grad: 'operands',
  elu_grad: 'operands',
  gelu_grad: 'operands',
  silu_grad: 'operands',
  tanh_grad: 'operands',
  sigmoid_grad: 'operands',
  add: 'operands',
  sub: 'operands',
  mul: 'operands',
  div: 'operands',
  minimum: 'operands',
  maximum: 'operands',
  greater: 'operands',
  equal: 'operands',
  select: 'operands',

  reduce_sum: 'operands',
  reduce_mean: 'operands',
  reduce_max: 'operands',
  all_finite: 'any',
  softmax: 'operands',
  log_softmax: 'operands',

  reshape: 'nhwc',
  broadcast: 'operands',
  transpose: 'nhwc',
  slice: 'operands',
  pad: 'operands',
  concat: 'operands',
  upsample: 'nchw',

  matmul: 'operands',
  conv2d: 'nchw',
  conv2d_input_grad: 'nchw',
  conv2d_filter_grad: 'nhwc',
  avgpool: 'nchw',
  maxpool: 'nchw',
  maxpool_grad: 'nchw',

  softmax_cross_entropy: 'any',
  softmax_cross_entropy_grad: 'any',
  count_correct: 'any',
};

/** Whether a product is a dense layer over the channels of an image, which is a convolution with a window of one pixel. */
export const isPointwise = (node: Node, typeOf: (id: ValueId) => Node['type'] | undefined): boolean =>
  node.kind === 'matmul' && !node.attrs.transpose_a && typeOf(node.inputs[1] ?? '')?.shape.length === 2;

/** The layout of every value that has four axes; those whose elements are all alike have none. `input` is that of the inputs, and of what is computed from constants alone. */
export function imageLayouts(nodes: readonly Node[], input: ImageLayout): Map<ValueId, ImageLayout> {
  const layouts = new Map<ValueId, ImageLayout>();
  const types = new Map(nodes.map((node) => [node.id, node.type]));
  for (const node of nodes) {
    if (node.type.shape.length !== 4) continue;
    const decides = node.kind === 'matmul' && !isPointwise(node, (id) => types.get(id)) ? 'nhwc' : DECIDES[node.kind];
    if (decides === 'any') continue;
    if (decides === 'input') layouts.set(node.id, input);
    else if (decides !== 'operands') layouts.set(node.id, decides);
    else {
      const known = node.inputs.flatMap((id) => layouts.get(id) ?? []);
      layouts.set(node.id, known.includes('nchw') || (known.length === 0 && input === 'nchw') ? 'nchw' : 'nhwc');
    }
  }
  return layouts;
}
