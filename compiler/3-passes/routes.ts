// Declared backward routes, as autodiff reads them: per target what replaces its adjoint, what is added, and whose adjoints that takes.

import type { Graph, Node, Route, ValueId } from '../2-graph/graph.ts';

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

/** Part of a route's expression, rather than of the net itself. Weights and states are always the net's. */
const isTemplate = (node: Node): boolean => node.tags.phase === 'backward' && node.kind !== 'weight' && node.kind !== 'state';

/** The net's own nodes. */
export const withoutTemplates = (graph: Graph): Node[] => graph.nodes.filter((node) => !isTemplate(node));

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
