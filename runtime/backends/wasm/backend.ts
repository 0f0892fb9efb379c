// The WebAssembly backend on an engine: modules that run over one memory, which holds the weights, the states and all that a step computes.

import type { BufferId, BufferSpec, Model, Program, WasmStep } from '../../../compiler/5-emit/model.ts';
import { BackendError, UnfitError } from '../../backend.ts';
import type { Backend, ProfiledRun, Session, Tensor } from '../../backend.ts';
import type { Checked } from '../../numerics.ts';
import { lookAt, profiledRun } from '../observe.ts';
import { isKept, resultsOf } from '../buffers.ts';
import { layOut } from './arena.ts';
import type { Arena } from './arena.ts';
import type { Engine, Steps, Threads } from './engine.ts';

export interface WasmOptions {
  /** Threads that compute; as many as the process may use at once where it is not given. Results are the same for any number. */
  readonly threads?: number;
}

/** What a WebAssembly memory with 32-bit addresses can hold. */
const MOST_BYTES = 65536 * 65536;
const PAGE = 65536;

/** The backend. `open` throws BackendError where the memory needed cannot be had or the modules do not load. */
export const wasmOn = (engine: Engine, { threads = engine.threads() }: WasmOptions = {}): Backend<WasmStep> => ({
  name: 'wasm',
  async open(model, { checkNumerics = false } = {}) {
    const { mostThreads } = engine;
    if (!Number.isSafeInteger(threads) || threads < 1 || threads > mostThreads) throw new RangeError(`${threads} threads: a whole number from 1 to ${mostThreads} is needed`);
    const arena = layOut(model.programs, threads);
    const memory = allocate(engine, model, arena);
    fillConstants(model, arena, memory);
    return createSession(model, arena, memory, await start(engine, model, arena, memory, threads), threads, checkNumerics);
  },
});

function allocate(engine: Engine, model: Model<WasmStep>, arena: Arena): WebAssembly.Memory {
  const { bytes } = arena;
  const size = `${bytes.toLocaleString('en')} bytes (${(bytes / 2 ** 30).toFixed(2)} GiB)`;
  if (bytes > MOST_BYTES) throw new UnfitError(`this model needs ${size} of memory at its batch size; 32-bit WebAssembly holds 4 GiB at most`, adviceFor(model, arena));
  try {
    return engine.createMemory(bytes / PAGE);
  } catch (cause) {
    throw new UnfitError(`there is no memory for the ${size} that this model needs at its batch size`, 'Take a smaller batch (--batch) or a narrower net (--width).', { cause });
  }
}

