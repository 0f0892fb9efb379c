// The operations of the graph IR: one table gives operands, typed attributes and a summary.
// Shapes, adjoints, evaluation and lowering are total tables over the same kinds.

import type { Dim } from './types.ts';

/** An attribute's type, as data (for the text form and the JSON schema) and as a TypeScript type. */
export interface AttrSpec<T> {
  readonly form: 'int' | 'float' | 'bool' | 'string' | 'ints' | 'dims' | 'enum';
  readonly values?: readonly string[];
  readonly optional?: boolean;
  readonly type?: T; // never set: carries T for inference
}

const int: AttrSpec<number> = { form: 'int' };
const float: AttrSpec<number> = { form: 'float' };
const bool: AttrSpec<boolean> = { form: 'bool' };
const string: AttrSpec<string> = { form: 'string' };
const ints: AttrSpec<readonly number[]> = { form: 'ints' };
const dims: AttrSpec<readonly Dim[]> = { form: 'dims' };
const oneOf = <const V extends string>(...values: readonly V[]): AttrSpec<V> => ({ form: 'enum', values });

type Group = 'leaf' | 'structure' | 'elementwise' | 'reduction' | 'movement' | 'contraction' | 'pooling' | 'classifier';

export interface OpSpec<A extends Record<string, AttrSpec<unknown>> = Record<string, AttrSpec<unknown>>, G extends Group = Group> {
  /** Operand names in order; a last name that starts with `...` takes any number. */
  readonly operands: readonly string[];
  readonly attrs: A;
  readonly group: G;
  readonly summary: string;
}

const op =
  <G extends Group>(group: G) =>
  <A extends Record<string, AttrSpec<unknown>>>(operands: readonly string[], attrs: A, summary: string): OpSpec<A, G> => ({ operands, attrs, group, summary });

const leaf = op('leaf');
const structure = op('structure');
const elementwise = op('elementwise');
const reduction = op('reduction');
const movement = op('movement');
const contraction = op('contraction');
const pooling = op('pooling');
const classifier = op('classifier');

const pad = oneOf('same', 'valid');
const window = { stride: int, pad, dilation: int, groups: int };

export const INITS = ['he', 'glorot', 'normal', 'truncated_normal', 'orthogonal', 'zeros', 'ones'] as const;
export type Init = (typeof INITS)[number];

