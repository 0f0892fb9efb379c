// The generated data set: the same bytes everywhere, too hard for a linear classifier on pixels, easy for small filters.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Split } from '../../runtime/data/dataset.ts';
import { syntheticDataset } from '../../runtime/data/synthetic.ts';
import { normals, permutation } from '../../runtime/random.ts';

const digest = (split: Split): string => createHash('sha256').update(split.images).digest('hex').slice(0, 16);
const CLASSES = 10;

/** Features, row by row, and labels. */
interface Table {
  readonly rows: Float32Array;
  readonly width: number;
  readonly labels: Split['labels'];
}

/** Accuracy on `test` of a softmax regression trained by gradient descent with momentum on `train`: the best over its epochs. */
function softmaxRegression(train: Table, test: Table, { epochs, rate, decay = 0 }: { epochs: number; rate: number; decay?: number }): number {
  const { width } = train;
  const weights = new Float64Array((width + 1) * CLASSES);
  const velocity = new Float64Array(weights.length);
  const scores = (table: Table, row: number): Float64Array => {
    const sums = weights.slice(width * CLASSES);
    for (let j = 0; j < width; j++) {
      const x = table.rows[row * width + j] as number;
      for (let k = 0; k < CLASSES; k++) sums[k] = (sums[k] as number) + x * (weights[j * CLASSES + k] as number);
    }
    return sums;
  };
  const accuracy = (): number => Array.from(test.labels).reduce((right, label, row) => {
    const sums = scores(test, row);
    return right + (sums.indexOf(Math.max(...sums)) === label ? 1 : 0);
  }, 0) / test.labels.length;
  let best = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = permutation(train.labels.length, 7, epoch);
    for (let start = 0; start + 50 <= order.length; start += 50) {
      for (let i = 0; i < velocity.length; i++) velocity[i] = 0.9 * (velocity[i] as number) - decay * rate * (weights[i] as number);
      for (const row of order.subarray(start, start + 50)) {
        const sums = scores(train, row);
        const top = Math.max(...sums);
        const exps = sums.map((s) => Math.exp(s - top));
        const total = exps.reduce((a, b) => a + b, 0);
        const slope = exps.map((e, k) => (rate / 50) * (e / total - (k === train.labels[row] ? 1 : 0)));
        for (let j = 0; j <= width; j++) {
          const x = j === width ? 1 : (train.rows[row * width + j] as number);
          for (let k = 0; k < CLASSES; k++) velocity[j * CLASSES + k] = (velocity[j * CLASSES + k] as number) - x * (slope[k] as number);
        }
      }
      for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] as number) + (velocity[i] as number);
    }
    best = Math.max(best, accuracy());
  }
  return best;
}

/** Pixels in -0.5..0.5. */
const pixels = ({ images, labels, count }: Split): Table => ({ rows: Float32Array.from(images, (byte) => byte / 255 - 0.5), width: images.length / count, labels });

/** Both tables with the training table's mean and deviation of each column taken out. */
function standardised(train: Table, test: Table): [Table, Table] {
  const { width } = train;
  const count = train.labels.length;
  const mean = new Float64Array(width);
  const std = new Float64Array(width);
  train.rows.forEach((x, i) => { mean[i % width] = (mean[i % width] as number) + x / count; });
  train.rows.forEach((x, i) => { std[i % width] = (std[i % width] as number) + (x - (mean[i % width] as number)) ** 2 / count; });
  const apply = (table: Table): Table => ({ ...table, rows: table.rows.map((x, i) => (x - (mean[i % width] as number)) / Math.sqrt(std[i % width] as number)) });
  return [apply(train), apply(test)];
}

