// zz compile to the formats of others, and zz import: what is written, what is refused.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../runtime/checkpoint-file.ts';
import { initialWeight } from '../../runtime/init.ts';
import { channelStatistics } from '../../runtime/data/normalize.ts';
import { SYNTHETIC_CLASSES, syntheticDataset } from '../../runtime/data/synthetic.ts';
import { uniforms } from '../../runtime/random.ts';
import { encodeSafetensors, type StoredTensor } from '../../runtime/safetensors.ts';
import { readSafetensors } from '../../runtime/tensor-file.ts';
import { zz, type Ran } from '../cli/zz.ts';
import { missing, runOnnx, skipped } from '../onnx/harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'zigzag-formats-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

const NET = (normalize: string): string => `net Small {
  input image: [32, 32, 3]
  view shaken = image -> hflip
  y = shaken -> conv(4, stride: 2) -> batchnorm -> relu -> conv(10, k: 1)
  logits = y -> globalavgpool
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic optimizer adam(lr: 1e-2) batch 50 epochs 1 seed 3 normalize ${normalize} }
}
`;

const run = async (...argv: readonly string[]): Promise<Ran> => zz(argv, { cwd: folder });
const good = async (...argv: readonly string[]): Promise<Ran> => {
  const ran = await run(...argv);
  if (ran.status !== 0) throw new Error(ran.stderr);
  return ran;
};
const path = (name: string): string => join(folder, name);

beforeAll(async () => {
  for (const normalize of ['channel', 'per_batch']) {
    writeFileSync(path(`${normalize}.zz`), NET(normalize));
    await good('train', `${normalize}.zz`, '--limit', '200', '--backend', 'wasm', '--out', `run-${normalize}`, '--quiet');
  }
}, 60_000);

describe('onnx', () => {
  test.skipIf(missing).each(['channel', 'per_batch'])(`of a trained net takes pixels and says what zz predict says: normalize %s${skipped}`, async (normalize) => {
    await good('compile', '--weights', `run-${normalize}`, '-o', `${normalize}.onnx`);
    const next = uniforms(8);
    const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, () => 256 * next());
    await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } }).png().toFile(path('image.png'));
    const { stdout } = await good('predict', `run-${normalize}`, 'image.png', '--backend', 'wasm', '--top', '10', '--json');
    const { classes } = JSON.parse(stdout) as { classes: { class: string; probability: number }[] };

    const found = await runOnnx(readFileSync(path(`${normalize}.onnx`)), new Map([['image', { data: Float32Array.from(pixels, (byte) => byte / 255), shape: [1, 32, 32, 3] }]]));
    const scores = Array.from(found.get('logits')?.data ?? [], Math.exp);
    const total = scores.reduce((a, b) => a + b, 0);
    for (const { class: name, probability } of classes) expect((scores[SYNTHETIC_CLASSES.indexOf(name)] ?? NaN) / total).toBeCloseTo(probability, 5);
  });

  test('of a fresh net has the weights of the seed', async () => {
    await good('compile', 'channel.zz', '-o', 'fresh.onnx');
    await good('compile', 'channel.zz', '-o', 'fresh.safetensors');
    const { tensors } = await readSafetensors(path('fresh.safetensors'));
    expect([...tensors.keys()]).toEqual(['w.1', 'gamma.2', 'beta.2', 'mean.2', 'var.2', 'w.3']);
    expect(tensors.get('w.1')).toEqual({ shape: [3, 3, 3, 4], data: initialWeight('w.1', [3, 3, 3, 4], { init: 'he', std: Math.sqrt(2 / 27) }, 3) });
    expect(tensors.get('var.2')?.data).toEqual(new Float32Array(4).fill(1));
    const last = tensors.get('w.3')?.data ?? new Float32Array();
    // The filter of 1 by 1 pixels lies transposed in the file.
    const filter = Float32Array.from({ length: 40 }, (_, i) => last[(i % 4) * 10 + Math.floor(i / 4)] ?? NaN);
    expect(readFileSync(path('fresh.onnx')).includes(Buffer.from(filter.buffer))).toBe(true);
  });
});

