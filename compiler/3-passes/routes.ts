// Declared backward routes, as autodiff reads them: per target what replaces its adjoint, what is added, and whose adjoints that takes.

import type { Graph, Node, Route, ValueId } from '../2-graph/graph.ts';
import type { OpKind } from '../2-graph/ops.ts';

/** The right side of a route. */
export interface RouteValue {
  readonly value: ValueId;
  /** The nodes it is computed with, in order; they are templates, copied with the adjoints put in. */
  readonly nodes: readonly Node[];
  /** The values whose adjoints it reads. */
  readonly reads: readonly ValueId[];
}

export interface TargetRoutes {
  readonly replace: RouteValue | undefined;
  readonly add: readonly RouteValue[];
  /** Whether the adjoint that autodiff finds still counts. */
  readonly usesFound: boolean;
}

/** Leaves that exist once, whoever reads them. */
const SHARED: ReadonlySet<OpKind> = new Set(['input', 'labels', 'weight', 'state', 'scalar']);

/** Part of a route's expression, rather than of the net itself. */
const isTemplate = (node: Node): boolean => node.tags.phase === 'backward' && !SHARED.has(node.kind);

/** The net alone: without the expressions of routes, and without what they would have kept between steps. */
export function withoutTemplates(graph: Graph): Graph {
  const nodes = graph.nodes.filter((node) => !isTemplate(node));
  const ids = new Set(nodes.map((node) => node.id));
  return { ...graph, nodes, updates: graph.updates.filter((update) => ids.has(update.value)), routes: [] };
}

/** The routes of a graph by target. */
export function routesByTarget(graph: Graph): Map<ValueId, TargetRoutes> {
  const templates = new Map(graph.nodes.filter(isTemplate).map((node, position) => [node.id, { node, position }]));
  const targets = new Set(graph.routes.map((route) => route.target));
  return new Map([...targets].map((target) => [target, targetRoutes(target, graph.routes.filter((route) => route.target === target), templates)]));
}

type Templates = ReadonlyMap<ValueId, { readonly node: Node; readonly position: number }>;

function targetRoutes(target: ValueId, routes: readonly Route[], templates: Templates): TargetRoutes {
  const values = (mode: Route['mode']): RouteValue[] => routes.filter((route) => route.mode === mode).map((route) => routeValue(route.value, templates));
  const [replace] = values('=');
  return { replace, add: values('+='), usesFound: !replace || replace.reads.includes(target) };
}

function routeValue(value: ValueId, templates: Templates): RouteValue {
  const found = new Map<Node, number>();
  const open = [value];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const template = templates.get(id);
    if (!template || found.has(template.node)) continue;
    found.set(template.node, template.position);
    if (template.node.kind !== 'adjoint') open.push(...template.node.inputs);
  }
  const nodes = [...found].sort(([, a], [, b]) => a - b).map(([node]) => node);
  return { value, nodes, reads: nodes.filter((node) => node.kind === 'adjoint').flatMap((node) => node.inputs) };
}
