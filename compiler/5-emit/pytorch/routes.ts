// Declared backward routes in the forward function: values whose gradients are replaced or read pass through `routes.at`.

import type { Graph, Node, Route, ValueId } from '../../2-graph/graph.ts';
import { groupBy } from '../../2-graph/group-by.ts';
import type { ImageLayout } from '../image-layout.ts';
import type { Op } from './ops.ts';
import { LEVEL, binary, quoted } from './python.ts';
import type { Py } from './python.ts';
import { createUnit } from './unit.ts';
import type { Passing, Routing } from './unit.ts';

/** The nodes of the routes' own expressions. */
const isTemplate = (node: Node): boolean => node.tags.phase === 'backward';

/** Values whose gradients are set or read, and those that the routes read themselves. */
export const routedValues = ({ nodes, routes }: Graph): Set<ValueId> => new Set([...routes.map(({ target }) => target), ...nodes.flatMap((node) => (isTemplate(node) ? node.inputs : []))]);

/** The adjoints and the values of the forward pass that a route's expression reads. */
function readsOf(route: Route, byId: ReadonlyMap<ValueId, Node>): { adjoints: Node<'adjoint'>[]; values: Node[]; nodes: Node[] } {
  const found = new Set<Node>();
  const open = [route.value];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = byId.get(id);
    if (!node || found.has(node)) continue;
    found.add(node);
    if (isTemplate(node) && node.kind !== 'adjoint') open.push(...node.inputs);
  }
  const nodes = [...found];
  return {
    adjoints: nodes.filter((node) => node.kind === 'adjoint'),
    values: nodes.filter((node) => !isTemplate(node) && node.kind !== 'constant'),
    nodes: nodes.filter((node) => isTemplate(node) && node.kind !== 'adjoint').sort((a, b) => Number(a.id) - Number(b.id)),
  };
}

/**
 * How the routes of a graph are written. `ops` are the forward operations in order.
 * Throws RangeError where a gradient is read before PyTorch's order of the backward pass has it.
 */
