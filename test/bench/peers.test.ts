// What the benchmarks compare with: the nets written by hand in PyTorch and TensorFlow.js are the ones that the .zz files mean.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CASES } from '../../bench/examples.ts';
import { writeStep } from '../../bench/gradient-file.ts';
import { findPython, jsonLines, NO_TORCH } from '../../bench/python.ts';
import { narrowed } from '../../compiler/2-graph/build/width.ts';
import { encodeSafetensors } from '../../runtime/safetensors.ts';
import { readSafetensors } from '../../runtime/tensor-file.ts';
import { parameterCount, programAt, ROOT, sound } from '../build/helpers.ts';

const python = findPython();
const WIDTH = 0.05;
const WIDTHS = ['--small', String(narrowed(96, WIDTH)), '--large', String(narrowed(192, WIDTH))];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zz-peers-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

interface Compared {
  readonly loss: number | null;
  readonly errors: Readonly<Record<string, number | null>>;
  readonly worst: number | null;
}

async function compare(files: readonly string[]): Promise<Compared[]> {
  const found: Compared[] = [];
  for await (const line of jsonLines(python?.command ?? '', ['bench/torch/gradients.py', ...files, '--device', 'cpu'])) found.push(line as Compared);
  return found;
}

describe.skipIf(!python)(`PyTorch${python ? '' : ` (skipped: ${NO_TORCH})`}`, () => {
  const nets = [...CASES, 'case-e-crossed', 'case-e-manual'];
  const fileOf = (net: string): string => join(folder, `${net}.safetensors`);

  test('has the same loss and gradients from the same weights, declared backward routes included', async () => {
    for (const net of nets) await writeStep(fileOf(net), net, { readings: 8, width: WIDTH, backend: 'wasm', data: 'synthetic' });
    const compared = await compare(nets.map(fileOf));
    const wrong = compared.flatMap(({ loss, worst }, i) => (Math.max(loss ?? Infinity, worst ?? Infinity) < 1e-5 ? [] : [{ net: nets[i], loss, worst }]));
    expect(wrong).toEqual([]);
    expect(compared.length).toBe(nets.length);
  });

  test('has the gradients that a step in f16 gives, within 2e-2', async () => {
    for (const net of CASES) await writeStep(fileOf(`half-${net}`), net, { readings: 8, width: WIDTH, backend: 'reference', precision: 'f16', data: 'synthetic' });
    const compared = await compare(CASES.map((net) => fileOf(`half-${net}`)));
    for (const { loss, worst } of compared) {
      expect(Math.max(loss ?? Infinity, worst ?? Infinity)).toBeLessThan(2e-2);
      expect(worst).toBeGreaterThan(1e-4); // it is f16
    }
    expect(compared.length).toBe(CASES.length);
  });

  test('a gradient that is a hundredth off, one that is not a number, and a route that is not taken are found', async () => {
    const { tensors, metadata } = await readSafetensors(fileOf('case-e-manual'));
    const altered = (change: (value: number) => number) => new Map([...tensors].map(([name, tensor]) => [name, name === 'gradient/w.3' ? { ...tensor, data: tensor.data.map(change) } : tensor]));
    const variants = [
      { tensors: altered((value) => 1.01 * value), metadata },
      { tensors: altered((value) => value / 0), metadata },
      { tensors, metadata: { ...metadata, net: 'case-d' } }, // the same layers, on the true route
    ];
    const files = variants.map((_, i) => join(folder, `altered-${i}.safetensors`));
    for (const [i, variant] of variants.entries()) await writeFile(files[i] ?? '', encodeSafetensors(variant));
    const [off, not, routes] = await compare(files);
    expect(off?.worst).toBeCloseTo(0.01, 4);
    expect(not).toMatchObject({ worst: null, errors: { 'w.3': null } });
    expect(routes?.loss).toBeLessThan(1e-5);
    expect(routes?.worst).toBeGreaterThan(0.1);
  });

  test('times steps, and says why it cannot', async () => {
    const rows: unknown[] = [];
    const args = ['bench/torch/steps.py', '--nets', 'case-e', '--readings', '4', '--modes', 'eager,graph', '--precisions', 'fp32', '--device', 'cpu', '--steps', '5', ...WIDTHS];
    for await (const row of jsonLines(python?.command ?? '', args)) rows.push(row);
    expect(rows).toEqual([
      { net: 'case-e', readings: 4, precision: 'fp32', mode: 'eager', weights: weightsOf('case-e'), steps: 5, ms: { median: expect.any(Number) as number, low: expect.any(Number) as number, high: expect.any(Number) as number, fastest: expect.any(Number) as number } },
      { net: 'case-e', readings: 4, precision: 'fp32', mode: 'graph', missing: expect.stringMatching(/no torch\.compile|only on CUDA/) as string },
    ]);
  });
});

