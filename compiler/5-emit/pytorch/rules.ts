// Every operation of the graph as a Python expression.

import type { Node, ValueId } from '../../2-graph/graph.ts';
import type { Attrs, ComputeKind } from '../../2-graph/ops.ts';
import type { Dim, Shape } from '../../2-graph/types.ts';
import { isPointwise, laidOut, placeOf, sameOrder, TO_NCHW, TO_NHWC } from '../image-layout.ts';
import type { ImageLayout } from '../image-layout.ts';
import { atom, binary, call, heavy, indexed, LEVEL, method, number, power, tuple, unary } from './python.ts';
import type { Level, Py } from './python.ts';

/** What a rule sees of the code around it. */
export interface Scope {
  /** A value; one of four axes in the layout that it has, or in another. */
  value(id: ValueId, layout?: ImageLayout): Py;
  /** A value as an operand that broadcasts to a result: a plain number where it is a constant that needs no shape. */
  operand(id: ValueId, result: Pick<Node, 'id' | 'type'>): Py;
  shape(id: ValueId): Shape;
  layout(id: ValueId): ImageLayout;
  type(id: ValueId): Node['type'] | undefined;
  /** A dimension: a number, or how many rows an input has. */
  dim(dim: Dim): Py;
}

export type PyRule<K extends ComputeKind = ComputeKind> = (scope: Scope, node: Node<K>) => Py;

/** Why there is no expression for a kind. */
export interface Lacking {
  readonly lacks: string;
}

const BACKWARD: Lacking = { lacks: 'autograd makes the backward pass' };

/** A value of four axes in another layout. */
export const relaid = (x: Py, from: ImageLayout, to: ImageLayout, rank: number): Py =>
  from === to || rank !== 4 ? x : method(x, 'permute', ...(to === 'nchw' ? TO_NCHW : TO_NHWC).map(String));

type Elementwise = Pick<Node, 'id' | 'inputs' | 'type' | 'attrs'>;

const operands = (scope: Scope, node: Elementwise): Py[] => node.inputs.map((id) => scope.operand(id, node));

const first = ({ inputs: [x = ''] }: Pick<Node, 'inputs'>): ValueId => x;

const one = (write: (x: Py) => Py): PyRule => (scope, node) => write(scope.value(first(node)));
const asMethod = (name: string): PyRule => one((x) => method(x, name));
const asFunction = (f: string): PyRule => one((x) => call(f, [x]));

const operator = (symbol: string, level: Level): PyRule => (scope, node) => {
  const [a, b] = operands(scope, node);
  return binary(a ?? atom(''), symbol, b ?? atom(''), level);
};

/** torch.maximum and minimum take tensors alone. */
const extreme = (f: string): PyRule => (scope, node) => {
  const [a, b] = operands(scope, node);
  const tensorOf = (x: Py | undefined, other: Py | undefined): Py => (x && x.refs.length === 0 && other ? method(other, 'new_tensor', x.text) : (x ?? atom('')));
  return call(f, [tensorOf(a, b), tensorOf(b, a)]);
};

const comparison = (symbol: string): PyRule => (scope, node) => {
  const [a, b] = operands(scope, node);
  return method(binary(a ?? atom(''), symbol, b ?? atom(''), LEVEL.comparison), 'float');
};

const placed = (scope: Scope, x: ValueId, axes: readonly number[]): number[] => axes.map((axis) => placeOf(axis, scope.shape(x).length, scope.layout(x)));

type Reduction = 'reduce_sum' | 'reduce_mean' | 'reduce_max';

const reduction =
  <K extends Reduction>(name: string): PyRule<K> =>
  (scope, node) => {
    const { axes, keep } = node.attrs as Attrs<Reduction>;
    const x = first(node);
    const rank = scope.shape(x).length;
    if (axes.length === 0) return scope.value(x);
    const rest = placed(scope, x, scope.shape(x).flatMap((_, axis) => (axes.includes(axis) ? [] : [axis])));
    const moved = !keep && rest.some((place, i) => i > 0 && place < (rest[i - 1] ?? 0));
    const from = scope.value(x, moved ? 'nhwc' : scope.layout(x));
    const at = moved ? [...axes] : placed(scope, x, axes).sort((a, b) => a - b);
    const all = axes.length === rank && !keep;
    return heavy(method(from, name, ...(all ? [] : [at.length === 1 ? String(at[0]) : tuple(at)]), ...(keep ? ['keepdim=True'] : [])));
  };

const overLastAxis = (name: string): PyRule => (scope, node) => {
  const x = first(node);
  return method(scope.value(x), name, String(placeOf(node.type.shape.length - 1, node.type.shape.length, scope.layout(x))));
};

const pool = (f: string): PyRule<'avgpool' | 'maxpool'> => (scope, node) => heavy(call(f, [scope.value(first(node), 'nchw')], String(node.attrs.k)));

/** Dimensions as arguments; the batch is left for PyTorch to find. */
const openDims = (shape: Shape): string => shape.map((dim) => (typeof dim === 'number' ? dim : -1)).join(', ');

