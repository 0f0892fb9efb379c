// Fits a data set to a net's input.

import { DataError, showSize, type Dataset, type ImageShape, type Split } from './dataset.ts';

/** Throws DataError where the input of a net is none of images. */
export function inputShape(shape: readonly number[]): ImageShape {
  const [height, width, channels, ...more] = shape;
  if (height !== undefined && width !== undefined && channels !== undefined && more.length === 0) return [height, width, channels];
  throw new DataError('input', `a net with the input [${shape.join(', ')}] cannot read images`, 'Declare the input as [height, width, channels].');
}

/** The data set in the channels of the net's input. Throws DataError where the sizes differ. */
export function fit(dataset: Dataset, shape: ImageShape | undefined, spec: string): Dataset {
  const [height, width, channels] = dataset.shape;
  if (!shape || (shape[0] === height && shape[1] === width && shape[2] === channels)) return dataset;
  if (shape[0] !== height || shape[1] !== width) {
    throw new DataError('input', `the images of ${spec} are ${showSize(height, width)}; the net's input is ${showSize(shape[0], shape[1])}`,
      'Change the net\'s input, or scale the images.', { file: spec });
  }
  if (shape[2] !== 1) throw new DataError('input', `the net's input has ${shape[2]} channels; images have 1 or 3`, 'Change the net\'s input.', { file: spec });
  const convert = (split: Split): Split => ({ ...split, images: greyscale(split.images) });
  return { ...dataset, shape, train: convert(dataset.train), test: convert(dataset.test) };
}

/** Luma of ITU-R BT.601, rounded; RGB that was greyscale keeps its value. */
export function greyscale(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const [red, green, blue] = [rgb[3 * i] as number, rgb[3 * i + 1] as number, rgb[3 * i + 2] as number];
    grey[i] = Math.floor((299 * red + 587 * green + 114 * blue + 500) / 1000);
  }
  return grey;
}
