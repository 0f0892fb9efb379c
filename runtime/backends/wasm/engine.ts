// What the WebAssembly engine here can do, and the threads it gives us: Node's worker threads. A browser's workers would stand behind the same interface.

import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { serve } from './worker.ts';
import type { WorkerSetup } from './worker.ts';

/** A module of one function that uses relaxed SIMD's f32x4 multiply-add. */
const PROBE = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
]);

/** Whether the engine has relaxed SIMD. Node 20 has it behind a flag, which may be set while it runs. */
export function hasRelaxedSimd(): boolean {
  if (WebAssembly.validate(PROBE)) return true;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(PROBE);
}

/**
 * Compiles a module with the engine's optimising compiler at once. Left to itself the engine begins with quick code, which runs three times slower, and a function that
 * runs for a second is replaced only when it returns.
 */
export async function compileModule(code: Uint8Array): Promise<WebAssembly.Module> {
  const flags = ['liftoff', 'wasm-lazy-compilation'];
  for (const flag of flags) setFlagsFromString(`--no-${flag}`);
  try {
    return await WebAssembly.compile(new Uint8Array(code));
  } finally {
    for (const flag of flags) setFlagsFromString(`--${flag}`);
  }
}

/** As many threads as the process may use at once. */
export const coreCount = (): number => availableParallelism();

export interface Threads {
  /** Keeps the process alive, or lets it end, while the threads wait. */
  hold(alive: boolean): void;
  /** Settles with an error when a thread fails, and never otherwise. */
  readonly failure: Promise<never>;
  end(): Promise<void>;
}

/** Starts one thread for each setup; all are ready when the promise resolves. */
export async function startThreads(setups: readonly WorkerSetup[]): Promise<Threads> {
  const source = `const { parentPort, workerData } = require('node:worker_threads'); (${serve.toString()})(workerData, () => parentPort.postMessage('ready'));`;
  const workers = setups.map((workerData) => new Worker(source, { eval: true, workerData }));
  let ended = false;
  const failure = new Promise<never>((_, reject) => {
    for (const worker of workers) {
      worker.on('error', reject);
      worker.on('exit', () => {
        if (!ended) reject(new Error('a worker thread ended early'));
      });
    }
  });
  failure.catch(() => undefined); // it is looked at when something waits for the threads
  const end = async (): Promise<void> => {
    ended = true;
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  const ready = Promise.all(workers.map((worker) => new Promise<void>((resolve) => worker.once('message', () => resolve()))));
  try {
    await Promise.race([ready, failure]);
  } catch (error) {
    await end();
    throw error;
  }
  const hold = (alive: boolean): void => workers.forEach((worker) => (alive ? worker.ref() : worker.unref()));
  hold(false);
  return { hold, failure, end };
}
