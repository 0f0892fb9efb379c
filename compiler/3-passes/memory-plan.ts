// The memory plan as `memory` wrote it on the nodes: every buffer with its place and its life, the size of each arena, and what must hold of them.

import type { Graph, Node } from '../2-graph/graph.ts';
import { groupBy } from '../2-graph/group-by.ts';
import { isLeaf } from '../2-graph/ops.ts';
import { bytesOf, kernelsOf, usersOf } from './cost.ts';
import { lifetimesOf } from './lifetimes.ts';
import { aligned, ALIGNMENT, ARENAS, slotOf, staysAtElement, type Arena, type Slot } from './places.ts';

export interface Buffer extends Slot {
  readonly node: Node;
  readonly bytes: number;
  /** The kernels that write it and read it last. -1: it is there before the first; the number of kernels: it outlives the last. */
  readonly from: number;
  readonly to: number;
}

export interface MemoryPlan {
  readonly kernels: readonly (readonly Node[])[];
  readonly buffers: readonly Buffer[];
  /** Bytes of each arena. */
  readonly arenas: Readonly<Record<Arena, number>>;
  /** Bytes that a step needs besides weights, states and what it is fed. */
  readonly peak: number;
}

/** The plan of a graph that `memory` has been through. Throws RangeError where a value that is stored has no place. */
export function memoryPlan(graph: Graph): MemoryPlan {
  const kernels = kernelsOf(graph);
  const writes = lifetimesOf(graph, kernels);
  const writtenBy = new Map(writes.map(({ node, from }) => [node.id, from] as const));
  const places = new Map(graph.nodes.map((node) => [node.id, node.tags.at]));
  // A weight or state that its update overwrites is gone from then on.
  const overwritten = new Map(graph.updates.filter(({ target, value }) => places.get(target) === places.get(value)).map(({ target, value }) => [target, writtenBy.get(value)] as const));
  const held = graph.nodes.filter((node) => isLeaf(node.kind) && node.kind !== 'constant');
  const lives = [...held.map((node) => ({ node, bytes: bytesOf(node.type), from: -1, to: overwritten.get(node.id) ?? kernels.length })), ...writes];
  const buffers = lives.map((life): Buffer => {
    const slot = slotOf(life.node);
    if (!slot) throw new RangeError(`%${life.node.id} is stored, but has no place`);
    return { ...life, ...slot };
  });
  const sizes = Object.fromEntries(ARENAS.map((arena) => [arena, 0])) as Record<Arena, number>;
  for (const { arena, offset, bytes } of buffers) sizes[arena] = Math.max(sizes[arena], offset + aligned(bytes));
  return { kernels, buffers, arenas: sizes, peak: sizes.gradient + sizes.temporary };
}

/** While each kernel runs, the bytes up to the end of the last living temporary, and of all gradients: their arena is no other's. */
export function extents({ kernels, buffers, arenas }: MemoryPlan): number[] {
  const ends = kernels.map(() => arenas.gradient);
  for (const { arena, offset, bytes, from, to } of buffers) {
    if (arena !== 'temporary') continue;
    for (let kernel = from; kernel <= Math.min(to, kernels.length - 1); kernel++) ends[kernel] = Math.max(ends[kernel] ?? 0, arenas.gradient + offset + aligned(bytes));
  }
  return ends;
}

/** Throws Error unless buffers that are alive at once lie apart, but for results that may take the place of what their kernel reads. */
export function verifyPlan(graph: Graph): void {
  const problems = planProblems(memoryPlan(graph));
  if (problems.length > 0) throw new Error(`the memory plan is not sound:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}

/** What is wrong with a plan, one line each. */
export function planProblems(plan: MemoryPlan): string[] {
  const misplaced = plan.buffers.filter(({ offset }) => offset % ALIGNMENT !== 0).map(({ node, offset }) => `%${node.id} lies at ${offset}, which is no multiple of ${ALIGNMENT}`);
  return [...misplaced, ...ARENAS.flatMap((arena) => overlaps(plan, plan.buffers.filter((buffer) => buffer.arena === arena)))];
}

/** Walks through time with the living buffers ordered by offset: each new one must fit between its neighbours. */
function overlaps({ kernels }: MemoryPlan, buffers: readonly Buffer[]): string[] {
  const problems: string[] = [];
  const alive: Buffer[] = [];
  const starting = groupBy(buffers, ({ from }) => from);
  const ending = groupBy(buffers, ({ to }) => to);
  for (let kernel = -1; kernel <= kernels.length; kernel++) {
    const fresh = starting.get(kernel) ?? [];
    const users = usersOf({ nodes: fresh.length > 0 ? (kernels[kernel] ?? []) : [] });
    for (const buffer of fresh) {
      const at = indexOf(alive, buffer.offset);
      const there = alive[at];
      if (there && there.offset === buffer.offset && there.to === kernel && there.from < kernel && there.bytes === buffer.bytes && staysAtElement(there.node.id, buffer.node, (id) => users.get(id) ?? [])) {
        alive[at] = buffer;
        continue;
      }
      for (const other of [alive[at - 1], there]) {
        if (other && other.offset < buffer.offset + buffer.bytes && buffer.offset < other.offset + other.bytes) {
          problems.push(`%${buffer.node.id} and %${other.node.id} are both needed at kernel ${kernel}, and share bytes at ${buffer.arena}+${Math.max(buffer.offset, other.offset)}`);
        }
      }
      alive.splice(at, 0, buffer);
    }
    for (const buffer of ending.get(kernel) ?? []) {
      const at = alive.indexOf(buffer, indexOf(alive, buffer.offset));
      if (at >= 0) alive.splice(at, 1);
    }
  }
  return problems;
}


/** Where an offset belongs among buffers in order of theirs. */
function indexOf(buffers: readonly Buffer[], offset: number): number {
  let [low, high] = [0, buffers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((buffers[middle]?.offset ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
