// For every operation: attributes, operand types and the type that must come out.

import { OP_KINDS } from '../../compiler/2-graph/ops.ts';
import type { Attrs, OpKind } from '../../compiler/2-graph/ops.ts';
import type { Dim, DType, TensorType } from '../../compiler/2-graph/types.ts';

/** Reads `f32[B,32,32,3]`. */
export function type(text: string): TensorType {
  const [, dtype, dims] = /^(f32|f16|i32)\[(.*)\]$/.exec(text) ?? [];
  if (dims === undefined) throw new Error(`not a type: ${text}`);
  return { dtype: dtype as DType, shape: dims === '' ? [] : dims.split(',').map((dim) => (dim.endsWith('B') ? (dim as Dim) : Number(dim))) };
}

export type Case<K extends OpKind> = readonly [attrs: Attrs<K>, operands: readonly string[], result: string];

const unary: readonly Case<'neg'>[] = [
  [{}, ['f32[B,4,4,3]'], 'f32[B,4,4,3]'],
  [{}, ['f16[]'], 'f16[]'],
];
const binary: readonly Case<'add'>[] = [
  [{}, ['f32[B,4,4,3]', 'f32[B,4,4,3]'], 'f32[B,4,4,3]'],
  [{}, ['f32[B,1,4,3]', 'f32[5,1,3]'], 'f32[B,5,4,3]'],
  [{}, ['f32[1,3]', 'f32[2B,1]'], 'f32[2B,3]'],
  [{}, ['f32[]', 'f32[B]'], 'f32[B]'],
  [{}, ['f16[3]', 'f16[2,1]'], 'f16[2,3]'],
  [{}, ['f32[B,1]', 'f32[B,7]'], 'f32[B,7]'],
];
const sloped = unary.map(([, ...rest]) => [{ slope: -0 }, ...rest] as const);
const alphas = unary.map(([, ...rest]) => [{ alpha: 1e300 }, ...rest] as const);
const reductions: readonly Case<'reduce_sum'>[] = [
  [{ axes: [1, 2], keep: false }, ['f32[B,4,5,3]'], 'f32[B,3]'],
  [{ axes: [2, 1], keep: true }, ['f32[B,4,5,3]'], 'f32[B,1,1,3]'],
  [{ axes: [0], keep: true }, ['f32[B,4]'], 'f32[1,4]'],
  [{ axes: [0, 1], keep: false }, ['f16[B,4]'], 'f16[]'],
  [{ axes: [], keep: false }, ['f32[3]'], 'f32[3]'],
];
const overLast: readonly Case<'softmax'>[] = [
  [{}, ['f32[B,10]'], 'f32[B,10]'],
  [{}, ['f32[7]'], 'f32[7]'],
];
const pools: readonly Case<'avgpool'>[] = [
  [{ k: 2 }, ['f32[B,4,6,3]'], 'f32[B,2,3,3]'],
  [{ k: 2 }, ['f32[2B,5,7,1]'], 'f32[2B,2,3,1]'],
  [{ k: 3 }, ['f16[1,3,3,2]'], 'f16[1,1,1,2]'],
  [{ k: 1 }, ['f32[B,3,3,2]'], 'f32[B,3,3,2]'],
];
const plain = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
const heads: readonly Case<'count_correct'>[] = [
  [{}, ['f32[B,10]', 'i32[B]'], 'f32[]'],
  [{}, ['f32[50,10]', 'i32[50]'], 'f32[]'],
];

