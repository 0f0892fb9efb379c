// Batches by step: which images, which readings of them, normalised. Everything depends on (seed, step) alone, so a resumed run goes on as it was.

import { hash } from '../random.ts';
import { DataError, imageSize, type Dataset, type ImageShape, type Split, type SplitName } from './dataset.ts';
import { channelStatistics, companionsOf, type InputStatistics } from './normalize.ts';
import { plainInputs, plainReadings, separateInputs, trainingInputs, unit, type Inputs, type Pixels, type ReadingPlan } from './readings.ts';
import { shuffled } from './shuffle.ts';

/** How batches are made: the views and batch of a training program and the settings that bear on data. */
export interface Plan extends ReadingPlan {
  /** Distinct images a training step takes. */
  readonly batch: number;
}

export interface Batch {
  readonly inputs: Inputs;
  /** [batch]; a batch with several parts repeats them alike. */
  readonly labels: Int32Array;
  readonly batch: number;
  /** How many of the first images count; the rest only fill the batch up. */
  readonly count: number;
  /** Where the images stand in their split, [batch]. */
  readonly indices: Uint32Array;
}

/**
 * Which images a batch holds, but not their pixels: those at the places start, start + 1, … of a split in the order drawn for the key `order`.
 * After the last place comes the first.
 */
export interface Selection {
  readonly split: SplitName;
  readonly order: number;
  readonly start: number;
  readonly batch: number;
  /** How many of the first images count; the rest only fill the batch up. */
  readonly count: number;
}

/** The words that keep the uses of one seed apart. */
const [SHUFFLE, EVALUATE, COMPANIONS] = [1, 3, 4];

/** Statistics of more images would be the same. */
const MOST_COMPANIONS = 1024;

/** Evaluation has its own order, the same in every run: batches of one class would spoil statistics taken per batch. */
const EVALUATION_SEED = 678;

/** What the ways of normalising take from the training images. */
const NEEDED: { readonly [K in ReadingPlan['normalize']]: keyof InputStatistics | undefined } = { per_batch: 'companions', channel: 'channels', none: undefined };

/** The plan for a data set, with the statistics that the plan's way of normalising needs: `known` ones of a run, or else those of the data set's training split. */
export function makePlan(dataset: Dataset, settings: Omit<Plan, keyof InputStatistics>, known: InputStatistics = {}): Plan {
  const needed = NEEDED[settings.normalize];
  const taken = needed === undefined || known[needed] ? {} : inputStatistics(dataset.train, dataset.shape, settings.normalize, evaluationBatch(settings));
  return { ...settings, ...taken, ...known };
}

/**
 * What normalising takes from the training images. For `per_batch` single images are normalised among as many others as stand beside one in an evaluation batch of
 * `size`, always the same ones.
 */
export function inputStatistics(train: Pick<Split, 'count' | 'images'>, shape: ImageShape, normalize: ReadingPlan['normalize'], size: number): InputStatistics {
  if (normalize === 'channel') return { channels: channelStatistics(train, shape) };
  if (normalize === 'none' || train.count === 0) return {};
  const order = hash(EVALUATION_SEED, COMPANIONS);
  const count = Math.min(size - 1, train.count, MOST_COMPANIONS);
  const indices = Uint32Array.from({ length: count }, (_, i) => shuffled((i + 1) % train.count, train.count, order));
  return { companions: companionsOf(plainReadings(shape, pixelsOf(train, indices), indices.length), imageSize(shape)) };
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
export const evaluationBatch = (plan: Pick<Plan, 'batch' | 'views'>): number => plan.batch * plan.views.reduce((sum, view) => sum + view.parts.length, 0);

/** The images of a step (from 0): epoch floor(step / stepsPerEpoch) goes through the training split in its own order. */
export function trainSelection(dataset: Dataset, plan: Plan, step: number): Selection {
  const perEpoch = stepsPerEpoch(dataset, plan);
  const { batch, seed } = plan;
  return { split: 'train', order: hash(seed, SHUFFLE, Math.floor(step / perEpoch)), start: (step % perEpoch) * batch, batch, count: batch };
}

/** Batches of `size` that cover so many test images once, in a fixed drawn order. The last one is filled up with the order's first images, with these again where there are fewer than a batch. */
export const testSelections = (images: number, size: number): Selection[] =>
  Array.from({ length: Math.ceil(images / size) }, (_, i) => ({ split: 'test', order: hash(EVALUATION_SEED, EVALUATE), start: i * size, batch: size, count: Math.min(size, images - i * size) }));

/** Where the images of a selection stand in their split, [batch]. */
export const indicesOf = ({ count }: Pick<Split, 'count'>, { order, start, batch }: Selection): Uint32Array =>
  Uint32Array.from({ length: batch }, (_, i) => shuffled((start + i) % count, count, order));

export const labelsOf = ({ labels }: Split, indices: Uint32Array): Int32Array => Int32Array.from(indices, (index) => labels[index] as number);

/** The batch of a step (from 0), augmented. */
export function trainBatch(dataset: Dataset, plan: Plan, step: number): Batch {
  const { train, shape } = dataset;
  const indices = indicesOf(train, trainSelection(dataset, plan, step));
  return { inputs: trainingInputs(plan, shape, pixelsOf(train, indices), plan.batch, step), labels: labelsOf(train, indices), indices, batch: plan.batch, count: plan.batch };
}

/** Batches of `size` distinct images that cover a split once, as `testSelections` does, without augmentation: every view is its first part's source. */
export function* evalBatches(dataset: Dataset, split: Split, plan: Plan, size: number): Generator<Batch> {
  for (const selection of testSelections(split.count, size)) yield plainBatch(dataset, split, plan, selection);
}

/** The batch of a selection from a split, without augmentation. Images that only fill it up take part in the normalisation. */
export function plainBatch({ shape }: Dataset, split: Split, plan: Plan, selection: Selection): Batch {
  const { batch, count } = selection;
  const indices = indicesOf(split, selection);
  return { inputs: plainInputs(plan, shape, pixelsOf(split, indices), batch), labels: labelsOf(split, indices), indices, batch, count };
}

/**
 * Batches of `size` for images of no split (H * W * C bytes each), in their order, the last filled up with repeats; labels are 0.
 * What is predicted of an image does not depend on which others were asked about.
 */
export function* predictBatches({ shape }: Pick<Dataset, 'shape'>, images: readonly Uint8Array[], plan: ReadingPlan, size: number): Generator<Batch> {
  const length = imageSize(shape);
  for (let start = 0; start < images.length; start += size) {
    const count = Math.min(size, images.length - start);
    const indices = Uint32Array.from({ length: size }, (_, i) => start + (i % count));
    const pixels: Pixels = (i) => unit(images[indices[i] as number] as Uint8Array, 0, length);
    yield { inputs: separateInputs(plan, shape, pixels, size), labels: new Int32Array(size), indices, batch: size, count };
  }
}

function pixelsOf(split: Pick<Split, 'count' | 'images'>, indices: Uint32Array): Pixels {
  const size = split.images.length / split.count;
  return (i) => unit(split.images, (indices[i] as number) * size, size);
}
