// Values on their way back to the host: copied, at the end of a run's commands, into a buffer that the host maps.

import { USAGE, type Place } from './allocate.ts';
import { lengthOf } from './memory.ts';

/** GPUMapMode: a global that Node lacks until Dawn is loaded. */
const MAP_READ = 1;

/** Bytes of a value without what rounds it up. */
const sizeOf = ({ spec }: Place): number => 4 * lengthOf(spec);

export interface Staging {
  readonly size: number;
  /** Copies a value to so many bytes from the start, as part of the commands. */
  readonly copy: (encoder: GPUCommandEncoder, place: Place, offset: number) => void;
  /** Copies of the values at these offsets, as f32, when the submitted commands are done. The buffer is gone then. */
  readonly read: (parts: readonly { readonly place: Place; readonly offset: number }[]) => Promise<Float32Array[]>;
}

export function createStaging(gpu: GPUDevice, size: number): Staging {
  const buffer = gpu.createBuffer({ label: 'results', size, usage: USAGE.mapRead | USAGE.copyTarget });
  return {
    size,
    copy: (encoder, place, offset) => encoder.copyBufferToBuffer(place.buffer, place.offset, buffer, offset, sizeOf(place)),
    async read(parts) {
      try {
        await buffer.mapAsync(MAP_READ);
        const mapped = buffer.getMappedRange();
        return parts.map(({ place, offset }) => valuesAt(mapped, offset, place));
      } finally {
        buffer.destroy();
      }
    },
  };
}

const valuesAt = (mapped: ArrayBuffer, offset: number, { spec }: Place): Float32Array =>
  spec.dtype === 'i32' ? Float32Array.from(new Int32Array(mapped, offset, lengthOf(spec))) : new Float32Array(mapped, offset, lengthOf(spec)).slice();

/** Where values lie that are read back together. */
export function laidOut(places: readonly Place[], start = 0): { readonly parts: readonly { readonly place: Place; readonly offset: number }[]; readonly end: number } {
  const offsets = places.reduce<number[]>((ends, place) => [...ends, (ends.at(-1) ?? 0) + sizeOf(place)], [start]);
  return { parts: places.map((place, i) => ({ place, offset: offsets[i] ?? start })), end: offsets.at(-1) ?? start };
}

/** Copies values for the host, as the last of the commands; what gives them, in the same order, once the commands are submitted. */
export function readBack(gpu: GPUDevice, encoder: GPUCommandEncoder, places: readonly Place[]): () => Promise<Float32Array[]> {
  const { parts, end } = laidOut(places);
  const staging = createStaging(gpu, end);
  for (const { place, offset } of parts) staging.copy(encoder, place, offset);
  return () => staging.read(parts);
}
