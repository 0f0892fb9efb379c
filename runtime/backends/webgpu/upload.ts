// A data set's splits as buffers on the device: the images as the bytes that they are, and the labels.

import { CLOCK, DATA, type BufferId, type BufferSpec } from '../../../compiler/5-emit/model.ts';
import type { DeviceData } from '../../backend.ts';
import type { Split, SplitName } from '../../data/dataset.ts';
import { channelWords } from '../../data/normalize.ts';
import { mostBytes, storage, type Place, type Places } from './allocate.ts';
import { bytesOf } from './memory.ts';

export interface Uploaded {
  /** What the host writes for every run. */
  readonly clock: GPUBuffer;
  readonly splits: ReadonlyMap<SplitName, { readonly count: number; readonly places: Places }>;
}

type Contents = Uint8Array | Int32Array | Uint32Array | Float32Array;

/** Undefined where a buffer would be larger than the device binds, or all of them larger than its memory. */
export async function upload(gpu: GPUDevice, { splits, channels }: DeviceData): Promise<Uploaded | undefined> {
  const given = Object.entries(splits) as [SplitName, Split][];
  const common: (readonly [BufferId, Contents])[] = [[DATA.clock, new Uint32Array(CLOCK.length)], ...(channels ? [[DATA.channels, channelWords(channels)] as const] : [])];
  const all = [common, ...given.map(([, { images, labels }]) => [[DATA.images, images], [DATA.labels, Int32Array.from(labels)]] as const)].map((group) =>
    group.map(([id, contents]) => ({ spec: specOf(id, contents), contents })));

  if (all.flat().some(({ spec }) => bytesOf(spec) > mostBytes(gpu))) return undefined;
  gpu.pushErrorScope('out-of-memory');
  const groups = all.map((group) => group.map(({ spec, contents }) => ({ spec, contents, buffer: storage(gpu, spec.id, bytesOf(spec)), offset: 0 })));
  if (await gpu.popErrorScope()) {
    for (const { buffer } of groups.flat()) buffer.destroy();
    return undefined;
  }
  for (const { buffer, contents } of groups.flat()) write(gpu, buffer, contents);

  const [shared = [], ...own] = groups;
  const byId = (places: readonly Place[]): Places => new Map(places.map((place) => [place.spec.id, place]));
  const [clock] = shared;
  if (!clock) throw new Error('no clock');
  return { clock: clock.buffer, splits: new Map(given.map(([name, { count }], i) => [name, { count, places: byId([...shared, ...(own[i] ?? [])]) }])) };
}

const specOf = (id: BufferId, contents: Contents): BufferSpec => ({
  id, dtype: contents instanceof Float32Array ? 'f32' : 'i32', shape: [Math.ceil((contents.length * contents.BYTES_PER_ELEMENT) / 4)], role: { kind: 'temporary' },
});

/** Bytes that are written at once: each write takes as many of the host's memory. */
const PIECE = 2 ** 24;

function write(gpu: GPUDevice, buffer: GPUBuffer, contents: Contents): void {
  const bytes = new Uint8Array(contents.buffer as ArrayBuffer, contents.byteOffset, contents.byteLength);
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += PIECE) gpu.queue.writeBuffer(buffer, at, bytes, at, Math.min(PIECE, whole - at));
  if (whole === bytes.length) return;
  const rest = new Uint8Array(4);
  rest.set(bytes.subarray(whole));
  gpu.queue.writeBuffer(buffer, whole, rest);
}
