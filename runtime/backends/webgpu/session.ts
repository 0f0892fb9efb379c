// A model that is open on a device: runs of its programs, and its weights and states.

import type { BufferId, BufferSpec, Model, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import type { ProfiledRun, Profiler, Session, Tensor } from '../../backend.ts';
import { NumericsError } from '../../numerics.ts';
import { isKept } from '../buffers.ts';
import type { Place, Places } from './allocate.ts';
import { encode } from './commands.ts';
import { loadData } from './data.ts';
import type { Device } from './device.ts';
import { watch } from './errors.ts';
import { isFed, lengthOf } from './memory.ts';
import type { Checker } from './numerics.ts';
import type { Pipelines } from './pipelines.ts';
import { preparedOf, resultOf, type Prepared } from './prepared.ts';
import { createQueue } from './queue.ts';
import { readBack } from './readback.ts';
import { createTimer } from './timing.ts';

/** `checkers` look at the runs of the programs that have one. */
export function createSession({ gpu, adapter }: Device, { train: { seed } }: Model<WebGpuStep>, prepared: ReadonlyMap<string, Prepared>, pipelines: Pipelines, checkers: ReadonlyMap<string, Checker>): Session {
  const watching = watch(gpu);
  const { check, guard, end } = watching;
  const queue = createQueue(gpu, watching);
  const kept = new Map([...prepared.values()].flatMap(({ places }) => [...places].filter(([, { spec }]) => isKept(spec))));
  let disposed = false;

  const keptOf = (id: BufferId): Place => {
    const place = kept.get(id);
    if (!place) throw new RangeError(`%${id} is no weight and no state`);
    return place;
  };

  /** Writes what a run is fed; nothing where something is wrong with it. */
  const feed = (places: Places, feeds: ReadonlyMap<BufferId, Tensor>): void => {
    const fed = [...places.values()].filter(({ spec }) => isFed(spec)).map((place) => ({ place, values: valuesFor(place.spec, feeds) }));
    for (const { place, values } of fed) write(gpu, place, values);
  };

  const profile: Profiler['run'] = async (name, feeds, runs) => {
    check();
    const { places, commands } = preparedOf(prepared, name);
    feed(places, feeds);
    const timer = createTimer(gpu, commands);
    try {
      const found: ProfiledRun[] = [];
      while (found.length < runs) {
        const encoder = gpu.createCommandEncoder({ label: name });
        timer.encode(encoder, name);
        gpu.queue.submit([encoder.finish()]);
        found.push(await guard(timer.read()));
      }
      return found;
    } finally {
      timer.destroy();
    }
  };

  return {
    backend: 'webgpu',
    device: `WebGPU on ${adapter.name}`,

    async run(name, feeds, wanted) {
      check();
      const found = preparedOf(prepared, name);
      const { places, commands } = found;
      const asked = wanted.map((id) => resultOf(name, found, id));
      feed(places, feeds);

      const encoder = gpu.createCommandEncoder({ label: name });
      const checker = checkers.get(name);
      if (checker) checker.encode(encoder, name);
      else encode(encoder, name, commands);
      const read = asked.length > 0 ? readBack(gpu, encoder, asked) : undefined;
      await queue.submit(encoder);
      const finding = checker && (await guard(checker.find()));
      if (finding) throw new NumericsError(finding);
      const values = read ? await guard(read()) : [];
      return new Map(wanted.map((id, i) => [id, values[i] ?? new Float32Array(0)]));
    },

    async load(data) {
      check();
      // Checks look at what the host has fed.
      return checkers.size > 0 ? undefined : guard(loadData({ gpu, watch: watching, queue, pipelines, prepared, seed }, data));
    },

    ...(gpu.features.has('timestamp-query') && { profiler: { clock: 'device', run: profile } }),

    async read(id) {
      check();
      const encoder = gpu.createCommandEncoder({ label: 'read' });
      const read = readBack(gpu, encoder, [keptOf(id)]);
      gpu.queue.submit([encoder.finish()]);
      const [values] = await guard(read());
      return values ?? new Float32Array(0);
    },

    async write(id, values) {
      check();
      const place = keptOf(id);
      checkLength(place.spec, values);
      write(gpu, place, values);
    },

    async dispose() {
      if (disposed) return;
      disposed = true;
      end();
      gpu.destroy();
    },
  };
}

function write(gpu: GPUDevice, { spec, buffer, offset }: Place, values: Tensor): void {
  const typed = spec.dtype === 'i32' ? (values instanceof Int32Array ? values : Int32Array.from(values)) : values instanceof Float32Array ? values : Float32Array.from(values);
  gpu.queue.writeBuffer(buffer, offset, typed as Float32Array<ArrayBuffer>);
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
