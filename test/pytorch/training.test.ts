// Emitted PyTorch files as programs: with the same seed and images they train as `zz train` does, alone and on two ranks, and weights go both ways.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { syntheticDataset } from '../../runtime/data/synthetic.ts';
import { uniforms } from '../../runtime/random.ts';
import { readSafetensors } from '../../runtime/tensor-file.ts';
import { zz } from '../cli/zz.ts';
import { relativeError } from '../kernels/cases.ts';
import { launcher, missing, netOf, python, skipped, textOf, torchrun } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'zigzag-training-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

const CLASSES = ['ant', 'bee', 'cat'];
const [HEIGHT, WIDTH] = [8, 10];

/** Images of three classes that are not hard to tell apart. */
beforeAll(async () => {
  for (const [split, count] of [['train', 9], ['test', 5]] as const) {
    for (const [label, name] of CLASSES.entries()) {
      mkdirSync(join(folder, 'images', split, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        const next = uniforms(label, i, count);
        const pixels = Uint8Array.from({ length: HEIGHT * WIDTH * 3 }, () => 60 * label + 130 * next());
        await sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } }).png().toFile(join(folder, 'images', split, name, `${i}.png`));
      }
    }
  }
});

const SHAKEN = 'hflip -> crop(pad: 2) -> blur(sigma: 0.2..1.0) -> cutout(3) -> brightness(0.2) -> noise(0.05) -> sometimes(0.5, sometimes(0.6, hflip(p: 1.0))) -> hflip';

/** Nets with every augmentation and init, a setting of each kind, and one that reads grey. */
const NETS: Readonly<Record<string, string>> = {
  per_batch: `net Both { input image: [${HEIGHT}, ${WIDTH}, 3]
  view both = each(image, image -> ${SHAKEN})
  logits = both -> conv(4, init: truncated_normal(0.3)) -> elu -> conv(4, k: 1, init: glorot) -> elu -> conv(5, init: orthogonal) -> tanh -> avgpool(2) -> globalavgpool -> dense(3, init: normal(0.5))
  output logits
  loss softmax_cross_entropy(logits)
  train { optimizer sgd(lr: 0.05, momentum: 0.9) schedule cosine(warmup: 3) batch 6 epochs 2 seed 5 normalize per_batch } }`,
  channel: `net Two { input image: [${HEIGHT}, ${WIDTH}, 3]
  view shaken = image -> ${SHAKEN}
  a = image -> conv(4) -> elu
  b = shaken -> conv(4) -> elu
  logits = concat(a, b) -> flatten -> dense(3)
  output logits
  loss softmax_cross_entropy(logits, label_smoothing: 0.1)
  train { optimizer adam(lr: 1e-3) schedule step(every: 1, factor: 0.5) batch 8 epochs 2 seed 6 weight_decay 1e-3 clip_norm 1 normalize channel } }`,
  none: `net Plain { input image: [${HEIGHT}, ${WIDTH}, 1]
  logits = image -> conv(4, stride: 2) -> relu -> flatten -> dense(3)
  output logits
  loss softmax_cross_entropy(logits)
  train { optimizer adamw(lr: 1e-3) schedule inverse(rate: 0.1) batch 4 epochs 2 seed 7 weight_decay 1e-2 normalize none } }`,
  scaled: `net Plain { input image: [${HEIGHT}, ${WIDTH}, 1]
  logits = image -> conv(4, stride: 2) -> relu -> flatten -> dense(3)
  output logits
  loss softmax_cross_entropy(logits)
  train { optimizer rmsprop(lr: 1e-3, alpha: 0.9, momentum: 0.5) batch 4 epochs 2 seed 8 weight_decay 1e-3 normalize none } }`,
};

interface Files {
  readonly zz: string;
  readonly py: string;
}

function files(name: string): Files {
  const found = { zz: join(folder, `${name}.zz`), py: join(folder, `${name}.py`) };
  writeFileSync(found.zz, NETS[name] ?? '');
  writeFileSync(found.py, textOf(netOf(NETS[name] ?? '')));
  return found;
}

