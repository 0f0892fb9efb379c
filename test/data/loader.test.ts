// Batches: order, readings, labels and normalisation, each against a plain restatement.

import { describe, expect, it } from 'vitest';
import type { ViewSpec } from '../../compiler/5-emit/model.ts';
import { augment, imageDraw } from '../../runtime/data/augment.ts';
import { DataError, limitSplit, renumbered, type Dataset } from '../../runtime/data/dataset.ts';
import { evalBatches, evaluationBatch, makePlan, predictBatches, stepsPerEpoch, trainBatch, type Batch, type Plan } from '../../runtime/data/loader.ts';
import { channelStatistics } from '../../runtime/data/normalize.ts';
import { shuffled } from '../../runtime/data/shuffle.ts';
import { hash, textKey } from '../../runtime/random.ts';
import { randomDataset, randomSplit } from './helpers.ts';

const PLAIN: ViewSpec = { name: 'image', parts: [{ source: 'image', steps: [] }] };
const FLIPPED: ViewSpec = { name: 'flipped', parts: [{ source: 'image', steps: [{ op: 'hflip', p: 1 }, { op: 'sometimes', p: 0.1, then: { op: 'blur', sigma: [0, 0.5] } }] }] };
const BOTH: ViewSpec = { name: 'both', parts: [...PLAIN.parts, ...FLIPPED.parts] };

const plan = (settings: Partial<Plan> = {}): Plan => ({ batch: 4, seed: 678, normalize: 'none', views: [PLAIN], ...settings });
const view = (batch: Batch, name: string): Float32Array => {
  const readings = batch.inputs.get(name);
  if (!readings) throw new Error(`no view ${name}`);
  return readings;
};
const scaled = (dataset: Dataset, split: 'train' | 'test', index: number): Float32Array => {
  const size = dataset.shape[0] * dataset.shape[1] * dataset.shape[2];
  return Float32Array.from(dataset[split].images.subarray(index * size, (index + 1) * size), (byte) => byte / 255);
};
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void => {
  expect(actual).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++) expect(Math.abs((actual[i] as number) - (expected[i] as number))).toBeLessThan(tolerance);
};

describe('shuffled', () => {
  it.each([1, 2, 3, 4, 5, 16, 17, 100, 255, 256, 257, 5000])('is a permutation of %i', (count) => {
    for (const key of [0, 1, 0xffffffff]) {
      expect(new Set(Array.from({ length: count }, (_, i) => shuffled(i, count, key))).size).toBe(count);
    }
    expect(shuffled(count - 1, count, 3)).toBeLessThan(count);
  });

  it('puts each index at each place about equally often', () => {
    const count = 7;
    const rounds = 7000;
    const seen = Array.from({ length: count * count }, () => 0);
    for (let key = 0; key < rounds; key++) {
      for (let i = 0; i < count; i++) {
        const cell = i * count + shuffled(i, count, hash(key));
        seen[cell] = (seen[cell] ?? 0) + 1;
      }
    }
    for (const n of seen) expect(Math.abs(n - 1000)).toBeLessThan(5 * Math.sqrt(1000));
  });

  it('refuses an index outside', () => {
    expect(() => shuffled(5, 5, 0)).toThrow(RangeError);
    expect(() => shuffled(-1, 5, 0)).toThrow(RangeError);
    expect(() => shuffled(0, 0, 0)).toThrow(RangeError);
  });
});

