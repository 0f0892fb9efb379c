// The device buffers of a model: weights and states, which its programs share, and the slots of temporaries, of which one program at a time has the use.

import type { BufferId, BufferSpec, Model, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import { UnfitError } from '../../backend.ts';
import { isKept } from '../buffers.ts';
import { bytesOf, jointSizes, lengthOf, offsetOf, planSlots } from './memory.ts';

/** GPUBufferUsage: a global that Node lacks until Dawn is loaded. */
export const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;

/** A value of a program and where it lies: in a buffer, so many bytes from its beginning. */
export interface Place {
  readonly spec: BufferSpec;
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

export type Places = ReadonlyMap<BufferId, Place>;

/** The places of each program's values, by program. Throws UnfitError where one is larger than the device binds. */
export function allocate(gpu: GPUDevice, { programs }: Model<WebGpuStep>): Map<string, Places> {
  const all = Object.entries(programs);
  for (const [, { buffers }] of all) for (const spec of buffers) refuseTooLarge(gpu, spec);
  const plans = all.map(([name, program]) => ({ name, program, slots: planSlots(program) }));
  const shared = jointSizes(plans.map(({ slots }) => slots)).map((size, slot) => storage(gpu, `slot ${slot}`, size));
  const arenas = new Map(all.flatMap(([, { buffers }]) => buffers.filter(({ role }) => role.kind === 'arena')).map((spec) => [spec.id, storage(gpu, spec.id, bytesOf(spec))]));
  const kept = new Map<BufferId, Omit<Place, 'spec'>>();
  // A program that does not say where a weight lies takes it from where another has it.
  for (const spec of all.flatMap(([, { buffers }]) => buffers)) {
    const buffer = isKept(spec) && arenas.get(spec.within?.arena ?? '');
    if (!buffer) continue;
    const before = kept.get(spec.id);
    if (before && (before.buffer !== buffer || before.offset !== offsetOf(spec))) throw new Error(`%${spec.id} lies in two places`);
    kept.set(spec.id, { buffer, offset: offsetOf(spec) });
  }
  const own = (spec: BufferSpec): Omit<Place, 'spec'> => {
    const place = kept.get(spec.id) ?? { buffer: storage(gpu, spec.id, bytesOf(spec)), offset: 0 };
    if (isKept(spec)) kept.set(spec.id, place);
    if (spec.role.kind === 'constant') gpu.queue.writeBuffer(place.buffer, 0, new Float32Array(lengthOf(spec)).fill(spec.role.value));
    return place;
  };
  return new Map(
    plans.map(({ name, program, slots: { slots } }) => {
      const slotOf = (id: BufferId): GPUBuffer | undefined => shared[slots.get(id) ?? -1];
      const places = program.buffers.map((spec): Place => {
        const buffer = arenas.get(spec.id) ?? slotOf(spec.within?.arena ?? spec.id);
        return { spec, ...(buffer ? { buffer, offset: offsetOf(spec) } : own(spec)) };
      });
      return [name, new Map(places.map((place) => [place.spec.id, place]))] as const;
    }),
  );
}

/** Bytes that a shader sees of one buffer at most. */
export const mostBytes = ({ limits }: GPUDevice): number => Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);

function refuseTooLarge(gpu: GPUDevice, spec: BufferSpec): void {
  const [bytes, most] = [bytesOf(spec), mostBytes(gpu)];
  if (bytes <= most) return;
  const sizes = `${bytes.toLocaleString('en')} bytes, and this GPU binds ${most.toLocaleString('en')} at once`;
  throw new UnfitError(`%${spec.id} of [${spec.shape.join(', ')}] takes ${sizes}`, 'Take a smaller batch (--batch) or a narrower net (--width).');
}

/** A buffer for shaders. */
export const storage = (gpu: GPUDevice, label: string, size: number): GPUBuffer =>
  gpu.createBuffer({ label, size, usage: USAGE.storage | USAGE.copySource | USAGE.copyTarget });
