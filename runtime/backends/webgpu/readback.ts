// Values on their way back to the host: copied, at the end of a run's commands, into a buffer that the host maps.

import { USAGE, type Place } from './allocate.ts';
import { bytesOf, lengthOf } from './memory.ts';

/** GPUMapMode: a global that Node lacks until Dawn is loaded. */
const MAP_READ = 1;

/** Copies values for the host, as the last of the commands; what gives them, in the same order, once the commands are submitted. */
export function readBack(gpu: GPUDevice, encoder: GPUCommandEncoder, places: readonly Place[]): () => Promise<Float32Array[]> {
  const ends = places.reduce<number[]>((sums, { spec }) => [...sums, (sums.at(-1) ?? 0) + bytesOf(spec)], []);
  const offsets = [0, ...ends];
  const staging = gpu.createBuffer({ label: 'results', size: offsets.at(-1) ?? 0, usage: USAGE.mapRead | USAGE.copyTarget });
  places.forEach(({ spec, buffer }, i) => encoder.copyBufferToBuffer(buffer, 0, staging, offsets[i] ?? 0, bytesOf(spec)));
  return async () => {
    try {
      await staging.mapAsync(MAP_READ);
      const mapped = staging.getMappedRange();
      return places.map(({ spec }, i) => valuesAt(mapped, offsets[i] ?? 0, spec));
    } finally {
      staging.destroy();
    }
  };
}

/** A copy of the values that lie at an offset, as f32. */
const valuesAt = (mapped: ArrayBuffer, offset: number, spec: Place['spec']): Float32Array =>
  spec.dtype === 'i32' ? Float32Array.from(new Int32Array(mapped, offset, lengthOf(spec))) : new Float32Array(mapped, offset, lengthOf(spec)).slice();