/** The batch of the first program that fits, taking it that all but what lasts grows with it. */
function adviceFor(model: Model<WasmStep>, { bytes, lasting }: Arena): string {
  const batch = programsOf(model)[0]?.[1].batch ?? 1;
  const fits = Math.floor((0.98 * batch * (MOST_BYTES - lasting)) / (bytes - lasting));
  return fits < 1 ? 'Take a narrower net (--width); the GPU backends have no such limit.' : `Take a smaller batch: ${fits} of the ${batch} images fit (--batch ${fits}). The GPU backends have no such limit.`;
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

async function start(engine: Engine, model: Model<WasmStep>, arena: Arena, memory: WebAssembly.Memory, threads: number): Promise<Threads> {
  try {
    const programs = await Promise.all(
      programsOf(model).map(async ([name, program]) => {
        if (!program.code) throw new Error(`the program "${name}" has no code`);
        const module = await engine.compile(program.code);
        return { module, arena: arena.fixed, buffer: Object.fromEntries(arena.buffers.get(name) ?? []) };
      }),
    );
    return await engine.start(Array.from({ length: threads }, (_, thread) => ({ memory, programs, thread, threads, commands: arena.commands })));
  } catch (cause) {
    throw new BackendError(`the WebAssembly modules do not start here: ${cause instanceof Error ? cause.message : String(cause)}`, 'zz doctor shows what this machine can run.', { cause });
  }
}

function createSession(model: Model<WasmStep>, arena: Arena, memory: WebAssembly.Memory, workers: Threads, threads: number, checkNumerics: boolean): Session {
  const names = Object.keys(model.programs);
  const kept = new Map(programsOf(model).flatMap(([name, program]) => program.buffers.filter(isKept).map((spec) => [spec.id, { name, spec }] as const)));
  let state: 'open' | 'failed' | 'disposed' = 'open';
  let stop: (reason: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  stopped.catch(() => undefined); // a run under way looks at it
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
  const execute = async (name: string, steps: Steps): Promise<void> => {
    try {
      await Promise.race([workers.run(names.indexOf(name), steps), stopped]);
    } catch (cause) {
      checkOpen();
      state = 'failed';
      throw new BackendError(`a thread failed: ${cause instanceof Error ? cause.message : String(cause)}`, 'Please report this with the .zz file.', { cause });
    }
  };

  /** Calls `between` before the first step and after each. */
  const stepByStep = async (name: string, program: Program<WasmStep>, between: (done: number) => void): Promise<void> => {
    between(-1);
    for (let at = 0; at < program.steps.length; at++) {
      await execute(name, { from: at, to: at + 1 });
      between(at);
    }
  };
  const programOf = (name: string): Program<WasmStep> => {
    const program = model.programs[name];
    if (!program) throw new RangeError(`the model has no program "${name}"`);
    return program;
  };
  /** Runs follow each other: they share the feeds' places. */
  const inTurn = <T>(name: string, feeds: ReadonlyMap<BufferId, Tensor>, work: (program: Program<WasmStep>) => Promise<T>): Promise<T> => {
    const program = programOf(name);
    const result = queue.then(async () => {
      checkOpen();
      for (const spec of program.buffers) if (isFed(spec)) fill(view(name, spec), spec.id, feeds.get(spec.id));
      return work(program);
    });
    queue = result.catch(() => undefined);
    return result;
  };

  return {
    backend: 'wasm',
    device: `WebAssembly SIMD on ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    async run(name, feeds, wanted) {
      checkOpen();
      const program = programOf(name);
      const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
      const results = resultsOf(program);
      const asked = wanted.map((id) => {
        const spec = specs.get(id);
        if (!spec || (spec.role.kind === 'temporary' && !results.has(id))) throw new RangeError(`%${id} is no result of the program "${name}"`);
        return spec;
      });
      return inTurn(name, feeds, async () => {
        const look = lookAt(name, program, program.steps.map(checkedOf));
        if (checkNumerics) await stepByStep(name, program, (done) => look(done, (id) => view(name, specs.get(id) ?? missing(id))));
        else await execute(name, { from: 0, to: program.steps.length });
        return new Map(asked.map((spec) => [spec.id, new Float32Array(view(name, spec))]));
      });
    },
    profiler: {
      clock: 'host',
      run: (name, feeds, runs) =>
        inTurn(name, feeds, async (program) => {
          const found: ProfiledRun[] = [];
          while (found.length < runs) {
            const times: number[] = [];
            await stepByStep(name, program, () => times.push(performance.now()));
            found.push(profiledRun(times));
          }
          return found;
        }),
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

const checkedOf = ({ kernel, reads, writes }: WasmStep): Checked => ({ step: kernel, reads, writes: [writes] });

const missing = (id: BufferId): never => {
  throw new Error(`no buffer %${id}`);
};

const isFed = ({ role }: BufferSpec): boolean => ['input', 'labels', 'scalar', 'random'].includes(role.kind);

function fill(target: Tensor, id: BufferId, values: Tensor | undefined): void {
  if (!values) throw new RangeError(`there is no feed for %${id}`);
  if (values.length !== target.length) throw new RangeError(`%${id} has ${target.length} elements, not ${values.length}`);
  target.set(values);
}
