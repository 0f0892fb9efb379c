// The cost model: arithmetic of every operation, bytes that a kernel moves, and what a launch costs. Fusion decides by it, and `--stats` prints it.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import type { ComputeKind, ElementwiseKind } from '../2-graph/ops.ts';
import { groupOf, isElementwise, isLeaf } from '../2-graph/ops.ts';
import { nodesById, resultValues } from '../2-graph/queries.ts';
import { SCALARS } from '../2-graph/scalars.ts';
import { concreteShape, elementCount } from '../2-graph/types.ts';

/** What starting a kernel costs, in bytes that could have been moved meanwhile: about 4 microseconds at 500 GB/s. */
export const LAUNCH_BYTES = 2_000_000;

export type TypeOf = (id: ValueId) => Node['type'];
type Flops<K extends ComputeKind> = (node: Node<K>, typeOf: TypeOf) => number;

const countOf = (type: Node['type']): number => elementCount(concreteShape(type.shape));
export const bytesOf = (type: Node['type']): number => countOf(type) * (type.dtype === 'f16' ? 2 : 4);

/** One operation for every element of the result, of the operand, or none. */
const perResult = (node: Node): number => countOf(node.type);
const perOperand = (node: Node, typeOf: TypeOf): number => countOf(typeOf(node.inputs[0] ?? ''));
const free = (): number => 0;

/** A multiplication and an addition for every tap: 2 * outputs * k * k * input channels of a group. */
const convolution = (outputs: number, filter: readonly number[]): number => 2 * outputs * (filter[0] ?? 1) * (filter[1] ?? 1) * (filter[2] ?? 1);
const shapeOf = (id: ValueId | undefined, typeOf: TypeOf): number[] => concreteShape(typeOf(id ?? '').shape);

const elementwise = Object.fromEntries((Object.keys(SCALARS) as ElementwiseKind[]).map((kind) => [kind, perResult])) as { readonly [K in ElementwiseKind]: typeof perResult };

/** Floating-point operations, by the usual count: a fused multiply-add is two, any element-wise function one, data movement none. */
const FLOPS: { readonly [K in ComputeKind]: Flops<K> } = {
  ...elementwise,
  reduce_sum: perOperand,
  reduce_mean: perOperand,
  reduce_max: perOperand,
  all_finite: perOperand,
  softmax: (node) => 4 * perResult(node),
  log_softmax: (node) => 4 * perResult(node),
  reshape: free,
  broadcast: free,
  transpose: free,
  slice: free,
  pad: free,
  concat: free,
  upsample: free,
  matmul: (node, typeOf) => 2 * countOf(node.type) * (shapeOf(node.inputs[0], typeOf).at(node.attrs.transpose_a ? -2 : -1) ?? 1),
  conv2d: (node, typeOf) => convolution(countOf(node.type), shapeOf(node.inputs[1], typeOf)),
  conv2d_input_grad: (node, typeOf) => convolution(countOf(typeOf(node.inputs[0] ?? '')), shapeOf(node.inputs[1], typeOf)),
  conv2d_filter_grad: (node, typeOf) => convolution(countOf(typeOf(node.inputs[1] ?? '')), concreteShape(node.type.shape)),
  avgpool: perOperand,
  maxpool: perOperand,
  maxpool_grad: perOperand,
  softmax_cross_entropy: (node, typeOf) => 5 * perOperand(node, typeOf),
  softmax_cross_entropy_grad: (node) => 5 * perResult(node),
  count_correct: perOperand,
};

export const flopsOf = (node: Node, typeOf: TypeOf): number =>
  isLeaf(node.kind) || groupOf(node.kind) === 'structure' ? 0 : (FLOPS[node.kind as ComputeKind] as Flops<ComputeKind>)(node as Node<ComputeKind>, typeOf);

/** Functions that cost many times an addition. */
const TRANSCENDENTAL: ReadonlySet<string> = new Set(['exp', 'expm1', 'log', 'cos', 'tanh', 'sigmoid', 'softplus', 'elu', 'gelu', 'silu', 'gelu_grad', 'silu_grad']);

/** What an element of a node costs to compute again, in additions. */
export const recomputeCost = (node: Node): number => (isElementwise(node.kind) ? (TRANSCENDENTAL.has(node.kind) ? 10 : 1) : 0);

export interface Cost {
  readonly nodes: number;
  readonly kernels: number;
  /** Floating-point operations of convolutions and matrix products, and of all else. */
  readonly contractions: number;
  readonly elementwise: number;
  /** Read and written by all kernels, each buffer once a kernel. */
  readonly bytes: number;
  /** Of all values that are kept in memory, weights and states included. */
  readonly buffers: number;
}

export type Phase = 'forward' | 'backward' | 'update';

