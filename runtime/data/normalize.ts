// Normalisation of readings: per batch (a statistic for every pixel and channel) and per channel of the training split.

import type { ImageShape, Split } from './dataset.ts';

/** Mean and population standard deviation of each channel, of pixels scaled to 0..1. */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The images that one stands among when it is normalised as in a batch: mean and population standard deviation of each pixel and channel, over `count` of them. */
export interface Companions {
  readonly count: number;
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

/** What the training images tell of how others are normalised: `channels` for `normalize channel`, `companions` for single images with `per_batch`. */
export interface InputStatistics {
  readonly channels?: ChannelStatistics;
  readonly companions?: Companions;
}

/** The statistics alone of what has them among other things. */
export const inputStatisticsOf = ({ channels, companions }: InputStatistics): InputStatistics => ({ ...(channels && { channels }), ...(companions && { companions }) });

/** The statistics of a split's channels, exact: bytes are counted, not summed as floats. */
export function channelStatistics(split: Pick<Split, 'images'>, shape: ImageShape): ChannelStatistics {
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

/** A deviation this small is rounding: it has nothing to divide, for the centred value is 0 then, or as good as. */
const FLAT = 1e-6;
const divisor = (std: number): number => (std < FLAT ? 1 : std);

/** For a device: the mean of every channel, and then what centred values of each are multiplied by. */
export const channelWords = ({ mean, std }: ChannelStatistics): Float32Array => Float32Array.from([...mean, ...std.map((each) => 1 / divisor(each))]);

/** (x - mean) / std of each channel; `readings` holds pixels of `statistics.mean.length` channels and is changed in place. */
export function normalizeChannels(readings: Float32Array, { mean, std }: ChannelStatistics): void {
  const channels = mean.length;
  for (let i = 0; i < readings.length; i += channels) {
    for (let c = 0; c < channels; c++) readings[i + c] = ((readings[i + c] as number) - (mean[c] as number)) / divisor(std[c] as number);
  }
}

/** Mean and population standard deviation of each of `size` elements, over readings that lie one after the other in each array; in f64. */
function elementStatistics(arrays: readonly Float32Array[], size: number): { readonly count: number; readonly mean: Float64Array; readonly std: Float64Array } {
  const count = arrays.reduce((sum, array) => sum + array.length, 0) / size;
  const mean = new Float64Array(size);
  const std = new Float64Array(size);
  for (const array of arrays) {
    for (let start = 0; start < array.length; start += size) {
      for (let j = 0; j < size; j++) mean[j] = (mean[j] as number) + (array[start + j] as number);
    }
  }
  for (let j = 0; j < size; j++) mean[j] = (mean[j] as number) / count;
  for (const array of arrays) {
    for (let start = 0; start < array.length; start += size) {
      for (let j = 0; j < size; j++) std[j] = (std[j] as number) + ((array[start + j] as number) - (mean[j] as number)) ** 2;
    }
  }
  for (let j = 0; j < size; j++) std[j] = Math.sqrt((std[j] as number) / count);
  return { count, mean, std };
}

/**
 * For every pixel and channel: minus the mean over all readings, over their population standard deviation; in place.
 * Each array holds readings of `size` elements one after the other; the statistics are taken over the arrays together, in f64.
 */
export function normalizeBatch(arrays: readonly Float32Array[], size: number): void {
  const { mean, std } = elementStatistics(arrays, size);
  const scale = std.map((each) => 1 / divisor(each));
  for (const array of arrays) {
    for (let start = 0; start < array.length; start += size) {
      for (let j = 0; j < size; j++) array[start + j] = ((array[start + j] as number) - (mean[j] as number)) * (scale[j] as number);
    }
  }
}

/** The statistics of readings of `size` elements, in f32, as they are stored. */
export function companionsOf(readings: Float32Array, size: number): Companions {
  if (readings.length === 0) return { count: 0, mean: new Float32Array(size), std: new Float32Array(size) };
  const { count, mean, std } = elementStatistics([readings], size);
  return { count, mean: Float32Array.from(mean), std: Float32Array.from(std) };
}

/**
 * Each reading as `normalizeBatch` leaves it in a batch with the companions; in place. With n companions of mean m and deviation s, the reading x takes the mean to
 * m + (x - m) / (n + 1) and the sum of squares to n s^2 + n / (n + 1) (x - m)^2 (Welford, "Note on a method for calculating corrected sums of squares and products", 1962).
 */
export function normalizeAmong(readings: Float32Array, { count, mean, std }: Companions): void {
  const size = mean.length;
  const share = count / (count + 1);
  for (let start = 0; start < readings.length; start += size) {
    for (let j = 0; j < size; j++) {
      const away = (readings[start + j] as number) - (mean[j] as number);
      const variance = share * ((std[j] as number) ** 2 + (away * away) / (count + 1));
      readings[start + j] = (away * share) / divisor(Math.sqrt(variance));
    }
  }
}
