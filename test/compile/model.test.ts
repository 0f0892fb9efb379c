// The API of compiled models: shapes, labels and options that make no sense, weights that come and go, statistics, backends, the order of calls.

import { describe, expect, test } from 'vitest';
import { encodeCheckpoint, decodeCheckpoint, START } from '../../runtime/checkpoint.ts';
import { BackendError } from '../../runtime/backend.ts';
import type { CompiledModel } from '../../runtime/compiled/exports.ts';
import { tensor } from '../../runtime/compiled/exports.ts';
import type { Hosts } from '../../runtime/compiled/backends.ts';
import { openModel } from '../../runtime/compiled/index.ts';
import { wasm } from '../../runtime/compiled/wasm.ts';
import { RunError } from '../../runtime/errors.ts';
import { encodeSafetensors } from '../../runtime/safetensors.ts';
import { missing as noWebGpu } from '../webgpu/harness.ts';
import { artefactOf, HOSTS, someImages, someLabels, withModel } from './artefacts.ts';

const SHAPE = [6, 5, 3];
const net = (train: string, name = 'Small'): string => `net ${name} {
  input image: [6, 5, 3]
  view both = each(image, image -> hflip(p: 1.0))
  hidden = both -> conv(4, k: 3) -> batchnorm -> elu -> globalavgpool
  logits = hidden -> dropout(0.1) -> dense(3)
  output logits
  output hidden
  output total = mean(logits)
  loss softmax_cross_entropy(logits)
  train { batch 4  ${train} }
}
`;
const PLAIN = await artefactOf(net('normalize none'));
const PER_BATCH = await artefactOf(net('normalize per_batch'));
const CHANNEL = await artefactOf(net('normalize channel  schedule cosine(warmup: 2)'));

const images = someImages(4, SHAPE);
const labels = someLabels(0, 1, 2, 0);
const three = (model: CompiledModel): Promise<unknown> => (async () => {
  for (let i = 0; i < 3; i++) await model.trainStep(someImages(4, SHAPE, i), labels);
  return model.predict(images);
})();

describe('predictions', () => {
  test('have the shapes and names of the net, one row for each image, however many there are', async () => {
    await withModel(PLAIN, {}, async (model) => {
      const all = await model.predict(someImages(19, SHAPE));
      expect(Object.keys(all)).toEqual(['logits', 'hidden']); // the mean over the batch is of no image
      expect(all).toMatchObject({ logits: { shape: [19, 3] }, hidden: { shape: [19, 4] } });
      for (const count of [1, 7, 8, 9]) {
        const some = await model.predict({ ...someImages(19, SHAPE), shape: [count, ...SHAPE], data: someImages(19, SHAPE).data.subarray(0, count * 90) } as never);
        expect(some['logits']?.data).toEqual(all['logits']?.data.slice(0, 3 * count));
      }
    });
  });

  test('one at a time are those of many', async () => {
    const many = await withModel(PLAIN, {}, (model) => model.predict(images));
    const single = await withModel(PLAIN, { batch: 1 }, (model) => model.predict(images));
    for (const [i, value] of (many['logits']?.data ?? []).entries()) expect(Math.abs(value - (single['logits']?.data[i] ?? NaN))).toBeLessThan(1e-5);
  });

  test('classes are the surest ones', async () => {
    await withModel(PLAIN, {}, async (model) => {
      for (const { class: name, index, probability, probabilities } of await model.classify(images)) {
        expect(name).toBe(String(index));
        expect(probability).toBe(Math.max(...probabilities));
        expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
      }
    });
  });

  test('do not depend on the other images, and on nothing that was not learnt', async () => {
    await withModel(PER_BATCH, {}, async (model) => {
      await expect(model.predict(images)).rejects.toThrow(/normalises images with statistics of those it was trained on \(per_batch\), and has none/);
      model.calibrate(someImages(30, SHAPE, 5));
      const all = await model.predict(images);
      const last = await model.predict({ shape: [1, ...SHAPE], data: images.data.subarray(270) } as never);
      expect(last['logits']?.data).toEqual(all['logits']?.data.slice(9));
    });
  });
});

