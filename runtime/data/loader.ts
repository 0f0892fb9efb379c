// Batches by step: which images, which readings of them, normalised. Everything depends on (seed, step) alone, so a resumed run goes on as it was.

import type { TrainSettings, ViewSpec } from '../../compiler/5-emit/model.ts';
import { hash, textKey } from '../random.ts';
import { augment, imageDraw } from './augment.ts';
import { DataError, imageSize, type Dataset, type ImageShape, type Split } from './dataset.ts';
import { channelStatistics, normalizeBatch, normalizeChannels, type ChannelStatistics } from './normalize.ts';
import { shuffled } from './shuffle.ts';

/** How batches are made: the views and batch of a training program and the settings that bear on data. */
export interface Plan {
  /** Distinct images a training step takes. */
  readonly batch: number;
  readonly seed: number;
  readonly normalize: TrainSettings['normalize'];
  readonly views: readonly ViewSpec[];
  /** What `normalize channel` uses. */
  readonly statistics?: ChannelStatistics;
}

export interface Batch {
  /** By view name: readings f32 [parts * batch, H, W, C], all of part 0's first. */
  readonly inputs: ReadonlyMap<string, Float32Array>;
  /** [batch]; a batch with several parts repeats them alike. */
  readonly labels: Int32Array;
  readonly batch: number;
  /** How many of the first images count; the rest only fill the batch up. */
  readonly count: number;
  /** Where the images stand in their split, [batch]. */
  readonly indices: Uint32Array;
}

/** The words that keep the uses of one seed apart. */
const [SHUFFLE, VIEWS, EVALUATE, COMPANIONS] = [1, 2, 3, 4];

/** Evaluation has its own order, the same in every run: batches of one class would spoil statistics taken per batch. */
const EVALUATION_SEED = 678;

/** The plan for a data set; takes the channel statistics of the training split where they are needed. */
export function makePlan(dataset: Dataset, settings: Omit<Plan, 'statistics'>): Plan {
  return settings.normalize === 'channel' ? { ...settings, statistics: channelStatistics(dataset.train, dataset.shape) } : settings;
}

/**
 * The steps of an epoch: whole batches only, the images left over are dropped (others in each epoch).
 * Throws DataError where a batch is larger than the training split.
 */
export function stepsPerEpoch(dataset: Dataset, plan: Plan): number {
  const steps = Math.floor(dataset.train.count / plan.batch);
  if (steps > 0) return steps;
  throw new DataError('input', `a batch of ${plan.batch} is larger than the ${dataset.train.count} training images of ${dataset.name}`,
    'Take a smaller batch or more images.');
}

/**
 * As many distinct images as a training step enters readings: batch times the number of parts of all views.
 * With `normalize per_batch` evaluation takes batches of this size, so that its statistics are of as many readings as training's.
 */
export const evaluationBatch = (plan: Plan): number => plan.batch * plan.views.reduce((sum, view) => sum + view.parts.length, 0);

/** The batch of a step (from 0): epoch floor(step / stepsPerEpoch) goes through the split in its own order. */
export function trainBatch(dataset: Dataset, plan: Plan, step: number): Batch {
  const { train, shape } = dataset;
  const perEpoch = stepsPerEpoch(dataset, plan);
  const order = hash(plan.seed, SHUFFLE, Math.floor(step / perEpoch));
  const start = (step % perEpoch) * plan.batch;
  const indices = Uint32Array.from({ length: plan.batch }, (_, i) => shuffled(start + i, train.count, order));
  const size = imageSize(shape);
  const inputs = new Map(plan.views.map((view) => {
    const readings = new Float32Array(view.parts.length * plan.batch * size);
    const key = textKey(view.name);
    view.parts.forEach(({ steps }, part) => {
      indices.forEach((index, i) => {
        const draw = imageDraw(hash(plan.seed, VIEWS), step, i, key, part);
        readings.set(augment(unit(train.images, index * size, size), shape, steps, draw), (part * plan.batch + i) * size);
      });
    });
    return [view.name, readings] as const;
  }));
  return normalized(inputs, labelsOf(train, indices), indices, plan.batch, plan, dataset);
}