export const OPS = {
  // Leaves: what the runtime fills in before a step, or a value known now.
  input: leaf([], { name: string, shape: dims }, 'images of the data set, or a view of them'),
  labels: leaf([], { shape: dims }, 'class labels, i32, one an image entered'),
  weight: leaf([], { name: string, shape: ints, init: oneOf(...INITS), std: float, decay: bool }, 'a trained tensor; std is used by the normal inits, decay says whether weight decay applies'),
  state: leaf([], { name: string, shape: ints, value: float }, 'a tensor kept between steps (moments, running statistics), filled with value at first'),
  scalar: leaf([], { name: oneOf('step', 'steps_per_epoch', 'total_steps') }, 'a number of the run, f32[]: step counts from 0'),
  constant: leaf([], { shape: dims, value: float }, 'a tensor filled with one value'),
  random: leaf([], { shape: dims, salt: int }, 'uniform numbers in [0,1), new each step, drawn from the seed, the step, the salt and the element index'),

  // Structure: gone after `unroll` (call, route) and `autodiff` (adjoint).
  call: structure(['...args'], { region: string }, 'the result of a region (a cell with one stream\'s weights) on these arguments'),
  route: structure(['x'], { form: oneOf('init', 'straight', 'zigzag', 'arm', 'swap', 'concat', 'add', 'mean') }, 'what a stream takes its state from'),
  adjoint: structure(['x'], {}, 'the adjoint of x, in a declared backward route'),

  // Element-wise, one operand.
  identity: elementwise(['x'], {}, 'x'),
  cast: elementwise(['x'], { to: oneOf('f32', 'f16') }, 'x in another dtype; f16 is rounded to nearest, ties to even, and infinite from 65520'),
  stop_gradient: elementwise(['x'], {}, 'x, through which no gradient flows'),
  neg: elementwise(['x'], {}, '-x'),
  abs: elementwise(['x'], {}, '|x|'),
  sign: elementwise(['x'], {}, '-1, 0 or 1'),
  floor: elementwise(['x'], {}, 'the largest whole number that is not above x'),
  exp: elementwise(['x'], {}, 'e^x'),
  expm1: elementwise(['x'], {}, 'e^x - 1, accurate near 0'),
  log: elementwise(['x'], {}, 'natural logarithm'),
  sqrt: elementwise(['x'], {}, 'square root'),
  square: elementwise(['x'], {}, 'x * x'),
  cos: elementwise(['x'], {}, 'cosine, x in radians'),
  tanh: elementwise(['x'], {}, 'hyperbolic tangent'),
  sigmoid: elementwise(['x'], {}, '1 / (1 + e^-x)'),
  softplus: elementwise(['x'], {}, 'log(1 + e^x), without overflow'),
  relu: elementwise(['x'], {}, 'max(x, 0)'),
  leaky_relu: elementwise(['x'], { slope: float }, 'x where x > 0, else slope * x'),
  elu: elementwise(['x'], { alpha: float }, 'x where x > 0, else alpha * (e^x - 1)'),
  gelu: elementwise(['x'], {}, '0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))'),
  silu: elementwise(['x'], {}, 'x * sigmoid(x)'),

  // Element-wise, the activations' derivatives times dy; those that can take the result y do, so that x need not be kept.
  relu_grad: elementwise(['y', 'dy'], {}, 'dy where y > 0, else 0'),
  leaky_relu_grad: elementwise(['x', 'dy'], { slope: float }, 'dy where x > 0, else slope * dy'),
  elu_grad: elementwise(['y', 'dy'], { alpha: float }, 'dy where y > 0, else dy * (y + alpha); alpha > 0'),
  gelu_grad: elementwise(['x', 'dy'], {}, 'dy * gelu\'(x)'),
  silu_grad: elementwise(['x', 'dy'], {}, 'dy * silu\'(x)'),
  tanh_grad: elementwise(['y', 'dy'], {}, 'dy * (1 - y^2)'),
  sigmoid_grad: elementwise(['y', 'dy'], {}, 'dy * y * (1 - y)'),

  // Element-wise, two and three operands; all broadcast as NumPy does.
  add: elementwise(['a', 'b'], {}, 'a + b'),
  sub: elementwise(['a', 'b'], {}, 'a - b'),
  mul: elementwise(['a', 'b'], {}, 'a * b'),
  div: elementwise(['a', 'b'], {}, 'a / b'),
  minimum: elementwise(['a', 'b'], {}, 'the smaller of a and b'),
  maximum: elementwise(['a', 'b'], {}, 'the larger of a and b'),
  greater: elementwise(['a', 'b'], {}, '1 where a > b, else 0'),
  equal: elementwise(['a', 'b'], {}, '1 where a = b, else 0'),
  select: elementwise(['condition', 'a', 'b'], {}, 'a where condition is not 0, else b'),

  // Reductions keep the reduced axes with length 1 when keep is set.
  reduce_sum: reduction(['x'], { axes: ints, keep: bool }, 'sum over axes'),
  reduce_mean: reduction(['x'], { axes: ints, keep: bool }, 'mean over axes'),
  reduce_max: reduction(['x'], { axes: ints, keep: bool }, 'largest value over axes'),
  all_finite: reduction(['x'], {}, '1, or 0 where an element is infinite or not a number, f32[]'),
  softmax: reduction(['x'], {}, 'softmax over the last axis'),
  log_softmax: reduction(['x'], {}, 'log of the softmax over the last axis'),

  // Data movement.
  reshape: movement(['x'], { shape: dims }, 'the same elements in another shape'),
  broadcast: movement(['x'], { shape: dims }, 'x repeated to shape, as NumPy broadcasts'),
  transpose: movement(['x'], { perm: ints }, 'axes reordered: output axis i is input axis perm[i]'),
  slice: movement(['x'], { axis: int, start: int, size: int }, 'size elements of one axis from start'),
  pad: movement(['x'], { axis: int, before: int, after: int }, 'zeros before and after, along one axis'),
  concat: movement(['...xs'], { axis: int }, 'operands one after the other along one axis'),
  upsample: movement(['x'], { k: int }, 'nearest neighbour: each value k by k times; x is NHWC'),

  // Contractions. x is NHWC, filter is HWIO (I is a group's share of the channels). Sums are f32, also those of f16 factors.
  matmul: contraction(['a', 'b'], { transpose_a: bool, transpose_b: bool }, 'matrix product of the last two axes; b has rank 2, or a\'s leading axes'),
  conv2d: contraction(['x', 'filter'], window, 'convolution (cross-correlation, as in every framework)'),
  conv2d_input_grad: contraction(['dy', 'filter'], { ...window, size: ints }, 'adjoint of conv2d to its input of height and width size; also the transposed convolution'),
  conv2d_filter_grad: contraction(['x', 'dy'], { ...window, k: int }, 'adjoint of conv2d to its k by k filter'),

  // Pooling windows are k by k with stride k; a rest at the lower or right edge is left out.
  avgpool: pooling(['x'], { k: int }, 'mean of each window'),
  maxpool: pooling(['x'], { k: int }, 'largest value of each window'),
  maxpool_grad: pooling(['x', 'dy'], { k: int }, 'dy at the first largest value of each window, else 0'),

  // Classifier heads: logits [N,C] and labels [N]; the mean over N is taken here.
  softmax_cross_entropy: classifier(['logits', 'labels'], { label_smoothing: float }, 'mean cross-entropy, f32[]'),
  softmax_cross_entropy_grad: classifier(['logits', 'labels', 'dloss'], { label_smoothing: float }, 'adjoint of softmax_cross_entropy to its logits'),
  count_correct: classifier(['logits', 'labels'], {}, 'how many rows have their (first) largest logit at the label, f32[]'),
} as const satisfies Record<string, OpSpec>;

export type OpKind = keyof typeof OPS;
export const OP_KINDS = Object.keys(OPS) as OpKind[];

type AttrTypes<A> = { readonly [N in keyof A]: A[N] extends AttrSpec<infer T> ? T : never };
/** The attributes of an operation of kind K. */
export type Attrs<K extends OpKind = OpKind> = K extends OpKind ? AttrTypes<(typeof OPS)[K]['attrs']> : never;
export type AttrValue = number | boolean | string | readonly Dim[];

export type KindsOf<G extends Group> = { [K in OpKind]: (typeof OPS)[K]['group'] extends G ? K : never }[OpKind];
export type LeafKind = KindsOf<'leaf'>;
export type StructureKind = KindsOf<'structure'>;
export type ElementwiseKind = KindsOf<'elementwise'>;
/** Kinds that compute: all but leaves and structure. */
export type ComputeKind = Exclude<OpKind, LeafKind | StructureKind>;

export const groupOf = (kind: OpKind): OpSpec['group'] => OPS[kind].group;
export const isLeaf = (kind: OpKind): kind is LeafKind => OPS[kind].group === 'leaf';
export const isElementwise = (kind: OpKind): kind is ElementwiseKind => OPS[kind].group === 'elementwise';