/** The mean over the image of each rectified response to random 5x5 filters without a mean, every second pixel. */
function filterFeatures({ images, labels, count }: Split, filters: number): Table {
  const next = normals(99);
  const taps = 75;
  const kernels = Array.from({ length: filters }, () => {
    const kernel = Float32Array.from({ length: taps }, next);
    const mean = kernel.reduce((a, b) => a + b, 0) / taps;
    return kernel.map((weight) => weight - mean);
  });
  const rows = new Float32Array(count * filters);
  const patch = new Float32Array(taps);
  for (let n = 0; n < count; n++) {
    for (let y = 0; y + 5 <= 32; y += 2) {
      for (let x = 0; x + 5 <= 32; x += 2) {
        for (let dy = 0; dy < 5; dy++) {
          for (let i = 0; i < 15; i++) patch[dy * 15 + i] = (images[(n * 1024 + (y + dy) * 32 + x) * 3 + i] as number) / 255;
        }
        kernels.forEach((kernel, f) => {
          let sum = 0;
          for (let i = 0; i < taps; i++) sum += (kernel[i] as number) * (patch[i] as number);
          if (sum > 0) rows[n * filters + f] = (rows[n * filters + f] as number) + sum / 196;
        });
      }
    }
  }
  return { rows, width: filters, labels };
}

describe('synthetic', () => {
  const dataset = syntheticDataset();

  it('has 5,000 and 1,000 images, the classes in equal number', () => {
    expect(dataset).toMatchObject({ name: 'synthetic', shape: [32, 32, 3] });
    expect(new Set(dataset.classes).size).toBe(CLASSES);
    for (const [split, count] of [[dataset.train, 5000], [dataset.test, 1000]] as const) {
      expect([split.count, split.images.length, split.labels.length]).toEqual([count, count * 3072, count]);
      for (let k = 0; k < CLASSES; k++) expect(split.labels.filter((label) => label === k)).toHaveLength(count / CLASSES);
    }
  });

  it('draws the same bytes for a seed on every machine, and others for another', () => {
    expect([digest(dataset.train), digest(dataset.test)]).toMatchInlineSnapshot(`
      [
        "576058592d95cab9",
        "fca563b833ae4511",
      ]
    `);
    expect(digest(syntheticDataset({ seed: 679, train: 10, test: 10 }).test)).not.toBe(digest(syntheticDataset({ train: 10, test: 10 }).test));
    expect(digest(syntheticDataset({ train: 20, test: 10 }).train)).not.toBe(digest(syntheticDataset({ train: 10, test: 20 }).test));
  });

  it('starts a smaller set with the same images', () => {
    const small = syntheticDataset({ train: 30, test: 10 });
    expect(small.train.images).toEqual(dataset.train.images.slice(0, 30 * 3072));
  });

  it.each([[28, 28, 1], [8, 8, 3], [1, 1, 1], [5, 64, 4]] as const)('fills images of %i x %i x %i', (...shape) => {
    const { train } = syntheticDataset({ shape, train: 20, test: 10 });
    expect(train.images).toHaveLength(20 * shape[0] * shape[1] * shape[2]);
    expect(new Set(train.images).size).toBeGreaterThan(10);
  });

  it('is drawn in a second or so', () => {
    const start = performance.now();
    syntheticDataset({ seed: 5 });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('keeps a linear classifier on pixels under 60 %', () => {
    const [train, test] = [pixels(dataset.train), pixels(dataset.test)];
    const raw = softmaxRegression(train, test, { epochs: 4, rate: 0.01 });
    const [trainS, testS] = standardised(train, test);
    const scaled = softmaxRegression(trainS, testS, { epochs: 4, rate: 0.001, decay: 0.3 });
    expect(raw).toBeLessThan(0.6);
    expect(scaled).toBeLessThan(0.6);
    // Better than chance: the classifiers did learn.
    expect(Math.min(raw, scaled)).toBeGreaterThan(0.18);
  });

  it.each([678, 1])('gives its classes away to small random filters, over 90 % (seed %i)', (seed) => {
    const { train, test } = syntheticDataset({ seed, train: 2000 });
    const features = standardised(filterFeatures(train, 20), filterFeatures(test, 20));
    expect(softmaxRegression(...features, { epochs: 40, rate: 0.1 })).toBeGreaterThan(0.9);
  });
});
