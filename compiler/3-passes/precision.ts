// precision: which values are stored in f16. What one kernel leaves in memory for another, if it is an activation or an adjoint, and copies of the weights that
// convolutions and matrix products read; these multiply f16 and add up in f32. All else that kernels compute is f32.
//
// Losses and the scores they are made from, reductions and what is made of them alone (statistics of norms), gradients of weights, updates, weights and states
// stay in f32, and so does all that the graph names.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { groupOf, isElementwise, isLeaf } from '../2-graph/ops.ts';
import { nodesById } from '../2-graph/queries.ts';
import { kernelsOf, namedValues, outputsOf, usersOf } from './cost.ts';
import { verifyKernels } from './fuse.ts';
import type { Pass } from './pass.ts';
import { freshIds } from './rewrite.ts';

export const PRECISIONS = ['f32', 'f16'] as const;
export type Precision = (typeof PRECISIONS)[number];

export const precision = (of: Precision): Pass => ({
  name: 'precision',
  summary: 'in f16: activations, adjoints and copies of weights are stored in 16 bits',
  run: (graph) => (of === 'f16' ? inHalves(graph) : graph),
  verify: verifyKernels,
});

/** What the rewriting of all kernels shares. */
interface Halves {
  readonly nodes: ReadonlyMap<ValueId, Node>;
  readonly fresh: () => ValueId;
  /** By value, the one that stands for it in memory, in f16. */
  readonly stored: Map<ValueId, ValueId>;
}

function inHalves(graph: Graph): Graph {
  const halves: Halves = { nodes: nodesById(graph), fresh: freshIds(graph), stored: new Map() };
  const users = usersOf(graph);
  const named = namedValues(graph);
  const precise = preciseValues(graph, halves.nodes, users);
  const isHalf = ({ id, type, tags }: Node): boolean => type.dtype === 'f32' && tags.phase !== 'update' && !named.has(id) && !precise.has(id);
  const copies = copiesOfWeights(graph, users, halves);
  const kernels = kernelsOf(graph).map((members) => {
    const outputs = outputsOf(members, users, named);
    return rewritten(members, outputs, new Set(outputs.filter(isHalf)), halves);
  });
  const numbered = [...copies, ...kernels].filter((members) => members.length > 0).flatMap((members, kernel) => members.map((node): Node => ({ ...node, tags: { ...node.tags, kernel } })));
  return { ...graph, nodes: [...graph.nodes.filter(({ kind }) => isLeaf(kind)), ...numbered] };
}

/** The values that stay in f32. */
function preciseValues(graph: Graph, nodes: ReadonlyMap<ValueId, Node>, users: ReadonlyMap<ValueId, readonly Node[]>): ReadonlySet<ValueId> {
  const precise = new Set<ValueId>();
  const isStatistic = (id: ValueId): boolean => precise.has(id) || ['weight', 'state', 'scalar', 'constant'].includes(nodes.get(id)?.kind ?? '');
  for (const node of graph.nodes) {
    const group = groupOf(node.kind);
    const isScore = (users.get(node.id) ?? []).some((user) => groupOf(user.kind) === 'classifier');
    if (group === 'reduction' || group === 'classifier' || isScore || (passesOn(node) && node.inputs.every(isStatistic))) precise.add(node.id);
  }
  // Gradients of weights, and what they are added up and moved from.
  const sums = new Set(graph.gradients.map(({ value }) => value));
  for (const id of sums) {
    precise.add(id);
    const node = nodes.get(id);
    if (node && passesOn(node)) for (const input of node.inputs) if (nodes.get(input)?.tags.phase === 'backward') sums.add(input);
  }
  return precise;
}

const passesOn = ({ kind }: Node): boolean => isElementwise(kind) || groupOf(kind) === 'movement';

const other = (of: Precision): Precision => (of === 'f16' ? 'f32' : 'f16');

const castOf = (node: Node, id: ValueId, to: Precision): Node => ({ ...node, id, kind: 'cast', inputs: [node.id], attrs: { to }, type: { ...node.type, dtype: to } }) as Node;

/** Each weight that contractions read, through data movement, in f16: kernels of their own, before all others. */
function copiesOfWeights(graph: Graph, users: ReadonlyMap<ValueId, readonly Node[]>, { fresh, stored }: Halves): Node[][] {
  const isMultiplied = (id: ValueId): boolean => (users.get(id) ?? []).some(({ id: user, kind }) => groupOf(kind) === 'contraction' || (groupOf(kind) === 'movement' && isMultiplied(user)));
  return graph.nodes
    .filter(({ kind, id }) => kind === 'weight' && isMultiplied(id))
    .map((weight) => {
      const id = fresh();
      stored.set(weight.id, id);
      return [castOf({ ...weight, tags: {} }, id, 'f16')];
    });
}

/** A kernel's members where values come from memory, and `halves` among its outputs go there, in f16. What is not needed for its outputs is left out. */
function rewritten(members: readonly Node[], outputs: readonly Node[], halves: ReadonlySet<Node>, { nodes, fresh, stored }: Halves): Node[] {
  const inside = new Map(members.map((node) => [node.id, node]));
  const full = new Set(outputs.filter((node) => !halves.has(node)).map(({ id }) => id));
  const made: Node[] = [];
  const forms: { readonly [P in Precision]: Map<ValueId, Node> } = { f32: new Map(), f16: new Map() };

  /** The dtype in which a value comes without a cast; data movement leaves it as it is. */
  const natural = (id: ValueId): Precision => {
    const member = inside.get(id);
    if (!member) return stored.has(id) && nodes.get(id)?.kind !== 'weight' ? 'f16' : 'f32';
    return groupOf(member.kind) === 'movement' && !full.has(id) && member.inputs.every((input) => natural(input) === 'f16') ? 'f16' : 'f32';
  };
  const push = (node: Node): Node => (made.push(node), node);
  const computed = (node: Node, id: ValueId, dtype: Precision): Node => {
    const group = groupOf(node.kind);
    const operands = group === 'contraction' ? 'f16' : group === 'movement' ? dtype : 'f32';
    return push({ ...node, id, inputs: node.inputs.map((input) => form(input, operands).id), type: { ...node.type, dtype } } as Node);
  };
  const create = (id: ValueId, to: Precision): Node => {
    const node = nodes.get(id);
    if (!node) throw new Error(`no value %${id}`);
    if (node.type.dtype === 'i32') return node;
    const member = inside.get(id);
    if (member && natural(id) === to) return computed(member, id, to);
    if (member && to === 'f16' && groupOf(member.kind) === 'movement') return computed(member, fresh(), to);
    const half = member ? undefined : stored.get(id);
    if (to === 'f16' && half !== undefined) return { ...node, id: half, type: { ...node.type, dtype: 'f16' } } as Node;
    if (!member && natural(id) === to) return node;
    return push(castOf(form(id, other(to)), fresh(), to));
  };
  /** The value in a dtype. */
  const form = (id: ValueId, to: Precision): Node => {
    const node = forms[to].get(id) ?? create(id, to);
    forms[to].set(id, node);
    return node;
  };

  for (const output of outputs) {
    if (halves.has(output)) stored.set(output.id, form(output.id, 'f16').id);
    else form(output.id, 'f32');
  }
  return made;
}