describe('trainBatch', () => {
  const dataset = randomDataset(22, 9);

  it('goes once through the images in an epoch, but for those left over', () => {
    const epochs = [0, 1, 2].map((epoch) => [0, 1, 2, 3, 4].flatMap((step) => [...trainBatch(dataset, plan(), epoch * 5 + step).indices]));
    expect(stepsPerEpoch(dataset, plan())).toBe(5);
    for (const indices of epochs) expect(new Set(indices).size).toBe(20);
    expect(new Set(epochs.map(String)).size).toBe(3);
    expect(new Set(epochs.map((indices) => [...Array(22).keys()].filter((i) => !indices.includes(i)).join())).size).toBeGreaterThan(1);
  });

  it('gives images and labels that belong together', () => {
    const batch = trainBatch(dataset, plan(), 7);
    expect(batch).toMatchObject({ batch: 4, count: 4 });
    expect([...batch.labels]).toEqual([...batch.indices].map((index) => dataset.train.labels[index]));
    expect(view(batch, 'image')).toEqual(Float32Array.from([...batch.indices].flatMap((index) => [...scaled(dataset, 'train', index)])));
  });

  it('depends on the seed and the step alone', () => {
    const views = [PLAIN, FLIPPED];
    const once = trainBatch(dataset, plan({ views, normalize: 'per_batch' }), 13);
    trainBatch(dataset, plan({ views, normalize: 'per_batch' }), 2);
    expect(trainBatch(dataset, plan({ views, normalize: 'per_batch' }), 13)).toEqual(once);
    expect(trainBatch(dataset, plan({ views, seed: 679 }), 13).indices).not.toEqual(once.indices);
  });

  it('puts all readings of a view\'s first part before those of its second, each with its own draws', () => {
    const noisy: ViewSpec = { name: 'v', parts: [{ source: 'image', steps: [{ op: 'crop', pad: 2 }] }, { source: 'image', steps: [{ op: 'noise', sigma: 0.1 }] }] };
    const settings = plan({ views: [PLAIN, noisy] });
    const batch = trainBatch(dataset, settings, 3);
    const size = 60;
    const expected = noisy.parts.flatMap(({ steps }, part) => [...batch.indices].flatMap((index, i) =>
      [...augment(scaled(dataset, 'train', index), dataset.shape, steps, imageDraw(hash(678, 2), 3, i, textKey('v'), part))]));
    expect(view(batch, 'v')).toEqual(Float32Array.from(expected));
    expect(view(batch, 'v')).toHaveLength(2 * 4 * size);
    expect(batch.labels).toHaveLength(4);
  });

  it('draws a view\'s numbers whatever other views there are', () => {
    const crop: ViewSpec = { name: 'crop', parts: [{ source: 'image', steps: [{ op: 'crop', pad: 2 }] }] };
    expect(view(trainBatch(dataset, plan({ views: [crop] }), 1), 'crop')).toEqual(view(trainBatch(dataset, plan({ views: [FLIPPED, crop] }), 1), 'crop'));
  });

  it('refuses a batch larger than the split', () => {
    expect(stepsPerEpoch(dataset, plan({ batch: 22 }))).toBe(1);
    expect(() => trainBatch(dataset, plan({ batch: 23 }), 0)).toThrow(DataError);
  });
});

describe('normalisation', () => {
  const dataset = randomDataset(40, 11);
  const size = 60;

  it('per_batch takes mean and deviation of each pixel and channel over all readings of the step', () => {
    const settings = { batch: 5, views: [PLAIN, BOTH] };
    const raw = trainBatch(dataset, plan(settings), 2);
    const batch = trainBatch(dataset, plan({ ...settings, normalize: 'per_batch' }), 2);
    const readings = [...view(raw, 'image'), ...view(raw, 'both')];
    const count = readings.length / size;
    expect(count).toBe(15);
    const expected = readings.map((value, i) => {
      const column = Array.from({ length: count }, (_, n) => readings[n * size + (i % size)] ?? NaN);
      const mean = column.reduce((a, b) => a + b, 0) / count;
      const std = Math.sqrt(column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count);
      return (value - mean) / (std || 1);
    });
    close([...view(batch, 'image'), ...view(batch, 'both')], expected);
  });

  it('per_batch gives 0 where all readings agree', () => {
    const flat = { ...dataset, train: { ...dataset.train, images: new Uint8Array(dataset.train.images.length).fill(77) } };
    expect(view(trainBatch(flat, plan({ normalize: 'per_batch', views: [PLAIN, FLIPPED] }), 0), 'image').every((x) => x === 0)).toBe(true);
    expect(view(trainBatch(dataset, plan({ normalize: 'per_batch', batch: 1 }), 0), 'image').every((x) => x === 0)).toBe(true);
  });

  it('channel takes mean and deviation of each channel over the training split', () => {
    const values = [0, 1, 2].map((c) => [...dataset.train.images].filter((_, i) => i % 3 === c).map((byte) => byte / 255));
    const means = values.map((column) => column.reduce((a, b) => a + b, 0) / column.length);
    const stds = values.map((column, c) => Math.sqrt(column.reduce((sum, x) => sum + (x - (means[c] ?? NaN)) ** 2, 0) / column.length));
    const statistics = channelStatistics(dataset.train, dataset.shape);
    close(statistics.mean, means, 1e-12);
    close(statistics.std, stds, 1e-12);
    const settings = makePlan(dataset, plan({ normalize: 'channel' }));
    expect(settings.channels).toEqual(statistics);
    const expected = [...view(trainBatch(dataset, plan(), 1), 'image')].map((x, i) => (x - (means[i % 3] ?? NaN)) / (stds[i % 3] ?? NaN));
    close(view(trainBatch(dataset, settings, 1), 'image'), expected);
    const [first] = [...evalBatches(dataset, dataset.test, settings, 11)];
    if (!first) throw new Error('no batch');
    close(view(first, 'image'), [...first.indices].flatMap((index) => [...scaled(dataset, 'test', index)].map((x, i) => (x - (means[i % 3] ?? NaN)) / (stds[i % 3] ?? NaN))));
  });

  it('channel of a constant channel divides by 1', () => {
    const flat = { ...dataset, train: { ...dataset.train, images: new Uint8Array(dataset.train.images.length).fill(200) } };
    expect(channelStatistics(flat.train, flat.shape).std).toEqual([0, 0, 0]);
    close(view(trainBatch(flat, makePlan(flat, plan({ normalize: 'channel' })), 0), 'image'), new Float32Array(4 * size), 1e-7);
  });
});