export const CASES: { readonly [K in OpKind]: readonly Case<K>[] } = {
  input: [[{ name: 'image', shape: ['B', 32, 32, 3] }, [], 'f32[B,32,32,3]']],
  labels: [
    [{ shape: ['2B'] }, [], 'i32[2B]'],
    [{ shape: [4] }, [], 'i32[4]'],
  ],
  weight: [
    [{ name: 'w', shape: [3, 3, 3, 8], init: 'truncated_normal', std: 0.05, decay: true }, [], 'f32[3,3,3,8]'],
    [{ name: 'b "quoted" \\ ü \u2028 \ud800', shape: [], init: 'zeros', std: 0, decay: false }, [], 'f32[]'],
  ],
  state: [[{ name: 'm.w', shape: [8], value: -0 }, [], 'f32[8]']],
  scalar: [[{ name: 'steps_per_epoch' }, [], 'f32[]']],
  constant: [
    [{ shape: ['B', 2], value: 0.1 }, [], 'f32[B,2]'],
    [{ shape: [], value: -Infinity }, [], 'f32[]'],
    [{ shape: [1], value: 1e-8 }, [], 'f32[1]'],
    [{ shape: [1], value: 5e-324 }, [], 'f32[1]'],
  ],
  random: [[{ shape: ['3B'], salt: 4294967295 }, [], 'f32[3B]']],

  call: [[{ region: 'some cell' }, ['f32[B,3]'], 'f32[B,3]']],
  route: [[{ form: 'zigzag' }, ['f32[B,3]'], 'f32[B,3]']],
  adjoint: [[{}, ['f32[B,3]'], 'f32[B,3]']],

  identity: [...unary, [{}, ['i32[B]'], 'i32[B]']],
  cast: [[{ to: 'f16' }, ['f32[B,4]'], 'f16[B,4]'], [{ to: 'f32' }, ['f16[3]'], 'f32[3]'], [{ to: 'f32' }, ['f32[]'], 'f32[]']],
  stop_gradient: unary,
  neg: unary,
  abs: unary,
  sign: unary,
  floor: unary,
  exp: unary,
  expm1: unary,
  log: unary,
  sqrt: unary,
  square: unary,
  cos: unary,
  tanh: unary,
  sigmoid: unary,
  softplus: unary,
  relu: unary,
  leaky_relu: sloped,
  elu: alphas,
  gelu: unary,
  silu: unary,

  relu_grad: binary,
  leaky_relu_grad: binary.map(([, ...rest]) => [{ slope: 0.1 }, ...rest] as const),
  elu_grad: binary.map(([, ...rest]) => [{ alpha: 1 }, ...rest] as const),
  gelu_grad: binary,
  silu_grad: binary,
  tanh_grad: binary,
  sigmoid_grad: binary,

  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  minimum: binary,
  maximum: binary,
  greater: binary,
  equal: binary,
  select: [
    [{}, ['f32[B,1]', 'f32[3]', 'f32[]'], 'f32[B,3]'],
    [{}, ['f32[2,1,1]', 'f32[3,1]', 'f32[4]'], 'f32[2,3,4]'],
  ],

  reduce_sum: reductions,
  reduce_mean: reductions,
  reduce_max: reductions,
  all_finite: [[{}, ['f32[B,4]'], 'f32[]'], [{}, ['f16[3]'], 'f32[]']],
  softmax: overLast,
  log_softmax: overLast,

  reshape: [
    [{ shape: ['1024B'] }, ['f32[B,32,32]'], 'f32[1024B]'],
    [{ shape: ['B', 32, 32] }, ['f32[1024B]'], 'f32[B,32,32]'],
    [{ shape: [2, 'B', 3] }, ['f32[2B,3]'], 'f32[2,B,3]'],
    [{ shape: ['6B'] }, ['f32[2,B,3]'], 'f32[6B]'],
    [{ shape: [] }, ['f32[1,1]'], 'f32[]'],
    [{ shape: [3, 2] }, ['i32[6]'], 'i32[3,2]'],
  ],
  broadcast: [
    [{ shape: ['B', 4, 3] }, ['f32[3]'], 'f32[B,4,3]'],
    [{ shape: ['B', 3] }, ['f32[B,1]'], 'f32[B,3]'],
    [{ shape: ['2B'] }, ['f32[]'], 'f32[2B]'],
    [{ shape: [3] }, ['f32[3]'], 'f32[3]'],
  ],
  transpose: [
    [{ perm: [1, 0] }, ['f32[B,3]'], 'f32[3,B]'],
    [{ perm: [0, 3, 1, 2] }, ['f32[B,4,5,6]'], 'f32[B,6,4,5]'],
    [{ perm: [] }, ['f32[]'], 'f32[]'],
  ],
  slice: [
    [{ axis: 1, start: 0, size: 3 }, ['f32[B,3]'], 'f32[B,3]'],
    [{ axis: 1, start: 2, size: 1 }, ['f32[B,3]'], 'f32[B,1]'],
    [{ axis: 0, start: 1, size: 2 }, ['i32[4]'], 'i32[2]'],
  ],
  pad: [
    [{ axis: 1, before: 0, after: 2 }, ['f32[B,3]'], 'f32[B,5]'],
    [{ axis: 3, before: 1, after: 0 }, ['f32[B,3,3,4]'], 'f32[B,3,3,5]'],
  ],
  concat: [
    [{ axis: 3 }, ['f32[B,4,4,3]', 'f32[B,4,4,5]'], 'f32[B,4,4,8]'],
    [{ axis: 0 }, ['f32[B,4]', 'f32[B,4]', 'f32[2B,4]'], 'f32[4B,4]'],
    [{ axis: 0 }, ['f32[2]', 'f32[3]'], 'f32[5]'],
    [{ axis: 0 }, ['i32[B]', 'i32[B]'], 'i32[2B]'],
    [{ axis: 1 }, ['f32[B,4]'], 'f32[B,4]'],
  ],
  upsample: [
    [{ k: 2 }, ['f32[B,3,4,5]'], 'f32[B,6,8,5]'],
    [{ k: 1 }, ['f32[B,3,4,5]'], 'f32[B,3,4,5]'],
  ],

  matmul: [
    [{ transpose_a: false, transpose_b: false }, ['f32[B,3]', 'f32[3,4]'], 'f32[B,4]'],
    [{ transpose_a: true, transpose_b: false }, ['f32[B,3]', 'f32[B,4]'], 'f32[3,4]'],
    [{ transpose_a: false, transpose_b: true }, ['f32[B,3]', 'f32[4,3]'], 'f32[B,4]'],
    [{ transpose_a: true, transpose_b: true }, ['f32[3,2]', 'f32[4,3]'], 'f32[2,4]'],
    [{ transpose_a: false, transpose_b: false }, ['f32[B,5,3]', 'f32[3,4]'], 'f32[B,5,4]'],
    [{ transpose_a: false, transpose_b: true }, ['f32[B,5,3]', 'f32[B,6,3]'], 'f32[B,5,6]'],
  ],
  conv2d: [
    [plain, ['f32[B,32,32,3]', 'f32[3,3,3,96]'], 'f32[B,32,32,96]'],
    [{ ...plain, pad: 'valid' }, ['f32[B,32,30,3]', 'f32[3,3,3,8]'], 'f32[B,30,28,8]'],
    [{ ...plain, stride: 2 }, ['f32[B,7,8,3]', 'f32[3,3,3,8]'], 'f32[B,4,4,8]'],
    [{ ...plain, stride: 3, pad: 'valid' }, ['f32[B,8,7,3]', 'f32[2,2,3,8]'], 'f32[B,3,2,8]'],
    [{ ...plain, dilation: 2, pad: 'valid' }, ['f32[B,7,5,3]', 'f32[3,3,3,8]'], 'f32[B,3,1,8]'],
    [{ ...plain, groups: 2 }, ['f32[2B,4,4,6]', 'f32[1,1,3,8]'], 'f32[2B,4,4,8]'],
    [{ ...plain, groups: 4 }, ['f16[B,4,4,4]', 'f16[5,5,1,8]'], 'f32[B,4,4,8]'],
    [plain, ['f32[B,1,1,3]', 'f32[5,5,3,2]'], 'f32[B,1,1,2]'],
  ],
  conv2d_input_grad: [
    [{ ...plain, size: [32, 32] }, ['f32[B,32,32,96]', 'f32[3,3,3,96]'], 'f32[B,32,32,3]'],
    [{ ...plain, stride: 2, size: [7, 8] }, ['f32[B,4,4,8]', 'f32[3,3,3,8]'], 'f32[B,7,8,3]'],
    [{ ...plain, stride: 2, size: [8, 8] }, ['f32[B,4,4,8]', 'f32[3,3,3,8]'], 'f32[B,8,8,3]'],
    [{ ...plain, groups: 2, size: [4, 4] }, ['f32[B,4,4,8]', 'f32[1,1,3,8]'], 'f32[B,4,4,6]'],
    [{ ...plain, stride: 3, pad: 'valid', size: [8, 7] }, ['f32[B,3,2,8]', 'f32[2,2,3,8]'], 'f32[B,8,7,3]'],
  ],
  conv2d_filter_grad: [
    [{ ...plain, k: 3 }, ['f32[B,32,32,3]', 'f32[B,32,32,96]'], 'f32[3,3,3,96]'],
    [{ ...plain, groups: 2, k: 1 }, ['f32[B,4,4,6]', 'f32[B,4,4,8]'], 'f32[1,1,3,8]'],
    [{ ...plain, dilation: 2, pad: 'valid', k: 3 }, ['f32[B,7,5,3]', 'f32[B,3,1,8]'], 'f32[3,3,3,8]'],
  ],

  avgpool: pools,
  maxpool: pools,
  maxpool_grad: [[{ k: 2 }, ['f32[B,5,7,3]', 'f32[B,2,3,3]'], 'f32[B,5,7,3]']],

  softmax_cross_entropy: [...heads.map(([, ...rest]) => [{ label_smoothing: 0.1 }, ...rest] as const), [{ label_smoothing: 0 }, ['f16[B,3]', 'i32[B]'], 'f32[]']],
  softmax_cross_entropy_grad: [
    [{ label_smoothing: 0 }, ['f32[B,10]', 'i32[B]', 'f32[]'], 'f32[B,10]'],
    [{ label_smoothing: 0 }, ['f16[2B,10]', 'i32[2B]', 'f32[]'], 'f16[2B,10]'],
  ],
  count_correct: heads,
};

/** Every case, its kind with it. */
export const ALL_CASES = OP_KINDS.flatMap((kind) => (CASES[kind] as readonly Case<OpKind>[]).map((entry) => [kind, ...entry] as const));