/** Runs an emitted file; its standard output. */
function run(file: string, ...options: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(python ?? '', [file, '--data', join(folder, 'images'), ...options], { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout;
}

/** As `run`, on two ranks. */
function runOnTwo(file: string, ...options: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(torchrun ?? '', [...launcher(2, join(folder, 'logs')), file, '--data', join(folder, 'images'), ...options], { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout.replace(/^\[\w+\]:/gm, '');
}

async function trained(net: string, name: string): Promise<{ readonly dir: string; readonly test: { readonly loss: number; readonly accuracy: number } }> {
  const dir = join(folder, name);
  const { status, stdout, stderr } = await zz(['train', net, '--data', join(folder, 'images'), '--backend', 'wasm', '--threads', '1', '--out', dir, '--json', '--quiet'], { cwd: folder, env: { ZZ_CACHE: join(folder, 'cache') } });
  if (status !== 0) throw new Error(stderr);
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as { event: string; test: { loss: number; accuracy: number } });
  return { dir, test: lines.at(-1)?.test ?? { loss: NaN, accuracy: NaN } };
}

async function worst(path: string, other: string): Promise<number> {
  const [found, wanted] = [await readSafetensors(path), await readSafetensors(other)];
  return Math.max(...[...found.tensors].filter(([name]) => name !== 'loss').map(([name, { data }]) => relativeError(data, wanted.tensors.get(name)?.data ?? [])));
}

test.skipIf(missing)(`the generated images are those of zz train, byte for byte${skipped}`, () => {
  const { py } = files('channel');
  const digest = `import hashlib, importlib.util, sys
spec = importlib.util.spec_from_file_location("net", ${JSON.stringify(py)})
net = sys.modules["net"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(net)
names, *splits = net.synthetic()
pixels = [split.images.permute(0, 2, 3, 1).flatten().tolist() for split in splits]
print(", ".join(names), *(split.labels.sum().item() for split in splits), *(hashlib.sha256(bytearray(each)).hexdigest() for each in pixels))`;
  const { classes, train, test: tested } = syntheticDataset({ shape: [HEIGHT, WIDTH, 3] });
  const sum = (values: Iterable<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
  const wanted = [classes.join(', '), ...[train, tested].map(({ labels }) => sum(labels)), ...[train, tested].map(({ images }) => createHash('sha256').update(images).digest('hex'))];
  const { stdout, stderr } = spawnSync(python ?? '', ['-c', digest], { encoding: 'utf8' });
  expect(stdout.trim(), stderr).toBe(wanted.join(' '));
});

const noImages = python !== undefined && spawnSync(python, ['-c', 'import PIL']).status !== 0;

describe.skipIf(missing ?? noImages)(`training in PyTorch${noImages ? ' (skipped: Python has no PIL (python3-pil))' : skipped}`, () => {
  for (const name of Object.keys(NETS)) {
    test(`goes as in zz train: normalize ${name}`, async () => {
      const { zz: source, py } = files(name);
      const ours = await trained(source, `run-${name}`);
      const weights = join(folder, `${name}.safetensors`);
      const printed = run(py, '--out', weights);
      expect(await worst(weights, join(ours.dir, 'checkpoint.safetensors'))).toBeLessThan(2e-4);
      expect(printed.split('\n')[1]).toContain(`test ${ours.test.loss.toFixed(4)} (${(100 * ours.test.accuracy).toFixed(1)}%)`);
      expect(run(py, '--weights', join(ours.dir, 'checkpoint.safetensors'), '--evaluate')).toBe(`test ${ours.test.loss.toFixed(4)} (${(100 * ours.test.accuracy).toFixed(1)}%)\n`);
    });
  }

  test.skipIf(torchrun === undefined)('comes to the same weights and scores on two ranks, each with half of the batch: the statistics of a batch are those of all ranks', async () => {
    const { py } = files('per_batch');
    const [one = '', two = ''] = ['one', 'two'].map((ranks) => join(folder, `${ranks}.safetensors`));
    const scores = (text: string): string[] => text.split('\n').map((line) => line.replace(/\d+ images\/s/, ''));
    const alone = scores(run(py, '--out', one));
    expect(scores(runOnTwo(py, '--out', two))).toEqual(alone);
    expect(await worst(two, one)).toBeLessThan(2e-4);
  });

  test('weights go there and back: trained here, trained on there, imported, scored, and trained on here', async () => {
    const { zz: source } = files('channel');
    const ours = await trained(source, 'run-there');
    const command = async (...argv: readonly string[]): Promise<string> => {
      const { status, stdout, stderr } = await zz(argv, { cwd: folder, env: { ZZ_CACHE: join(folder, 'cache') } });
      if (status !== 0) throw new Error(stderr);
      return stdout;
    };
    await command('compile', '--weights', ours.dir, '-o', 'there.py');
    const py = join(folder, 'there.py');
    const score = (loss: number, accuracy: number): string => `test ${loss.toFixed(4)} (${(100 * accuracy).toFixed(1)}%)`;
    expect(run(py, '--evaluate')).toBe(`${score(ours.test.loss, ours.test.accuracy)}\n`);
    // Images of two of the classes would be counted as those of others.
    for (const split of ['train', 'test']) for (const name of ['bee', 'cat']) cpSync(join(folder, 'images', split, name), join(folder, 'fewer', split, name), { recursive: true });
    expect(() => run(py, '--evaluate', '--data', join(folder, 'fewer'))).toThrow('has the classes bee, cat; the weights know ant, bee, cat');

    const weights = join(folder, 'back.safetensors');
    const printed = run(py, '--epochs', '1', '--out', weights);
    await command('import', weights, source, '--data', join(folder, 'images'), '--out', 'run-back');
    const back = JSON.parse(await command('eval', 'run-back', '--backend', 'wasm', '--json')) as { loss: number; accuracy: number };
    expect(back.loss).not.toBeCloseTo(ours.test.loss, 3);
    expect(printed).toContain(score(back.loss, back.accuracy));
    // The run goes on from there, with moments as training begins with them.
    const resumed = await command('train', '--resume', '--out', 'run-back', '--epochs', '1', '--backend', 'wasm', '--json', '--quiet');
    const { test: after } = JSON.parse(resumed.trim().split('\n').at(-1) ?? '') as typeof ours;
    const on = join(folder, 'on.safetensors');
    expect(run(py, '--weights', weights, '--epochs', '1', '--out', on)).toContain(score(after.loss, after.accuracy));
    expect(await worst(on, join(folder, 'run-back/checkpoint.safetensors'))).toBeLessThan(2e-4);
  });
});
