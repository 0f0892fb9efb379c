// The gpu.js backend: a program's kernels run as one gpu.js pipeline, in whichever of gpu.js's modes works here.
//
// - webgpu: WGSL compute shaders, one command encoder for all steps.
// - webgl2: fragment shaders, in browsers.
// - webasm: WebAssembly with SIMD; all steps run over one shared memory, on worker threads where there are any.
// - cpu: plain JavaScript.
// Intermediate results stay on the device. Weights and states enter a run as arguments and leave it as results: gpu.js runs all steps as one only where
// arguments come from the host, which costs less than running them one by one.

import { Input } from 'gpu.js';
import type { GPU, IKernelRunShortcut, IPipelineRunShortcut, KernelVariable } from 'gpu.js';
import type { BufferId, BufferSpec, GpuJsStep, Model, Program } from '../../../compiler/5-emit/model.ts';
import { BackendError } from '../../backend.ts';
import type { Checked } from '../../numerics.ts';
import { isKept } from '../buffers.ts';
import { lookAt } from '../observe.ts';
import type { Backend, Session, Tensor } from '../../backend.ts';
import { chooseMode } from './modes.ts';
import type { GpuJsMode, WebGpuHere } from './modes.ts';

export interface GpuJsOptions {
  /** The mode to run in; without it the fastest that works, software adapters left out. */
  readonly mode?: GpuJsMode;
}

/** The backend; `open` throws BackendError where the mode asked for, or every mode, fails a trial run. */
export const gpujsOn = (webgpu: WebGpuHere, options: GpuJsOptions = {}): Backend<GpuJsStep> => ({
  name: 'gpujs',
  async open(model, { checkNumerics = false } = {}) {
    const { mode, gpu, device } = await chooseMode(webgpu, options.mode);
    return openSession(model, mode, gpu, device, checkNumerics);
  },
});

/** A program's steps compiled for a set of results. */
interface Plan {
  readonly run: IPipelineRunShortcut;
  readonly args: readonly BufferSpec[];
}

function openSession(model: Model<GpuJsStep>, mode: GpuJsMode, gpu: GPU, device: string, checkNumerics: boolean): Session {
  const kept = new Map<BufferId, Float32Array>();
  for (const program of Object.values(model.programs)) {
    for (const buffer of program.buffers) if (isKept(buffer)) kept.set(buffer.id, new Float32Array(lengthOf(buffer)));
  }
  const plans = new Map<string, Plan>();
  const kernels = new Map<string, IKernelRunShortcut>();
  let disposed = false;

  const programOf = (name: string): Program<GpuJsStep> => {
    if (disposed) throw new Error('the session is disposed');
    const program = model.programs[name];
    if (!program) throw new RangeError(`the model has no program "${name}"`);
    return program;
  };
  const keptValues = (id: BufferId): Float32Array => {
    const values = kept.get(id);
    if (!values) throw new RangeError(`%${id} is no weight and no state`);
    return values;
  };
  const planOf = (name: string, results: readonly BufferId[]): Plan => {
    const key = `${name}:${results.join(',')}`;
    const plan = plans.get(key) ?? createPlan(gpu, mode, programOf(name), results, kernels);
    plans.set(key, plan);
    return plan;
  };

  return {
    backend: 'gpujs',
    device,
    async run(name, feeds, wanted) {
      const program = programOf(name);
      const computed = new Set(program.steps.map((step) => step.writes));
      const usual = [program.loss, program.correct, program.logits, ...program.outputs.map((output) => output.buffer)].filter((id) => id !== undefined);
      const looked = checkNumerics ? computed : [];
      const results = [...new Set([...program.updates.map((update) => update.value), ...usual, ...looked, ...wanted.toSorted()])].filter((id) => computed.has(id));
      const known = leafValues(program, feeds, kept);
      const stranger = wanted.find((id) => !computed.has(id) && !known.has(id) && !kept.has(id));
      if (stranger !== undefined) throw new RangeError(`%${stranger} is no buffer of the program "${name}"`);
      const { run, args } = planOf(name, results);
      const values = results.length === 0 ? {} : ((await run(...args.map((arg) => argument(known, arg)))) as Record<string, unknown>);
      if (mode === 'webasm' && run.pipeline.fallbackReason !== null && results.length > 0) {
        throw new BackendError(`gpu.js cannot run ${name} in WebAssembly: ${run.pipeline.fallbackReason}`, 'Choose the mode "cpu" or another backend.');
      }
      const valueOf = (id: BufferId): Float32Array => {
        if (computed.has(id)) return flat(values[resultName(results.indexOf(id))]);
        return known.get(id) ?? keptValues(id);
      };
      if (checkNumerics) {
        const look = lookAt(name, program, program.steps.map(checkedOf));
        for (let done = -1; done < program.steps.length; done++) look(done, valueOf);
      }
      const answers = wanted.filter((id) => !kept.has(id)).map((id) => [id, valueOf(id).slice()] as const);
      // Kept arrays are replaced, never written to, so that only the caller's need copying.
      const updated = program.updates.map(({ target, value }) => [target, feeds.has(value) ? valueOf(value).slice() : valueOf(value)] as const);
      for (const [target, value] of updated) kept.set(target, value);
      return new Map([...answers, ...wanted.filter((id) => kept.has(id)).map((id) => [id, keptValues(id).slice()] as const)]);
    },
    async read(id) {
      return keptValues(id).slice();
    },
    async write(id, values) {
      const expected = keptValues(id).length;
      if (values.length !== expected) throw new RangeError(`%${id} has ${expected} elements, not ${values.length}`);
      kept.set(id, values.slice());
    },
    async dispose() {
      if (disposed) return;
      disposed = true;
      for (const plan of plans.values()) await plan.run.destroy();
      await gpu.destroy();
    },
  };
}

