// memory: where every buffer lies. Weights, states and gradients each have an arena of their own, with the same order of weights in each;
// temporaries share one by their lifetimes, and a result takes the place of an operand that is read for the last time where that is safe:
// a kernel loads what it needs at an element before it stores anything there.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { isLeaf } from '../2-graph/ops.ts';
import { nodesById } from '../2-graph/queries.ts';
import { sameType } from '../2-graph/types.ts';
import { bytesOf, kernelsOf, usersOf } from './cost.ts';
import { lifetimesOf, type Lifetime } from './lifetimes.ts';
import { verifyPlan } from './memory-plan.ts';
import type { Pass } from './pass.ts';
import { aligned, staysAtElement, type Arena, type Slot } from './places.ts';

export const memory: Pass = {
  name: 'memory',
  summary: 'offsets of all buffers: lifetimes that do not meet share bytes, updates happen in place',
  run: (graph) => {
    const places = place(graph);
    return { ...graph, nodes: graph.nodes.map((node) => withPlace(node, places.get(node.id))) };
  },
  verify: verifyPlan,
};

const withPlace = (node: Node, slot: Slot | undefined): Node => (slot ? { ...node, tags: { ...node.tags, at: `${slot.arena}+${slot.offset}` } } : node);

function place(graph: Graph): Map<ValueId, Slot> {
  const slots = new Map<ValueId, Slot>();
  const nodes = nodesById(graph);
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

/** Buffers that take each other's place, one after the other: bytes that are in use from one kernel to another. */
interface Block {
  readonly values: ValueId[];
  readonly bytes: number;
  readonly from: number;
  to: number;
  offset: number;
}

/** The largest blocks first, each into the smallest gap that is large enough between those alive at the same time. */
function placeTemporaries(lifetimes: readonly Lifetime[], kernels: readonly (readonly Node[])[], slots: Map<ValueId, Slot>): void {
  const placed: Block[] = []; // by offset
  for (const block of blocksOf(lifetimes, kernels).sort((a, b) => b.bytes - a.bytes || a.from - b.from)) {
    let end = 0;
    let least = Infinity;
    for (const other of placed) {
      if (other.from > block.to || other.to < block.from) continue;
      const gap = other.offset - end;
      if (gap >= block.bytes && gap < least) [block.offset, least] = [end, gap];
      end = Math.max(end, other.offset + other.bytes);
    }
    if (least === Infinity) block.offset = end;
    const next = placed.findIndex((other) => other.offset > block.offset);
    placed.splice(next < 0 ? placed.length : next, 0, block);
    for (const id of block.values) slots.set(id, { arena: 'temporary', offset: block.offset });
  }
}

/** A result joins the block of an operand that its kernel reads last, where it may take its place; others open blocks. */
function blocksOf(lifetimes: readonly Lifetime[], kernels: readonly (readonly Node[])[]): Block[] {
  const starts = kernels.map((): Lifetime[] => []);
  const ends = kernels.map((): Lifetime[] => []);
  for (const life of lifetimes) {
    starts[life.from]?.push(life);
    if (life.from < life.to) ends[life.to]?.push(life);
  }
  const blocks: Block[] = [];
  const blockOf = new Map<ValueId, Block>();
  kernels.forEach((members, index) => {
    const users = usersOf({ nodes: members });
    const dying = new Set(ends[index]);
    for (const { node, bytes, from, to } of starts[index] ?? []) {
      const taken = [...dying].find((operand) => sameType(operand.node.type, node.type) && staysAtElement(operand.node.id, node, (id) => users.get(id) ?? []));
      const operandBlock = taken && blockOf.get(taken.node.id);
      const block = operandBlock ?? { values: [], bytes: aligned(bytes), from, to, offset: 0 };
      if (taken) dying.delete(taken);
      if (!operandBlock) blocks.push(block);
      block.values.push(node.id);
      block.to = to;
      blockOf.set(node.id, block);
    }
  });
  return blocks;
}
