// The reference evaluator: the obvious meaning of every operation on concrete arrays. Every other backend is tested against it.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { roundToHalf } from '../2-graph/half.ts';
import { groupOf, isLeaf } from '../2-graph/ops.ts';
import type { Attrs, ComputeKind, ElementwiseKind, OpKind } from '../2-graph/ops.ts';
import { SCALARS } from '../2-graph/scalars.ts';
import { concreteShape, elementCount } from '../2-graph/types.ts';
import type { TensorType } from '../2-graph/types.ts';
import { conv2d, conv2dFilterGrad, conv2dInputGrad, matmul } from './evaluate/contraction.ts';
import { broadcast, concat, copy, pad, slice, transpose, upsample } from './evaluate/movement.ts';
import * as reduction from './evaluate/reduction.ts';
import { expand } from './evaluate/tensor.ts';
import type { Storage, Tensor } from './evaluate/tensor.ts';

export type { Storage, Tensor } from './evaluate/tensor.ts';

/** Writes every element of `out`, whatever it held before. Types are those of the graph: a rule checks nothing again. */
export type EvalRule<K extends ComputeKind = ComputeKind> = (attrs: Attrs<K>, out: Tensor, ...inputs: Tensor[]) => void;

/** A rule that applies a function of numbers to every element of the operands, which broadcast. */
function elementwise<K extends ElementwiseKind>(kind: K): EvalRule<K> {
  const f = SCALARS[kind] as (attrs: Attrs<K>, ...operands: readonly number[]) => number;
  return (attrs, out, ...inputs) => {
    const y = out.data;
    const [a, b, c] = inputs.map((input) => expand(input, out.shape));
    if (a && b && c) for (let i = 0; i < y.length; i++) y[i] = f(attrs, a[i] as number, b[i] as number, c[i] as number);
    else if (a && b) for (let i = 0; i < y.length; i++) y[i] = f(attrs, a[i] as number, b[i] as number);
    else if (a) for (let i = 0; i < y.length; i++) y[i] = f(attrs, a[i] as number);
  };
}

const ELEMENTWISE = Object.fromEntries(
  (Object.keys(SCALARS) as ElementwiseKind[]).map((kind) => [kind, elementwise(kind)]),
) as unknown as { readonly [K in ElementwiseKind]: EvalRule<K> };

const EVALUATE: { readonly [K in ComputeKind]: EvalRule<K> } = {
  ...ELEMENTWISE,

  reduce_sum: reduction.reduceSum,
  reduce_mean: reduction.reduceMean,
  reduce_max: reduction.reduceMax,
  all_finite: reduction.allFinite,
  softmax: reduction.softmax,
  log_softmax: reduction.logSoftmax,

  reshape: copy,
  broadcast,
  transpose,
  slice,
  pad,
  concat,
  upsample,

  matmul,
  conv2d,
  conv2d_input_grad: conv2dInputGrad,
  conv2d_filter_grad: conv2dFilterGrad,

  avgpool: reduction.avgpool,
  maxpool: reduction.maxpool,
  maxpool_grad: reduction.maxpoolGrad,

  softmax_cross_entropy: reduction.softmaxCrossEntropy,
  softmax_cross_entropy_grad: reduction.softmaxCrossEntropyGrad,
  count_correct: reduction.countCorrect,
};

/** Whether a kind computes: it is no leaf and no structure. */
export const computes = (kind: OpKind): kind is ComputeKind => !isLeaf(kind) && groupOf(kind) !== 'structure';

/** Computes one node into `out`. Throws Error for a leaf and for structure, which `unroll` and `autodiff` take out. */
export function evaluateNode(node: Node, out: Tensor, inputs: readonly Tensor[]): void {
  if (!computes(node.kind)) throw new Error(`%${node.id}: ${node.kind} is not evaluated`);
  (EVALUATE[node.kind] as EvalRule)(node.attrs as Attrs<ComputeKind>, out, ...inputs);
  if (node.type.dtype === 'f16') for (let i = 0; i < out.data.length; i++) out.data[i] = roundToHalf(out.data[i] as number);
}

export interface EvaluateOptions {
  /** f32: every result is stored rounded to f32, though sums are added up in double. f64: doubles throughout. Results of type f16 are rounded to it in both. */
  readonly precision: 'f32' | 'f64';
  /** The values to return; what they do not depend on is not computed. */
  readonly wanted: readonly ValueId[];
}

/**
 * The wanted values of a graph without structure nodes, bound to a batch. Inputs, labels, weights, states, scalars and random
 * numbers come from `feeds`; constants are made here. Throws RangeError where a feed is missing or has the wrong length.
 */
export function evaluate(graph: Pick<Graph, 'nodes'>, feeds: ReadonlyMap<ValueId, ArrayLike<number>>, options: EvaluateOptions): Map<ValueId, Storage> {
  const needed = ancestors(graph.nodes, options.wanted);
  const values = new Map<ValueId, Tensor>();
  const value = (id: ValueId): Tensor => {
    const found = values.get(id);
    if (!found) throw new RangeError(`no value %${id}`);
    return found;
  };
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue;
    const out = allocate(node.type, options.precision);
    if (isLeaf(node.kind)) fill(node, out, feeds);
    else evaluateNode(node, out, node.inputs.map(value));
    values.set(node.id, out);
  }
  return new Map(options.wanted.map((id) => [id, value(id).data]));
}

/** The ids that `wanted` depend on, themselves included. */
function ancestors(nodes: readonly Node[], wanted: readonly ValueId[]): Set<ValueId> {
  const needed = new Set(wanted);
  for (const node of nodes.toReversed()) if (needed.has(node.id)) for (const input of node.inputs) needed.add(input);
  return needed;
}

function allocate(type: TensorType, precision: 'f32' | 'f64'): Tensor {
  const shape = concreteShape(type.shape);
  const count = elementCount(shape);
  if (type.dtype === 'i32') return { shape, data: new Int32Array(count) };
  return { shape, data: precision === 'f64' ? new Float64Array(count) : new Float32Array(count) };
}

function fill(node: Node, out: Tensor, feeds: ReadonlyMap<ValueId, ArrayLike<number>>): void {
  if (node.kind === 'constant') {
    out.data.fill(node.attrs.value);
    return;
  }
  const feed = feeds.get(node.id);
  if (!feed) throw new RangeError(`no feed for %${node.id}`);
  if (feed.length !== out.data.length) throw new RangeError(`the feed for %${node.id} has ${feed.length} elements, not ${out.data.length}`);
  out.data.set(feed);
}
