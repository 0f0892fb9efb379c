// Gives the batch axis its size.

import type { Graph, Node } from './graph.ts';
import { OPS } from './ops.ts';
import type { AttrSpec } from './ops.ts';
import { bindShape } from './types.ts';
import type { Shape, TensorType } from './types.ts';

/** The graph with every symbolic dimension, in types and in attributes, as a number. Throws RangeError unless `batch` is a whole number from 1. */
export function bindBatch(graph: Graph, batch: number): Graph {
  if (!Number.isSafeInteger(batch) || batch < 1) throw new RangeError(`the batch size is ${batch}, but must be a whole number from 1`);
  const bindType = (type: TensorType): TensorType => ({ ...type, shape: bindShape(type.shape, batch) });
  const bindNode = (node: Node): Node => {
    const specs: Readonly<Record<string, AttrSpec<unknown>>> = OPS[node.kind].attrs;
    const attrs = Object.entries(node.attrs).map(([name, value]) => [name, specs[name]?.form === 'dims' ? bindShape(value as Shape, batch) : value]);
    return { ...node, attrs: Object.fromEntries(attrs), type: bindType(node.type) } as Node;
  };
  return {
    ...graph,
    nodes: graph.nodes.map(bindNode),
    regions: graph.regions.map((region) => ({
      ...region,
      params: region.params.map((param) => ({ ...param, type: bindType(param.type) })),
      nodes: region.nodes.map(bindNode),
    })),
  };
}
