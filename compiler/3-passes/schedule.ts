// schedule: an order of the kernels in which few bytes are alive at once.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { isLeaf } from '../2-graph/ops.ts';
import { kernelsOf } from './cost.ts';
import { verifyKernels } from './fuse.ts';
import { lifetimesOf, peakBytes } from './lifetimes.ts';
import type { Pass } from './pass.ts';
import { createQueue } from './queue.ts';

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
  verify: verifyKernels,
};

const renumber = (members: readonly Node[], kernel: number): Node[] => members.map((node) => ({ ...node, tags: { ...node.tags, kernel } }));

/** A value while kernels are put in order. */
interface Waiting {
  /** What its last reader frees; 0 for a value that outlives all kernels. */
  readonly bytes: number;
  readonly readers: readonly number[];
  /** How many readers have not run yet. */
  left: number;
}

/** Of the kernels that can run next, always the one after which the fewest bytes are alive; of equals the first. */
function greedy(graph: Graph, kernels: readonly (readonly Node[])[]): (readonly Node[])[] {
  const readersOf = new Map<ValueId, Set<number>>();
  kernels.forEach((members, index) => {
    for (const id of members.flatMap((node) => node.inputs)) readersOf.set(id, (readersOf.get(id) ?? new Set()).add(index));
  });
  /** By kernel: the bytes it adds if it runs now, the values it reads and writes, and how many of the former are not there yet. */
  const growth = kernels.map(() => 0);
  const operands = kernels.map((): Waiting[] => []);
  const results = kernels.map((): Waiting[] => []);
  const missing = kernels.map(() => 0);
  const grow = (index: number, bytes: number): void => void (growth[index] = (growth[index] ?? 0) + bytes);
  for (const { node, bytes, from, to } of lifetimesOf(graph, kernels)) {
    const readers = [...(readersOf.get(node.id) ?? [])].filter((reader) => reader !== from);
    const value: Waiting = { bytes: to === kernels.length ? 0 : bytes, readers, left: readers.length };
    grow(from, bytes);
    results[from]?.push(value);
    for (const reader of readers) {
      operands[reader]?.push(value);
      missing[reader] = (missing[reader] ?? 0) + 1;
      if (readers.length === 1) grow(reader, -value.bytes);
    }
  }

  const queue = createQueue<{ readonly index: number; readonly bytes: number }>((a, b) => a.bytes < b.bytes || (a.bytes === b.bytes && a.index < b.index));
  const done = new Set<number>();
  const offer = (index: number): void => {
    if (missing[index] === 0) queue.add({ index, bytes: growth[index] ?? 0 });
  };
  kernels.forEach((_, index) => offer(index));
  for (let next = queue.take(); next; next = queue.take()) {
    const { index, bytes } = next;
    if (done.has(index) || bytes !== growth[index]) continue; // offered again since, with fewer bytes
    done.add(index);
    for (const value of operands[index] ?? []) {
      if (--value.left !== 1) continue;
      const last = value.readers.find((reader) => !done.has(reader));
      if (last === undefined) continue;
      grow(last, -value.bytes);
      offer(last);
    }
    for (const reader of (results[index] ?? []).flatMap((value) => value.readers)) {
      missing[reader] = (missing[reader] ?? 0) - 1;
      offer(reader);
    }
  }
  return [...done].map((index) => kernels[index] ?? []);
}
