// Which values a result depends on.

import type { Node, Region, ValueId } from '../graph.ts';

/**
 * The ids that `roots` depend on, themselves included; nodes stand in topological order. A call depends on the weights that its region names.
 * `through` tells which nodes depend on their operands at all.
 */
export function reachable(nodes: readonly Node[], roots: readonly ValueId[], regions: readonly Region[] = [], through: (node: Node) => boolean = () => true): Set<ValueId> {
  const outer = new Map(regions.map((region) => [region.name, outerIds(region)]));
  const found = new Set(roots);
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    if (!node || !found.has(node.id) || !through(node)) continue;
    for (const input of node.inputs) found.add(input);
    if (node.kind === 'call') for (const id of outer.get(node.attrs.region) ?? []) found.add(id);
  }
  return found;
}

/** The values of the graph that a region names: its weights. */
export function outerIds(region: Region): ValueId[] {
  const own = new Set([...region.params.map((param) => param.id), ...region.nodes.map((node) => node.id)]);
  return [...new Set([...region.nodes.flatMap((node) => node.inputs), region.result])].filter((id) => !own.has(id));
}