describe('what makes no sense', () => {
  test.each<[string, (model: CompiledModel) => Promise<unknown>, RegExp]>([
    ['other images', (model) => model.predict(someImages(2, [5, 6, 3])), /the images have the shape \[2, 5, 6, 3\]; expected \[N, 6, 5, 3\]/],
    ['no images', (model) => model.predict(someImages(0, SHAPE)), /the images are none/],
    ['a shape that the data do not fill', (model) => model.predict({ shape: [2, ...SHAPE], data: images.data } as never), /a tensor of shape \[2, 6, 5, 3\] has 180 elements, not 360/],
    ['a batch of another size', (model) => model.trainStep(someImages(3, SHAPE), someLabels(0, 0, 0)), /the images have the shape \[3, 6, 5, 3\]; expected \[4, 6, 5, 3\]/],
    ['labels for other images', (model) => model.trainStep(images, someLabels(0)), /the labels have the shape \[1\]; expected \[4\]/],
    ['no labels', (model) => model.trainStep(images), /learns from labels/],
    ['a label beyond the classes', (model) => model.evaluate(images, someLabels(0, 1, 3, 0)), /3 is no label: the net has the classes 0 to 2/],
    ['a training step without its clock', (model) => model.trainStep(images, labels), /schedule .* depends on the length of an epoch: give stepsPerEpoch/],
    ['a damaged file', (model) => model.load(new Uint8Array(5)), /the weights file is not a sound safetensors file/],
  ])('%s', async (_, act, message) => {
    await withModel(CHANNEL, {}, async (model) => {
      model.calibrate(images);
      const before = await model.predict(images);
      await expect(act(model)).rejects.toThrow(message);
      expect(await model.predict(images)).toEqual(before);
    });
  });

  test.each<[string, object, RegExp]>([
    ['a backend', { backend: 'gpu' }, /not compiled for the backend "gpu"; it has auto, wasm/],
    ['a backend of other models', { backend: 'webgpu' }, /without the backend webgpu|not compiled for/],
    ['a batch', { batch: 3 }, /not compiled for 3 images at once; it has 1 and 8/],
    ['threads', { threads: 0 }, /a whole number from 1/],
  ])('%s that the model has not', async (_, options, message) => {
    await expect(withModel(PLAIN, options, async () => undefined)).rejects.toThrow(message);
  });

  test('a tensor of too few elements', () => {
    expect(() => tensor([2, 3], new Uint8Array(5))).toThrow(RangeError);
    expect(() => tensor([-1, -6], new Uint8Array(6))).toThrow('is no shape');
    expect(tensor([2, 3], new Uint8Array(6)).shape).toEqual([2, 3]);
  });

  test('a program that was changed, and one of a later version', async () => {
    const { digest, programs } = PLAIN.backends.wasm ?? { digest: '', programs: { predict: undefined } };
    const changed = { ...PLAIN, backends: { wasm: { digest, programs: { ...programs, predict: { ...programs.predict, batch: 7 } } } } } as typeof PLAIN;
    await expect(withModel(changed, {}, async () => undefined)).rejects.toThrow(/the compiled programs of Small are damaged/);
    await expect(withModel({ ...PLAIN, format: 2 } as never, {}, async () => undefined)).rejects.toThrow(/compiled by zz .* in format 2; this runtime knows 1/);
  });
});

