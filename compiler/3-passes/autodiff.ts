// Reverse-mode differentiation: the backward graph as explicit nodes, with declared backward routes in the place of what they replace.

import { diagnostic } from '../diagnostics.ts';
import type { Loc } from '../diagnostics.ts';
import { createBuilder } from '../2-graph/builder.ts';
import type { Builder } from '../2-graph/builder.ts';
import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { groupOf, isLeaf } from '../2-graph/ops.ts';
import type { ComputeKind, OpKind } from '../2-graph/ops.ts';
import { ADJOINTS } from './adjoints.ts';
import type { AdjointRule, NoAdjoint, OperandAdjoint } from './adjoints.ts';
import { PassError } from './pass.ts';
import type { Pass } from './pass.ts';
import { routesByTarget, withoutTemplates } from './routes.ts';
import type { RouteValue, TargetRoutes } from './routes.ts';

/**
 * Appends the adjoints of all weights that the loss depends on, and names them in `gradients`; a weight that the loss does not
 * depend on has no gradient and is not trained. The nodes are those of the backward graph alone that these gradients need.
 *
 * A route `=` replaces the adjoint of its target and `+=` adds to it, in whatever order they are written. In a route's expression the
 * adjoint of the target itself is the one found by differentiation, that of any other value the one it ends up with.
 * Throws PassError: ZZ4009 where adjoints wait for each other in a circle, ZZ4010 where one is read that does not exist.
 * Throws Error where a gradient would have to flow through an operation that has none.
 *
 * Graphs that are not trained lose their routes, and stay as they are otherwise.
 */
export const autodiff: Pass = {
  name: 'autodiff',
  summary: 'makes the backward graph explicit; declared backward routes replace adjoints',
  run: (graph) => {
    const net = withoutTemplates(graph);
    return net.mode === 'train' && net.loss !== undefined ? { ...net, ...differentiate(plan(net.nodes, routesByTarget(graph)), net.loss) } : net;
  },
};

/** The adjoint of the loss, 1, of a graph that autodiff has just been through: what it makes first. None where a route replaces it. */
export function seedOf({ nodes }: Graph): ValueId | undefined {
  const first = nodes.find(({ tags }) => tags.phase === 'backward');
  return first?.kind === 'constant' && first.attrs.value === 1 && first.type.shape.length === 0 ? first.id : undefined;
}

/** One way by which a gradient reaches a value: as an operand of `user`. */
interface Use {
  readonly user: Node;
  readonly adjoint: OperandAdjoint | NoAdjoint;
}

interface Plan {
  readonly nodes: readonly Node[];
  readonly builder: Builder;
  /** Where the node stands that adjoints are made for at the moment. */
  readonly setPlace: (node: Node) => void;
  readonly uses: ReadonlyMap<ValueId, readonly Use[]>;
  readonly routes: ReadonlyMap<ValueId, TargetRoutes>;
  /** The values whose adjoints the weights need, each after all it waits for. */
  readonly order: readonly ValueId[];
}

function plan(nodes: readonly Node[], routes: Plan['routes']): Plan {
  let place: Node | undefined;
  const builder = createBuilder(nodes, () => {
    if (!place) return { locs: [], tags: {} };
    const { name: _, ...tags } = place.tags;
    return { locs: place.locs, tags: { ...tags, phase: 'backward' } };
  });
  const setPlace = (node: Node): void => { place = node; };
  const uses = usesOf(nodes, builder);
  /** The values whose adjoints must be known before this one's. */
  const waitsFor = (id: ValueId): ValueId[] => {
    const route = routes.get(id);
    const users = !route || route.usesFound ? (uses.get(id) ?? []).map((use) => use.user.id) : [];
    if (!route) return users;
    return [...users, ...[route.replace, ...route.add].flatMap((value) => value?.reads ?? []).filter((other) => other !== id)];
  };
  const order = inOrder(nodes, waitsFor, (cycle) => cycleError(cycle, builder, routes));
  return { nodes, builder, setPlace, uses, routes, order };
}

const isStructure = (kind: OpKind): boolean => groupOf(kind) === 'structure';

/** By value, the operands that it is and that a gradient flows back from, the last first. */
function usesOf(nodes: readonly Node[], builder: Builder): Map<ValueId, Use[]> {
  const uses = new Map<ValueId, Use[]>();
  for (const user of nodes.toReversed()) {
    if (isLeaf(user.kind)) continue;
    if (isStructure(user.kind)) throw new Error(`%${user.id}: ${user.kind} has no adjoint; unroll comes before autodiff`);
    const rule = ADJOINTS[user.kind as ComputeKind] as AdjointRule | NoAdjoint;
    const adjoints = 'none' in rule ? user.inputs.map(() => rule) : rule(builder, user as Node<ComputeKind>);
    user.inputs.forEach((input, i) => {
      const adjoint = adjoints[i];
      if (!adjoint) return;
      const list = uses.get(input);
      if (list) list.push({ user, adjoint });
      else uses.set(input, [{ user, adjoint }]);
    });
  }
  return uses;
}

/**
 * The values whose adjoints the weights need, in an order in which each follows all it waits for. Without routes that is the reverse of
 * the forward order, a weight's adjoint following that of its first use. Depth-first with an explicit stack, as nets are deep.
 */
