// Warnings about names that lead nowhere.

import type { Net, View } from '../../1-syntax/ast.ts';
import { diagnostic } from '../../diagnostics.ts';
import type { Code } from '../../diagnostics.ts';
import type { Graph } from '../graph.ts';
import type { Context } from './context.ts';
import type { Entry } from './scope.ts';

/** Reports the names of a net that reach no output and no loss. `graph` holds the live values, under the ids of the scope. */
export function unusedNames(c: Context, net: Net, graph: Graph): void {
  const live = new Set(graph.nodes.map(({ id }) => id));
  const streams = new Set(graph.nodes.flatMap(({ tags }) => tags.stream ?? []));
  const sources = new Set(graph.views.flatMap(({ parts }) => parts.map(({ source }) => source)));
  const views = liveViews(net, live);
  const blocks = new Set(net.items.flatMap((item) => (item.kind === 'streams' || item.kind === 'twin' ? item.names.map(({ name }) => name) : [])));
  const inputs = new Set(net.items.flatMap((item) => (item.kind === 'input' ? [item.name] : [])));

  const warning = ({ name: { name }, binding, name: ident, used }: Entry): readonly [Code, string] | undefined => {
    if (binding.kind === 'layer') return used ? undefined : ['ZZ2102', `no value uses the layer '${name}'`];
    if (binding.kind === 'cell') return used ? undefined : ['ZZ2103', `no streams block uses the cell '${name}'`];
    if (inputs.has(ident)) return sources.has(name) ? undefined : ['ZZ2101', `the input '${name}' reaches no output and no loss`];
    const alive =
      binding.kind === 'reading' ? views.has(name) : blocks.has(name) ? streams.has(name) : used && (binding.kind !== 'value' || binding.value.kind !== 'tensor' || live.has(binding.value.id));
    return alive ? undefined : ['ZZ2104', `'${name}' reaches no output and no loss`];
  };
  for (const entry of c.scope.own.values()) {
    const found = warning(entry);
    if (found) c.report(diagnostic(found[0], entry.name.loc, found[1]));
  }
}

/** Views that are read, directly or through others. */
function liveViews(net: Net, live: ReadonlySet<string>): Set<string> {
  const found = new Set<string>();
  const views = net.items.filter((item): item is View => item.kind === 'view');
  // A view reads only views above it.
  for (const view of [...views].reverse()) {
    if (live.has(view.name.name) || found.has(view.name.name)) {
      found.add(view.name.name);
      for (const name of namesIn(view.value)) found.add(name);
    }
  }
  return found;
}

/** All bare names in a part of the syntax tree, however deep. */
function namesIn(tree: unknown): string[] {
  const found: string[] = [];
  const pending = [tree];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (typeof part !== 'object' || part === null) continue;
    if ('kind' in part && part.kind === 'name' && 'name' in part) found.push(String(part.name));
    else pending.push(...Object.values(part));
  }
  return found;
}
