// The CPU backend: WebAssembly modules on worker threads over one shared memory, which holds the weights, the states and all that a step computes.

import type { BufferId, BufferSpec, Model, WasmStep } from '../../compiler/5-emit/model.ts';
import { BackendError } from '../backend.ts';
import type { Backend, Session, Tensor } from '../backend.ts';
import { isKept, resultsOf } from './buffers.ts';
import { layOut } from './wasm/arena.ts';
import type { Arena } from './wasm/arena.ts';
import { compileModule, coreCount, hasRelaxedSimd, startThreads } from './wasm/engine.ts';
import type { Threads } from './wasm/engine.ts';
import { COMMAND } from './wasm/worker.ts';

export { hasRelaxedSimd } from './wasm/engine.ts';

export interface WasmOptions {
  /** Threads that compute; as many as the process may use at once where it is not given. Results are the same for any number. */
  readonly threads?: number;
}

/** What a WebAssembly memory with 32-bit addresses can hold. */
const MOST_BYTES = 65536 * 65536;
const PAGE = 65536;

/** The backend. `open` throws BackendError where the memory needed cannot be had or the modules do not load. */
export const wasmBackend = ({ threads = coreCount() }: WasmOptions = {}): Backend<WasmStep> => ({
  name: 'wasm',
  async open(model) {
    if (!Number.isSafeInteger(threads) || threads < 1 || threads > 256) throw new RangeError(`${threads} threads: a whole number from 1 to 256 is needed`);
    const arena = layOut(model.programs, threads);
    const memory = allocate(arena.bytes);
    fillConstants(model, arena, memory);
    return createSession(model, arena, memory, await start(model, arena, memory, threads), threads);
  },
});

function allocate(bytes: number): WebAssembly.Memory {
  const size = `${bytes.toLocaleString('en')} bytes (${(bytes / 2 ** 30).toFixed(2)} GiB)`;
  const advice = 'Take a smaller batch (--batch) or a narrower net (--width); the GPU backends have no such limit.';
  if (bytes > MOST_BYTES) throw new BackendError(`this model needs ${size} of memory at its batch size; 32-bit WebAssembly holds 4 GiB at most`, advice);
  try {
    return new WebAssembly.Memory({ initial: bytes / PAGE, maximum: bytes / PAGE, shared: true });
  } catch (cause) {
    throw new BackendError(`there is no memory for the ${size} that this model needs at its batch size`, advice, { cause });
  }
}

const programsOf = (model: Model<WasmStep>) => Object.entries(model.programs);

function addressIn(arena: Arena, program: string, id: BufferId): number {
  const address = arena.buffers.get(program)?.get(id);
  if (address === undefined) throw new RangeError(`%${id} is no buffer of the program "${program}"`);
  return address;
}

const lengthOf = (spec: BufferSpec): number => spec.shape.reduce((a, b) => a * b, 1);

function fillConstants(model: Model<WasmStep>, arena: Arena, memory: WebAssembly.Memory): void {
  for (const [name, program] of programsOf(model)) {
    for (const spec of program.buffers) {
      if (spec.role.kind === 'constant') new Float32Array(memory.buffer, addressIn(arena, name, spec.id), lengthOf(spec)).fill(spec.role.value);
    }
  }
}

async function start(model: Model<WasmStep>, arena: Arena, memory: WebAssembly.Memory, threads: number): Promise<Threads> {
  hasRelaxedSimd(); // a module may use it: let the engine know before it is compiled
  try {
    const programs = await Promise.all(
      programsOf(model).map(async ([name, program]) => {
        if (!program.code) throw new Error(`the program "${name}" has no code`);
        const module = await compileModule(program.code);
        return { module, arena: arena.fixed, buffer: Object.fromEntries(arena.buffers.get(name) ?? []) };
      }),
    );
    return await startThreads(Array.from({ length: threads }, (_, thread) => ({ memory, programs, thread, threads, commands: arena.commands })));
  } catch (cause) {
    throw new BackendError(`the WebAssembly modules do not start here: ${cause instanceof Error ? cause.message : String(cause)}`, 'zz doctor shows what this machine can run.', { cause });
  }
}

