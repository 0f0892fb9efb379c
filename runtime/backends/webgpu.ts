// The WebGPU backend: compute shaders through Dawn in Node and navigator.gpu in browsers. A run is one command buffer and one submit; weights, states and all
// that a step computes stay on the device, and only what is asked for is read back.

import type { BufferId, BufferSpec, Model, Program, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { BackendError } from '../backend.ts';
import type { Backend, Session, Tensor } from '../backend.ts';
import { checked, deviceLost, invalidUse, openDevice, outOfMemory, textOf } from './webgpu/device.ts';
import type { Device, DeviceOptions } from './webgpu/device.ts';
import { isKept, resultsOf } from './buffers.ts';
import { bytesOf, isFed, jointSizes, lengthOf, planSlots } from './webgpu/memory.ts';
import { compilePipelines, keyOf } from './webgpu/pipelines.ts';
import type { Pipelines } from './webgpu/pipelines.ts';

export interface WebGpuBackendOptions extends DeviceOptions {
  /** Called with the device when it is open, for tests and tools. */
  readonly onDevice?: (gpu: GPUDevice) => void;
}

/** How many runs without results are under way before the next one waits. */
const IN_FLIGHT = 3;

/** The backend. `open` throws BackendError where there is no adapter, no memory, or a shader does not compile. */
export const webgpuBackend = ({ onDevice, ...options }: WebGpuBackendOptions = {}): Backend<WebGpuStep> => ({
  name: 'webgpu',
  async open(model) {
    const device = await openDevice(model, options);
    onDevice?.(device.gpu);
    try {
      const pipelines = await compilePipelines(device.gpu, Object.values(model.programs).flatMap(({ steps }) => steps));
      const plans = await checked(device.gpu, 'making room for the model', () => prepare(device.gpu, model, pipelines));
      return createSession(device, plans);
    } catch (error) {
      device.gpu.destroy();
      throw error;
    }
  },
});

/** A program on the device. */
interface Plan {
  readonly program: Program<WebGpuStep>;
  readonly buffers: ReadonlyMap<BufferId, GPUBuffer>;
  readonly dispatches: readonly { readonly pipeline: GPUComputePipeline; readonly group: GPUBindGroup; readonly workgroups: WebGpuStep['workgroups'] }[];
  /** Copies after the last step, in order. */
  readonly copies: readonly { readonly from: GPUBuffer; readonly to: GPUBuffer; readonly bytes: number }[];
}

/** GPUBufferUsage and GPUMapMode: globals that Node lacks until Dawn is loaded. */
const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;
const MAP_READ = 1;

function prepare(gpu: GPUDevice, model: Model<WebGpuStep>, pipelines: Pipelines): Map<string, Plan> {
  const most = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  const create = (label: string, size: number): GPUBuffer => {
    if (size > most) {
      const sizes = `${size.toLocaleString('en')} bytes, and this GPU binds ${most.toLocaleString('en')} at once`;
      throw new BackendError(`%${label} takes ${sizes}`, 'Take a smaller batch (--batch) or a narrower net (--width).');
    }
    return gpu.createBuffer({ label, size, usage: USAGE.storage | USAGE.copySource | USAGE.copyTarget });
  };
  const slotPlans = new Map(Object.entries(model.programs).map(([name, program]) => [name, planSlots(program)]));
  const slots = jointSizes([...slotPlans.values()]).map((size, slot) => create(`slot ${slot}`, size));
  const kept = new Map<BufferId, GPUBuffer>();
  return new Map(
    Object.entries(model.programs).map(([name, program]) => {
      const buffers = new Map<BufferId, GPUBuffer>();
      const place = (spec: BufferSpec): GPUBuffer | undefined => {
        const slot = slotPlans.get(name)?.slots.get(spec.id);
        if (slot !== undefined) return slots[slot];
        const buffer = kept.get(spec.id) ?? create(spec.id, bytesOf(spec));
        if (isKept(spec)) kept.set(spec.id, buffer);
        if (spec.role.kind === 'constant') gpu.queue.writeBuffer(buffer, 0, new Float32Array(lengthOf(spec)).fill(spec.role.value));
        return buffer;
      };
      for (const spec of program.buffers) {
        const buffer = place(spec);
        if (buffer) buffers.set(spec.id, buffer);
      }
      return [name, planOf(gpu, program, buffers, pipelines, create)] as const;
    }),
  );
}

function planOf(gpu: GPUDevice, program: Program<WebGpuStep>, buffers: Map<BufferId, GPUBuffer>, pipelines: Pipelines, create: (label: string, size: number) => GPUBuffer): Plan {
  const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
  const at = (id: BufferId): { buffer: GPUBuffer; size: number } => {
    const [buffer, spec] = [buffers.get(id), specs.get(id)];
    if (!buffer || !spec) throw new Error(`no buffer %${id}`);
    return { buffer, size: bytesOf(spec) };
  };
  const dispatches = program.steps.map((step) => {
    const pipeline = pipelines.get(keyOf(step));
    if (!pipeline) throw new Error(`no pipeline for ${step.name}`);
    const entries = step.bindings.map(({ buffer }, binding) => ({ binding, resource: at(buffer) }));
    return { pipeline, workgroups: step.workgroups, group: gpu.createBindGroup({ label: step.name, layout: pipeline.getBindGroupLayout(0), entries }) };
  });
  const copy = (from: GPUBuffer, to: GPUBuffer, bytes: number) => ({ from, to, bytes });
  // A leaf that another takes is put aside first: it may be updated itself.
  const targets = new Set(program.updates.map(({ target }) => target));
  const aside = new Map([...new Set(program.updates.map(({ value }) => value).filter((id) => targets.has(id)))].map((id) => [id, create(`${id} before`, at(id).size)]));
  const first = [...aside].map(([id, buffer]) => copy(at(id).buffer, buffer, at(id).size));
  const updates = program.updates.map(({ target, value }) => copy(aside.get(value) ?? at(value).buffer, at(target).buffer, at(target).size));
  return { program, buffers, dispatches, copies: [...first, ...updates] };
}

function createSession({ gpu, adapter }: Device, plans: ReadonlyMap<string, Plan>): Session {
  const kept = new Map([...plans.values()].flatMap(({ program, buffers }) => program.buffers.filter(isKept).map((spec) => [spec.id, { spec, buffer: buffers.get(spec.id) }] as const)));
  let disposed = false;
  let failure: BackendError | undefined;
  const inFlight: Promise<unknown>[] = [];

  const fail = (error: BackendError): void => {
    if (!disposed) failure ??= error;
  };
  void gpu.lost.then(({ message }) => fail(deviceLost(message)));
  gpu.onuncapturederror = ({ error }) => {
    fail(error.constructor.name === 'GPUOutOfMemoryError' ? outOfMemory('running', error.message) : invalidUse('running', error.message));
  };

  const checkOpen = (): void => {
    if (disposed) throw new Error('the session is disposed');
    if (failure) throw failure;
  };
  const keptOf = (id: BufferId): { spec: BufferSpec; buffer: GPUBuffer } => {
    const { spec, buffer } = kept.get(id) ?? {};
    if (!spec || !buffer) throw new RangeError(`%${id} is no weight and no state`);
    return { spec, buffer };
  };
  const write = (spec: BufferSpec, buffer: GPUBuffer, values: Tensor): void => {
    const typed = spec.dtype === 'i32' ? (values instanceof Int32Array ? values : Int32Array.from(values)) : values instanceof Float32Array ? values : Float32Array.from(values);
    gpu.queue.writeBuffer(buffer, 0, typed as Float32Array<ArrayBuffer>);
  };
  /** What goes wrong on a device that is gone is told as that. */
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      const result = await work;
      checkOpen();
      return result;
    } catch (error) {
      await Promise.race([gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      checkOpen();
      throw error instanceof BackendError ? error : invalidUse('running', textOf(error));
    }
  };

  /** Copies buffers for the host, as part of the commands; what gives their contents once those are submitted. */
  const readBack = (commands: GPUCommandEncoder, sources: readonly { readonly spec: BufferSpec; readonly buffer: GPUBuffer }[]) => {
    const offsets = sources.map((_, i) => sources.slice(0, i).reduce((total, { spec }) => total + bytesOf(spec), 0));
    const size = sources.reduce((total, { spec }) => total + bytesOf(spec), 0);
    const staging = gpu.createBuffer({ label: 'results', size, usage: USAGE.mapRead | USAGE.copyTarget });
    sources.forEach(({ spec, buffer }, i) => commands.copyBufferToBuffer(buffer, 0, staging, offsets[i] ?? 0, bytesOf(spec)));
    return async (): Promise<Float32Array[]> => {
      try {
        await staging.mapAsync(MAP_READ);
        const mapped = staging.getMappedRange();
        return sources.map(({ spec }, i) => {
          const [from, length] = [offsets[i] ?? 0, lengthOf(spec)];
          return spec.dtype === 'i32' ? Float32Array.from(new Int32Array(mapped, from, length)) : new Float32Array(mapped, from, length).slice();
        });
      } finally {
        staging.destroy();
      }
    };
  };

  return {
    backend: 'webgpu',
    device: `WebGPU on ${adapter.name}`,

    async run(name, feeds, wanted) {
      checkOpen();
      const plan = plans.get(name);
      if (!plan) throw new RangeError(`the model has no program "${name}"`);
      const { program, buffers, dispatches, copies } = plan;
      const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
      const results = resultsOf(program);
      const asked = wanted.map((id) => {
        const [spec, buffer] = [specs.get(id), buffers.get(id)];
        if (!spec || !buffer || (spec.role.kind === 'temporary' && !results.has(id))) throw new RangeError(`%${id} is no result of the program "${name}"`);
        return { spec, buffer };
      });
      const fed = program.buffers.filter(isFed).map((spec) => ({ spec, buffer: buffers.get(spec.id), values: valuesFor(spec, feeds) }));
      for (const { spec, buffer, values } of fed) if (buffer) write(spec, buffer, values);

      const commands = gpu.createCommandEncoder({ label: name });
      const pass = commands.beginComputePass({ label: name });
      for (const { pipeline, group, workgroups } of dispatches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
      }
      pass.end();
      for (const { from, to, bytes } of copies) commands.copyBufferToBuffer(from, 0, to, 0, bytes);
      const read = asked.length > 0 ? readBack(commands, asked) : undefined;
      gpu.queue.submit([commands.finish()]);
      if (read) {
        const found = await guarded(read());
        return new Map(wanted.map((id, i) => [id, found[i] ?? new Float32Array(0)]));
      }
      const done = guarded(gpu.queue.onSubmittedWorkDone());
      done.catch(() => undefined); // a later run meets the same failure
      inFlight.push(done);
      if (inFlight.length > IN_FLIGHT) await inFlight.shift();
      return new Map();
    },

    async read(id) {
      checkOpen();
      const commands = gpu.createCommandEncoder({ label: 'read' });
      const read = readBack(commands, [keptOf(id)]);
      gpu.queue.submit([commands.finish()]);
      const [values] = await guarded(read());
      return values ?? new Float32Array(0);
    },

    async write(id, values) {
      checkOpen();
      const { spec, buffer } = keptOf(id);
      checkLength(spec, values);
      write(spec, buffer, values);
    },

    async dispose() {
      if (disposed) return;
      disposed = true;
      gpu.destroy();
    },
  };
}

function valuesFor(spec: BufferSpec, feeds: ReadonlyMap<BufferId, Tensor>): Tensor {
  const values = feeds.get(spec.id);
  if (!values) throw new RangeError(`there is no feed for %${spec.id}`);
  checkLength(spec, values);
  return values;
}

function checkLength(spec: BufferSpec, values: Tensor): void {
  if (values.length !== lengthOf(spec)) throw new RangeError(`%${spec.id} has ${lengthOf(spec)} elements, not ${values.length}`);
}