describe('weights', () => {
  test('saved and loaded, training goes on as if nothing had happened', async () => {
    const whole = await withModel(PER_BATCH, {}, async (model) => {
      model.calibrate(images);
      await three(model);
      return three(model);
    });
    const saved = await withModel(PER_BATCH, {}, async (model) => {
      model.calibrate(images);
      await three(model);
      return model.save();
    });
    expect(decodeCheckpoint('saved', saved).progress.step).toBe(3);
    expect(await withModel(PER_BATCH, { weights: saved }, three)).toEqual(whole);
    await withModel(PER_BATCH, {}, async (model) => {
      model.calibrate(someImages(9, SHAPE, 8));
      await three(model);
      await model.load(saved);
      expect(await three(model)).toEqual(whole);
    });
    expect(await withModel(PER_BATCH, { weights: saved, seed: 3 }, three)).not.toEqual(whole); // other views and dropout
  });

  test('of any safetensors file with their names, without the optimiser\'s', async () => {
    const saved = decodeCheckpoint('saved', await withModel(PLAIN, { seed: 9 }, (model) => model.save()));
    const own = [...saved.tensors].filter(([name]) => !/^[mv]\./.test(name));
    const bytes = encodeSafetensors({ tensors: new Map(own), metadata: {} });
    const expected = await withModel(PLAIN, { seed: 9 }, (model) => model.predict(images));
    expect(await withModel(PLAIN, { weights: bytes }, (model) => model.predict(images))).toEqual(expected);
    const less = encodeSafetensors({ tensors: new Map(own.slice(1)), metadata: {} });
    await expect(withModel(PLAIN, { weights: less }, async () => undefined)).rejects.toThrow(`the weights file has no tensor "${own[0]?.[0] ?? ''}"`);
  });

  test('of another net are refused, whatever they hold', async () => {
    const saved = decodeCheckpoint('saved', await withModel(PLAIN, {}, (model) => model.save()));
    const other = encodeCheckpoint({ ...saved, net: 'Other' });
    await withModel(PLAIN, {}, async (model) => {
      await expect(model.load(other)).rejects.toThrow(RunError);
      await expect(model.load(other)).rejects.toThrow('the weights are of the net "Other", not of Small');
    });
    const narrow = encodeCheckpoint({ net: 'Small', progress: START, statistics: {}, tensors: new Map([...saved.tensors].map(([name, { data }]) => [name, { shape: [data.length], data }])) });
    await expect(withModel(PLAIN, { weights: narrow }, async () => undefined)).rejects.toThrow(/in the weights file and \[.*\] in the net/);
  });

  test('at an address', async () => {
    const saved = await withModel(PLAIN, { seed: 4 }, (model) => model.save());
    const url = new URL(`data:application/octet-stream;base64,${Buffer.from(saved).toString('base64')}`);
    expect(await withModel(PLAIN, { weights: url }, (model) => model.predict(images))).toEqual(await withModel(PLAIN, { seed: 4 }, (model) => model.predict(images)));
    await expect(withModel(PLAIN, { weights: new URL('http://127.0.0.1:9/none') }, async () => undefined)).rejects.toThrow(/cannot be read/);
  });
});

describe('training', () => {
  test('changes what is predicted, and keeps what was learnt while programs come and go', async () => {
    await withModel(PLAIN, { batch: 1 }, async (model) => {
      const before = await model.predict(images);
      const first = await model.trainStep(images, labels);
      expect(first).toMatchObject({ step: 1, accuracy: expect.any(Number) as number });
      const after = await model.predict(images);
      expect(after).not.toEqual(before);
      const { loss } = await model.evaluate(images, labels); // 4 images of the 8 in a batch: one by one
      expect(Number.isFinite(loss)).toBe(true);
      for (let i = 0; i < 30; i++) await model.trainStep(images, labels);
      expect((await model.evaluate(images, labels)).loss).toBeLessThan(first.loss);
    });
  });

  test('of a net without labels and classes', async () => {
    const coder = await artefactOf(`net Coder {
      input image: [4, 4, 1]
      code = image -> flatten -> dense(3) -> tanh
      copy = code -> dense(16) -> reshape([4, 4, 1])
      output code
      loss mse(copy, image)
      train { batch 2  normalize none  optimizer adam(lr: 0.01) }
    }`);
    await withModel(coder, {}, async (model) => {
      const two = someImages(2, [4, 4, 1]);
      const first = await model.trainStep(two);
      expect(first.accuracy).toBe(null);
      for (let i = 0; i < 40; i++) await model.trainStep(two);
      expect((await model.evaluate(two)).loss).toBeLessThan(first.loss / 2);
      await expect(model.classify(two)).rejects.toThrow('net Coder has no class scores');
    });
  });

  test('is refused where there is no loss', async () => {
    const only = await artefactOf('net Only { input image: [4, 4, 3] output y = image -> conv(2) }');
    await withModel(only, {}, async (model) => {
      model.calibrate(someImages(3, [4, 4, 3]));
      expect((await model.predict(someImages(2, [4, 4, 3])))['y']?.shape).toEqual([2, 4, 4, 2]);
      await expect(model.trainStep(someImages(32, [4, 4, 3]))).rejects.toThrow('net Only has no loss');
      await expect(model.evaluate(someImages(32, [4, 4, 3]))).rejects.toThrow('net Only has no loss');
    });
  });
});

