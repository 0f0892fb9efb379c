// From the buffers that kernels write back to the graph's values, and with them to the source.

import type { Graph, Node, ValueId } from '../compiler/2-graph/graph.ts';
import { isLeaf } from '../compiler/2-graph/ops.ts';
import { nodesById } from '../compiler/2-graph/queries.ts';

export interface Origins {
  /** The value that a buffer holds. A kernel's own buffers are named after the value they belong to: `y.parts`. */
  readonly held: (buffer: string) => Node | undefined;
  /** The value that a kernel which writes the buffer computes: that of a weight or state is its update. */
  readonly made: (buffer: string) => Node | undefined;
  /** What a value's kernel computes for it, in order, itself included; nothing for a leaf. */
  readonly kernel: (value: Node) => readonly Node[];
}

export function originsOf(graph: Graph): Origins {
  const nodes = nodesById(graph);
  const updates = new Map(graph.updates.map(({ target, value }) => [target, value]));
  const order = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const held = (buffer: string): Node | undefined => {
    const dot = buffer.lastIndexOf('.');
    return nodes.get(buffer) ?? (dot < 0 ? undefined : held(buffer.slice(0, dot)));
  };
  const kernel = (value: Node): Node[] => {
    if (isLeaf(value.kind)) return [];
    const found = new Map<ValueId, Node>();
    const add = (node: Node): void => {
      if (found.has(node.id)) return;
      found.set(node.id, node);
      for (const id of node.inputs) {
        const input = nodes.get(id);
        if (input && value.tags.kernel !== undefined && input.tags.kernel === value.tags.kernel) add(input);
      }
    };
    add(value);
    return [...found.values()].sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0));
  };
  return {
    held,
    made: (buffer) => {
      const node = held(buffer);
      return node && isLeaf(node.kind) ? nodes.get(updates.get(node.id) ?? '') : node;
    },
    kernel,
  };
}
