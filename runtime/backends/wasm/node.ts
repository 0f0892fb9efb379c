// The WebAssembly engine of Node: worker threads over one shared memory.

import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { takesRelaxedSimd, type Engine, type Steps, type Threads } from './engine.ts';
import { COMMAND, serve, type WorkerSetup } from './worker.ts';

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
  start: startThreads,
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

async function startThreads(setups: readonly WorkerSetup[]): Promise<Threads> {
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
  /** Keeps the process alive, or lets it end, while the threads wait. */
  const hold = (alive: boolean): void => workers.forEach((worker) => (alive ? worker.ref() : worker.unref()));
  const run = async (program: number, steps: Steps): Promise<void> => {
    hold(true);
    try {
      await Promise.race([command(setups, program, steps), failure]);
    } catch (error) {
      await end();
      throw error;
    } finally {
      hold(false);
    }
  };
  const ready = Promise.all(workers.map((worker) => new Promise<void>((resolve) => worker.once('message', () => resolve()))));
  try {
    await Promise.race([ready, failure]);
  } catch (error) {
    await end();
    throw error;
  }
  hold(false);
  return { run, end };
}

/** Tells all threads to run steps of a program, and waits until they have. */
async function command(setups: readonly WorkerSetup[], program: number, { from, to }: Steps): Promise<void> {
  const [first] = setups;
  if (!first) return;
  const words = new Int32Array(first.memory.buffer, first.commands, COMMAND.bytes / 4);
  Atomics.store(words, COMMAND.done, 0);
  Atomics.store(words, COMMAND.program, program);
  Atomics.store(words, COMMAND.from, from);
  Atomics.store(words, COMMAND.to, to);
  Atomics.add(words, COMMAND.go, 1);
  Atomics.notify(words, COMMAND.go);
  for (let done = Atomics.load(words, COMMAND.done); done < setups.length; done = Atomics.load(words, COMMAND.done)) {
    const wait = waitAsync(words, COMMAND.done, done);
    if (wait.async) await wait.value;
  }
}

type Wait = { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
/** Atomics.waitAsync, which the compiler's library declarations of this year do not know. */
const waitAsync = (Atomics as unknown as { waitAsync(words: Int32Array, index: number, value: number): Wait }).waitAsync;
