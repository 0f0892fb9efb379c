// Augmentations against plain restatements of their definitions, and the independence of their draws.

import { describe, expect, it } from 'vitest';
import type { Augmentation } from '../../compiler/5-emit/model.ts';
import { augment, imageDraw, type Draw } from '../../runtime/data/augment.ts';
import type { ImageShape } from '../../runtime/data/dataset.ts';
import { hash, toUnit, uniforms } from '../../runtime/random.ts';

const SHAPES: ImageShape[] = [[32, 32, 3], [5, 7, 3], [7, 4, 1], [1, 9, 2], [6, 1, 3], [1, 1, 1]];

const randomImage = (shape: ImageShape, key: number): Float32Array => {
  const next = uniforms(key);
  return Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, () => next());
};

/** The image whose element (y, x, c) is f's. */
const build = ([height, width, channels]: ImageShape, f: (y: number, x: number, c: number) => number): Float32Array =>
  Float32Array.from({ length: height * width * channels }, (_, i) => f(Math.floor(i / (width * channels)), Math.floor(i / channels) % width, i % channels));

const at = (pixels: Float32Array, [, width, channels]: ImageShape, y: number, x: number, c: number): number => pixels[(y * width + x) * channels + c] ?? NaN;

/** Draws given by hand: [place in the chain, draw] -> 32 bits. */
const fixed = (table: Readonly<Record<string, number>>): Draw => (place, n) => {
  const bits = table[`${place},${n}`];
  if (bits === undefined) throw new Error(`draw ${place},${n} was not expected`);
  return bits;
};
const fraction = (value: number): number => Math.floor(value * 2 ** 32);

describe.each(SHAPES.map((shape) => ({ shape })))('on $shape', ({ shape }) => {
  const image = randomImage(shape, 5);
  const [height, width] = shape;

  it('hflip mirrors left and right, and twice is once back', () => {
    const mirrored = augment(image, shape, [{ op: 'hflip', p: 1 }], fixed({ '0,0': 0xffffffff }));
    expect(mirrored).toEqual(build(shape, (y, x, c) => at(image, shape, y, width - 1 - x, c)));
    expect(augment(mirrored, shape, [{ op: 'hflip', p: 1 }], fixed({ '0,0': 0 }))).toEqual(image);
    expect(augment(image, shape, [{ op: 'hflip', p: 0 }], fixed({ '0,0': 0 }))).toEqual(image);
  });

  it.each([[0, 0], [0.999, 0.999], [0.5, 0.21], [0.3, 0.9999999]])('crop pads with zeros and cuts at %f, %f', (u, v) => {
    const pad = 2;
    const dy = Math.floor(u * 5) - pad;
    const dx = Math.floor(v * 5) - pad;
    const cut = augment(image, shape, [{ op: 'crop', pad }], fixed({ '0,0': fraction(u), '0,1': fraction(v) }));
    expect(cut).toEqual(build(shape, (y, x, c) => (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width ? 0 : at(image, shape, y + dy, x + dx, c))));
  });

  it.each([0.4, 0.77, 1.3])('blur is a separable Gaussian of radius ceil(3 * high) with repeated edges (sigma %f)', (sigma) => {
    const high = 1.5;
    const radius = 5;
    const bits = Math.round(sigma / high * 2 ** 24) * 256;
    const exact = high * toUnit(bits);
    const weight = (k: number): number => Math.exp(-k * k / (2 * exact * exact));
    const offsets = Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius);
    const total = offsets.reduce((sum, k) => sum + weight(k), 0) ** 2;
    const clamp = (i: number, n: number): number => Math.min(Math.max(i, 0), n - 1);
    const expected = build(shape, (y, x, c) => offsets.reduce((sum, i) =>
      sum + offsets.reduce((row, j) => row + weight(i) * weight(j) * at(image, shape, clamp(y + i, height), clamp(x + j, width), c), 0), 0) / total);
    const blurred = augment(image, shape, [{ op: 'blur', sigma: [0, high] }], fixed({ '0,0': bits }));
    blurred.forEach((value, i) => { expect(value).toBeCloseTo(expected[i] ?? NaN, 6); });
  });

  it('blur of sigma 0 is the image', () => {
    expect(augment(image, shape, [{ op: 'blur', sigma: [0, 0.5] }], fixed({ '0,0': 0 }))).toEqual(image);
    expect(augment(image, shape, [{ op: 'blur', sigma: [0, 0] }], fixed({ '0,0': 0xffffffff }))).toEqual(image);
  });

  it.each([1, 2, 3])('cutout blanks a square of %i, cut at the edges', (size) => {
    for (const [u, v] of [[0, 0], [0.99999, 0.99999], [0.5, 0.4]] as const) {
      const top = Math.floor(u * height) - Math.floor(size / 2);
      const left = Math.floor(v * width) - Math.floor(size / 2);
      const hidden = (y: number, x: number): boolean => y >= top && y < top + size && x >= left && x < left + size;
      const cut = augment(image, shape, [{ op: 'cutout', size }], fixed({ '0,0': fraction(u), '0,1': fraction(v) }));
      expect(cut).toEqual(build(shape, (y, x, c) => (hidden(y, x) ? 0 : at(image, shape, y, x, c))));
    }
  });

  it('brightness adds one number to all pixels and clips nothing', () => {
    const brighter = augment(image, shape, [{ op: 'brightness', delta: 2 }], fixed({ '0,0': fraction(0.875) }));
    expect(brighter).toEqual(image.map((value) => value + 1.5));
  });
});

