// simplify: folds constants, applies algebraic identities, merges equal values across streams and steps, and drops dead ones.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import type { AttrValue, OpKind } from '../2-graph/ops.ts';
import { inferType } from '../2-graph/shapes.ts';
import type { TensorType } from '../2-graph/types.ts';
import type { Pass } from './pass.ts';
import { countUses, dropDead, freshIds, mergedPlace, renameRoots } from './rewrite.ts';
import { RULES, type Draft, type View } from './simplify-rules.ts';

export const simplify: Pass = {
  name: 'simplify',
  summary: 'constant folding, algebraic identities, common subexpressions across steps and streams, dead values',
  run: toFixedPoint,
};

/** Rewrites enable each other across the order of nodes; every sweep but the last removes work, so few are needed. */
const MOST_SWEEPS = 20;

function toFixedPoint(graph: Graph): Graph {
  let current = dropDead(graph);
  for (let i = 0; i < MOST_SWEEPS; i++) {
    const { graph: next, changed } = sweep(current);
    current = dropDead(next);
    if (!changed) break;
  }
  return current;
}

/** One pass over the nodes in order: each is rewritten by the rules until none fires, then merged with an equal one. */
function sweep(graph: Graph): { graph: Graph; changed: boolean } {
  const nodes: Node[] = [];
  const byId = new Map<ValueId, Node>();
  const known = new Map<string, ValueId>();
  const renamed = new Map<ValueId, ValueId>();
  const merged = new Map<ValueId, Node[]>();
  const uses = countUses(graph);
  const fresh = freshIds(graph);
  let changed = false;

  const lookup = (id: ValueId): Node => {
    const node = byId.get(id);
    if (!node) throw new Error(`simplify: no value %${id}`);
    return node;
  };
  const view: View = { node: lookup, uses: (id) => uses.get(id) ?? 0 };

  /** Appends a node, or finds the value it equals. */
  const place = (node: Node): ValueId => {
    const key = keyOf(node);
    const twin = key && known.get(key);
    if (twin) {
      changed = true;
      uses.set(twin, (uses.get(twin) ?? 0) + (uses.get(node.id) ?? 0));
      // What updates share is the optimiser's: it comes of no line more than of another.
      if (node.kind !== 'constant' && node.tags.phase !== 'update') {
        const others = merged.get(twin);
        if (others) others.push(node);
        else merged.set(twin, [node]);
      }
      return twin;
    }
    if (key) known.set(key, node.id);
    nodes.push(node);
    byId.set(node.id, node);
    return node.id;
  };

  /** The value of a draft; its parts take the locations and tags of the node they replace. */
  const realise = (draft: Draft, replaced: Node, id: ValueId): ValueId => {
    if (typeof draft === 'string') return draft;
    const from = draft.from ? { ...replaced, ...mergedPlace(draft.from) } : replaced;
    const inputs = draft.inputs.map((input) => realise(input, from, fresh()));
    const type: TensorType = inferType(draft.kind, draft.attrs as never, inputs.map((input) => lookup(input).type));
    return settle({ ...from, id, kind: draft.kind, inputs, attrs: draft.attrs, type } as Node);
  };

  const settle = (node: Node): ValueId => {
    for (const rule of RULES[node.kind] ?? []) {
      const draft = rule(node, view);
      if (draft === undefined) continue;
      changed = true;
      return realise(draft, node, node.id);
    }
    return place(node);
  };

  for (const node of graph.nodes) {
    renamed.set(node.id, settle({ ...node, inputs: node.inputs.map((input) => renamed.get(input) ?? input) }));
  }
  // A merged value keeps the locations of all; its place in the topology is the first one's.
  const located = nodes.map((node) => (merged.has(node.id) ? { ...node, locs: mergedPlace([node, ...(merged.get(node.id) ?? [])]).locs } : node));
  return { graph: renameRoots({ ...graph, nodes: located }, renamed), changed };
}

/** Equal keys are equal values. Leaves have their own identity, but for constants. */
function keyOf(node: Node): string | undefined {
  if (node.kind === 'input' || node.kind === 'labels' || node.kind === 'weight' || node.kind === 'state' || node.kind === 'scalar' || node.kind === 'random') return undefined;
  const inputs = COMMUTATIVE.has(node.kind) ? [...node.inputs].sort() : node.inputs;
  const attrs = Object.entries<AttrValue>(node.attrs).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${node.kind}(${inputs.join(',')})${JSON.stringify(attrs, exactly)}`;
}

/** JSON has neither -0 nor numbers that are not finite. */
const exactly = (_: string, value: unknown): unknown => (Object.is(value, -0) ? '-0' : typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);

const COMMUTATIVE: ReadonlySet<OpKind> = new Set<OpKind>(['add', 'mul', 'minimum', 'maximum', 'equal']);