/**
 * Batches of `size` distinct images that cover a split once, in a fixed drawn order, without augmentation: every view is its first part's source.
 * The last batch is filled up with the order's first images (with these again where the split is smaller than a batch): they take part in
 * the normalisation, but only the first `count` images are its own.
 */
export function* evalBatches(dataset: Dataset, split: Split, plan: Plan, size: number): Generator<Batch> {
  const order = hash(EVALUATION_SEED, EVALUATE);
  for (let start = 0; start < split.count; start += size) {
    const indices = Uint32Array.from({ length: size }, (_, i) => shuffled((start + i) % split.count, split.count, order));
    const readings = plainReadings(split, indices, dataset.shape);
    yield normalized(plainInputs(plan, readings), labelsOf(split, indices), indices, Math.min(size, split.count - start), plan, dataset);
  }
}

/**
 * Batches of `size` for images of no split (H * W * C bytes each), in their order; labels are 0.
 * With `normalize per_batch` each image stands alone among `size - 1` companions, always the same images drawn from the training split,
 * so that what is predicted of an image does not depend on which others were asked about. Otherwise batches are full, the last filled up with repeats.
 */
export function* predictBatches(dataset: Dataset, images: readonly Uint8Array[], plan: Plan, size: number): Generator<Batch> {
  const { train, shape } = dataset;
  const length = imageSize(shape);
  const own = plan.normalize === 'per_batch' ? 1 : size;
  const order = hash(EVALUATION_SEED, COMPANIONS);
  for (let start = 0; start < images.length; start += own) {
    const count = Math.min(own, images.length - start);
    const readings = own === size
      ? new Float32Array(size * length)
      : plainReadings(train, Uint32Array.from({ length: size }, (_, i) => shuffled(i % train.count, train.count, order)), shape);
    for (let i = 0; i < own; i++) readings.set(unit(images[start + (i % count)] as Uint8Array, 0, length), i * length);
    const indices = Uint32Array.from({ length: size }, (_, i) => start + (i % count));
    yield normalized(plainInputs(plan, readings), new Int32Array(size), indices, count, plan, dataset);
  }
}

const labelsOf = (split: Split, indices: Uint32Array): Int32Array => Int32Array.from(indices, (index) => split.labels[index] as number);

/** Bytes as f32 in 0..1. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

function unit(bytes: Uint8Array, start: number, length: number): Float32Array {
  const pixels = new Float32Array(length);
  for (let i = 0; i < length; i++) pixels[i] = UNIT[bytes[start + i] as number] as number;
  return pixels;
}

function plainReadings(split: Split, indices: Uint32Array, shape: ImageShape): Float32Array {
  const size = imageSize(shape);
  const readings = new Float32Array(indices.length * size);
  indices.forEach((index, i) => { readings.set(unit(split.images, index * size, size), i * size); });
  return readings;
}

const plainInputs = (plan: Plan, readings: Float32Array): Map<string, Float32Array> =>
  new Map(plan.views.map(({ name }) => [name, readings.slice()]));

/** The batch after normalisation; the readings were made for it and are changed in place. */
function normalized(inputs: ReadonlyMap<string, Float32Array>, labels: Int32Array, indices: Uint32Array, count: number, plan: Plan, dataset: Dataset): Batch {
  const arrays = [...inputs.values()];
  if (plan.normalize === 'per_batch') normalizeBatch(arrays, imageSize(dataset.shape));
  if (plan.normalize === 'channel') {
    const statistics = plan.statistics ?? channelStatistics(dataset.train, dataset.shape);
    for (const array of arrays) normalizeChannels(array, statistics);
  }
  return { inputs, labels, batch: indices.length, count, indices };
}
