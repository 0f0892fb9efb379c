// The readings of a view as the shaders of a feed go through them: a thread takes a few neighbouring elements of a chunk of the readings.

import type { BufferSpec, DeviceLimits, TrainSettings, ViewSpec } from '../../model.ts';
import { groupNumber, workgroupsOf, type Module } from '../shader.ts';
import { indent } from '../writer.ts';
import type { ImageShape } from './layers.ts';

/** A view, and what all views of a program have in common. */
export interface Reading {
  readonly view: ViewSpec;
  /** What it fills, [parts * batch, H, W, C]. */
  readonly leaf: BufferSpec;
  readonly shape: ImageShape;
  readonly normalize: TrainSettings['normalize'];
  /** Images that are read; only the first `batch` of them are stored, the others take part in the normalisation. */
  readonly images: number;
  readonly batch: number;
  /** Where the keys of each part's readings begin; undefined for one that draws nothing. */
  readonly keys: readonly (number | undefined)[];
  /** How many chunks its readings make, and the number of the first of them, counted through all views. */
  readonly chunks: number;
  readonly firstChunk: number;
}

const THREADS = 64;

/**
 * Readings of a chunk, which one thread goes through at its elements; the last chunk may have fewer. With `per_batch` the thread then reads the moments of all chunks:
 * the more readings a chunk has, the fewer these are.
 */
export const chunkSize = (readings: number): number => Math.ceil(Math.sqrt(readings / 2));

export const chunksOf = (readings: number): number => Math.ceil(readings / chunkSize(readings));

/** The type of what a thread computes at once: four neighbours where an image is whole runs of four. */
export const typeOf = (shape: ImageShape): 'f32' | 'vec4f' => (elementsOf(shape) % 4 === 0 ? 'vec4f' : 'f32');

export const elementsOf = (shape: ImageShape): number => shape.reduce((a, b) => a * b, 1);

/** Elements of an image, those that a thread computes at once as one. */
export const columnsOf = (shape: ImageShape): number => elementsOf(shape) / (typeOf(shape) === 'vec4f' ? 4 : 1);

export const readingsOf = ({ view, images }: Reading): number => view.parts.length * images;

/** What a dispatch over all readings of a view is, but for its bindings: `before`, then `body` for each reading `r` at the thread's `column`, then `after`. */
export function overReadings(reading: Reading, { before, body, after }: Readonly<Record<'before' | 'body' | 'after', readonly string[]>>, limits: DeviceLimits): Pick<Module, 'workgroups' | 'threads' | 'body'> {
  const [columns, readings] = [columnsOf(reading.shape), readingsOf(reading)];
  const each = chunkSize(readings);
  const workgroups = workgroupsOf(Math.ceil((columns * reading.chunks) / THREADS), limits);
  return {
    workgroups,
    threads: THREADS,
    body: [
      groupNumber('block', workgroups),
      `let place = block * ${THREADS} + i32(thread);`,
      `if place >= ${columns * reading.chunks} { return; }`,
      `let column = place % ${columns};`,
      `let chunk = place / ${columns};`,
      ...before,
      `for (var r = chunk * ${each}; r < min((chunk + 1) * ${each}, ${readings}); r++) {`,
      ...indent(body),
      '}',
      ...after,
    ],
  };
}

/** Where reading `r` is stored: a number in 0..parts * batch - 1, to be used where `isStored` holds. */
export const storedAt = ({ images, batch, view }: Reading): string =>
  images === batch || view.parts.length === 1 ? 'r' : `(r / ${images} * ${batch} + r % ${images})`;

/** The test whether reading `r` is stored, or undefined where all are. */
export const isStored = ({ images, batch }: Reading): string | undefined => (images === batch ? undefined : `r % ${images} < ${batch}`);
