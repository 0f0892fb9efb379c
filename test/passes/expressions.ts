// Small graphs written and shown as expressions.

import type { Builder } from '../../compiler/2-graph/builder.ts';
import type { Graph, Node, ValueId } from '../../compiler/2-graph/graph.ts';
import { isLeaf, type AttrValue } from '../../compiler/2-graph/ops.ts';
import { build, graphOf, weight } from '../gradients/numeric.ts';

export interface Made {
  readonly b: Builder;
  /** A weight of that shape, made when it is first named. */
  readonly w: (name: string, ...shape: readonly number[]) => ValueId;
  readonly c: (value: number, ...shape: readonly number[]) => ValueId;
}

/** A graph whose outputs are the values that `make` returns. */
export function graphFrom(make: (made: Made) => ValueId | readonly ValueId[]): Graph {
  const b = build();
  const known = new Set<string>();
  const made = make({
    b,
    w: (name, ...shape) => (known.has(name) ? name : (known.add(name), weight(b, name, shape))),
    c: (value, ...shape) => b.add('constant', [], { shape, value }),
  });
  return graphOf(b, { outputs: [made].flat().map((value, i) => ({ name: `y${i}`, value })) });
}

/** The outputs as expressions: `mul(x, 6)`, `slice{0,2,1}(x)`; a constant of more than one element shows its shape. */
export function expressions(graph: Graph): string[] {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const attrs = (node: Node): string => {
    const values = Object.values<AttrValue>(node.attrs).map((value) => (typeof value === 'object' ? `[${value.join()}]` : String(value)));
    return values.length > 0 ? `{${values.join(',')}}` : '';
  };
  const show = (id: ValueId): string => {
    const node = nodes.get(id);
    if (!node || (isLeaf(node.kind) && node.kind !== 'constant')) return id;
    if (node.kind === 'constant') return `${node.attrs.value}${node.type.shape.length > 0 ? `[${node.type.shape.join()}]` : ''}`;
    return `${node.kind}${attrs(node)}(${node.inputs.map(show).join(', ')})`;
  };
  return graph.outputs.map((output) => show(output.value));
}

/** How many nodes compute. */
export const computing = (graph: Graph): number => graph.nodes.filter((node) => !isLeaf(node.kind)).length;