test('a Python that prints more than it is asked is understood', async () => {
  const noisy = join(folder, 'python');
  await writeFile(noisy, '#!/bin/sh\necho a warning\necho \'{"torch": "9.9", "cuda": "a GPU"}\'\n');
  await chmod(noisy, 0o755);
  vi.stubEnv('ZZ_PYTHON', noisy);
  expect(findPython()).toEqual({ command: noisy, torch: '9.9', cuda: 'a GPU' });
});

test('a participant that does not come to its end is ended when the time is up; what it has measured stays', async () => {
  vi.stubEnv('ZZ_BENCH_UNTIL', String(Date.now() / 1000 + 1));
  const lines: unknown[] = [];
  const all = async (): Promise<void> => {
    for await (const line of jsonLines(process.execPath, ['-e', 'console.log("{}"); setInterval(() => 0, 1000)'])) lines.push(line);
  };
  await expect(all()).rejects.toThrow('was ended: the time is up');
  expect(lines).toEqual([{}]);
});

const weightsOf = (net: string): number => parameterCount(sound(programAt(`dsl-examples/${net}.zz`), { width: WIDTH }));

const tfjs = join(ROOT, 'bench/peers/node_modules/@tensorflow/tfjs');

describe.skipIf(!existsSync(tfjs))(`TensorFlow.js${existsSync(tfjs) ? '' : ' (skipped: npm ci --prefix bench/peers installs it)'}`, () => {
  test('has nets of as many weights, which give ten scores for each image', async () => {
    const script = join(folder, 'count.mjs');
    await writeFile(script, `
      import { createRequire } from 'node:module';
      import { netOf } from ${JSON.stringify(join(ROOT, 'bench/peers/tfjs-nets.js'))};
      const tf = createRequire(${JSON.stringify(join(ROOT, 'bench/peers/package.json'))})('@tensorflow/tfjs');
      await tf.setBackend('cpu');
      const rows = ${JSON.stringify(CASES)}.map((name) => {
        const { logits, variables, views } = netOf(tf, name, { small: ${narrowed(96, WIDTH)}, large: ${narrowed(192, WIDTH)} });
        return [name, variables.reduce((sum, { size }) => sum + size, 0), logits(...Array.from({ length: views }, () => tf.zeros([2, 32, 32, 3]))).shape];
      });
      console.log(JSON.stringify(rows));
    `);
    const { stdout } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect(JSON.parse(stdout)).toEqual(CASES.map((net) => [net, weightsOf(net), [2, 10]]));
  });
});

test('every script that bench/h100.sh names is there, and it explains itself', async () => {
  const text = await readFile(join(ROOT, 'bench/h100.sh'), 'utf8');
  const named = [...text.matchAll(/\bbench (\w+)(?: --|\))/g)].map(([, name]) => name ?? '');
  expect(named.filter((name) => !existsSync(join(ROOT, 'bench', `${name}.ts`)))).toEqual([]);
  expect(named).toEqual(expect.arrayContaining(['machine', 'doctor', 'check', 'gradients', 'steps', 'train']));
  const { stdout, status } = spawnSync(join(ROOT, 'bench/h100.sh'), ['--help'], { encoding: 'utf8' });
  expect({ status, parts: ['doctor', 'check', 'gradients', 'steps', 'train'].filter((part) => !stdout.includes(`\n  ${part} `)) }).toEqual({ status: 0, parts: [] });
});
