// Places in memory: arenas, offsets and their tag, and when a result may take an operand's place.

import type { Node, ValueId } from '../2-graph/graph.ts';
import { isElementwise } from '../2-graph/ops.ts';
import { sameShape } from '../2-graph/types.ts';

/** Offsets are multiples of this many bytes, which every device's bindings accept. */
export const ALIGNMENT = 256;
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

export const ARENAS = ['weight', 'state', 'gradient', 'feed', 'temporary'] as const;
export type Arena = (typeof ARENAS)[number];

export interface Slot {
  readonly arena: Arena;
  readonly offset: number;
}

/** A node's slot, as its tag says. Throws RangeError on a malformed tag. */
export function slotOf(node: Node): Slot | undefined {
  if (node.tags.at === undefined) return undefined;
  const [name, offset] = node.tags.at.split('+');
  const arena = ARENAS.find((known) => known === name);
  if (!arena || !/^\d+$/.test(offset ?? '')) throw new RangeError(`%${node.id} lies at ${node.tags.at}, which is no place`);
  return { arena, offset: Number(offset) };
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
