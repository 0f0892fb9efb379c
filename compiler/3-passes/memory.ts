// memory: where every buffer lies. Weights, states and gradients each have an arena of their own, with the same order of weights in each;
// temporaries share one by their lifetimes, and a result takes the place of an operand that is read for the last time where that is safe:
// a kernel loads what it needs at an element before it stores anything there.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { isElementwise, isLeaf } from '../2-graph/ops.ts';
import { sameShape, sameType } from '../2-graph/types.ts';
import { bytesOf, kernelsOf, usersOf } from './cost.ts';
import { lifetimesOf, type Lifetime } from './lifetimes.ts';
import type { Pass } from './pass.ts';

export const memory: Pass = {
  name: 'memory',
  summary: 'offsets of all buffers: lifetimes that do not meet share bytes, updates happen in place',
  run: (graph) => {
    const places = place(graph);
    return { ...graph, nodes: graph.nodes.map((node) => withPlace(node, places.get(node.id))) };
  },
};

/** Offsets are multiples of this many bytes, which every device's bindings accept. */
export const ALIGNMENT = 256;
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

export const ARENAS = ['weight', 'state', 'gradient', 'feed', 'temporary'] as const;
export type Arena = (typeof ARENAS)[number];

export interface Slot {
  readonly arena: Arena;
  readonly offset: number;
}

const withPlace = (node: Node, slot: Slot | undefined): Node => (slot ? { ...node, tags: { ...node.tags, at: `${slot.arena}+${slot.offset}` } } : node);

/** A node's slot, as its tag says. Throws RangeError on a malformed tag. */
export function slotOf(node: Node): Slot | undefined {
  if (node.tags.at === undefined) return undefined;
  const [name, offset] = node.tags.at.split('+');
  const arena = ARENAS.find((known) => known === name);
  if (!arena || !/^\d+$/.test(offset ?? '')) throw new RangeError(`%${node.id} lies at ${node.tags.at}, which is no place`);
  return { arena, offset: Number(offset) };
}

function place(graph: Graph): Map<ValueId, Slot> {
  const slots = new Map<ValueId, Slot>();
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  placeInOrder(graph.nodes.filter((node) => node.kind === 'weight'), 'weight', slots);
  placeInOrder(graph.nodes.filter((node) => node.kind === 'state'), 'state', slots);
  placeInOrder(graph.nodes.filter((node) => isLeaf(node.kind) && !['weight', 'state', 'constant'].includes(node.kind)), 'feed', slots);

  const kernels = kernelsOf(graph);
  const lifetimes = lifetimesOf(graph, kernels);
  const inPlace = updatesInPlace(graph, nodes, kernels);
  for (const [value, target] of inPlace) {
    const slot = slots.get(target);
    if (slot) slots.set(value, slot);
  }
  const gradients = graph.gradients.map(({ value }) => nodes.get(value)).filter((node) => node !== undefined);
  const stored = new Set(lifetimes.map(({ node }) => node.id));
  placeInOrder([...new Set(gradients)].filter((node) => !slots.has(node.id) && stored.has(node.id)), 'gradient', slots);
  placeTemporaries(lifetimes.filter(({ node }) => !slots.has(node.id)), kernels, slots);
  return slots;
}

function placeInOrder(nodes: readonly Node[], arena: Arena, slots: Map<ValueId, Slot>): void {
  let offset = 0;
  for (const node of nodes) {
    slots.set(node.id, { arena, offset });
    offset += aligned(bytesOf(node.type));
  }
}

/** Updates whose value may overwrite its target at once: no kernel reads the old one later, and the kernel that writes reads it element by element. */
function updatesInPlace(graph: Graph, nodes: ReadonlyMap<ValueId, Node>, kernels: readonly (readonly Node[])[]): Map<ValueId, ValueId> {
  const users = usersOf(graph);
  const ranOf = new Map(kernels.flatMap((members, index) => members.map((node) => [node.id, index] as const)));
  const safe = new Map<ValueId, ValueId>();
  const taken = new Set<ValueId>();
  for (const { target, value } of graph.updates) {
    const writer = nodes.get(value);
    const old = nodes.get(target);
    if (!writer || !old || isLeaf(writer.kind) || taken.has(value) || !sameType(writer.type, old.type)) continue;
    taken.add(value);
    const last = ranOf.get(value) ?? -1;
    const readers = (users.get(target) ?? []).filter((reader) => (ranOf.get(reader.id) ?? Infinity) >= last);
    const inKernel = (id: ValueId): Node[] => (users.get(id) ?? []).filter((user) => ranOf.get(user.id) === last);
    if (readers.every((reader) => ranOf.get(reader.id) === last) && staysAtElement(target, writer, inKernel)) safe.set(value, target);
  }
  return safe;
}

