// Takes the uses of other nets out of a graph again, as regions: each becomes a module of its own.

import { groupBy } from '../../2-graph/group-by.ts';
import type { Graph, Node, Region, ValueId } from '../../2-graph/graph.ts';
import { reachable } from '../../2-graph/build/liveness.ts';
import { resultValues } from '../../2-graph/queries.ts';

/** What belongs to the graph as a whole, whoever reads it. */
export const isStored = (node: Node): boolean => node.kind === 'weight' || node.kind === 'state';

interface Outlining {
  readonly graph: Graph;
  /** Values that must stay values of the graph. */
  readonly apart: ReadonlySet<ValueId>;
  readonly stored: ReadonlySet<ValueId>;
  /** The regions so far. */
  readonly made: Region[];
}

/**
 * The graph with a region for every use of another net that has one result, and one region for uses that do the same with the same weights.
 * A net that holds a value of `apart` stays where it is.
 */
export function outlineNets(graph: Graph, apart: ReadonlySet<ValueId>): Graph {
  const work: Outlining = { graph, apart, stored: new Set(graph.nodes.filter(isStored).map(({ id }) => id)), made: [] };
  const cells = graph.regions.map((region) => ({ ...region, nodes: outlined(region.nodes, [region.result], undefined, work) }));
  // What running statistics become would tie the uses of a layer together.
  const results = [...resultValues(graph), ...graph.routes.flatMap(({ target, value }) => [target, value])];
  const live = reachable(graph.nodes, results);
  const nodes = outlined(graph.nodes.filter((node) => isStored(node) || live.has(node.id)), resultValues(graph), undefined, work);
  const regions = [...work.made, ...cells];
  const alike = [...groupBy(regions, bodyOf).values()];
  const stands = new Map(alike.flatMap((group) => group.map(({ name }) => [name, group[0]?.name ?? name] as const)));
  const renamed = (list: readonly Node[]): Node[] => list.map((node): Node => (node.kind === 'call' ? { ...node, attrs: { region: stands.get(node.attrs.region) ?? '' } } : node));
  return { ...graph, nodes: renamed(nodes), regions: regions.filter(({ name }) => stands.get(name) === name).map((region) => ({ ...region, nodes: renamed(region.nodes) })) };
}

/** `Outer.1.Inner.1` is within `Outer.1`. */
const within = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}.`);

interface Run {
  /** The use of a net that all its nodes are in; none for nodes outside of any. */
  root: string | undefined;
  readonly nodes: Node[];
}

/** Consecutive nodes of one use of a net within the use `outer`. */
function runsOf(nodes: readonly Node[], outer: string | undefined): Run[] {
  const runs: Run[] = [];
  for (const node of nodes) {
    const { net, phase } = node.tags;
    const root = isStored(node) || phase !== undefined || net === outer ? undefined : net;
    const last = runs.at(-1);
    const goesOn = last?.root === undefined || root === undefined ? last?.root === root : within(root, last.root) || within(last.root, root);
    if (!last || !goesOn) runs.push({ root, nodes: [node] });
    else {
      last.nodes.push(node);
      if (last.root !== undefined && root !== undefined && within(last.root, root)) last.root = root;
    }
  }
  return runs;
}

/** The nodes with calls in the place of whole uses. `wanted` are the values that are needed besides. */
function outlined(nodes: readonly Node[], wanted: readonly ValueId[], outer: string | undefined, work: Outlining): readonly Node[] {
  const types = new Map([...work.graph.nodes, ...nodes].map(({ id, type }) => [id, type]));
  const states = new Set(nodes.flatMap(({ id, kind }) => (kind === 'route' ? [id] : [])));
  return runsOf(nodes, outer).flatMap((run) => {
    const { root } = run;
    if (root === undefined) return run.nodes;
    const own = new Set(run.nodes.map(({ id }) => id));
    const used = new Set([...wanted, ...nodes.flatMap((node) => (own.has(node.id) ? [] : node.inputs))]);
    const [result, ...others] = run.nodes.filter(({ id }) => used.has(id));
    if (!result || others.length > 0 || run.nodes.some(({ id }) => work.apart.has(id))) return run.nodes;
    const given = [...new Set(run.nodes.flatMap((node) => node.inputs))].filter((id) => !own.has(id) && !work.stored.has(id));
    // A cell takes its state last.
    const inputs = [...given.filter((id) => !states.has(id)), ...given.filter((id) => states.has(id))];
    const name = `${root}#${work.made.length}`;
    const body = outlined(run.nodes, [result.id], root, work);
    // The name that the caller gives to what comes out is no name in the net itself.
    const { name: outside, net: _, ...tags } = result.tags;
    const inside = body.map((node): Node => (node.id === result.id ? { ...node, tags: { ...tags, net: root } } : node));
    work.made.push({ name, params: inputs.map((id) => ({ id, type: types.get(id) ?? result.type })), nodes: inside, result: result.id });
    const around = { ...tags, ...(outside !== undefined && { name: outside }), ...(outer !== undefined && { net: outer }) };
    return [{ id: result.id, kind: 'call', inputs, attrs: { region: name }, type: result.type, locs: [], tags: around }];
  });
}

/** What a region does and with which weights, without its own names. Random numbers differ from use to use, whatever they are drawn for. */
function bodyOf({ params, nodes, result }: Region): string {
  const ids = new Map([...params, ...nodes].map(({ id }, i) => [id, `%${i}`]));
  const name = (id: ValueId): string => ids.get(id) ?? id;
  return JSON.stringify([params.map(({ type }) => type), nodes.map(({ kind, inputs, attrs, type }) => [kind, inputs.map(name), kind === 'random' ? null : attrs, type]), name(result)]);
}