export const PHASES: readonly Phase[] = ['forward', 'backward', 'update'];

/** The last phase that a kernel has a part in. */
export const phaseOf = (members: readonly Node[]): Phase => PHASES.findLast((phase) => members.some((node) => node.tags.phase === phase)) ?? 'forward';

/** The cost of a graph that is bound to a batch, in whole and by phase. Before `fuse` every operation counts as a kernel. */
export function costOf(graph: Graph): { readonly total: Cost; readonly phases: Readonly<Record<Phase, Cost>> } {
  const kernels = kernelsOf(graph);
  const nodes = nodesById(graph);
  const of = (chosen: readonly (readonly Node[])[]): Cost => sumUp(graph, nodes, chosen);
  const byPhase = (phase: Phase): Cost => of(kernels.filter((members) => phaseOf(members) === phase));
  return { total: of(kernels), phases: { forward: byPhase('forward'), backward: byPhase('backward'), update: byPhase('update') } };
}

/** The computing nodes, gathered by their `kernel` tag; a node without one is a kernel of its own. */
export function kernelsOf(graph: Graph): Node[][] {
  const groups = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if (isLeaf(node.kind)) continue;
    const key = node.tags.kernel === undefined ? `%${node.id}` : String(node.tags.kernel);
    const members = groups.get(key);
    if (members) members.push(node);
    else groups.set(key, [node]);
  }
  return [...groups.values()];
}

/** Values of a kernel that others read, or that the graph names. */
export function outputsOf(members: readonly Node[], users: ReadonlyMap<ValueId, readonly Node[]>, named: ReadonlySet<ValueId>): Node[] {
  const inside = new Set(members.map((node) => node.id));
  return members.filter((node) => named.has(node.id) || (users.get(node.id) ?? []).some((user) => !inside.has(user.id)));
}

function sumUp(graph: Graph, nodes: ReadonlyMap<ValueId, Node>, kernels: readonly (readonly Node[])[]): Cost {
  const typeOf: TypeOf = (id) => nodes.get(id)?.type ?? { dtype: 'f32', shape: [] };
  const users = usersOf(graph);
  const named = namedValues(graph);
  // Constants are numbers in the kernels that use them.
  const constants = graph.nodes.filter((node) => node.kind === 'constant').map((node) => node.id);
  let contractions = 0;
  let elementwise = 0;
  let bytes = 0;
  let buffers = 0;
  let count = 0;
  for (const members of kernels) {
    count += members.length;
    const inside = new Set([...members.map((node) => node.id), ...constants]);
    const written = outputsOf(members, users, named).reduce((sum, node) => sum + bytesOf(node.type), 0);
    for (const node of members) {
      if (groupOf(node.kind) === 'contraction') contractions += flopsOf(node, typeOf);
      else elementwise += flopsOf(node, typeOf);
    }
    bytes += written + readBytes(members, inside, typeOf);
    buffers += written;
  }
  return { nodes: count, kernels: kernels.length, contractions, elementwise, bytes, buffers };
}

/**
 * Bytes of the buffers that a kernel reads: each once, and of one that is read through slices only what they take.
 * `inside` are values that need no reading: the kernel's own, and constants.
 */
export function readBytes(members: readonly Node[], inside: ReadonlySet<ValueId>, typeOf: TypeOf): number {
  const slices = new Map<ValueId, Node[]>();
  const others = new Set<ValueId>();
  for (const node of members) {
    for (const id of node.inputs) {
      if (node.kind !== 'slice') others.add(id);
      else if (slices.has(id)) slices.get(id)?.push(node);
      else slices.set(id, [node]);
    }
  }
  const needed = (id: ValueId): number => {
    const whole = bytesOf(typeOf(id));
    return others.has(id) ? whole : Math.min(whole, (slices.get(id) ?? []).reduce((sum, slice) => sum + needed(slice.id), 0));
  };
  const read = new Set(members.flatMap((node) => node.inputs).filter((id) => !inside.has(id)));
  return [...read].reduce((sum, id) => sum + needed(id), 0);
}

/** The nodes that read each value. */
export function usersOf(graph: Pick<Graph, 'nodes'>): Map<ValueId, Node[]> {
  const users = new Map<ValueId, Node[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      const list = users.get(input);
      if (list) list.push(node);
      else users.set(input, [node]);
    }
  }
  return users;
}

/** The values that must be in memory when a step ends; gradients are among them where no update takes them. */
export const namedValues = (graph: Graph): ReadonlySet<ValueId> =>
  new Set([
    ...resultValues(graph),
    ...(graph.updates.length === 0 ? graph.gradients.map((gradient) => gradient.value) : []),
    ...graph.updates.map((update) => update.value),
  ]);
