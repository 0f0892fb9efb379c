// Threads that wait for commands: how they are started, told what to run, waited for and ended, wherever they come from.

import { turn } from '../../turn.ts';
import type { Steps, Threads } from './engine.ts';
import { COMMAND } from './worker.ts';
import type { WorkerSetup } from './worker.ts';

/** A worker of Node or of a browser. */
export interface Thread {
  readonly terminate: () => unknown;
  /** Whether it keeps the process alive. */
  readonly hold?: (alive: boolean) => void;
}

/** Starts a worker that serves the setup; calls back once when it is ready, and when it fails. */
export type Spawn = (setup: WorkerSetup, ready: () => void, failed: (error: Error) => void) => Thread;

export async function startThreads(setups: readonly WorkerSetup[], spawn: Spawn): Promise<Threads> {
  let fail: (error: Error) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => undefined); // it is looked at when something waits for the threads
  const threads: Thread[] = [];
  const ready = Promise.all(setups.map((setup) => new Promise<void>((resolve) => threads.push(spawn(setup, resolve, fail)))));
  const end = async (): Promise<void> => void (await Promise.all(threads.map((thread) => thread.terminate())));
  /** Keeps the process alive, or lets it end, while the threads wait. */
  const hold = (alive: boolean): void => threads.forEach((thread) => thread.hold?.(alive));
  /** The work, unless a thread fails; then all end. */
  const orFailure = async (work: Promise<unknown>): Promise<void> => {
    hold(true);
    try {
      await Promise.race([work, failure]);
    } catch (error) {
      await end();
      throw error;
    } finally {
      hold(false);
    }
  };
  await orFailure(ready);
  return { run: (program, steps) => orFailure(command(setups, program, steps)), end };
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
  for (let done = Atomics.load(words, COMMAND.done); done < setups.length; done = Atomics.load(words, COMMAND.done)) await changed(words, COMMAND.done, done);
}

type Wait = { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
/** Atomics.waitAsync, which the compiler's library declarations of this year do not know, nor all browsers. */
const { waitAsync } = Atomics as unknown as { readonly waitAsync?: (words: Int32Array, index: number, value: number) => Wait };

/** Resolves when the word may have another value. */
async function changed(words: Int32Array, index: number, value: number): Promise<void> {
  if (!waitAsync) return turn();
  const wait = waitAsync(words, index, value);
  if (wait.async) await wait.value;
}
