// zz bench: its count of operations against one by hand, and figures that agree with each other.

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { zz } from './zz.ts';

const NET = `net Small {
  input image: [8, 8, 3]
  view both = each(image, image -> hflip)
  logits = both -> conv(4, k: 3) -> relu -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { optimizer adam(lr: 0.01)  batch 6 }
}
net Silent { input image: [8, 8, 3] output y = image -> globalavgpool }
`;

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zz-bench-'));
  await writeFile(join(cwd, 'small.zz'), NET);
});
afterAll(() => rm(cwd, { recursive: true }));

interface Result {
  readonly backend: string;
  readonly batch: number;
  readonly readings: number;
  readonly steps: number;
  readonly ms: { readonly median: number; readonly low: number; readonly high: number; readonly fastest: number };
  readonly imagesPerSecond: number;
  readonly flops: { readonly step: number; readonly contractions: number; readonly perSecond: number };
  readonly peak: { readonly flopsPerSecond: number; readonly size: number };
  readonly share: number;
  readonly memory: { readonly kept: number; readonly buffers: number; readonly process: number };
}

const bench = async (argv: string[]): Promise<Result> => {
  const ran = await zz(['bench', 'small.zz:Small', ...argv, '--json'], { cwd });
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  return JSON.parse(ran.stdout) as Result;
};

describe.each(['reference', 'wasm'])('on %s', (backend) => {
  test('operations as counted by hand, and rates that follow from the median', async () => {
    const result = await bench(['--backend', backend, '--steps', '7', '--batch', '5']);
    const readings = 10;
    // The convolution forward and its filter's gradient (images get none); the dense layer forward, its weights' and its input's gradients.
    const contractions = 2 * (2 * readings * 8 * 8 * 4 * 27) + 3 * (2 * readings * 4 * 10);
    expect(result).toMatchObject({ event: 'bench', net: 'Small', backend, batch: 5, readings, weights: 108 + 40 + 10, flops: { contractions } });
    expect(result.flops.step).toBeGreaterThan(contractions);
    expect(result.flops.step).toBeLessThan(1.5 * contractions);
    const { ms: { median, low, high, fastest } } = result;
    expect(0 < fastest && fastest <= low && low <= median && median <= high).toBe(true);
    expect(result.imagesPerSecond).toBeCloseTo(5000 / median, 6);
    expect(result.flops.perSecond).toBeCloseTo((1000 * result.flops.step) / median, 0);
    expect(result.share).toBeCloseTo(result.flops.perSecond / result.peak.flopsPerSecond, 9);
    expect(result.steps).toBe(7);
    // 108 + 40 + 10 weights, each with two moments.
    expect(result.memory.kept).toBe(4 * 3 * (108 + 40 + 10));
    expect(result.memory.buffers).toBeGreaterThan(result.memory.kept);
  });
});

test('the net\'s own batch, a width, and text for people', async () => {
  const ran = await zz(['bench', 'small.zz:Small', '--backend', 'reference', '--steps', '5', '--width', '2'], { cwd });
  expect(ran.status).toBe(0);
  expect(ran.stdout).toMatch(/^Small, 306 weights, 6 images a step, in f32 on reference \(.*\)\nstep +[\d.]+ ms, the median of 5 steps; .*\nimages\/s +[\d.]+, each read 2 times\narithmetic .* GFLOP\/s\npeak .* in matrix products of \d+; .*\nmemory .*\nCounted: /);
});

test.each<[string[], RegExp]>([
  [['small.zz:Silent'], /has no loss/],
  [['small.zz:Small', '--backend', 'cuda'], /there is no backend "cuda"/],
  [['small.zz:Small', '--steps', '0'], /whole number from 1/],
  [['none.zz'], /no file none\.zz/],
])('%j is refused, and nothing is written', async (argv, message) => {
  const ran = await zz(['bench', ...argv], { cwd });
  expect(ran).toMatchObject({ status: 1, stdout: '' });
  expect(ran.stderr).toMatch(message);
  expect(await readdir(cwd)).toEqual(['small.zz']);
});
