// Steps and routes become plain edges: each call is replaced by its region's nodes, each route by what it takes.

import type { Graph, Node, Region, ValueId } from '../2-graph/graph.ts';
import type { Pass } from './pass.ts';

/**
 * Inlines the calls and drops the routes. A call's result keeps the call's id, and the values inside it are numbered after it (`%12.0`, `%12.1`),
 * so that ids stay what they were and tell where a value comes from. Inlined nodes keep the cell's locations and take the call's stream and step.
 */
export const unroll: Pass = {
  name: 'unroll',
  summary: 'steps, streams and routes become plain edges',
  run(graph) {
    const regions = new Map(graph.regions.map((region) => [region.name, region]));
    /** What stands for a value that is gone. */
    const stands = new Map<ValueId, ValueId>();
    const resolve = (id: ValueId): ValueId => stands.get(id) ?? id;
    const nodes = graph.nodes.flatMap((node): readonly Node[] => {
      const inputs = node.inputs.map(resolve);
      if (node.kind === 'route') {
        stands.set(node.id, inputs[0] ?? node.id);
        return [];
      }
      if (node.kind !== 'call') return [{ ...node, inputs }];
      const region = regions.get(node.attrs.region);
      if (!region) throw new Error(`%${node.id} calls the region ${node.attrs.region}, which is not there`);
      const body = inline(node, inputs, region);
      if (body.result !== node.id) stands.set(node.id, body.result);
      return body.nodes;
    });
    return { ...graph, ...references(graph, resolve), nodes, regions: [] };
  },
};

/** The region's nodes with this call's arguments in place of its parameters. */
function inline(call: Node<'call'>, args: readonly ValueId[], region: Region): { nodes: Node[]; result: ValueId } {
  const ids = new Map<ValueId, ValueId>();
  region.params.forEach((param, i) => ids.set(param.id, args[i] ?? param.id));
  for (const { id } of region.nodes) ids.set(id, id === region.result ? call.id : `${call.id}.${id}`);
  const rename = (id: ValueId): ValueId => ids.get(id) ?? id;
  const nodes = region.nodes.map((node): Node => ({ ...node, id: rename(node.id), inputs: node.inputs.map(rename), tags: { ...call.tags, ...node.tags } }));
  return { nodes, result: rename(region.result) };
}

/** The graph's results under their new ids. */
function references(graph: Graph, resolve: (id: ValueId) => ValueId): Pick<Graph, 'outputs' | 'loss' | 'classifier' | 'routes' | 'gradients' | 'updates'> {
  const { loss, classifier } = graph;
  return {
    outputs: graph.outputs.map(({ name, value }) => ({ name, value: resolve(value) })),
    ...(loss !== undefined && { loss: resolve(loss) }),
    ...(classifier && { classifier: { logits: resolve(classifier.logits), correct: resolve(classifier.correct) } }),
    routes: graph.routes.map((route) => ({ ...route, target: resolve(route.target), value: resolve(route.value) })),
    gradients: graph.gradients.map(({ weight, value }) => ({ weight, value: resolve(value) })),
    updates: graph.updates.map(({ target, value }) => ({ target, value: resolve(value) })),
  };
}
