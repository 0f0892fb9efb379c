// The backends of this version, fastest first: what emits a program for one, and what runs it. Both are loaded when they are asked for.

import type { Precision } from '../compiler/3-passes/precision.ts';
import { AbsentError, BackendError, UnfitError, type OpenOptions, type Session } from '../runtime/backend.ts';
import type { Adapter } from '../runtime/backends/adapter.ts';
import { gpujsEmitter, referenceEmitter, wasmEmitter, webgpuEmitter } from '../compiler/emitters.ts';
import { didYouMean, UsageError } from './io.ts';
import type { CompiledFor, Target } from './target.ts';
import type { TuningRequest } from './tuning/request.ts';

export interface BackendOptions {
  /** Of the wasm backend; as many as there are cores where it is not given. */
  readonly threads?: number | undefined;
  /** Of the webgpu backend: whether an adapter that the processor draws will do; and the adapter, where it is known already. */
  readonly software?: boolean;
  readonly adapter?: Adapter;
  /** Of the webgpu backend: how products get their tiles; without it in the usual way. */
  readonly tuning?: TuningRequest | undefined;
  /** In what activations and adjoints are to be stored. */
  readonly precision?: Precision;
}

export interface BackendEntry {
  readonly name: string;
  readonly summary: string;
  /** Whether it stores f16 where the device does. */
  readonly halves?: boolean;
  readonly load: (options?: BackendOptions) => Promise<Target>;
}

export const BACKENDS: readonly BackendEntry[] = [
  {
    name: 'webgpu',
    summary: 'compute shaders on the GPU; if it is named, on an adapter that the processor draws as well',
    halves: true,
    load: async ({ software = false, adapter: known, tuning, precision } = {}) => {
      const { usableAdapter, webgpuBackend } = await import('../runtime/backends/webgpu.ts');
      const adapter = known ?? (await usableAdapter(software));
      if (precision === 'f16' && !adapter.features.includes('shader-f16')) throw new BackendError(`the adapter ${adapter.name} has no 16-bit numbers (shader-f16)`, FULL);
      const backend = webgpuBackend({ software, adapter });
      if (tuning) return (await import('./tuning/target.ts')).tunedTarget(adapter, backend, tuning);
      return { ...(await webgpuEmitter({ device: adapter })), backend };
    },
  },
  {
    name: 'wasm',
    summary: 'WebAssembly SIMD on worker threads: what a machine without a GPU runs fastest',
    load: async ({ threads } = {}) => {
      const { hasRelaxedSimd, wasmBackend } = await import('../runtime/backends/wasm.ts');
      return { ...(await wasmEmitter(hasRelaxedSimd())), backend: wasmBackend(threads === undefined ? {} : { threads }) };
    },
  },
  {
    name: 'gpujs',
    summary: 'gpu.js in the fastest of its modes that works: webgpu, webgl2, webasm, cpu',
    load: async () => {
      const { gpujsBackend } = await import('../runtime/backends/gpujs.ts');
      return { ...(await gpujsEmitter()), backend: gpujsBackend() };
    },
  },
  {
    name: 'reference',
    summary: 'the plain evaluator: slow, and what the others are tested against',
    halves: true,
    load: async () => {
      const { referenceBackend } = await import('../runtime/backends/reference.ts');
      return { ...(await referenceEmitter()), backend: referenceBackend };
    },
  },
];

const AUTO = 'auto';
export const BACKEND_NAMES: readonly string[] = [AUTO, ...BACKENDS.map(({ name }) => name)];

/** The GPU, if there is one; an adapter that is drawn by the processor is none. */
async function findGpu(): Promise<Adapter | undefined> {
  const { findAdapter } = await import('../runtime/backends/dawn.ts');
  const adapter = await findAdapter().catch(() => undefined);
  return adapter?.software === false ? adapter : undefined;
}

/** What to do where there is no f16. */
const FULL = '--precision f32 runs here; zz doctor shows what the GPU has.';

/** What `auto` tries: the GPU, where there is one, then the processor; for f16, which the evaluator alone has there, nothing else. */
function automatic(precision: Precision = 'f32'): readonly BackendEntry[] {
  let answer: Promise<Adapter | undefined> | undefined;
  const onGpu = (name: string): BackendEntry[] =>
    BACKENDS.filter((entry) => entry.name === name).map((entry) => ({
      ...entry,
      load: async (options) => {
        const adapter = await (answer ??= findGpu());
        if (!adapter) throw new AbsentError('there is no GPU here', precision === 'f16' ? FULL : 'Choose a backend that runs on the processor.');
        return entry.load({ ...options, adapter });
      },
    }));
  if (precision === 'f16') return onGpu('webgpu');
  return [...onGpu('webgpu'), ...onGpu('gpujs'), ...BACKENDS.filter(({ name }) => name !== 'webgpu')];
}

/** The backends to try for a name. Throws UsageError where there is none of it, or where it has no such precision. */
export function backendsFor(name: string, options: BackendOptions = {}): readonly BackendEntry[] {
  const entries = name === AUTO ? automatic(options.precision) : BACKENDS.filter((candidate) => candidate.name === name);
  if (entries.length === 0) throw new UsageError(`there is no backend "${name}"`, `${didYouMean(name, BACKEND_NAMES)}Backends: ${BACKEND_NAMES.join(', ')}.`);
  if (options.precision === 'f16' && !entries.some(({ halves }) => halves)) throw new UsageError(`the ${name} backend has no f16`, 'Use --backend webgpu on a GPU with shader-f16, which zz doctor shows, or --precision f32.');
  return entries.map((entry) => ({ ...entry, load: () => entry.load({ software: name !== AUTO, ...options }) }));
}

/** Told of a backend that should work here and does not, before the next is tried. */
export type PassedOver = (name: string, why: BackendError) => void;

/** What `use` makes of the first of the backends that work here. Throws the last one's BackendError where none does, UnfitError where the first that does has no room for the model. */
async function firstThat<T>(entries: readonly BackendEntry[], use: (target: Target) => Promise<T>, passedOver: PassedOver = () => {}): Promise<T> {
  const [first, ...others] = entries;
  if (!first) throw new BackendError('no backend is left to try', 'zz doctor shows what this machine can run.');
  try {
    return await use(await first.load());
  } catch (error) {
    if (!(error instanceof BackendError) || error instanceof UnfitError || others.length === 0) throw error;
    if (!(error instanceof AbsentError)) passedOver(first.name, error);
    return firstThat(others, use, passedOver);
  }
}

/** The first of the backends that loads; whether it opens is not tried. */
export const loadFirst = (entries: readonly BackendEntry[]): Promise<Target> => firstThat(entries, async (target) => target);

/** Compiles for the first of the backends that opens, once more where measurements have bettered it, and opens it. */
export const openFirst = <C extends CompiledFor>(entries: readonly BackendEntry[], compile: (target: Target) => C, { passedOver, ...options }: OpenOptions & { readonly passedOver?: PassedOver } = {}): Promise<C & { readonly session: Session }> =>
  firstThat(entries, async (target) => {
    const first = compile(target);
    const better = await target.tuned?.(first);
    const compiled = better ? compile(better) : first;
    return { ...compiled, session: await target.backend.open(compiled.model, options) };
  }, passedOver);
