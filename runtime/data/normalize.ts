// Normalisation of readings: per batch (a statistic for every pixel and channel) and per channel of the training split.

import type { ImageShape, Split } from './dataset.ts';

/** Mean and population standard deviation of each channel, of pixels scaled to 0..1. */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The statistics of a split's channels, exact: bytes are counted, not summed as floats. */
export function channelStatistics(split: Split, shape: ImageShape): ChannelStatistics {
  const channels = shape[2];
  const counts = new Float64Array(channels * 256);
  const { images } = split;
  for (let i = 0; i < images.length; i += channels) {
    for (let c = 0; c < channels; c++) {
      const bin = c * 256 + (images[i + c] as number);
      counts[bin] = (counts[bin] as number) + 1;
    }
  }
  const total = images.length / channels;
  const of = Array.from({ length: channels }, (_, c) => {
    const histogram = counts.subarray(c * 256, (c + 1) * 256);
    const mean = histogram.reduce((sum, n, byte) => sum + n * byte, 0) / total;
    const variance = histogram.reduce((sum, n, byte) => sum + n * (byte - mean) ** 2, 0) / total;
    return { mean: mean / 255, std: Math.sqrt(variance) / 255 };
  });
  return { mean: of.map(({ mean }) => mean), std: of.map(({ std }) => std) };
}

/** A deviation of 0 has nothing to divide: the centred value is 0 already. */
const divisor = (std: number): number => (std === 0 ? 1 : std);

/** (x - mean) / std of each channel; `readings` holds pixels of `statistics.mean.length` channels and is changed in place. */
export function normalizeChannels(readings: Float32Array, { mean, std }: ChannelStatistics): void {
  const channels = mean.length;
  for (let i = 0; i < readings.length; i += channels) {
    for (let c = 0; c < channels; c++) readings[i + c] = ((readings[i + c] as number) - (mean[c] as number)) / divisor(std[c] as number);
  }
}

/**
 * For every pixel and channel: minus the mean over all readings, over their population standard deviation; in place.
 * Each array holds readings of `size` elements one after the other; the statistics are taken over the arrays together, in f64.
 */
export function normalizeBatch(arrays: readonly Float32Array[], size: number): void {
  const count = arrays.reduce((sum, array) => sum + array.length, 0) / size;
  const mean = new Float64Array(size);
  const scale = new Float64Array(size);
  for (const array of arrays) {
    for (let start = 0; start < array.length; start += size) {
      for (let j = 0; j < size; j++) mean[j] = (mean[j] as number) + (array[start + j] as number);
    }
  }
  for (let j = 0; j < size; j++) mean[j] = (mean[j] as number) / count;
  for (const array of arrays) {
    for (let start = 0; start < array.length; start += size) {
      for (let j = 0; j < size; j++) scale[j] = (scale[j] as number) + ((array[start + j] as number) - (mean[j] as number)) ** 2;
    }
  }
  for (let j = 0; j < size; j++) scale[j] = 1 / divisor(Math.sqrt((scale[j] as number) / count));
  for (const array of arrays) {
    for (let start = 0; start < array.length; start += size) {
      for (let j = 0; j < size; j++) array[start + j] = ((array[start + j] as number) - (mean[j] as number)) * (scale[j] as number);
    }
  }
}