describe('evalBatches', () => {
  const dataset = randomDataset(40, 11);

  it('covers the split once, mixed, in an order that no seed changes', () => {
    const batches = [...evalBatches(dataset, dataset.test, plan(), 4)];
    expect(batches.map(({ count, batch }) => [count, batch])).toEqual([[4, 4], [4, 4], [3, 4]]);
    const own = batches.flatMap(({ indices, count }) => [...indices.slice(0, count)]);
    expect([...own].sort((a, b) => a - b)).toEqual([...Array(11).keys()]);
    expect(own).not.toEqual([...Array(11).keys()]);
    expect([...evalBatches(dataset, dataset.test, plan({ seed: 5, batch: 7 }), 4)]).toEqual(batches);
    for (const { labels, indices } of batches) expect([...labels]).toEqual([...indices].map((index) => dataset.test.labels[index]));
  });

  it('gives every view its plain source and no augmentation', () => {
    const [batch] = [...evalBatches(dataset, dataset.test, plan({ views: [PLAIN, FLIPPED, BOTH] }), 4)];
    if (!batch) throw new Error('no batch');
    expect([...batch.inputs.keys()]).toEqual(['image', 'flipped', 'both']);
    for (const readings of batch.inputs.values()) expect(readings).toEqual(Float32Array.from([...batch.indices].flatMap((index) => [...scaled(dataset, 'test', index)])));
  });

  it('fills the last batch with distinct images, which take part in its statistics', () => {
    const raw = [...evalBatches(dataset, dataset.test, plan(), 4)][2];
    const last = [...evalBatches(dataset, dataset.test, plan({ normalize: 'per_batch' }), 4)][2];
    if (!raw || !last) throw new Error('no batch');
    expect(new Set(last.indices).size).toBe(4);
    const column = [0, 1, 2, 3].map((n) => view(raw, 'image')[n * 60] ?? NaN);
    const mean = column.reduce((a, b) => a + b, 0) / 4;
    const std = Math.sqrt(column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 4);
    close([0, 1, 2, 3].map((n) => view(last, 'image')[n * 60] ?? NaN), column.map((x) => (x - mean) / std));
  });

  it('makes one batch of a split smaller than it', () => {
    const batches = [...evalBatches(dataset, dataset.test, plan(), 25)];
    expect(batches.map(({ count }) => count)).toEqual([11]);
    expect(new Set(batches[0]?.indices).size).toBe(11);
  });

  it('mixes the classes of a sorted split', () => {
    const test = { ...randomSplit(1000, [1, 1, 1], 1, 0), labels: Uint8Array.from({ length: 1000 }, (_, i) => Math.floor(i / 100)) };
    for (const { labels } of evalBatches({ ...dataset, shape: [1, 1, 1] }, test, plan(), 50)) expect(new Set(labels).size).toBeGreaterThan(6);
  });

  it('takes as many images as a step enters readings', () => {
    expect(evaluationBatch(plan({ batch: 25, views: [PLAIN, FLIPPED] }))).toBe(50);
    expect(evaluationBatch(plan({ batch: 25, views: [BOTH] }))).toBe(50);
    expect(evaluationBatch(plan({ batch: 25 }))).toBe(25);
  });
});