describe('safetensors', () => {
  test('of a run are its weights and running statistics, without the moments', async () => {
    await good('compile', '--weights', 'run-channel', '-o', 'alone.safetensors');
    const [alone, whole] = [await readCheckpoint(path('alone.safetensors')), await readCheckpoint(path('run-channel/checkpoint.safetensors'))];
    expect([...alone.tensors.keys()]).toEqual(['w.1', 'gamma.2', 'beta.2', 'mean.2', 'var.2', 'w.3']);
    for (const [name, tensor] of alone.tensors) expect(tensor).toEqual(whole.tensors.get(name));
    expect(alone.statistics).toEqual(whole.statistics);
  });
});

describe('pytorch', () => {
  test('has trained weights in a file beside it, and nothing of this machine in it', async () => {
    const before = readdirSync(folder);
    const { stderr } = await good('compile', '--weights', 'run-channel', '-o', 'small.py');
    expect(readdirSync(folder).filter((name) => !before.includes(name))).toEqual(['small.py', 'small.weights.safetensors']);
    expect(stderr).toBe('wrote small.weights.safetensors\nwrote small.py\n');
    const text = readFileSync(path('small.py'), 'utf8');
    expect(text).toContain('WEIGHTS = str(Path(__file__).with_name("small.weights.safetensors"))');
    expect(text).toContain('# 4: y = shaken -> conv(4, stride: 2) -> batchnorm -> relu -> conv(10, k: 1)');
    expect(text).not.toContain(folder);
    expect([...(await readCheckpoint(path('small.weights.safetensors'))).tensors.keys()]).toHaveLength(6);
  });

  test('is refused, with the reason, where a gradient would be needed before PyTorch has it', async () => {
    writeFileSync(path('late.zz'), `net Late { input image: [4, 4, 3]
  a = image -> conv(2) -> elu
  b = a -> conv(2) -> elu
  logits = b -> globalavgpool
  backward { grad(a) = 0.1  grad(b) = grad(a) }
  output logits
  loss softmax_cross_entropy(logits) }`);
    const { status, stderr } = await run('compile', 'late.zz', '-o', 'late.py');
    expect(status).toBe(1);
    expect(stderr).toContain('error: PyTorch knows the gradient of a too late for the route of b: b is computed from it');
    expect(existsSync(path('late.py'))).toBe(false);
  });
});

test.each(['onnx', 'pytorch', 'safetensors'])('the target %s has no backends', async (target) => {
  const { status, stderr } = await run('compile', 'channel.zz', '--target', target, '--backend', 'wasm', '-o', 'none.bin');
  expect([status, stderr]).toEqual([1, `error: the target ${target} has no backends\n  Leave --backend out: it is for modules and pages.\n`]);
  expect(existsSync(path('none.bin'))).toBe(false);
});

