// What a worker thread does: it waits for a command, runs its part of a program, and says so. No messages pass and nothing is allocated in a step.

export interface WorkerSetup {
  readonly memory: WebAssembly.Memory;
  /** Each program's module and the imports besides the memory. */
  readonly programs: readonly { readonly module: WebAssembly.Module; readonly arena: Readonly<Record<string, number>>; readonly buffer: Readonly<Record<string, number>> }[];
  readonly thread: number;
  readonly threads: number;
  /** Byte address of the commands: COMMAND words. */
  readonly commands: number;
}

/** The words of the command block: a count that grows with every command; the program to run and its steps, from and up to; and how many threads have done so. Each group has a cache line to itself. */
export const COMMAND = { go: 0, program: 16, from: 17, to: 18, done: 32, bytes: 192 } as const;

/** The worker's whole program, as a function that stands alone: its text is what the worker is started with. */
export function serve(setup: WorkerSetup, ready: () => void): void {
  const { memory, programs, thread, threads, commands } = setup;
  const words = new Int32Array(memory.buffer, commands, 48);
  const runs = programs.map(({ module, arena, buffer }) => {
    const instance = new WebAssembly.Instance(module, { arena: { ...arena, memory }, buffer });
    return instance.exports['run'] as (thread: number, threads: number, from: number, to: number) => void;
  });
  ready();
  for (let seen = 0; ; ) {
    Atomics.wait(words, 0, seen); // the places of COMMAND, which a function that stands alone cannot name
    seen = Atomics.load(words, 0);
    const run = runs[Atomics.load(words, 16)];
    if (!run) return;
    run(thread, threads, Atomics.load(words, 17), Atomics.load(words, 18));
    if (Atomics.add(words, 32, 1) === threads - 1) Atomics.notify(words, 32);
  }
}