describe('the order of calls', () => {
  test('is kept, whether they are waited for or not', async () => {
    const one = await withModel(PLAIN, {}, async (model) => [await model.trainStep(images, labels), await model.predict(images), await model.trainStep(images, labels)]);
    const together = await withModel(PLAIN, {}, (model) => Promise.all([model.trainStep(images, labels), model.predict(images), model.trainStep(images, labels)]));
    expect(together).toEqual(one);
  });

  test('ends with dispose', async () => {
    await withModel(PLAIN, {}, async (model) => {
      await model.dispose();
      await model.dispose();
      await expect(model.predict(images)).rejects.toThrow('the model is disposed');
    });
  });

  test('what was asked for before dispose is still answered', async () => {
    await withModel(PLAIN, {}, async (model) => {
      const expected = await model.predict(images);
      const asked = [model.predict(images), model.predict(images)];
      await model.dispose();
      expect(await Promise.all(asked)).toEqual([expected, expected]);
    });
  });
});

describe('options', () => {
  test.each<[string, object, string]>([
    ['a seed of no number', { seed: NaN }, 'seed is NaN: a whole number from 0 is needed'],
    ['a seed below 0', { seed: -1 }, 'seed is -1: a whole number from 0 is needed'],
    ['epochs without a step', { stepsPerEpoch: 0 }, 'stepsPerEpoch is 0: a whole number from 1 is needed'],
    ['half an epoch', { epochs: 0.5 }, 'epochs is 0.5: a whole number from 1 is needed'],
    ['a path for weights', { weights: 'model.safetensors' }, `weights are "model.safetensors": bytes, a URL or 'initial' is needed`],
    ['no weights', { weights: null }, 'weights are null'],
  ])('%s: refused', async (_, options, message) => {
    await expect(openModel(PLAIN, HOSTS, { threads: 1, ...options })).rejects.toThrow(message);
  });
});

describe('a device without room for training', () => {
  test('goes on predicting, with the same weights', async () => {
    const small: Hosts = { wasm: { ...wasm, backend: (options) => {
      const backend = wasm.backend(options);
      return { ...backend, open: (model) => ('train' in model.programs ? Promise.reject(new BackendError('no room', '')) : backend.open(model)) };
    } } };
    await withModel(PLAIN, { seed: 3 }, async (model) => {
      const before = await model.predict(images);
      await expect(model.trainStep(images, labels)).rejects.toThrow('no room');
      expect(await model.predict(images)).toEqual(before);
    }, small);
  });
});

describe('backends', () => {
  const close = (a: Float32Array | undefined, b: Float32Array | undefined): void => {
    expect(a).toHaveLength(b?.length ?? -1);
    a?.forEach((value, i) => expect(Math.abs(value - (b?.[i] ?? NaN))).toBeLessThan(1e-4));
  };
  const trained = (artefact: typeof PLAIN, backend: string): Promise<Float32Array | undefined> =>
    withModel(artefact, { backend }, async (model) => {
      expect(model.backend).toBe(backend);
      await three(model);
      return (await model.predict(images))['logits']?.data;
    });

  test('gpu.js agrees', async () => {
    const both = await artefactOf(net('normalize none'), ['wasm', 'gpujs']);
    close(await trained(both, 'gpujs'), await trained(both, 'wasm'));
  });

  test.skipIf(noWebGpu !== undefined)('WebGPU agrees, and on a software adapter is chosen only by name', async () => {
    const both = await artefactOf(net('normalize none'), ['webgpu', 'wasm']);
    close(await trained(both, 'webgpu'), await trained(both, 'wasm'));
    expect(await withModel(both, {}, async (model) => model.backend)).toBe('wasm');
  });

  test('none that works is an error with the reasons', async () => {
    const broken = { wasm: { backend: () => ({ name: 'wasm', open: async () => Promise.reject(new BackendError('no memory', '')) }) } };
    await expect(withModel(PLAIN, {}, async () => undefined, broken)).rejects.toThrow('no backend that the model was compiled for works here: wasm: no memory');
  });

  test('engines without relaxed SIMD have modules of their own', async () => {
    const { wasm } = HOSTS;
    if (!wasm) throw new Error('no wasm');
    const plain = await withModel(PLAIN, {}, three, { wasm: { ...wasm, relaxedSimd: () => false } }) as Record<string, { data: Float32Array }>;
    const relaxed = await withModel(PLAIN, {}, three) as Record<string, { data: Float32Array }>;
    close(plain['logits']?.data, relaxed['logits']?.data);
  });
});
