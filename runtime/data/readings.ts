// From images to what a program's inputs are fed: the readings of every view, normalised. Knows nothing of data sets, so that compiled models share it.

import type { TrainSettings, ViewSpec } from '../../compiler/5-emit/model.ts';
import { hash, textKey } from '../random.ts';
import { augment, imageDraw } from './augment.ts';
import { imageSize, type ImageShape } from './dataset.ts';
import { normalizeAmong, normalizeBatch, normalizeChannels, type InputStatistics } from './normalize.ts';

export interface ReadingPlan extends InputStatistics {
  readonly seed: number;
  readonly normalize: TrainSettings['normalize'];
  readonly views: readonly ViewSpec[];
}

/** By view name: readings f32 [parts * batch, H, W, C], all of part 0's first. */
export type Inputs = ReadonlyMap<string, Float32Array>;

/** The pixels f32 [H, W, C], 0..1, of an image of the batch, counted from 0; they are not written to. */
export type Pixels = (image: number) => Float32Array;

/** The word that keeps the views' draws apart from other uses of one seed. */
const VIEWS = 2;

/** The key from which the views of a run draw their numbers. */
export const viewsKey = (seed: number): number => hash(seed, VIEWS);

/** Bytes as f32 in 0..1. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

export function unit(bytes: Uint8Array, start: number, length: number): Float32Array {
  const pixels = new Float32Array(length);
  for (let i = 0; i < length; i++) pixels[i] = UNIT[bytes[start + i] as number] as number;
  return pixels;
}

/** What a training step is fed: every view's augmented readings, whose draws depend on the seed and the step alone. */
export function trainingInputs(plan: ReadingPlan, shape: ImageShape, pixels: Pixels, batch: number, step: number): Inputs {
  const size = imageSize(shape);
  const images = Array.from({ length: batch }, (_, i) => pixels(i));
  const inputs = new Map(plan.views.map((view) => {
    const readings = new Float32Array(view.parts.length * batch * size);
    const key = textKey(view.name);
    view.parts.forEach(({ steps }, part) => {
      images.forEach((image, i) => {
        const draw = imageDraw(viewsKey(plan.seed), step, i, key, part);
        readings.set(augment(image, shape, steps, draw), (part * batch + i) * size);
      });
    });
    return [view.name, readings] as const;
  }));
  return normalized(inputs, plan, size);
}

/** What evaluation is fed: every view reads its plain source, and the statistics of `per_batch` are the batch's own. */
export function plainInputs(plan: ReadingPlan, shape: ImageShape, pixels: Pixels, batch: number): Inputs {
  return normalized(plainViews(plan, shape, pixels, batch), plan, imageSize(shape));
}

/** As `plainInputs`, but with `per_batch` each image is normalised among the plan's companions, so that what is predicted of it does not depend on the others. */
export function separateInputs(plan: ReadingPlan, shape: ImageShape, pixels: Pixels, batch: number): Inputs {
  const { normalize, companions } = plan;
  if (normalize !== 'per_batch') return plainInputs(plan, shape, pixels, batch);
  if (!companions) throw new RangeError('there are no statistics to normalise single images with');
  const inputs = plainViews(plan, shape, pixels, batch);
  for (const readings of inputs.values()) normalizeAmong(readings, companions);
  return inputs;
}

/** Readings [batch, H, W, C] before normalisation. */
export function plainReadings(shape: ImageShape, pixels: Pixels, batch: number): Float32Array {
  const size = imageSize(shape);
  const readings = new Float32Array(batch * size);
  for (let i = 0; i < batch; i++) readings.set(pixels(i), i * size);
  return readings;
}

function plainViews({ views }: ReadingPlan, shape: ImageShape, pixels: Pixels, batch: number): Map<string, Float32Array> {
  const readings = plainReadings(shape, pixels, batch);
  return new Map(views.map(({ name }) => [name, readings.slice()]));
}

/** The inputs after normalisation; the arrays were made for it and are changed in place. Throws RangeError where the plan lacks the channels' statistics. */
function normalized(inputs: Inputs, { normalize, channels }: ReadingPlan, size: number): Inputs {
  const arrays = [...inputs.values()];
  if (normalize === 'per_batch') normalizeBatch(arrays, size);
  if (normalize === 'channel') {
    if (!channels) throw new RangeError('there are no statistics to normalise the channels with');
    for (const array of arrays) normalizeChannels(array, channels);
  }
  return inputs;
}
