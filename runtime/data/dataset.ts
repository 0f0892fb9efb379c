// Data sets as plain bytes, the error that all of runtime/data raises, and class-balanced subsets.

import { permutation } from '../random.ts';

/** Images and their labels: `images` holds count * H * W * C bytes (NHWC, 0..255), `labels` the index of each image's class. */
export interface Split {
  readonly count: number;
  readonly images: Uint8Array;
  readonly labels: Uint8Array | Uint16Array;
}

/** The splits of a data set. */
export type SplitName = 'train' | 'test';

export type ImageShape = readonly [height: number, width: number, channels: number];

export interface Dataset {
  readonly name: string;
  readonly shape: ImageShape;
  readonly classes: readonly string[];
  readonly train: Split;
  readonly test: Split;
}

/** How far a long job is. `total` is absent while it is not known. */
export interface Progress {
  readonly phase: 'download' | 'unpack' | 'import';
  readonly unit: 'bytes' | 'images';
  readonly done: number;
  readonly total?: number;
}

export type OnProgress = (progress: Progress) => void;

export interface OpenOptions {
  /** The net's input shape; absent: as the data are. */
  readonly shape?: readonly number[];
  readonly seed?: number;
  /** Where downloads and imports are kept; absent: `cacheDirectory()`. */
  readonly cacheDir?: string;
  readonly progress?: OnProgress;
  readonly signal?: AbortSignal;
  /** The folder of the official CIFAR-10 archive on the web, ending in a slash; absent: its official address. */
  readonly baseUrl?: string;
}

/** Data that cannot be had. `input`: what the user gave is wrong (exit status 1); `environment`: network, disk or a missing part (exit status 2). */
export class DataError extends Error {
  readonly kind: 'input' | 'environment';
  readonly advice: string;
  readonly file?: string;
  constructor(kind: 'input' | 'environment', message: string, advice: string, options: ErrorOptions & { readonly file?: string } = {}) {
    super(message, options);
    this.name = 'DataError';
    this.kind = kind;
    this.advice = advice;
    if (options.file !== undefined) this.file = options.file;
  }
}

/** The words that keep the uses of one seed apart. */
const LIMIT = 0x6c696d69;

/** The bytes of one image. */
export const imageSize = ([height, width, channels]: ImageShape): number => height * width * channels;

export const showSize = (height: number, width: number): string => `${height}x${width}`;

/** Labels in the narrowest array that holds them. Throws RangeError above 65,536 classes. */
export function labelArray(count: number, classes: number): Uint8Array | Uint16Array {
  if (classes > 0x10000) throw new RangeError(`${classes} classes are more than 65,536`);
  return classes > 0x100 ? new Uint16Array(count) : new Uint8Array(count);
}

/** The data set with its labels as places in `classes`. Throws DataError where it has a class that is not one of them. */
export function renumbered(dataset: Dataset, classes: readonly string[]): Dataset {
  const places = dataset.classes.map((name) => classes.indexOf(name));
  const unknown = dataset.classes[places.indexOf(-1)];
  if (unknown !== undefined) {
    const known = classes.length > 12 ? `${classes.slice(0, 12).join(', ')}, …` : classes.join(', ');
    throw new DataError('input', `${dataset.name} has the class "${unknown}", which the run was not trained on`, `Its classes are ${known}: give images of these, or train a run on the others.`);
  }
  if (places.every((place, label) => place === label)) return { ...dataset, classes };
  const renumber = (split: Split): Split => ({ ...split, labels: labelArray(split.count, classes.length).map((_, i) => places[split.labels[i] as number] as number) });
  return { ...dataset, classes, train: renumber(dataset.train), test: renumber(dataset.test) };
}

/**
 * A subset of `n` images drawn by a seed, the classes as equal in number as the split allows; the split itself where it has no more than `n`.
 * A smaller subset of the same seed is part of a larger one. Throws RangeError where `n` is not a positive whole number.
 */
export function limitSplit(split: Split, n: number, seed: number): Split {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`a limit must be a positive whole number, not ${n}`);
  if (n >= split.count) return split;
  // The r-th image of every class, in a drawn order, comes before the (r+1)-th of any.
  const seen = new Map<number, number>();
  const ranked = Array.from(permutation(split.count, seed, LIMIT), (index) => {
    const label = split.labels[index] as number;
    const rank = seen.get(label) ?? 0;
    seen.set(label, rank + 1);
    return { index, rank };
  });
  const chosen = ranked.sort((a, b) => a.rank - b.rank).slice(0, n).map(({ index }) => index);
  return takeImages(split, chosen.sort((a, b) => a - b));
}

function takeImages(split: Split, indices: readonly number[]): Split {
  const size = split.images.length / split.count;
  const images = new Uint8Array(indices.length * size);
  const labels = split.labels.slice(0, indices.length);
  indices.forEach((index, i) => {
    images.set(split.images.subarray(index * size, (index + 1) * size), i * size);
    labels[i] = split.labels[index] as number;
  });
  return { count: indices.length, images, labels };
}
