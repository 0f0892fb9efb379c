// A model that is open on a device: runs of its programs, and its weights and states.

import type { BufferId, BufferSpec, Program, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import type { Session, Tensor } from '../../backend.ts';
import { isKept, resultsOf } from '../buffers.ts';
import type { Place, Places } from './allocate.ts';
import { encode, type Commands } from './commands.ts';
import type { Device } from './device.ts';
import { watch } from './errors.ts';
import { isFed, lengthOf } from './memory.ts';
import { readBack } from './readback.ts';

/** A program on the device. */
export interface Prepared {
  readonly program: Program<WebGpuStep>;
  readonly places: Places;
  readonly commands: Commands;
}

/** How many runs without results are under way before the next one waits. */
const IN_FLIGHT = 3;

export function createSession({ gpu, adapter }: Device, prepared: ReadonlyMap<string, Prepared>): Session {
  const { check, guard, end } = watch(gpu);
  const kept = new Map([...prepared.values()].flatMap(({ places }) => [...places].filter(([, { spec }]) => isKept(spec))));
  const inFlight: Promise<unknown>[] = [];
  let disposed = false;

  const keptOf = (id: BufferId): Place => {
    const place = kept.get(id);
    if (!place) throw new RangeError(`%${id} is no weight and no state`);
    return place;
  };

  return {
    backend: 'webgpu',
    device: `WebGPU on ${adapter.name}`,

    async run(name, feeds, wanted) {
      check();
      const found = prepared.get(name);
      if (!found) throw new RangeError(`the model has no program "${name}"`);
      const { program, places, commands } = found;
      const asked = wanted.map((id) => resultOf(name, program, places, id));
      const fed = [...places.values()].filter(({ spec }) => isFed(spec)).map((place) => ({ place, values: valuesFor(place.spec, feeds) }));
      for (const { place, values } of fed) write(gpu, place, values);

      const encoder = gpu.createCommandEncoder({ label: name });
      encode(encoder, name, commands);
      const read = asked.length > 0 ? readBack(gpu, encoder, asked) : undefined;
      gpu.queue.submit([encoder.finish()]);
      if (read) {
        const values = await guard(read());
        return new Map(wanted.map((id, i) => [id, values[i] ?? new Float32Array(0)]));
      }
      const done = guard(gpu.queue.onSubmittedWorkDone());
      done.catch(() => undefined); // a later run meets the same failure
      inFlight.push(done);
      if (inFlight.length > IN_FLIGHT) await inFlight.shift();
      return new Map();
    },

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

function resultOf(name: string, program: Program<WebGpuStep>, places: Places, id: BufferId): Place {
  const place = places.get(id);
  if (!place || (place.spec.role.kind === 'temporary' && !resultsOf(program).has(id))) throw new RangeError(`%${id} is no result of the program "${name}"`);
  return place;
}

function write(gpu: GPUDevice, { spec, buffer }: Place, values: Tensor): void {
  const typed = spec.dtype === 'i32' ? (values instanceof Int32Array ? values : Int32Array.from(values)) : values instanceof Float32Array ? values : Float32Array.from(values);
  gpu.queue.writeBuffer(buffer, 0, typed as Float32Array<ArrayBuffer>);
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