describe('predictBatches', () => {
  const dataset = randomDataset(40, 11);
  const images = [3, 1, 4].map((index) => dataset.test.images.slice(index * 60, (index + 1) * 60));

  it('per_batch normalises each image as in a batch with the same companions, so that others do not matter', () => {
    const settings = makePlan(dataset, plan({ normalize: 'per_batch', batch: 8 }));
    const batches = [...predictBatches(dataset, images, settings, 2)];
    expect(batches.map(({ batch, count, indices }) => [batch, count, [...indices]])).toEqual([[2, 2, [0, 1]], [2, 1, [2, 2]]]);
    const [alone] = [...predictBatches(dataset, images.slice(2), settings, 2)];
    expect(alone && view(alone, 'image')).toEqual(batches[1] && view(batches[1], 'image'));

    const order = hash(678, 4);
    const companions = Array.from({ length: 7 }, (_, i) => scaled(dataset, 'train', shuffled(i + 1, 40, order)));
    const whole = [scaled(dataset, 'test', 4), ...companions];
    close(view(alone as Batch, 'image').subarray(0, 60), Array.from({ length: 60 }, (_, j) => {
      const column = whole.map((image) => image[j] ?? NaN);
      const mean = column.reduce((a, b) => a + b, 0) / 8;
      return ((column[0] ?? NaN) - mean) / Math.sqrt(column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 8);
    }), 1e-5);
  });

  it('gives 0 where there are no companions, and where all agree', () => {
    const [alone] = [...predictBatches(dataset, images, makePlan(dataset, plan({ normalize: 'per_batch', batch: 1 })), 1)];
    expect(alone && view(alone, 'image').every((x) => x === 0)).toBe(true);
    const flat = { ...dataset, train: { ...dataset.train, images: new Uint8Array(dataset.train.images.length).fill(77) } };
    const [same] = [...predictBatches(flat, [new Uint8Array(60).fill(77)], makePlan(flat, plan({ normalize: 'per_batch' })), 1)];
    expect(same && view(same, 'image').every((x) => Math.abs(x) < 1e-3)).toBe(true);
  });

  it('otherwise fills batches with the images themselves', () => {
    const batches = [...predictBatches(dataset, images, plan(), 2)];
    expect(batches.map(({ batch, count, indices }) => [batch, count, [...indices]])).toEqual([[2, 2, [0, 1]], [2, 1, [2, 2]]]);
    expect(batches[0] && view(batches[0], 'image').slice(60)).toEqual(scaled(dataset, 'test', 1));
    expect(batches[1] && view(batches[1], 'image').slice(0, 60)).toEqual(scaled(dataset, 'test', 4));
  });
});

describe('limitSplit', () => {
  const split = randomSplit(300, [1, 1, 1], 10, 4);
  const counts = (labels: ArrayLike<number>): number[] => Array.from({ length: 10 }, (_, k) => Array.from(labels).filter((label) => label === k).length);

  it('keeps the classes in balance to one image', () => {
    for (const n of [1, 9, 10, 37, 299]) {
      const part = limitSplit(split, n, 5);
      expect([part.count, part.images.length, part.labels.length]).toEqual([n, n, n]);
      expect(Math.max(...counts(part.labels)) - Math.min(...counts(part.labels))).toBeLessThanOrEqual(1);
    }
    expect(limitSplit(split, 300, 5)).toBe(split);
    expect(limitSplit(split, 1000, 5)).toBe(split);
  });

  it('gives each image its own label, and a larger limit the smaller one\'s images', () => {
    const numbered = { count: 200, images: Uint8Array.from({ length: 200 }, (_, i) => i), labels: Uint8Array.from({ length: 200 }, (_, i) => i % 10) };
    const [small, large] = [limitSplit(numbered, 33, 2), limitSplit(numbered, 90, 2)];
    small.images.forEach((image, i) => { expect(small.labels[i]).toBe(image % 10); });
    expect(new Set(small.images).size).toBe(33);
    expect([...small.images].every((image) => large.images.includes(image))).toBe(true);
    expect(limitSplit(numbered, 33, 3).images).not.toEqual(small.images);
  });

  it('takes more of the others where a class is short', () => {
    const uneven = { count: 100, images: new Uint8Array(100), labels: Uint16Array.from({ length: 100 }, (_, i) => (i < 3 ? 0 : 1)) };
    const part = limitSplit(uneven, 50, 1);
    expect(part.labels).toBeInstanceOf(Uint16Array);
    expect(counts(part.labels).slice(0, 2)).toEqual([3, 47]);
  });

  it.each([0, -1, 1.5, NaN])('refuses %f', (n) => {
    expect(() => limitSplit(split, n, 0)).toThrow(RangeError);
  });
});

describe('renumbered', () => {
  const dataset: Dataset = { ...randomDataset(9, 5), classes: ['dog', 'ant'], train: { ...randomSplit(4, [1, 1, 1], 2, 1), labels: Uint8Array.of(0, 1, 1, 0) } };

  it('gives classes the places that they have for a run', () => {
    const found = renumbered(dataset, ['ant', 'bee', 'dog']);
    expect(found.classes).toEqual(['ant', 'bee', 'dog']);
    expect(found.train).toEqual({ ...dataset.train, labels: Uint8Array.of(2, 0, 0, 2) });
    expect(renumbered(dataset, ['dog', 'ant', 'bee'])).toEqual({ ...dataset, classes: ['dog', 'ant', 'bee'] });
  });

  it('refuses a class that the run does not know', () => {
    expect(() => renumbered(dataset, ['dog', 'bee'])).toThrow(/has the class "ant", which the run was not trained on/);
  });
});
