// --precision: f16 on the reference backend, which has it everywhere, and what backends without it say.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../runtime/checkpoint-file.ts';
import { readMetrics } from '../../runtime/metrics.ts';
import { missing, skipped } from '../webgpu/harness.ts';
import { zz } from './zz.ts';

const NET = `net Small {
  input image: [32, 32, 3]
  logits = image -> avgpool(8) -> conv(6, k: 3) -> batchnorm -> elu -> flatten -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer adam(lr: 0.01)  batch 20  epochs 3  seed 5  normalize per_batch }
}
`;

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zz-precision-'));
  await mkdir(cwd, { recursive: true });
  await writeFile(join(cwd, 'small.zz'), NET);
});
afterAll(() => rm(cwd, { recursive: true }));

const train = (run: string, ...more: string[]) => zz(['train', 'small.zz', '--backend', 'reference', '--limit', '100', '--out', run, '--quiet', ...more], { cwd });
const losses = async (run: string) => (await readMetrics(join(cwd, run, 'metrics.jsonl'))).map(({ train: { loss } }) => loss);
const tensors = async (run: string) => (await readCheckpoint(join(cwd, run, 'checkpoint.safetensors'))).tensors;

describe('a run in f16', () => {
  test('learns as one in f32 does, keeps its precision and its scale, and its weights in f32', async () => {
    expect((await train('full')).status).toBe(0);
    expect((await train('half', '--precision', 'f16')).status).toBe(0);
    const [full, half] = [await losses('full'), await losses('half')];
    half.forEach((loss, epoch) => expect(Math.abs(loss - (full[epoch] ?? NaN)) / loss).toBeLessThan(2e-2));
    expect(half).not.toEqual(full);
    expect(JSON.parse(await readFile(join(cwd, 'half/config.json'), 'utf8'))).toMatchObject({ precision: 'f16' });
    expect(JSON.parse(await readFile(join(cwd, 'full/config.json'), 'utf8'))).toMatchObject({ precision: 'f32' });
    const kept = await tensors('half');
    expect([kept.get('loss.scale')?.data[0], kept.get('loss.good_steps')?.data[0]]).toEqual([65536, 15]);
    expect([...kept.keys()].filter((id) => !id.startsWith('loss.'))).toEqual([...(await tensors('full')).keys()]);
  });

  test('goes on with the same numbers', async () => {
    expect((await train('broken', '--precision', 'f16', '--epochs', '1')).status).toBe(0);
    expect((await zz(['train', '--resume', '--out', 'broken', '--epochs', '3', '--quiet'], { cwd })).status).toBe(0);
    expect(await losses('broken')).toEqual(await losses('half'));
    expect(await tensors('broken')).toEqual(await tensors('half'));
    const changed = await zz(['train', '--resume', '--out', 'broken', '--precision', 'f32'], { cwd });
    expect(changed).toMatchObject({ status: 1, stdout: '' });
    expect(changed.stderr).toContain('--precision cannot change');
  });

  test('is compiled and imported as any other', async () => {
    for (const argv of [['compile', '--weights', 'half', '-o', 'half.safetensors'], ['import', 'half/checkpoint.safetensors', 'small.zz', '--data', 'synthetic', '--out', 'imported']]) {
      expect(await zz(argv, { cwd })).toMatchObject({ status: 0 });
    }
    const [kept, imported] = [await tensors('half'), await tensors('imported')];
    expect(imported.get('w.1')).toEqual(kept.get('w.1'));
    expect([...imported.keys()].sort()).toEqual([...(await tensors('full')).keys()].sort());
  });

  test('is scored in either precision', async () => {
    const score = async (...more: string[]) => JSON.parse((await zz(['eval', 'half', '--json', ...more], { cwd })).stdout) as { loss: number };
    const [own, full] = [await score(), await score('--precision', 'f32')];
    expect(own.loss).not.toBe(full.loss);
    expect(Math.abs(own.loss - full.loss) / full.loss).toBeLessThan(1e-2);
    expect(await score('--precision', 'f16')).toEqual(own);
  });
});

