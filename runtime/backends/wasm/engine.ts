// What the WebAssembly backend needs of where it runs: Node has threads over shared memory, a page in a browser has at least itself.

import type { WorkerSetup } from './worker.ts';

export interface Engine {
  /** Threads that compute where the user names no number. */
  readonly threads: () => number;
  /** The most that there may be. */
  readonly mostThreads: number;
  /** A memory that the modules can import and all threads see. Throws RangeError where there is no room for it. */
  readonly createMemory: (pages: number) => WebAssembly.Memory;
  readonly compile: (code: Uint8Array) => Promise<WebAssembly.Module>;
  /** Starts one thread for each setup; all are ready when the promise resolves. */
  readonly start: (setups: readonly WorkerSetup[]) => Promise<Threads>;
}

/** From one number up to, without, another. */
export interface Steps {
  readonly from: number;
  readonly to: number;
}

export interface Threads {
  /** Runs steps of a program, by its place among the setup's, on all threads; one run at a time. Rejects where a thread fails, after which there are none. */
  run(program: number, steps: Steps): Promise<void>;
  end(): Promise<void>;
}

/** A module of one function that uses relaxed SIMD's f32x4 multiply-add. */
const PROBE = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
]);

/** Whether the engine takes modules with relaxed SIMD. */
export const takesRelaxedSimd = (): boolean => WebAssembly.validate(PROBE);
