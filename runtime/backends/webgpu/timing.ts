// Times of a run's dispatches: each is a pass of its own, and the device writes its clock at the beginning and the end.

import type { ProfiledRun } from '../../backend.ts';
import { USAGE } from './allocate.ts';
import { encodeCopies, encodeDispatch } from './commands.ts';
import type { Commands } from './commands.ts';

/** Queries that a set has at most in WebGPU, two for each dispatch. */
const MOST = 4096;
/** GPUBufferUsage.QUERY_RESOLVE and GPUMapMode.READ: globals that Node lacks until Dawn is loaded. */
const QUERY_RESOLVE = 512;
const MAP_READ = 1;

export interface Timer {
  /** Encodes a run. */
  readonly encode: (encoder: GPUCommandEncoder, label: string) => void;
  /** When it is submitted: its times. */
  readonly read: () => Promise<ProfiledRun>;
  readonly destroy: () => void;
}

/** A timer for runs of the same commands, one at a time; the device must have `timestamp-query`. */
export function createTimer(gpu: GPUDevice, { dispatches, copies }: Commands): Timer {
  const count = 2 * dispatches.length;
  const sets = Array.from({ length: Math.ceil(count / MOST) }, (_, i) => gpu.createQuerySet({ type: 'timestamp', count: Math.min(MOST, count - i * MOST) }));
  const size = Math.max(8, 8 * count);
  const resolved = gpu.createBuffer({ label: 'timestamps', size, usage: QUERY_RESOLVE | USAGE.copySource });
  const staging = gpu.createBuffer({ label: 'timestamps for the host', size, usage: USAGE.mapRead | USAGE.copyTarget });
  return {
    encode(encoder, label) {
      dispatches.forEach((dispatch, i) => {
        const querySet = sets[Math.floor((2 * i) / MOST)];
        const at = (2 * i) % MOST;
        const pass = encoder.beginComputePass({ label, ...(querySet && { timestampWrites: { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 } }) });
        encodeDispatch(pass, dispatch);
        pass.end();
      });
      encodeCopies(encoder, copies);
      sets.forEach((set, i) => encoder.resolveQuerySet(set, 0, set.count, resolved, 8 * MOST * i));
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    },
    async read() {
      await staging.mapAsync(MAP_READ);
      const ticks = new BigUint64Array(staging.getMappedRange().slice(0));
      staging.unmap();
      const [start = 0n] = ticks;
      const micro = (tick: bigint | undefined): number => Number((tick ?? start) - start) / 1000;
      return { steps: dispatches.map((_, i) => ({ begin: micro(ticks[2 * i]), end: micro(ticks[2 * i + 1]) })) };
    },
    destroy() {
      for (const set of sets) set.destroy();
      resolved.destroy();
      staging.destroy();
    },
  };
}
