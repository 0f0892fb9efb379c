// A data set on the device as bytes, and runs of programs that make their batches from it there.

import { CLOCK, DATA, type BufferId, type BufferSpec } from '../../../compiler/5-emit/model.ts';
import type { DeviceData, Run, Runner } from '../../backend.ts';
import type { Split, SplitName } from '../../data/dataset.ts';
import { channelWords } from '../../data/normalize.ts';
import { viewsKey } from '../../data/readings.ts';
import { storage, type Place } from './allocate.ts';
import { createCollector } from './collector.ts';
import { dispatchesOf, encode, type Commands } from './commands.ts';
import type { Watch } from './errors.ts';
import { bytesOf } from './memory.ts';
import type { Pipelines } from './pipelines.ts';
import type { Queue } from './queue.ts';
import { preparedOf, resultOf, type Prepared } from './prepared.ts';

/** What runs need of the session that they belong to. */
export interface Host {
  readonly gpu: GPUDevice;
  readonly watch: Watch;
  readonly queue: Queue;
  readonly pipelines: Pipelines;
  readonly prepared: ReadonlyMap<string, Prepared>;
  /** The run's. */
  readonly seed: number;
}

/** Puts the splits on the device. Undefined where it has no room for them, or a program does not make its batches itself. */
export async function loadData({ gpu, watch, queue, pipelines, prepared, seed }: Host, { splits, channels }: DeviceData): Promise<Runner | undefined> {
  if ([...prepared.values()].some(({ program }) => !program.feed)) return undefined;
  const given = Object.entries(splits) as [SplitName, Split][];
  const clock = placed(gpu, DATA.clock, new Uint32Array(CLOCK.length));
  const common = [clock, ...(channels ? [placed(gpu, DATA.channels, channelWords(channels))] : [])];
  const onDevice = await whereThereIsRoom(gpu, given.flatMap(([, { images }]) => [images.length]), () =>
    new Map(given.map(([name, { count, images, labels }]) => [name, { count, places: [...common, placed(gpu, DATA.images, images), placed(gpu, DATA.labels, Int32Array.from(labels))] }])));
  if (!onDevice) return undefined;

  /** The commands of a program on a split: bind groups are made once. */
  const made = new Map<string, Commands>();
  const commandsFor = ({ program: name, selection: { split } }: Run): Commands => {
    const key = `${split} ${name}`;
    const { program: { feed = [] }, places, commands } = preparedOf(prepared, name);
    const all = new Map([...places, ...(onDevice.get(split)?.places ?? []).map((place) => [place.spec.id, place] as const)]);
    const found = made.get(key) ?? { ...commands, dispatches: [...dispatchesOf(gpu, feed, all, pipelines), ...commands.dispatches] };
    made.set(key, found);
    return found;
  };
  const collector = createCollector(gpu, watch);

  return {
    fedBy: 'device',
    async begin(run) {
      watch.check();
      const found = preparedOf(prepared, run.program);
      const split = onDevice.get(run.selection.split);
      if (!split) throw new RangeError(`the split "${run.selection.split}" is not on the device`);
      checkBatch(found, run);
      const wanted = run.wanted.map((id) => resultOf(run.program, found, id));
      const commands = commandsFor(run);
      gpu.queue.writeBuffer(clock.buffer, 0, clockWords(run, split.count, seed));
      const encoder = gpu.createCommandEncoder({ label: run.program });
      encode(encoder, run.program, commands);
      collector.add(encoder, run, wanted);
      await queue.submit(encoder);
      return collector.ready();
    },
    finish: () => collector.all(),
  };
}

/** As many images are normalised together as the program was compiled for. */
function checkBatch({ places }: Prepared, { program, selection }: Run): void {
  const [images = 0] = places.get(DATA.indices)?.spec.shape ?? [];
  if (images !== selection.batch) throw new RangeError(`the program "${program}" reads ${images} images, not ${selection.batch}`);
}

function clockWords({ selection: { order, start }, clock }: Run, count: number, seed: number): Uint32Array<ArrayBuffer> {
  const words: Readonly<Record<(typeof CLOCK)[number], number>> = {
    order, start, count, views: viewsKey(seed), seed, step: clock.step, steps_per_epoch: clock.stepsPerEpoch, total_steps: clock.totalSteps,
  };
  return Uint32Array.from(CLOCK, (word) => words[word]);
}

/** What `make` gives, or undefined where a buffer would be larger than the device binds, or all of them than its memory. */
async function whereThereIsRoom<T>(gpu: GPUDevice, sizes: readonly number[], make: () => T): Promise<T | undefined> {
  if (Math.max(0, ...sizes) + 16 > Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize)) return undefined;
  gpu.pushErrorScope('out-of-memory');
  const made = make();
  return (await gpu.popErrorScope()) ? undefined : made;
}

/** Bytes that are written at once. */
const PIECE = 2 ** 24;

/** A buffer with these contents. */
function placed(gpu: GPUDevice, id: BufferId, contents: Uint8Array | Int32Array | Uint32Array | Float32Array): Place {
  const bytes = new Uint8Array(contents.buffer, contents.byteOffset, contents.byteLength);
  const spec: BufferSpec = { id, dtype: contents instanceof Float32Array ? 'f32' : 'i32', shape: [Math.ceil(bytes.length / 4)], role: { kind: 'temporary' } };
  const buffer = storage(gpu, id, bytesOf(spec));
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += PIECE) gpu.queue.writeBuffer(buffer, at, bytes as Uint8Array<ArrayBuffer>, at, Math.min(PIECE, whole - at));
  if (whole < bytes.length) {
    const rest = new Uint8Array(4);
    rest.set(bytes.subarray(whole));
    gpu.queue.writeBuffer(buffer, whole, rest);
  }
  return { spec, buffer };
}
