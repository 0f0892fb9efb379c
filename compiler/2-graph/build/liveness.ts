// Which values a result depends on.

import type { Node, Region, ValueId } from '../graph.ts';

/** The ids that `roots` depend on, themselves included. A call depends on the weights that its region names. */
export function reachable(nodes: readonly Node[], roots: readonly ValueId[], regions: readonly Region[] = []): Set<ValueId> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const outer = new Map(regions.map((region) => [region.name, outerIds(region)]));
  const found = new Set<ValueId>();
  const pending = [...roots];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const node = byId.get(id);
    if (!node || found.has(id)) continue;
    found.add(id);
    pending.push(...node.inputs, ...(node.kind === 'call' ? (outer.get(node.attrs.region) ?? []) : []));
  }
  return found;
}

/** The values of the graph that a region names: its weights. */
export function outerIds(region: Region): ValueId[] {
  const own = new Set([...region.params.map((param) => param.id), ...region.nodes.map((node) => node.id)]);
  return [...new Set([...region.nodes.flatMap((node) => node.inputs), region.result])].filter((id) => !own.has(id));
}
