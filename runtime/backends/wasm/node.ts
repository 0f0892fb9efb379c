// The WebAssembly engine of Node: worker threads over one shared memory.

import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { takesRelaxedSimd, type Engine } from './engine.ts';
import { startThreads, type Spawn } from './threads.ts';
import { serve } from './worker.ts';

/** Whether the engine has relaxed SIMD. Node 20 has it behind a flag, which may be set while it runs. */
export function hasRelaxedSimd(): boolean {
  if (takesRelaxedSimd()) return true;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return takesRelaxedSimd();
}

export const nodeEngine: Engine = {
  threads: availableParallelism,
  mostThreads: 256,
  createMemory: (pages) => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }),
  compile: compileModule,
  start: (setups) => startThreads(setups, spawn),
};

/**
 * Compiles a module with the engine's optimising compiler at once. Left to itself the engine begins with quick code, which runs three times slower, and a function that
 * runs for a second is replaced only when it returns.
 */
async function compileModule(code: Uint8Array): Promise<WebAssembly.Module> {
  hasRelaxedSimd(); // a module may use it: let the engine know before it is compiled
  const flags = ['liftoff', 'wasm-lazy-compilation'];
  for (const flag of flags) setFlagsFromString(`--no-${flag}`);
  try {
    return await WebAssembly.compile(new Uint8Array(code));
  } finally {
    for (const flag of flags) setFlagsFromString(`--${flag}`);
  }
}

const SOURCE = `const { parentPort, workerData } = require('node:worker_threads'); (${serve.toString()})(workerData, () => parentPort.postMessage('ready'));`;

const spawn: Spawn = (workerData, ready, failed) => {
  const worker = new Worker(SOURCE, { eval: true, workerData });
  worker.once('message', ready);
  worker.on('error', failed);
  worker.on('exit', () => failed(new Error('a worker thread ended early')));
  return { terminate: () => worker.terminate(), hold: (alive) => (alive ? worker.ref() : worker.unref()) };
};