function createSession(model: Model<WasmStep>, arena: Arena, memory: WebAssembly.Memory, workers: Threads, threads: number): Session {
  const names = Object.keys(model.programs);
  const commands = new Int32Array(memory.buffer, arena.commands, COMMAND.bytes / 4);
  const kept = new Map(programsOf(model).flatMap(([name, program]) => program.buffers.filter(isKept).map((spec) => [spec.id, { name, spec }] as const)));
  let state: 'open' | 'failed' | 'disposed' = 'open';
  let stop: (reason: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  stopped.catch(() => undefined); // a run under way looks at it
  /** Runs follow each other: they share the feeds' places. */
  let queue: Promise<unknown> = Promise.resolve();

  const view = (program: string, spec: BufferSpec): Tensor => {
    const [address, length] = [addressIn(arena, program, spec.id), lengthOf(spec)];
    return spec.dtype === 'i32' ? new Int32Array(memory.buffer, address, length) : new Float32Array(memory.buffer, address, length);
  };
  const keptView = (id: BufferId): Tensor => {
    const found = kept.get(id);
    if (!found) throw new RangeError(`%${id} is no weight and no state`);
    return view(found.name, found.spec);
  };
  const checkOpen = (): void => {
    if (state !== 'open') throw new Error(state === 'disposed' ? 'the session is disposed' : 'the session has failed before');
  };
  const finished = async (): Promise<void> => {
    for (let done = Atomics.load(commands, COMMAND.done); done < threads; done = Atomics.load(commands, COMMAND.done)) {
      const wait = waitAsync(commands, COMMAND.done, done);
      if (wait.async) await wait.value;
    }
  };
  const execute = async (program: number): Promise<void> => {
    Atomics.store(commands, COMMAND.done, 0);
    Atomics.store(commands, COMMAND.program, program);
    Atomics.add(commands, COMMAND.go, 1);
    Atomics.notify(commands, COMMAND.go);
    workers.hold(true);
    try {
      await Promise.race([finished(), workers.failure, stopped]);
    } catch (cause) {
      checkOpen();
      state = 'failed';
      await workers.end();
      throw new BackendError(`a thread failed: ${cause instanceof Error ? cause.message : String(cause)}`, 'Please report this with the .zz file.', { cause });
    } finally {
      workers.hold(false);
    }
  };

  return {
    backend: 'wasm',
    device: `WebAssembly SIMD on ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    async run(name, feeds, wanted) {
      checkOpen();
      const program = model.programs[name];
      if (!program) throw new RangeError(`the model has no program "${name}"`);
      const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
      const results = resultsOf(program);
      const asked = wanted.map((id) => {
        const spec = specs.get(id);
        if (!spec || (spec.role.kind === 'temporary' && !results.has(id))) throw new RangeError(`%${id} is no result of the program "${name}"`);
        return spec;
      });
      const turn = async (): Promise<Map<BufferId, Float32Array>> => {
        checkOpen();
        for (const spec of program.buffers) if (isFed(spec)) fill(view(name, spec), spec.id, feeds.get(spec.id));
        await execute(names.indexOf(name));
        return new Map(asked.map((spec) => [spec.id, new Float32Array(view(name, spec))]));
      };
      const result = queue.then(turn);
      queue = result.catch(() => undefined);
      return result;
    },
    async read(id) {
      return new Float32Array(keptView(id));
    },
    async write(id, values) {
      fill(keptView(id), id, values);
    },
    async dispose() {
      if (state === 'disposed') return;
      state = 'disposed';
      stop(new Error('the session is disposed'));
      await workers.end();
    },
  };
}

const isFed = ({ role }: BufferSpec): boolean => ['input', 'labels', 'scalar', 'random'].includes(role.kind);

function fill(target: Tensor, id: BufferId, values: Tensor | undefined): void {
  if (!values) throw new RangeError(`there is no feed for %${id}`);
  if (values.length !== target.length) throw new RangeError(`%${id} has ${target.length} elements, not ${values.length}`);
  target.set(values);
}

type Wait = { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
/** Atomics.waitAsync, which the compiler's library declarations of this year do not know. */
const waitAsync = (Atomics as unknown as { waitAsync(words: Int32Array, index: number, value: number): Wait }).waitAsync;
