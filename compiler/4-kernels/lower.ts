// Lowering: every operation of a graph becomes kernels, by one total table.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import type { ComputeKind, ElementwiseKind } from '../2-graph/ops.ts';
import { groupOf, isLeaf } from '../2-graph/ops.ts';
import { resultValues } from '../2-graph/queries.ts';
import { concreteShape } from '../2-graph/types.ts';
import { elementwise, SCALAR_RULES } from './elementwise.ts';
import { load, number } from './expr.ts';
import { use } from './indexing.ts';
import { createKernel } from './kernel.ts';
import type { Buffer, Kernel } from './kernel.ts';
import { conv2d, conv2dFilterGrad, conv2dInputGrad, matmul } from './rules-contraction.ts';
import { broadcast, concat, copy, pad, slice, transpose, upsample } from './rules-movement.ts';
import * as reduction from './rules-reduction.ts';
import { flatten } from './rule.ts';
import type { Loops, LowerRule, Operand } from './rule.ts';

const ELEMENTWISE = Object.fromEntries((Object.keys(SCALAR_RULES) as ElementwiseKind[]).map((kind) => [kind, elementwise(kind)])) as unknown as {
  readonly [K in ElementwiseKind]: LowerRule<K>;
};

export const LOWER: { readonly [K in ComputeKind]: LowerRule<K> } = {
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

/** Operations that leave every element in its place: their readers read the operand. */
const ALIASES: ReadonlySet<string> = new Set(['reshape', 'identity', 'stop_gradient']);

/**
 * The kernels of a graph, in order. The graph is bound to a batch, without structure nodes. Constants become numbers in the kernels that read them, and
 * reshapes and identities vanish, unless the graph itself names them as a result, an update or a gradient.
 * Throws Error on a structure node, RangeError on a shape that still holds the batch symbol.
 */
export function lower(graph: Graph): Kernel[] {
  const kernels: Kernel[] = [];
  const buffers = new Map<ValueId, Buffer>();
  const operands = new Map<ValueId, Operand>();
  const kept = resultsOf(graph);

  const operandOf = (id: ValueId): Operand => {
    const found = operands.get(id);
    if (!found) throw new Error(`no value %${id}`);
    return found;
  };
  const bufferOf = (id: ValueId): Buffer => {
    const found = buffers.get(id);
    if (!found) throw new Error(`no buffer %${id}`);
    return found;
  };
  const define = (buffer: Buffer): Operand => {
    buffers.set(buffer.id, buffer);
    return readsOf(buffer);
  };
  const emit = (from: Node, output: Buffer, { kind, extents = output.shape, body }: Loops): Operand => {
    const indices = extents.map((extent, axis) => ({ name: `i${axis}`, extent }));
    const name = `${from.kind}_${output.id}`;
    kernels.push(createKernel({ name, kind, from: [from.id], output, indices, body: body(...indices.map(use)) }, bufferOf));
    return define(output);
  };

  for (const node of graph.nodes) {
    const shape = concreteShape(node.type.shape);
    const buffer: Buffer = { id: node.id, dtype: node.type.dtype, shape };
    if (node.kind === 'constant') operands.set(node.id, constantOf(shape, node.attrs.value));
    else if (isLeaf(node.kind)) operands.set(node.id, define(buffer));
    else if (ALIASES.has(node.kind) && !kept.has(node.id)) operands.set(node.id, reshaped(operandOf(node.inputs[0] ?? ''), shape));
    else if (groupOf(node.kind) === 'structure') throw new Error(`%${node.id}: ${node.kind} is not lowered`);
    else {
      const inputs = node.inputs.map(operandOf);
      const rule = LOWER[node.kind as ComputeKind] as LowerRule;
      const stage = (suffix: string, stageShape: readonly number[], loops: Loops): Operand =>
        emit(node, { id: `${node.id}.${suffix}`, dtype: 'f32', shape: stageShape }, loops);
      const loops = rule({ node: node as Node<ComputeKind>, attrs: node.attrs as never, inputs, shape, stage }, ...inputs);
      operands.set(node.id, emit(node, buffer, loops));
    }
  }
  return kernels;
}

/** The values that the graph names, and which therefore have a buffer of their own. */
export const resultsOf = (graph: Graph): ReadonlySet<ValueId> =>
  new Set([
    ...resultValues(graph),
    ...graph.updates.map((update) => update.value),
    ...graph.gradients.map((gradient) => gradient.value),
  ]);

const readsOf = ({ id, shape }: Buffer): Operand => ({
  shape,
  at: (...indices) => load(id, flatten(indices, shape)),
  flat: (index) => load(id, index),
});

const reshaped = (of: Operand, shape: readonly number[]): Operand => ({ shape, at: (...indices) => of.flat(flatten(indices, shape)), flat: of.flat });

const constantOf = (shape: readonly number[], value: number): Operand => ({ shape, at: () => number(value), flat: () => number(value) });
