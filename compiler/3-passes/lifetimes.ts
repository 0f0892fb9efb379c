// When each value is written and last read, counted in kernels. What scheduling and the memory plan work from.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { bytesOf, kernelsOf, namedValues, outputsOf, usersOf } from './cost.ts';

/** A value that a kernel leaves in memory. */
export interface Lifetime {
  readonly node: Node;
  readonly bytes: number;
  /** The kernel that writes it, and the last one that reads it; a result that the graph names outlives all kernels: `to` is their number. */
  readonly from: number;
  readonly to: number;
}

/** The lifetimes of all values that kernels write, in the order they are written. */
export function lifetimesOf(graph: Graph, kernels: readonly (readonly Node[])[] = kernelsOf(graph)): Lifetime[] {
  const users = usersOf(graph);
  const named = namedValues(graph);
  const ranOf = new Map<ValueId, number>(kernels.flatMap((members, index) => members.map((node) => [node.id, index] as const)));
  return kernels.flatMap((members, from) =>
    outputsOf(members, users, named).map((node) => {
      const readers = (users.get(node.id) ?? []).map((user) => ranOf.get(user.id) ?? from);
      return { node, bytes: bytesOf(node.type), from, to: named.has(node.id) ? kernels.length : readers.reduce((last, reader) => Math.max(last, reader), from) };
    }),
  );
}

/** The most bytes alive at once, while any one kernel runs. */
export const peakBytes = (lifetimes: readonly Lifetime[], kernels: number): number => aliveBytes(lifetimes, kernels).reduce((peak, bytes) => Math.max(peak, bytes), 0);

/** The bytes alive while each kernel runs. */
export function aliveBytes(lifetimes: readonly Lifetime[], kernels: number): number[] {
  const change = new Array<number>(kernels + 2).fill(0);
  for (const { from, to, bytes } of lifetimes) {
    change[from] = (change[from] ?? 0) + bytes;
    change[to + 1] = (change[to + 1] ?? 0) - bytes;
  }
  let alive = 0;
  return change.slice(0, kernels).map((delta) => (alive += delta));
}