export function routingOf(graph: Graph, ops: readonly Op[], layoutOf: (id: ValueId) => ImageLayout): Routing {
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const nameOf = (id: ValueId): string => byId.get(id)?.tags.name ?? byId.get(id)?.tags.stream ?? id;
  const reads = new Map(graph.routes.map((route) => [route, readsOf(route, byId)]));
  const byTarget = groupBy(graph.routes, ({ target }) => target);
  const kept = new Set([...reads.values()].flatMap(({ values }) => values.map(({ id }) => id)));
  const values = new Set([...byTarget.keys(), ...[...reads.values()].flatMap(({ adjoints }) => adjoints.flatMap(({ inputs }) => inputs))]);
  const waits = waitingFor(graph, ops, reads, nameOf);

  const passing = (id: ValueId, variableOf: (id: ValueId) => string): Passing => {
    const own = byTarget.get(id) ?? [];
    const { before, rule } = own.length === 0 ? { before: [], rule: undefined } : ruleOf(id, own);
    const after = (waits.get(id) ?? []).map(variableOf);
    const more = [...(rule === undefined ? [] : [rule]), ...(after.length === 0 ? [] : [`after=[${after.join(', ')}]`])];
    const [loc] = own.flatMap(({ value }) => byId.get(value)?.locs ?? []);
    return { id, before, loc, through: (x) => `routes.at(${[quoted(nameOf(id)), x, ...more].join(', ')})` };
  };

  /** What a gradient becomes: of what autograd found, and of the gradients that are known by then. */
  function ruleOf(target: ValueId, own: readonly Route[]): { before: string[]; rule: string } {
    const replaced = own.find(({ mode }) => mode === '=');
    const expressions = own.map((route) => ({ route, ...expressionOf(route, target) }));
    const lines = expressions.flatMap((each) => each.lines);
    const base: Py = { text: 'found', level: LEVEL.atom, refs: [], heavy: false };
    const added = expressions.filter(({ route }) => route.mode === '+=').map(({ py }) => py);
    const start = expressions.find(({ route }) => route === replaced)?.py ?? base;
    const sum = added.reduce((total, py) => binary(total, '+', py, LEVEL.sum), start);
    if (lines.length === 0) return { before: [], rule: `lambda found: ${sum.text}` };
    const rule = `grad_${nameOf(target)}`;
    return { before: [`def ${rule}(found):`, ...lines.map((line) => `    ${line}`), `    return ${sum.text}`], rule };
  }

  function expressionOf(route: Route, target: ValueId): { lines: string[]; py: Py } {
    const { adjoints, values: mentioned, nodes } = reads.get(route) ?? { adjoints: [], values: [], nodes: [] };
    // Everything from outside comes channels first.
    const first = (text: string, id: ValueId): string => (byId.get(id)?.type.shape.length === 4 && layoutOf(id) === 'nhwc' ? `${text}.permute(0, 3, 1, 2)` : text);
    const params = [
      ...adjoints.map(({ id, type, inputs: [read = ''] }) => ({ id, type, name: first(read === target ? 'found' : `routes.grad[${quoted(nameOf(read))}]`, read) })),
      ...mentioned.map(({ id, type }) => ({ id, type, name: first(`routes.value[${quoted(nameOf(id))}]`, id) })),
    ];
    const constants = graph.nodes.filter(({ id, kind }) => kind === 'constant' && (id === route.value || nodes.some(({ inputs }) => inputs.includes(id))));
    const ops: Op[] = [...constants, ...nodes].map((node) => ({ kind: 'plain', node, inputs: node.inputs }));
    const none = (): never => {
      throw new RangeError('a backward route has no layers');
    };
    const like = [...params, { id: 'found', type: byId.get(target)?.type ?? { dtype: 'f32' as const, shape: [] }, name: first('found', target) }];
    const unit = createUnit({ ops, params: like, stored: new Map(), layer: none, module: none, returns: route.value });
    unit.run(ops);
    return { lines: unit.lines.map(({ text }) => text), py: unit.value(route.value, layoutOf(target)) };
  }

  const position = new Map(ops.map(({ node }, i) => [node.id, i]));
  /** The last of a value and those that it waits for. */
  const placeOf = (id: ValueId): ValueId => [id, ...(waits.get(id) ?? [])].reduce((a, b) => ((position.get(b) ?? 0) > (position.get(a) ?? 0) ? b : a));
  const placed = groupBy([...values], placeOf);
  return {
    routed: new Set([...values, ...kept]),
    follow(id, variableOf) {
      const here = placed.get(id) ?? [];
      const passed = [...here.filter((each) => each === id), ...here.filter((each) => each !== id)].map((each) => passing(each, variableOf));
      return { passed, lines: kept.has(id) ? [`routes.value[${quoted(nameOf(id))}] = ${variableOf(id)}.detach()`] : [] };
    },
  };
}

type Reads = ReadonlyMap<Route, { readonly adjoints: readonly Node<'adjoint'>[] }>;

/** The values whose gradients are read by routes of values that they do not depend on, each with those: passing through after them makes autograd do them first. */
function waitingFor(graph: Graph, ops: readonly Op[], reads: Reads, nameOf: (id: ValueId) => string): Map<ValueId, ValueId[]> {
  const position = new Map(ops.map(({ node }, i) => [node.id, i]));
  const firstUse = new Map(ops.flatMap(({ inputs }, i) => inputs.map((input) => [input, i] as const)).reverse());
  const waits = new Map<ValueId, ValueId[]>();
  for (const route of graph.routes) {
    const { target } = route;
    const below = dependents(ops, target);
    const known = reads.get(route)?.adjoints.flatMap(({ inputs }) => inputs) ?? [];
    for (const read of new Set(known.filter((id) => id !== target && !below.has(id)))) {
      const late = (firstUse.get(read) ?? Infinity) <= (position.get(target) ?? -1);
      const above = dependents(ops, read).has(target) ? `${nameOf(target)} is computed from it` : late ? `${nameOf(target)} is defined after its first use` : undefined;
      if (above !== undefined) throw new RangeError(`PyTorch knows the gradient of ${nameOf(read)} too late for the route of ${nameOf(target)}: ${above}`);
      waits.set(read, [...(waits.get(read) ?? []), target]);
    }
  }
  return waits;
}

/** The values that depend on one. */
function dependents(ops: readonly Op[], id: ValueId): Set<ValueId> {
  const found = new Set([id]);
  for (const { node, inputs } of ops) if (inputs.some((input) => found.has(input))) found.add(node.id);
  return found;
}