describe('noise', () => {
  it('has mean 0 and deviation sigma, within five of each other\'s bounds', () => {
    const shape: ImageShape = [100, 100, 3];
    const noisy = augment(new Float32Array(30_000), shape, [{ op: 'noise', sigma: 0.25 }], imageDraw(1, 2, 3, 4, 5));
    const mean = noisy.reduce((a, b) => a + b, 0) / noisy.length;
    const std = Math.sqrt(noisy.reduce((sum, x) => sum + (x - mean) ** 2, 0) / noisy.length);
    expect(Math.abs(mean)).toBeLessThan(5 * 0.25 / Math.sqrt(30_000));
    expect(Math.abs(std - 0.25)).toBeLessThan(5 * 0.25 / Math.sqrt(60_000));
    const within = noisy.filter((x) => Math.abs(x) < 0.25).length / noisy.length;
    expect(within).toBeCloseTo(0.683, 1);
  });

  it('reaches at most eight bytes\' sum', () => {
    const extreme = augment(new Float32Array(1), [1, 1, 1], [{ op: 'noise', sigma: 1 }], () => 0xffffffff);
    expect(extreme[0]).toBeCloseTo(1020 / Math.sqrt(43690), 4);
  });
});

describe('chains', () => {
  const shape: ImageShape = [6, 6, 1];
  const image = randomImage(shape, 1);
  const crop: Augmentation = { op: 'crop', pad: 3 };

  it('applies what stands in sometimes with its share of the draws', () => {
    const steps: Augmentation[] = [{ op: 'sometimes', p: 0.1, then: { op: 'hflip', p: 1 } }];
    const flips = Array.from({ length: 10_000 }, (_, i) => augment(image, shape, steps, imageDraw(678, 0, i, 0, 0))).filter((result) => result !== image).length;
    expect(Math.abs(flips - 1000)).toBeLessThan(5 * Math.sqrt(900));
  });

  it('gives an augmentation the same draws whether the one before it happened or not', () => {
    const draw = imageDraw(3, 1, 4, 1, 5);
    const after = (p: number): Float32Array => augment(image, shape, [{ op: 'sometimes', p, then: { op: 'brightness', delta: 0 } }, crop], draw);
    expect(after(0)).toEqual(after(1));
    // Its place counts what stands inside sometimes.
    expect(after(1)).toEqual(augment(image, shape, [crop], (place, n) => draw(place + 2, n)));
  });

  it('applies the steps in their order', () => {
    const steps: Augmentation[] = [{ op: 'brightness', delta: 1 }, { op: 'cutout', size: 1 }];
    const both = augment(image, shape, steps, fixed({ '0,0': 0xffffff00, '1,0': 0, '1,1': 0 }));
    expect(both[0]).toBe(0);
    expect(both[1]).toBeGreaterThan(0.99);
  });

  it('leaves the given image as it is', () => {
    const copy = image.slice();
    const all: Augmentation[] = [{ op: 'hflip', p: 1 }, crop, { op: 'blur', sigma: [1, 1] }, { op: 'cutout', size: 2 }, { op: 'brightness', delta: 1 }, { op: 'noise', sigma: 1 }];
    augment(image, shape, all, imageDraw(0, 0, 0, 0, 0));
    expect(image).toEqual(copy);
  });

  it('draws of each of the key\'s numbers, as a hash that any device can repeat', () => {
    expect(imageDraw(1, 2, 3, 4, 5)(6, 7)).toBe(hash(hash(1, 2, 3, 4, 5), 6, 7));
    const keys: [number, number, number, number, number][] = [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]];
    expect(new Set(keys.map((key) => imageDraw(...key)(0, 0))).size).toBe(keys.length);
  });

  it('draws every crop place about equally often', () => {
    const counts = new Map<number, number>();
    for (let i = 0; i < 9000; i++) {
      const moved = augment(Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]), [3, 3, 1], [{ op: 'crop', pad: 1 }], imageDraw(8, i, 0, 0, 0));
      counts.set(moved[4] ?? NaN, (counts.get(moved[4] ?? NaN) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
  });
});
