// A generated data set: ten textures in random places, colours, phases and contrasts, so that single pixels say little and small filters say much.

import { hash, uniforms } from '../random.ts';
import { imageSize, labelArray, type Dataset, type ImageShape, type Split } from './dataset.ts';

/** Where a pixel stands in a texture: two coordinates across and down, in periods, and the number that draws its speckles. */
type Pattern = (u: number, v: number, key: number) => number;

/** A triangle wave of period 1 between -1 and 1: sums and products only, so that every machine draws the same bytes. */
const wave = (u: number): number => 4 * Math.abs(u - Math.floor(u) - 0.5) - 1;

/** One of -1 and 1 for every half period, by a hash of its place. */
const speckle: Pattern = (u, v, key) => {
  const cell = Math.imul(Math.floor(2 * u) + 977, 0x9e3779b1) ^ Math.imul(Math.floor(2 * v) + 613, 0x85ebca6b) ^ key;
  const mixed = Math.imul(cell ^ (cell >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 13)) & 1) * 2 - 1;
};

const PATTERNS: Readonly<Record<string, Pattern>> = {
  rows: (_, v) => wave(v),
  columns: (u) => wave(u),
  // To the left or to the right, so that a mirrored image keeps its class.
  diagonals: (u, v, key) => wave((key & 1 ? u + v : u - v) * 0.7071),
  checks: (u, v) => 1.5 * wave(u) * wave(v),
  speckles: speckle,
};

/** Periods in pixels. */
const PERIODS = { fine: 3, broad: 7 };

const TEXTURES = Object.entries(PERIODS).flatMap(([grain, period]) =>
  Object.entries(PATTERNS).map(([name, pattern]) => ({ name: `${grain} ${name}`, pattern, period })));

export const SYNTHETIC_CLASSES: readonly string[] = TEXTURES.map(({ name }) => name);

export interface SyntheticOptions {
  /** [height, width, channels]. */
  readonly shape?: ImageShape;
  readonly seed?: number;
  readonly train?: number;
  readonly test?: number;
}

/**
 * Ten classes, 5,000 training and 1,000 test images of 32x32x3 bytes unless told otherwise; the same bytes for the same options on every machine.
 * A class is a texture (five patterns, two grains). Its place, phase, slope, colours, sign of contrast, background and clutter are drawn for each image.
 */
export function syntheticDataset({ shape = [32, 32, 3], seed = 678, train = 5000, test = 1000 }: SyntheticOptions = {}): Dataset {
  return { name: 'synthetic', shape, classes: SYNTHETIC_CLASSES, train: drawSplit(train, shape, hash(seed, 1)), test: drawSplit(test, shape, hash(seed, 2)) };
}

function drawSplit(count: number, shape: ImageShape, key: number): Split {
  const size = imageSize(shape);
  const images = new Uint8Array(count * size);
  const labels = labelArray(count, TEXTURES.length);
  for (let i = 0; i < count; i++) {
    labels[i] = i % TEXTURES.length;
    drawImage(images.subarray(i * size, (i + 1) * size), shape, labels[i] as number, hash(key, i));
  }
  return { count, images, labels };
}

/** Fills one image: a sloping background, clutter, the texture on a round patch, noise. */
function drawImage(image: Uint8Array, [height, width, channels]: ImageShape, label: number, key: number): void {
  const next = uniforms(key);
  const between = (low: number, high: number): number => low + (high - low) * next();
  const { pattern, period } = TEXTURES[label] as (typeof TEXTURES)[number];
  const side = Math.min(height, width);

  const scale = 1 / (period * between(0.9, 1.1));
  const slope = between(-0.12, 0.12);
  const [phaseU, phaseV] = [between(0, 8), between(0, 8)];
  const radius = side * between(0.36, 0.52);
  const [centreY, centreX] = [between(0.32, 0.68) * height, between(0.32, 0.68) * width];
  const contrast = (next() < 0.5 ? -1 : 1) * between(60, 85);
  const paint = Array.from({ length: channels }, () => {
    const base = between(95, 160);
    return { base, ground: base + between(-35, 35), ink: contrast * between(0.5, 1), down: between(-25, 25) / height, across: between(-25, 25) / width };
  });
  const clutter = Array.from({ length: 3 }, () => {
    const [top, left] = [between(-0.1, 1) * height, between(-0.1, 1) * width];
    return { top, left, bottom: top + between(0.1, 0.35) * height, right: left + between(0.1, 0.35) * width, shift: between(-50, 50) };
  });

  let noise = key;
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const distance2 = ((y - centreY) ** 2 + (x - centreX) ** 2) / (radius * radius);
      const mask = Math.min(Math.max(2.5 - 2.5 * distance2, 0), 1);
      const value = mask > 0 ? mask * pattern((x + slope * y) * scale + phaseU, (y - slope * x) * scale + phaseV, key) : 0;
      const blot = clutter.reduce((sum, box) => (y >= box.top && y < box.bottom && x >= box.left && x < box.right ? box.shift : sum), 0) * (1 - mask);
      for (const { base, ground, ink, down, across } of paint) {
        noise = (Math.imul(noise, 1664525) + 1013904223) | 0;
        const plain = mask * base + (1 - mask) * ground + down * y + across * x;
        image[at++] = Math.min(Math.max(plain + blot + ink * value + (noise >> 24) * 0.1, 0), 255);
      }
    }
  }
}