export const RULES: { readonly [K in ComputeKind]: PyRule<K> | Lacking } = {
  identity: one((x) => x),
  cast: { lacks: 'the module is in f32' },
  stop_gradient: asMethod('detach'),
  neg: one((x) => unary('-', x)),
  abs: asMethod('abs'),
  sign: asMethod('sign'),
  floor: asMethod('floor'),
  exp: asMethod('exp'),
  expm1: asMethod('expm1'),
  log: asMethod('log'),
  sqrt: asMethod('sqrt'),
  square: one((x) => power(x, 2)),
  cos: asMethod('cos'),
  tanh: asMethod('tanh'),
  sigmoid: asMethod('sigmoid'),
  softplus: asFunction('F.softplus'),
  relu: asFunction('F.relu'),
  leaky_relu: (scope, node) => call('F.leaky_relu', [scope.value(first(node))], number(node.attrs.slope)),
  elu: (scope, node) => call('F.elu', [scope.value(first(node))], ...(node.attrs.alpha === 1 ? [] : [number(node.attrs.alpha)])),
  gelu: one((x) => call('F.gelu', [x], 'approximate="tanh"')),
  silu: asFunction('F.silu'),

  relu_grad: BACKWARD,
  leaky_relu_grad: BACKWARD,
  elu_grad: BACKWARD,
  gelu_grad: BACKWARD,
  silu_grad: BACKWARD,
  tanh_grad: BACKWARD,
  sigmoid_grad: BACKWARD,

  add: operator('+', LEVEL.sum),
  sub: operator('-', LEVEL.sum),
  mul: operator('*', LEVEL.product),
  div: operator('/', LEVEL.product),
  minimum: extreme('torch.minimum'),
  maximum: extreme('torch.maximum'),
  greater: comparison('>'),
  equal: comparison('=='),
  select: (scope, node) => {
    const [condition, a, b] = operands(scope, node);
    return call('torch.where', [binary(condition ?? atom(''), '!=', atom('0'), LEVEL.comparison), a ?? atom(''), b ?? atom('')]);
  },

  reduce_sum: reduction('sum'),
  reduce_mean: reduction('mean'),
  reduce_max: reduction('amax'),
  all_finite: BACKWARD,
  softmax: overLastAxis('softmax'),
  log_softmax: overLastAxis('log_softmax'),

  reshape: (scope, node) => {
    const x = first(node);
    const from = sameOrder(scope.shape(x)) ? scope.value(x) : scope.value(x, 'nhwc');
    const { shape } = node.attrs;
    if (shape.length === 2 && scope.shape(x).length > 2 && shape[0] === scope.shape(x)[0]) return method(from, 'flatten', '1');
    return heavy(method(from, 'reshape', openDims(shape)));
  },
  broadcast: (scope, node) => {
    const { shape } = node.attrs;
    const layout = scope.layout(node.id);
    const x = scope.operand(first(node), node);
    const dims = laidOut(shape, layout).map((dim) => scope.dim(dim));
    return atom(method(x, 'expand', ...dims.map(({ text }) => text)).text, x, ...dims);
  },
  transpose: (scope, node) => {
    const x = first(node);
    const perm = placed(scope, x, node.attrs.perm);
    return perm.length === 2 ? method(scope.value(x), 't') : method(scope.value(x), 'permute', ...perm.map(String));
  },
  slice: (scope, node) => {
    const { axis, start, size } = node.attrs;
    const [at = 0] = placed(scope, first(node), [axis]);
    return indexed(scope.value(first(node)), ...Array.from({ length: at }, () => ':'), `${start === 0 ? '' : start}:${start + size}`);
  },
  pad: (scope, node) => {
    const { axis, before, after } = node.attrs;
    const [at = 0] = placed(scope, first(node), [axis]);
    const amounts = Array.from({ length: node.type.shape.length - at }, (_, i) => (i === node.type.shape.length - at - 1 ? [before, after] : [0, 0])).flat();
    return call('F.pad', [scope.value(first(node))], tuple(amounts));
  },
  concat: (scope, node) => {
    const layout = scope.layout(node.id);
    const parts = node.inputs.map((id) => scope.value(id, layout));
    return heavy(atom(`torch.cat([${parts.map(({ text }) => text).join(', ')}], ${placeOf(node.attrs.axis, node.type.shape.length, layout)})`, ...parts));
  },
  upsample: (scope, node) => heavy(call('F.interpolate', [scope.value(first(node), 'nchw')], `scale_factor=${node.attrs.k}`)),

  matmul: (scope, node) => {
    const [a = '', b = ''] = node.inputs;
    const matrix = (id: ValueId, flip: boolean): Py => {
      const x = scope.value(id, 'nhwc');
      return !flip ? x : scope.shape(id).length === 2 ? method(x, 't') : method(x, 'transpose', '-1', '-2');
    };
    const y = heavy(binary(matrix(a, node.attrs.transpose_a), '@', matrix(b, node.attrs.transpose_b), LEVEL.product));
    // Where the product of an image's pixels is taken for channels first, it is turned back.
    return scope.layout(node.id) === 'nchw' && isPointwise(node, (id) => scope.type(id)) ? relaid(y, 'nhwc', 'nchw', 4) : y;
  },
  conv2d: { lacks: 'its filter is no weight of the net' },
  conv2d_input_grad: { lacks: 'its filter is no weight of the net' },
  conv2d_filter_grad: BACKWARD,

  avgpool: pool('F.avg_pool2d'),
  maxpool: pool('F.max_pool2d'),
  maxpool_grad: BACKWARD,

  softmax_cross_entropy: (scope, node) => {
    const [logits = '', labels = ''] = node.inputs;
    const { label_smoothing: smoothing } = node.attrs;
    return call('F.cross_entropy', [scope.value(logits), scope.value(labels)], ...(smoothing === 0 ? [] : [`label_smoothing=${number(smoothing)}`]));
  },
  softmax_cross_entropy_grad: BACKWARD,
  count_correct: (scope, { inputs: [logits = '', labels = ''] }) => method(binary(method(scope.value(logits), 'argmax', '1'), '==', scope.value(labels), LEVEL.comparison), 'sum'),
};