describe('a step whose gradients are not finite', () => {
  test('is left out, halves the scale, is counted and said; the run goes on', async () => {
    await writeFile(join(cwd, 'steep.zz'), NET.replace('loss softmax_cross_entropy(logits)', 'loss 5000 * softmax_cross_entropy(logits)').replace('net Small', 'net Steep'));
    const ran = await zz(['train', 'steep.zz', '--backend', 'reference', '--precision', 'f16', '--limit', '100', '--epochs', '2', '--out', 'steep', '--json'], { cwd });
    expect(ran.status).toBe(0);
    const [first, second] = await readMetrics(join(cwd, 'steep/metrics.jsonl'));
    const { scale = NaN, skipped = NaN } = second?.scaling ?? {};
    expect(skipped).toBeGreaterThan(0);
    expect(scale).toBe(65536 / 2 ** skipped);
    expect(first?.scaling?.skipped).toBeLessThanOrEqual(skipped);
    expect(ran.stderr).toContain(`${skipped} step${skipped === 1 ? '' : 's'} left out, loss scale ${scale}`);
    expect(JSON.parse(ran.stdout.split('\n')[1] ?? '')).toMatchObject({ event: 'epoch', scaling: { scale, skipped } });
    expect((await tensors('steep')).get('loss.skipped_steps')?.data[0]).toBe(skipped);
    expect(await readFile(join(cwd, 'steep/report.html'), 'utf8')).toMatch(/<th[^>]*>steps left out<\/th>/);
  });
});

describe('where there is no f16', () => {
  test.each(['wasm', 'gpujs'])('the %s backend names the way out', async (backend) => {
    for (const command of [['train', 'small.zz'], ['bench', 'small.zz'], ['eval', 'half']]) {
      const ran = await zz([...command, '--backend', backend, '--precision', 'f16'], { cwd });
      expect(ran).toMatchObject({ status: 1, stdout: '' });
      expect(ran.stderr).toContain(`the ${backend} backend has no f16`);
      expect(ran.stderr).toContain('--precision f32');
    }
  });

  test.skipIf(missing !== undefined)(`nor does a GPU without 16-bit numbers${skipped}`, async () => {
    const ran = await zz(['train', 'small.zz', '--backend', 'webgpu', '--precision', 'f16'], { cwd });
    expect(ran).toMatchObject({ status: 2, stdout: '' });
    expect(ran.stderr).toMatch(/the adapter .* has no 16-bit numbers \(shader-f16\)\n.*--precision f32 runs here; zz doctor/);
  });

  test.skipIf(missing !== undefined)(`auto does not fall back to the processor${skipped}`, async () => {
    const ran = await zz(['train', 'small.zz', '--precision', 'f16', '--limit', '20'], { cwd });
    expect(ran).toMatchObject({ status: 2, stdout: '' });
    expect(ran.stderr).toMatch(/there is no GPU here\n.*--precision f32/);
  });

  test('a misspelt dtype gets the nearest', async () => {
    const ran = await zz(['train', 'small.zz', '--precision', 'fp16'], { cwd });
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('f32, f16');
  });
});

test('zz ir shows the passes', async () => {
  const stage = async (name: string, ...more: string[]) => (await zz(['ir', 'small.zz', '--stage', name, ...more], { cwd })).stdout;
  expect(await stage('precision', '--precision', 'f16')).toMatch(/%\d+: f16\[\d+,4,4,6\] = cast\(%\d+\) \{to=f16\}/);
  expect(await stage('loss-scale', '--precision', 'f16')).toContain('%loss.scale: f32[] = state() {name=loss.scale, shape=[], value=65536}');
  expect(await stage('precision')).toBe(await stage('fuse'));
  expect(await stage('loss-scale')).toBe(await stage('optimizer'));
  expect(await stage('memory', '--precision', 'f16', '--stats')).toContain('precision');
  expect(await stage('wgsl', '--precision', 'f16')).toContain('array<vec4<f16>>');
  expect(await stage('wgsl')).not.toContain('f16');
  expect((await zz(['ir', 'small.zz', '--stage', 'model', '--precision', 'f16'], { cwd })).stderr).toContain('the wasm backend, which has no f16');
});
