// Training on a folder of images through the command line, on every backend.

import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../runtime/checkpoint-file.ts';
import { readMetrics } from '../../runtime/metrics.ts';
import { normals } from '../../runtime/random.ts';
import { missing, skipped } from '../webgpu/harness.ts';
import { zz } from './zz.ts';

// Two views, one of them twice in the batch, and a test split that leaves a rest.
const NET = `net Folder {
  input image: [8, 8, 3]
  view both = each(image, image -> hflip(p: 1.0))
  logits = both -> conv(4, k: 3) -> elu -> avgpool(2) -> flatten -> dropout(0.1) -> dense(2)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset "images"  optimizer adamw(lr: 0.01)  batch 5  epochs 3  seed 2  normalize per_batch  clip_norm 1 }
}
`;

let cwd: string;
const env = () => ({ ZZ_CACHE: join(cwd, 'cache') });
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zz-folder-'));
  await mkdir(join(cwd, 'nets'));
  await writeFile(join(cwd, 'nets/folder.zz'), NET);
  // Warm and cold images with noise.
  const next = normals(3);
  for (const [split, each] of [['train', 12], ['test', 7]] as const) {
    for (const [label, tint] of [['cold', [90, 110, 150]], ['warm', [150, 110, 90]]] as const) {
      const dir = join(cwd, 'nets/images', split, label);
      await mkdir(dir, { recursive: true });
      for (let i = 0; i < each; i++) {
        const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, j) => Math.max(0, Math.min(255, (tint[j % 3] ?? 0) + 40 * next())));
        await sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } }).png().toFile(join(dir, `${i}.png`));
      }
    }
  }
});
afterAll(() => rm(cwd, { recursive: true }));

const train = (...argv: string[]) => zz(['train', ...argv, '--json'], { cwd, env: env() });
const metrics = async (run: string) => (await readMetrics(join(cwd, run, 'metrics.jsonl'))).map(({ seconds: _s, imagesPerSecond: _i, ...rest }) => rest);
const tensors = async (run: string) => (await readCheckpoint(join(cwd, run, 'checkpoint.safetensors'))).tensors;

const BACKENDS = ['wasm', 'gpujs', 'reference', 'webgpu'];
const isMissing = (backend: string): boolean => backend === 'webgpu' && missing !== undefined;

describe.each(BACKENDS)('%s', (backend) => {
  const check = test.skipIf(isMissing(backend));
  const note = backend === 'webgpu' ? skipped : '';

  check(`an interrupted and resumed run equals a whole one bit for bit${note}`, async () => {
    // The path in the file is seen from the file.
    const whole = await train('nets/folder.zz', '--backend', backend, '--out', `${backend}-whole`);
    expect(whole).toMatchObject({ status: 0 });
    let interrupt = (): void => undefined;
    const broken = await zz(['train', 'nets/folder.zz', '--backend', backend, '--out', `${backend}-run`, '--json'], {
      cwd, env: env(), interrupts: (stop) => { interrupt = stop; }, onStdout: () => interrupt(),
    });
    expect(broken.status).toBe(130);
    expect(await metrics(`${backend}-run`)).toHaveLength(1);
    expect((await train('--resume', '--out', `${backend}-run`)).status).toBe(0);
    expect(await metrics(`${backend}-run`)).toEqual(await metrics(`${backend}-whole`));
    expect(await tensors(`${backend}-run`)).toEqual(await tensors(`${backend}-whole`));
  });

  check(`evaluating again gives the last score${note}`, async () => {
    const ran = await zz(['eval', `${backend}-whole`, '--json'], { cwd, env: env() });
    const result = JSON.parse(ran.stdout) as { loss: number; accuracy: number; images: number; confusion: number[][]; classes: string[] };
    expect({ loss: result.loss, accuracy: result.accuracy }).toEqual((await metrics(`${backend}-whole`)).at(-1)?.test);
    expect([result.images, result.classes]).toEqual([14, ['cold', 'warm']]);
    expect(result.confusion.map((row) => row.reduce((a, b) => a + b, 0))).toEqual([7, 7]);
    expect(result.accuracy).toBeGreaterThan(0.6);
  });
});

test('predictions need no data set', async () => {
  const picture = join(cwd, 'nets/images/test/warm/0.png');
  const predict = () => zz(['predict', 'wasm-whole', picture, '--json'], { cwd, env: { ZZ_CACHE: join(cwd, 'none') } });
  const before = await predict();
  await writeFile(join(cwd, 'kept.png'), await readFile(picture));
  await rename(join(cwd, 'nets/images'), join(cwd, 'nets/away'));
  const after = await zz(['predict', 'wasm-whole', 'kept.png', '--json'], { cwd, env: { ZZ_CACHE: join(cwd, 'none') } });
  await rename(join(cwd, 'nets/away'), join(cwd, 'nets/images'));
  expect(after).toMatchObject({ status: 0, stderr: '' });
  expect((JSON.parse(after.stdout) as { classes: unknown }).classes).toEqual((JSON.parse(before.stdout) as { classes: unknown }).classes);
});

test('a run normalises other data as those that it was trained on, and finds its classes by their names', async () => {
  expect((await train('nets/folder.zz', '--normalize', 'channel', '--backend', 'reference', '--epochs', '1', '--out', 'channel')).status).toBe(0);
  // The same test images beside other training images.
  for (const label of ['cold', 'warm']) {
    await cp(join(cwd, 'nets/images/test', label), join(cwd, 'nets/other/test', label), { recursive: true });
    await cp(join(cwd, 'nets/images/train/cold'), join(cwd, 'nets/other/train', label), { recursive: true });
  }
  const score = async (...more: string[]) => JSON.parse((await zz(['eval', 'channel', '--json', ...more], { cwd, env: env() })).stdout) as { loss: number };
  expect((await score('--data', 'nets/other')).loss).toBe((await score()).loss);
  const { statistics } = await readCheckpoint(join(cwd, 'channel/checkpoint.safetensors'));
  expect((await train('--resume', '--out', 'channel', '--data', 'nets/other', '--epochs', '2')).status).toBe(0);
  expect((await readCheckpoint(join(cwd, 'channel/checkpoint.safetensors'))).statistics).toEqual(statistics);
  for (const split of ['train', 'test']) await rename(join(cwd, 'nets/other', split, 'cold'), join(cwd, 'nets/other', split, 'hot'));
  const refused = await zz(['eval', 'channel', '--data', 'nets/other'], { cwd, env: env() });
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringMatching(/other has the class "hot", which the run was not trained on[^]*cold, warm/) as string });
});

test('the backends agree', async () => {
  const reference = await metrics('reference-whole');
  for (const backend of BACKENDS.filter((each) => !isMissing(each))) {
    for (const [i, epoch] of (await metrics(`${backend}-whole`)).entries()) {
      expect(Math.abs(epoch.train.loss / (reference[i]?.train.loss ?? NaN) - 1), backend).toBeLessThan(1e-4);
      expect(Math.abs(epoch.test.loss / (reference[i]?.test.loss ?? NaN) - 1), backend).toBeLessThan(1e-4);
    }
  }
});

test('imports are kept where ZZ_CACHE says', async () => {
  expect(await readdir(join(cwd, 'cache'))).toEqual(['images']);
});

test('data on the command line are seen from the working directory', async () => {
  expect((await train('nets/folder.zz', '--data', 'nets/images', '--backend', 'reference', '--epochs', '1', '--out', 'given')).status).toBe(0);
  const wrong = await train('nets/folder.zz', '--data', 'images', '--backend', 'reference', '--out', 'never');
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toContain(join(cwd, 'images'));
});
