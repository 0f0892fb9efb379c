// schedule: an order of the kernels in which few bytes are alive at once.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { isLeaf } from '../2-graph/ops.ts';
import { kernelsOf } from './cost.ts';
import { lifetimesOf, peakBytes } from './lifetimes.ts';
import type { Pass } from './pass.ts';

export const schedule: Pass = {
  name: 'schedule',
  summary: 'orders the kernels so that the peak of memory is low',
  run: (graph) => {
    const kernels = kernelsOf(graph);
    const ordered = greedy(graph, kernels);
    const peak = (order: readonly (readonly Node[])[]): number => peakBytes(lifetimesOf(graph, order), order.length);
    // Greedy choices can be worse than the order that the net was written in.
    const best = peak(ordered) < peak(kernels) ? ordered : kernels;
    return { ...graph, nodes: [...graph.nodes.filter((node) => isLeaf(node.kind)), ...best.flatMap(renumber)] };
  },
};

const renumber = (members: readonly Node[], kernel: number): Node[] => members.map((node) => ({ ...node, tags: { ...node.tags, kernel } }));

/** Of the kernels that can run next, always the one after which the fewest bytes are alive; of equals the first. */
function greedy(graph: Graph, kernels: readonly (readonly Node[])[]): (readonly Node[])[] {
  const lifetimes = lifetimesOf(graph, kernels);
  const kernelOf = new Map<ValueId, number>(kernels.flatMap((members, index) => members.map((node) => [node.id, index] as const)));
  const reads = kernels.map((members, index) => new Set(members.flatMap((node) => node.inputs.map((id) => kernelOf.get(id) ?? index)).filter((other) => other !== index)));
  const readers = kernels.map((): number[] => []);
  reads.forEach((sources, index) => sources.forEach((source) => readers[source]?.push(index)));
  const missing = reads.map((sources) => sources.size);

  const written = kernels.map(() => 0);
  /** Values that each kernel reads, and how many kernels still have to read each value. */
  const operands = kernels.map((): { bytes: number; left: number }[] => []);
  for (const { node, bytes, from, to } of lifetimes) {
    written[from] = (written[from] ?? 0) + bytes;
    const users = new Set((readers[from] ?? []).filter((reader) => kernels[reader]?.some((member) => member.inputs.includes(node.id))));
    const keptToTheEnd = to === kernels.length - 1 && !users.has(to);
    const value = { bytes: keptToTheEnd ? 0 : bytes, left: users.size };
    for (const user of users) operands[user]?.push(value);
  }
  const growth = (index: number): number => (written[index] ?? 0) - (operands[index] ?? []).reduce((sum, value) => sum + (value.left === 1 ? value.bytes : 0), 0);

  const ready = new Set(kernels.map((_, index) => index).filter((index) => missing[index] === 0));
  const order: (readonly Node[])[] = [];
  while (ready.size > 0) {
    let next = -1;
    let least = Infinity;
    for (const index of ready) {
      const grows = growth(index);
      if (grows < least || (grows === least && index < next)) [next, least] = [index, grows];
    }
    ready.delete(next);
    order.push(kernels[next] ?? []);
    for (const value of operands[next] ?? []) value.left--;
    for (const reader of readers[next] ?? []) {
      missing[reader] = (missing[reader] ?? 0) - 1;
      if (missing[reader] === 0) ready.add(reader);
    }
  }
  return order;
}