describe('zz import', () => {
  const stored = (name: string, tensors: Readonly<Record<string, StoredTensor>>, metadata: Readonly<Record<string, string>> = {}): string => {
    writeFileSync(path(name), encodeSafetensors({ tensors: new Map(Object.entries(tensors)), metadata }));
    return name;
  };
  const filled = (...shape: readonly number[]): StoredTensor => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5) });
  const SOUND = { 'w.1': filled(3, 3, 3, 4), 'gamma.2': filled(4), 'beta.2': filled(4), 'mean.2': filled(4), 'var.2': filled(4), 'w.3': filled(1, 1, 4, 10) };

  test('makes a run of weights that others wrote, with fresh moments', async () => {
    const { stdout } = await good('import', stored('sound.safetensors', SOUND), 'channel.zz', '--epochs', '3', '--json');
    const { run: dir } = JSON.parse(stdout) as { run: string };
    expect(dir).toBe('runs/Small-1');
    const { tensors, progress, statistics } = await readCheckpoint(path(`${dir}/checkpoint.safetensors`));
    expect(tensors.get('w.3')).toEqual(SOUND['w.3']);
    expect(tensors.get('m.w.3')).toEqual({ shape: [1, 1, 4, 10], data: new Float32Array(40) });
    const { shape, train, classes } = syntheticDataset();
    expect([progress.step, statistics]).toEqual([0, { channels: channelStatistics(train, shape) }]);
    expect(JSON.parse(readFileSync(path(`${dir}/config.json`), 'utf8'))).toMatchObject({ net: 'Small', width: 1, classes, settings: { epochs: 3, dataset: 'synthetic' } });
  });

  test('leaves nothing out that later commands need', async () => {
    await good('import', stored('sound.safetensors', SOUND), 'per_batch.zz', '--out', 'whole');
    await sharp({ create: { width: 32, height: 32, channels: 3, background: 'teal' } }).png().toFile(path('teal.png'));
    const { classes } = JSON.parse((await good('predict', 'whole', 'teal.png', '--backend', 'wasm', '--top', '10', '--json')).stdout) as { classes: { class: string; probability: number }[] };
    expect(classes.map(({ class: name }) => name).sort()).toEqual([...SYNTHETIC_CLASSES].sort());
    await good('compile', '--weights', 'whole', '-o', 'whole.onnx');
    expect(readFileSync(path('whole.onnx')).includes('pixels')).toBe(true);
  });

  test('takes a checkpoint with its statistics, and begins with moments of its own: they would be those of another step, and maybe of another optimiser', async () => {
    await good('import', 'run-per_batch/checkpoint.safetensors', 'per_batch.zz', '--out', 'again');
    const [found, wanted] = [await readCheckpoint(path('again/checkpoint.safetensors')), await readCheckpoint(path('run-per_batch/checkpoint.safetensors'))];
    const isMoment = (id: string): boolean => /^[mv]\./.test(id);
    expect([...found.tensors.keys()].sort()).toEqual([...wanted.tensors.keys()].sort());
    for (const [id, { data }] of found.tensors) expect(data, id).toEqual(isMoment(id) ? new Float32Array(data.length) : wanted.tensors.get(id)?.data);
    expect(found.statistics).toEqual(wanted.statistics);
    const scores = await Promise.all(['again', 'run-per_batch'].map(async (dir) => (JSON.parse((await good('eval', dir, '--backend', 'wasm', '--json')).stdout) as { loss: number }).loss));
    expect(scores[0]).toBe(scores[1]);
  });

  test('lists everything that does not fit, with the nearest names, and writes nothing', async () => {
    const { 'beta.2': _, 'gamma.2': gamma, ...rest } = SOUND;
    const file = stored('misfits.safetensors', { ...rest, 'gama.2': gamma, 'w.1': filled(3, 3, 4), other: filled(2) });
    const { status, stderr } = await run('import', file, 'channel.zz', '--out', 'nowhere');
    expect(status).toBe(1);
    expect(stderr).toBe(`error: the weights in misfits.safetensors do not fit net Small:
  "w.1" is [3,3,4] in the file and [3,3,3,4] in the net
  "gamma.2" [4] is missing
  "beta.2" [4] is missing
  "gama.2" is no tensor of the net. Did you mean gamma.2?
  "other" is no tensor of the net.
  They are of another net or width.
`);
    expect(existsSync(path('nowhere'))).toBe(false);
  });

  test('says how to write weights that have PyTorch\'s own names', async () => {
    const { stderr } = await run('import', stored('state.safetensors', { 'conv1.weight': filled(4, 3, 3, 3) }), 'channel.zz');
    expect(stderr).toContain('"conv1.weight" is no tensor of the net.');
    expect(stderr).toContain('a PyTorch file that zz compile made writes these with its function save');
  });

  test('refuses weights of another net, folders that are in use, and files that are none', async () => {
    expect((await run('import', stored('other.safetensors', SOUND, { net: 'Other' }), 'channel.zz')).stderr).toContain('other.safetensors has weights of the net "Other", not of Small');
    expect((await run('import', 'sound.safetensors', 'channel.zz', '--out', 'run-channel')).stderr).toContain('run-channel is not empty');
    expect((await run('import', 'channel.zz', 'channel.zz')).stderr).toContain('channel.zz is not a sound safetensors file');
    expect((await run('import', 'run-channel', 'channel.zz')).stderr).toContain('run-channel: it is a folder');
    expect((await run('import', 'absent.safetensors', 'channel.zz')).stderr).toContain('absent.safetensors: no such file or folder');
  });
});
