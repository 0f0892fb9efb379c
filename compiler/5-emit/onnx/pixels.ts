// Normalisation as operators, so that a file takes pixels as they are.

import type { Scope } from './scope.ts';

/** What the training images tell of how others are normalised. Deviations below `FLAT` divide nothing. */
export type PixelStatistics =
  /** Of each channel, of pixels from 0 to 1. */
  | { readonly kind: 'channel'; readonly mean: readonly number[]; readonly std: readonly number[] }
  /** Of each pixel and channel over `count` images, among which an image is normalised as in a batch. */
  | { readonly kind: 'among'; readonly count: number; readonly shape: readonly number[]; readonly mean: Float32Array; readonly std: Float32Array };

/** A deviation this small is rounding, as in runtime/data/normalize.ts. */
const FLAT = 1e-6;

const divisors = (std: ArrayLike<number>): Float32Array => Float32Array.from(std, (value) => (value < FLAT ? 1 : value));

/** Readings from pixels [batch, height, width, channels] of 0 to 1. */
export function normalised(scope: Scope, pixels: string, statistics: PixelStatistics): string {
  if (statistics.kind === 'channel') {
    const shape = [statistics.mean.length];
    const away = scope.op('Sub', [pixels, scope.array('normalize/mean', { shape, data: Float32Array.from(statistics.mean) })]);
    return scope.op('Div', [away, scope.array('normalize/std', { shape, data: divisors(statistics.std) })]);
  }
  // With n others of mean m and deviation s, the pixel x becomes n/(n+1) (x - m) / sqrt(n/(n+1) (s^2 + (x - m)^2 / (n+1))) (Welford, 1962).
  const { count, shape, mean, std } = statistics;
  const share = count / (count + 1);
  const away = scope.op('Sub', [pixels, scope.array('normalize/mean', { shape, data: mean })]);
  const own = scope.op('Mul', [scope.op('Mul', [away, away]), scope.number(share / (count + 1))]);
  const deviation = scope.op('Sqrt', [scope.op('Add', [own, scope.array('normalize/variance', { shape, data: std.map((value) => share * value * value) })])]);
  const flat = scope.op('Less', [deviation, scope.number(FLAT)]);
  return scope.op('Div', [scope.op('Mul', [away, scope.number(share)]), scope.op('Where', [flat, scope.number(1), deviation])]);
}