function inOrder(nodes: readonly Node[], waitsFor: (id: ValueId) => ValueId[], fail: (cycle: readonly ValueId[]) => never): ValueId[] {
  const needed = reachable(nodes.filter((node) => node.kind === 'weight').map((node) => node.id), waitsFor);
  const done = new Set<ValueId>();
  const path = new Map<ValueId, ValueId[]>();
  const stack: ValueId[] = [];
  for (const root of reverseOrder(nodes)) {
    if (!needed.has(root) || done.has(root)) continue;
    path.set(root, waitsFor(root));
    stack.push(root);
    for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
      const next = path.get(id)?.pop();
      if (next === undefined) {
        stack.pop();
        path.delete(id);
        done.add(id);
      } else if (path.has(next)) fail(stack.slice(stack.indexOf(next)));
      else if (!done.has(next)) {
        stack.push(next);
        path.set(next, waitsFor(next));
      }
    }
  }
  return [...done];
}

function reachable(from: readonly ValueId[], next: (id: ValueId) => readonly ValueId[]): Set<ValueId> {
  const seen = new Set(from);
  for (const id of seen) for (const other of next(id)) seen.add(other); // a set's loop also visits what is added meanwhile
  return seen;
}

/** All values, the last first; leaves stand next to their first use. */
function reverseOrder(nodes: readonly Node[]): ValueId[] {
  const leaves = new Set(nodes.filter((node) => isLeaf(node.kind)).map((node) => node.id));
  const order = new Set<ValueId>();
  for (const node of nodes) {
    for (const input of node.inputs) if (leaves.has(input)) order.add(input);
    if (!leaves.has(node.id)) order.add(node.id);
  }
  return [...order].reverse();
}

function cycleError(cycle: readonly ValueId[], builder: Builder, routes: Plan['routes']): never {
  const targets = cycle.filter((id) => routes.has(id));
  const parts = targets.flatMap((id) => [routes.get(id)?.replace, ...(routes.get(id)?.add ?? [])]);
  const reading = parts.flatMap((part) => part?.nodes ?? []).find((node) => node.kind === 'adjoint');
  const names = [...targets, ...targets.slice(0, 1)].map((id) => `grad(${nameOf(builder.node(id))})`);
  throw new PassError([diagnostic('ZZ4009', locOf(reading), `an adjoint needs itself: ${names.join(' needs ')}`)]);
}

const nameOf = (node: Node): string => node.tags.name ?? `%${node.id}`;

const locOf = (node: Node | undefined): Loc => node?.locs[0] ?? { file: '', line: 1, column: 1, span: { start: 0, end: 0 } };

/** Makes the adjoints in the planned order. */
function differentiate({ nodes, builder, setPlace, uses, routes, order }: Plan, loss: ValueId): Pick<Graph, 'nodes' | 'gradients'> {
  /** Adjoints as they end up, routes included. */
  const adjoints = new Map<ValueId, ValueId>();
  const sum = (terms: readonly ValueId[]): ValueId | undefined => (terms.length === 0 ? undefined : terms.reduce((a, b) => builder.add('add', [a, b], {})));

  const find = (id: ValueId): ValueId | undefined => {
    const terms: ValueId[] = [];
    if (id === loss) terms.push(builder.add('constant', [], { shape: [], value: 1 }));
    for (const { user, adjoint } of uses.get(id) ?? []) {
      const dy = adjoints.get(user.id);
      if (dy === undefined) continue;
      if (typeof adjoint !== 'function') throw new Error(`%${user.id}: no gradient flows through ${user.kind}: ${adjoint.none}`);
      setPlace(user);
      terms.push(adjoint(dy));
    }
    setPlace(builder.node(id));
    return sum(terms);
  };

  /** A copy of a route's expression, with adjoints put in. */
  const instantiate = (route: RouteValue, adjointOf: (id: ValueId) => ValueId | undefined): ValueId => {
    const copies = new Map<ValueId, ValueId>();
    const copyOf = (id: ValueId): ValueId => copies.get(id) ?? id;
    for (const node of route.nodes) {
      const read = node.kind === 'adjoint' ? (node.inputs[0] as ValueId) : undefined;
      const copy = read === undefined ? builder.add(node.kind, node.inputs.map(copyOf), node.attrs, { locs: node.locs, tags: node.tags }) : adjointOf(read);
      if (copy === undefined) throw noAdjoint(builder.node(read as ValueId), node);
      copies.set(node.id, copy);
    }
    return copyOf(route.value);
  };

  for (const id of order) {
    setPlace(builder.node(id));
    const route = routes.get(id);
    const found = !route || route.usesFound ? find(id) : undefined;
    const value = (part: RouteValue): ValueId => instantiate(part, (other) => (other === id ? found : adjoints.get(other)));
    const base = route?.replace ? value(route.replace) : found;
    const adjoint = sum([...(base === undefined ? [] : [base]), ...(route?.add ?? []).map(value)]);
    if (adjoint !== undefined) adjoints.set(id, adjoint);
  }

  const gradients = nodes.flatMap(({ kind, id }) => {
    const value = adjoints.get(id);
    return kind === 'weight' && value !== undefined ? [{ weight: id, value }] : [];
  });
  return { nodes: builder.nodes(), gradients };
}

const noAdjoint = (read: Node, at: Node): PassError =>
  new PassError([diagnostic('ZZ4010', locOf(at), `the loss does not depend on ${nameOf(read)}, so grad(${nameOf(read)}) does not exist`)]);
