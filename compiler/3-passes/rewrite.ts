// What passes that rewrite a graph share: its roots, use counts, dead values, fresh ids, an emitter, and bundles of nodes that can run side by side.

import { createBuilder } from '../2-graph/builder.ts';
import type { Graph, Node, Tags, ValueId } from '../2-graph/graph.ts';
import type { Attrs, OpKind } from '../2-graph/ops.ts';
import { resultValues } from '../2-graph/queries.ts';

/** Everything outside the nodes that names a value. */
function roots(graph: Graph): ValueId[] {
  return [
    ...resultValues(graph),
    ...graph.gradients.map((gradient) => gradient.value),
    ...graph.updates.flatMap((update) => [update.target, update.value]),
  ];
}

/** The graph with every root's value renamed; nodes are left as they are. */
export function renameRoots(graph: Graph, names: ReadonlyMap<ValueId, ValueId>): Graph {
  const to = (id: ValueId): ValueId => names.get(id) ?? id;
  return {
    ...graph,
    outputs: graph.outputs.map((output) => ({ ...output, value: to(output.value) })),
    ...(graph.loss === undefined ? {} : { loss: to(graph.loss) }),
    ...(graph.classifier ? { classifier: { logits: to(graph.classifier.logits), correct: to(graph.classifier.correct) } } : {}),
    gradients: graph.gradients.map(({ weight, value }) => ({ weight, value: to(value) })),
    updates: graph.updates.map(({ target, value }) => ({ target, value: to(value) })),
  };
}

/** Without the nodes that no root reaches. Weights and inputs stay: they are the net's interface. */
export function dropDead(graph: Graph): Graph {
  const live = new Set(roots(graph));
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!live.has(node.id) && node.kind !== 'weight' && node.kind !== 'input') continue;
    kept.push(node);
    for (const input of node.inputs) live.add(input);
  }
  return kept.length === graph.nodes.length ? graph : { ...graph, nodes: kept.reverse() };
}

/** How many operands and roots name each value. */
export function countUses(graph: Graph): Map<ValueId, number> {
  const uses = new Map<ValueId, number>();
  for (const id of [...graph.nodes.flatMap((node) => node.inputs), ...roots(graph)]) uses.set(id, (uses.get(id) ?? 0) + 1);
  return uses;
}

/** A source of ids that no node has. */
export function freshIds(graph: Graph): () => ValueId {
  let next = graph.nodes.reduce((most, node) => (/^\d+$/.test(node.id) ? Math.max(most, Number(node.id) + 1) : most), 0);
  return () => String(next++);
}

/** A builder for a rewritten graph: nodes that are kept are pushed, new ones get ids that the graph does not use, and the places of those they stand for. */
export interface Emitter {
  push(node: Node): void;
  add<K extends OpKind>(kind: K, inputs: readonly ValueId[], attrs: Attrs<K>, from: readonly Node[]): ValueId;
  /** As `add`, under the id of a node; the places are the node's, or those of `from`. */
  replace<K extends OpKind>(node: Node, kind: K, inputs: readonly ValueId[], attrs: Attrs<K>, from?: readonly Node[]): void;
  nodes(): readonly Node[];
}

export function createEmitter(graph: Graph): Emitter {
  const builder = createBuilder();
  const fresh = freshIds(graph);
  return {
    push: builder.push,
    add: (kind, inputs, attrs, from) => builder.add(kind, inputs, attrs, { id: fresh(), ...mergedPlace(from) }),
    replace: (node, kind, inputs, attrs, from) => {
      builder.add(kind, inputs, attrs, { id: node.id, ...(from ? mergedPlace(from) : { locs: node.locs, tags: node.tags }) });
    },
    nodes: builder.nodes,
  };
}

/** All locations, and the tags that all nodes agree on; streams are joined, `L+R`. */
export function mergedPlace(from: readonly Node[]): { locs: Node['locs']; tags: Tags } {
  const [first] = from;
  if (!first) return { locs: [], tags: {} };
  const locs = [...new Map(from.flatMap((node) => node.locs).map((loc) => [`${loc.file}:${loc.span.start}:${loc.span.end}`, loc])).values()];
  const shared = Object.fromEntries(Object.entries(first.tags).filter(([key, value]) => key !== 'name' && from.every((node) => node.tags[key as keyof Tags] === value)));
  const streams = [...new Set(from.flatMap((node) => node.tags.stream?.split('+') ?? []))].sort();
  return { locs, tags: { ...shared, ...(streams.length > 0 ? { stream: streams.join('+') } : {}) } };
}

/**
 * The nodes in a topological order, in bundles: nodes of one key that can run side by side come together, others alone.
 * List scheduling: a node with a key waits until all nodes of its key are ready; when nothing else can go on, the ones that wait longest stop waiting.
 */
export function bundle(graph: Graph, keyOf: (node: Node) => string | undefined): Node[][] {
  const keys = new Map(graph.nodes.map((node) => [node.id, keyOf(node)]));
  const awaited = new Map<string, number>();
  for (const key of keys.values()) if (key !== undefined) awaited.set(key, (awaited.get(key) ?? 0) + 1);
  const users = new Map<ValueId, Node[]>(graph.nodes.map((node) => [node.id, []]));
  const missing = new Map<ValueId, number>();
  for (const node of graph.nodes) {
    const operands = new Set(node.inputs);
    missing.set(node.id, operands.size);
    for (const operand of operands) users.get(operand)?.push(node);
  }

  const bundles: Node[][] = [];
  const waiting = new Map<string, Node[]>();
  const ready = graph.nodes.filter((node) => node.inputs.length === 0);
  const order = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const emit = (members: Node[]): void => {
    bundles.push(members.sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)));
    for (const user of members.flatMap((member) => users.get(member.id) ?? [])) {
      const left = (missing.get(user.id) ?? 0) - 1;
      missing.set(user.id, left);
      if (left === 0) ready.push(user);
    }
  };
  const release = (key: string): void => {
    const members = waiting.get(key) ?? [];
    waiting.delete(key);
    awaited.set(key, (awaited.get(key) ?? 0) - members.length);
    emit(members);
  };
  for (let next = 0; next < ready.length || waiting.size > 0; ) {
    const node = ready[next];
    if (!node) {
      const [longest] = waiting.keys(); // maps keep insertion order
      if (longest !== undefined) release(longest);
      continue;
    }
    next++;
    const key = keys.get(node.id);
    if (key === undefined) {
      emit([node]);
      continue;
    }
    const members = [...(waiting.get(key) ?? []), node];
    waiting.set(key, members);
    if (members.length === awaited.get(key)) release(key);
  }
  return bundles;
}