/** Runs of free bytes, best fit: the smallest that is large enough, and new bytes at the end where none is. */
function placeTemporaries(lifetimes: readonly Lifetime[], kernels: readonly (readonly Node[])[], slots: Map<ValueId, Slot>): void {
  const ends = kernels.map((): Lifetime[] => []);
  const starts = kernels.map((): Lifetime[] => []);
  for (const life of lifetimes) {
    ends[life.to]?.push(life);
    starts[life.from]?.push(life);
  }
  const heap = createHeap();
  kernels.forEach((members, index) => {
    const users = usersOf({ nodes: members });
    const inKernel = (id: ValueId): readonly Node[] => users.get(id) ?? [];
    const reusable = (ends[index] ?? []).filter((life) => life.from < index);
    for (const life of starts[index] ?? []) {
      const operand = reusable.findIndex((dying) => sameType(dying.node.type, life.node.type) && staysAtElement(dying.node.id, life.node, inKernel));
      if (operand >= 0) {
        const [dying] = reusable.splice(operand, 1);
        const slot = dying && slots.get(dying.node.id);
        if (slot) slots.set(life.node.id, slot);
      } else slots.set(life.node.id, { arena: 'temporary', offset: heap.take(aligned(life.bytes)) });
    }
    for (const life of [...reusable, ...(ends[index] ?? []).filter((life) => life.from === index)]) {
      const slot = slots.get(life.node.id);
      if (slot) heap.give(slot.offset, aligned(life.bytes));
    }
  });
}

/**
 * Whether a kernel needs a value only at the element of `result` that it computes, so that the result may take the value's place: all that the
 * kernel makes of it is element-wise and of the result's shape. `users` gives a value's readers in the kernel.
 */
export function staysAtElement(value: ValueId, result: Node, users: (id: ValueId) => readonly Node[]): boolean {
  const reached = new Set(users(value));
  for (const node of reached) {
    if (!isElementwise(node.kind) || !sameShape(node.type.shape, result.type.shape)) return false;
    for (const user of users(node.id)) reached.add(user);
  }
  return true;
}

function createHeap(): { take(bytes: number): number; give(offset: number, bytes: number): void } {
  let end = 0;
  const free: { offset: number; bytes: number }[] = []; // by offset, never touching each other
  return {
    take(bytes) {
      let best = -1;
      free.forEach((run, i) => {
        if (run.bytes >= bytes && (best < 0 || run.bytes < (free[best]?.bytes ?? Infinity))) best = i;
      });
      const run = free[best];
      if (!run) {
        const last = free.at(-1);
        const grown = last && last.offset + last.bytes === end ? free.pop() : undefined; // a free run at the end grows
        const offset = grown?.offset ?? end;
        end = offset + bytes;
        return offset;
      }
      const { offset } = run;
      if (run.bytes === bytes) free.splice(best, 1);
      else free[best] = { offset: offset + bytes, bytes: run.bytes - bytes };
      return offset;
    },
    give(offset, bytes) {
      const next = free.findIndex((run) => run.offset > offset);
      const at = next < 0 ? free.length : next;
      const before = free[at - 1];
      const after = free[at];
      const joinsBefore = before !== undefined && before.offset + before.bytes === offset;
      const joinsAfter = after !== undefined && offset + bytes === after.offset;
      const start = joinsBefore ? before.offset : offset;
      const length = bytes + (joinsBefore ? before.bytes : 0) + (joinsAfter ? after.bytes : 0);
      free.splice(joinsBefore ? at - 1 : at, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), { offset: start, bytes: length });
    },
  };
}
