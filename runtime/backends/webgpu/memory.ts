// Which device buffer holds which of a program's values. Temporaries share buffers as their lifetimes allow; whole buffers, never parts of them, because a
// dispatch may not write one part of a buffer and only read another.

import type { BufferId, BufferSpec, Program, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import { resultsOf } from '../buffers.ts';

/** Shaders read and write whole vectors of four, so that the last one needs its room. */
export const bytesOf = ({ shape, dtype }: BufferSpec): number => Math.ceil(lengthOf({ shape }) / 4) * (dtype === 'f16' ? 8 : 16);

/** Bytes before its first element in the buffer where it lies. */
export const offsetOf = ({ within, dtype }: BufferSpec): number => (within?.offset ?? 0) * (dtype === 'f16' ? 2 : 4);

export const lengthOf = ({ shape }: Pick<BufferSpec, 'shape'>): number => shape.reduce((a, b) => a * b, 1);

export const isFed = ({ role }: BufferSpec): boolean => ['input', 'labels', 'scalar', 'random'].includes(role.kind);

/** All that may be dispatched for a program, in order. */
export const stepsOf = ({ feed = [], steps }: Program<WebGpuStep>): readonly WebGpuStep[] => [...feed, ...steps];

export interface SlotPlan {
  /** The slot of each temporary that has its own buffer. */
  readonly slots: ReadonlyMap<BufferId, number>;
  /** The slots' sizes in bytes, largest first. */
  readonly sizes: readonly number[];
}

/** Slots for a program's temporaries: no two that are alive at once have the same. */
export function planSlots(program: Program<WebGpuStep>): SlotPlan {
  const arenas = new Map(program.buffers.flatMap(({ id, within }) => (within ? [[id, within.arena] as const] : [])));
  const wholeOf = (id: BufferId): BufferId => arenas.get(id) ?? id;
  const results = new Set([...resultsOf(program)].map(wholeOf));
  const temporaries = new Map(program.buffers.filter(({ role, within }) => role.kind === 'temporary' && !within).map((spec) => [spec.id, spec]));
  const last = new Map<BufferId, number>();
  const steps = stepsOf(program).map(({ bindings }) => [...new Set(bindings.map(({ buffer }) => wholeOf(buffer)))]);
  steps.forEach((bound, i) => bound.forEach((id) => last.set(id, i)));

  const sizes: number[] = [];
  const slots = new Map<BufferId, number>();
  const free = new Set<number>();
  const take = (bytes: number): number => {
    const bySize = [...free].sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0));
    const slot = bySize.find((each) => (sizes[each] ?? 0) >= bytes) ?? bySize.at(-1) ?? sizes.length;
    free.delete(slot);
    sizes[slot] = Math.max(sizes[slot] ?? 0, bytes);
    return slot;
  };
  steps.forEach((bound, i) => {
    const own = bound.flatMap((id) => temporaries.get(id) ?? []);
    for (const spec of own) if (!slots.has(spec.id)) slots.set(spec.id, take(bytesOf(spec)));
    for (const { id } of own) if (last.get(id) === i && !results.has(id)) free.add(slots.get(id) ?? 0);
  });
  const order = sizes.map((_, slot) => slot).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
  return { slots: new Map([...slots].map(([id, slot]) => [id, order.indexOf(slot)])), sizes: order.map((slot) => sizes[slot] ?? 0) };
}

/** The slots that serve all programs, of which one runs at a time. */
export const jointSizes = (plans: readonly SlotPlan[]): number[] =>
  Array.from({ length: Math.max(0, ...plans.map(({ sizes }) => sizes.length)) }, (_, slot) => Math.max(...plans.map(({ sizes }) => sizes[slot] ?? 0)));