/** Traces the steps that the results depend on into a gpu.js pipeline. Steps of equal text and grid share a kernel, which is translated once. */
function createPlan(gpu: GPU, mode: GpuJsMode, program: Program<GpuJsStep>, results: readonly BufferId[], kernels: Map<string, IKernelRunShortcut>): Plan {
  const steps = stepsFor(program.steps, results);
  const read = new Set(steps.flatMap((step) => step.reads));
  const written = new Set(steps.map((step) => step.writes));
  const args = program.buffers.filter((buffer) => read.has(buffer.id) && !written.has(buffer.id));
  const kernelOf = (step: GpuJsStep): IKernelRunShortcut => {
    const output = mode === 'cpu' ? [step.grid.reduce((a, b) => a * b, 1)] : [...step.grid];
    const source = mode === 'cpu' ? step.flatSource : step.source;
    const key = `${output.join('x')} ${source}`;
    const kernel = kernels.get(key) ?? gpu.createKernel(source, { output, precision: 'single' });
    kernels.set(key, kernel);
    return kernel;
  };
  const called = steps.map((step) => ({ step, kernel: kernelOf(step) }));
  const trace = (...handles: unknown[]): Record<string, unknown> => {
    const values = new Map<BufferId, unknown>(args.map((arg, i) => [arg.id, handles[i]]));
    for (const { step, kernel } of called) values.set(step.writes, kernel(...(step.reads.map((id) => values.get(id)) as KernelVariable[])));
    return Object.fromEntries(results.map((id, i) => [resultName(i), values.get(id)]));
  };
  Object.defineProperty(trace, 'length', { value: args.length }); // gpu.js makes as many handles as the function has parameters
  return { run: gpu.createPipeline(trace), args };
}

/** The steps that the results depend on, in order. */
function stepsFor(steps: readonly GpuJsStep[], results: readonly BufferId[]): GpuJsStep[] {
  const needed = new Set(results);
  const chosen = steps.toReversed().filter((step) => {
    if (!needed.has(step.writes)) return false;
    for (const id of step.reads) needed.add(id);
    return true;
  });
  return chosen.toReversed();
}

const checkedOf = ({ source, reads, writes }: GpuJsStep): Checked => ({ step: /\bfunction\s*(\w+)/.exec(source)?.[1] ?? writes, reads, writes: [writes] });

const resultName = (i: number): string => `r${i}`;

/** The contents of the program's leaves. Throws RangeError where a feed is missing or has the wrong length. */
function leafValues(program: Program<GpuJsStep>, feeds: ReadonlyMap<BufferId, Tensor>, kept: ReadonlyMap<BufferId, Float32Array>): Map<BufferId, Float32Array> {
  const values = new Map<BufferId, Float32Array>();
  for (const buffer of program.buffers) {
    if (buffer.role.kind === 'temporary') continue;
    if (buffer.role.kind === 'constant') values.set(buffer.id, new Float32Array(lengthOf(buffer)).fill(buffer.role.value));
    else values.set(buffer.id, kept.get(buffer.id) ?? feedOf(buffer, feeds));
  }
  return values;
}

function feedOf(buffer: BufferSpec, feeds: ReadonlyMap<BufferId, Tensor>): Float32Array {
  const feed = feeds.get(buffer.id);
  if (!feed) throw new RangeError(`no feed for %${buffer.id}`);
  if (feed.length !== lengthOf(buffer)) throw new RangeError(`the feed for %${buffer.id} has ${feed.length} elements, not ${lengthOf(buffer)}`);
  return feed instanceof Float32Array ? feed : Float32Array.from(feed);
}

function argument(values: ReadonlyMap<BufferId, Float32Array>, buffer: BufferSpec): KernelVariable {
  const value = values.get(buffer.id);
  if (!value) throw new Error(`no value %${buffer.id}`);
  return new Input(value as unknown as number[], [value.length]); // the types know plain arrays alone; typed ones are what gpu.js copies fastest
}

const lengthOf = (buffer: BufferSpec): number => buffer.shape.reduce((a, b) => a * b, 1);

/** The elements of a result, which gpu.js gives as rows of rows for grids of more than one dimension. */
function flat(result: unknown): Float32Array {
  if (result instanceof Float32Array) return result;
  if (!Array.isArray(result)) throw new Error('gpu.js gave no array');
  const parts = result.map(flat);
  const whole = new Float32Array(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}
