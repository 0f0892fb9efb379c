// Augmentations of one image, defined so that a GPU draws and computes the same: integer decisions from 32-bit hashes, f32 pixels.

import type { Augmentation } from '../../compiler/5-emit/model.ts';
import { hash, toUnit } from '../random.ts';
import type { ImageShape } from './dataset.ts';

/** Pixels of one image [H,W,C], 0..1 before any augmentation. */
type Pixels = Float32Array;

/** 32 random bits: the `n`-th draw of the augmentation at place `at` of its chain. */
export type Draw = (at: number, n: number) => number;

/** The draws of one image of a batch: a number depends on (seed, step, image in the batch, view, part, augmentation, draw) alone. */
export function imageDraw(seed: number, step: number, image: number, view: number, part: number): Draw {
  const key = hash(seed, step, image, view, part);
  return (at, n) => hash(key, at, n);
}

/** A whole number in 0..count-1 (count up to 65,536) of the upper 16 bits: exact in 32-bit integer arithmetic. */
const below = (bits: number, count: number): number => ((bits >>> 16) * count) >>> 16;

interface Context {
  readonly shape: ImageShape;
  readonly draw: Draw;
  /** The place in the chain, counted with what stands inside `sometimes`. */
  readonly at: number;
}

type Rule<A> = (attrs: A, pixels: Pixels, context: Context) => Pixels;

/** The new image whose pixel (y, x) is the old one's at `source(y, x)`, or zeros where that is negative. */
function gather(pixels: Pixels, [height, width, channels]: ImageShape, source: (y: number, x: number) => number): Pixels {
  const result = new Float32Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = source(y, x) * channels;
      const to = (y * width + x) * channels;
      if (from >= 0) for (let c = 0; c < channels; c++) result[to + c] = pixels[from + c] as number;
    }
  }
  return result;
}

/** Convolves along one axis of `length` places, `stride` elements apart; places beyond the edge take the edge's value. */
function convolveAxis(pixels: Pixels, kernel: readonly number[], length: number, stride: number): Pixels {
  const result = new Float32Array(pixels.length);
  const radius = (kernel.length - 1) / 2;
  for (let i = 0; i < pixels.length; i++) {
    const place = Math.floor(i / stride) % length;
    let sum = 0;
    for (let k = -radius; k <= radius; k++) {
      const clamped = Math.min(Math.max(place + k, 0), length - 1);
      sum += (kernel[k + radius] as number) * (pixels[i + (clamped - place) * stride] as number);
    }
    result[i] = sum;
  }
  return result;
}

/** exp(-k^2 / (2 sigma^2)) for k = -radius..radius, over their sum. */
function gaussian(sigma: number, radius: number): number[] {
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** Below this a Gaussian's weights beside the centre are 0 in f32: the image stays as it is. */
const SHARP = 0.01;

/** A number close to a standard normal one: eight bytes' sum (Irwin and Hall), standardised. Exact up to the last rounding on every device. */
function roughNormal(a: number, b: number): number {
  const bytes = (word: number): number => (word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24);
  return (bytes(a) + bytes(b) - 1020) / Math.sqrt((8 * (256 * 256 - 1)) / 12);
}

const RULES: { [K in Augmentation['op']]: Rule<Extract<Augmentation, { readonly op: K }>> } = {
  /** Mirrors left and right where draw 0 is below p. */
  hflip: ({ p }, pixels, { shape, draw, at }) =>
    toUnit(draw(at, 0)) < p ? gather(pixels, shape, (y, x) => y * shape[1] + shape[1] - 1 - x) : pixels,

  /** Pads `pad` zeros on each side and cuts the old size out at a drawn place: draw 0 is the row, draw 1 the column, 0..2*pad each. */
  crop: ({ pad }, pixels, { shape, draw, at }) => {
    const [height, width] = shape;
    const dy = below(draw(at, 0), 2 * pad + 1) - pad;
    const dx = below(draw(at, 1), 2 * pad + 1) - pad;
    const inside = (y: number, x: number): boolean => y >= 0 && y < height && x >= 0 && x < width;
    return gather(pixels, shape, (y, x) => (inside(y + dy, x + dx) ? (y + dy) * width + x + dx : -1));
  },

  /** A Gaussian blur: sigma uniform in low..high by draw 0; rows, then columns; radius ceil(3 * high) whatever sigma is; edges repeat. */
  blur: ({ sigma: [low, high] }, pixels, { shape: [height, width, channels], draw, at }) => {
    const sigma = low + (high - low) * toUnit(draw(at, 0));
    if (sigma < SHARP) return pixels;
    const kernel = gaussian(sigma, Math.ceil(3 * high));
    return convolveAxis(convolveAxis(pixels, kernel, width, channels), kernel, height, width * channels);
  },

  /** Zeros in a square of `size` whose centre is uniform over the image (draw 0 row, draw 1 column); parts beyond the edge are lost. */
  cutout: ({ size }, pixels, { shape, draw, at }) => {
    const [height, width] = shape;
    const top = below(draw(at, 0), height) - Math.floor(size / 2);
    const left = below(draw(at, 1), width) - Math.floor(size / 2);
    const hidden = (y: number, x: number): boolean => y >= top && y < top + size && x >= left && x < left + size;
    return gather(pixels, shape, (y, x) => (hidden(y, x) ? -1 : y * width + x));
  },

  /** Adds one number, uniform in -delta..delta by draw 0, to every pixel; nothing is clipped. */
  brightness: ({ delta }, pixels, { draw, at }) => {
    const shift = (2 * toUnit(draw(at, 0)) - 1) * delta;
    return pixels.map((value) => value + shift);
  },

  /** Adds to element i of the image sigma times a normal number of draws 2i and 2i+1; nothing is clipped. */
  noise: ({ sigma }, pixels, { draw, at }) => pixels.map((value, i) => value + sigma * roughNormal(draw(at, 2 * i), draw(at, 2 * i + 1))),

  /** Applies `then` where draw 0 is below p. */
  sometimes: ({ p, then }, pixels, context) =>
    toUnit(context.draw(context.at, 0)) < p ? apply(then, pixels, { ...context, at: context.at + 1 }) : pixels,
};

const apply = (augmentation: Augmentation, pixels: Pixels, context: Context): Pixels =>
  (RULES[augmentation.op] as Rule<Augmentation>)(augmentation, pixels, context);

/** How many places of the chain an augmentation takes: what stands inside `sometimes` has its own. */
const places = (augmentation: Augmentation): number => (augmentation.op === 'sometimes' ? 1 + places(augmentation.then) : 1);

/** The image after a chain of augmentations; the given one is not changed, but may be returned. */
export function augment(pixels: Pixels, shape: ImageShape, steps: readonly Augmentation[], draw: Draw): Pixels {
  return steps.reduce(
    (state, step) => ({ pixels: apply(step, state.pixels, { shape, draw, at: state.at }), at: state.at + places(step) }),
    { pixels, at: 0 },
  ).pixels;
}
