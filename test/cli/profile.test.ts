// zz bench --profile and --trace: kernels whose work adds up, rates that follow from times, and a trace in the form that viewers read.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KernelProfile, Profile } from '../../cli/bench/profile.ts';
import type { Result } from '../../cli/bench/result.ts';
import { describeProfile } from '../../cli/bench/text.ts';
import type { Trace, TraceEvent } from '../../cli/bench/trace.ts';
import { missing, skipped } from '../webgpu/harness.ts';
import { zz } from './zz.ts';

const NET = `net Small {
  input image: [8, 8, 3]
  logits = image -> conv(8, k: 3) -> elu -> avgpool(2) -> conv(12, k: 3) -> elu -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { optimizer adam(lr: 0.01)  batch 6 }
}
`;

/** Where the second convolution stands. */
const SECOND = `small.zz:3:${(NET.split('\n')[2] ?? '').indexOf('conv(12') + 1}`;

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zz-profile-'));
  await writeFile(join(cwd, 'small.zz'), NET);
});
afterAll(() => rm(cwd, { recursive: true }));

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe.each(['wasm', 'webgpu'])('a profile on %s', (backend) => {
  const check = test.skipIf(backend === 'webgpu' && missing !== undefined);
  const note = backend === 'webgpu' ? skipped : '';

  check(`accounts for the work and the time of a step, in figures and as a trace${note}`, async () => {
    const ran = await zz(['bench', 'small.zz', '--backend', backend, '--steps', '3', '--trace', 'out/trace.json', '--json'], { cwd });
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    const { flops, peak, profile } = JSON.parse(ran.stdout) as Result;
    if (!profile || !peak || !profile.bandwidth) throw new Error('no profile');
    const { clock, kernels, kernelMs, gapMs, bandwidth } = profile;
    expect(clock).toBe(backend === 'webgpu' ? 'device' : 'host');

    // Every operation of the graph is some kernel's; fused kernels compute a few of them twice, and shaders are counted as they are written.
    const counted = sum(kernels.map((kernel) => kernel.flops));
    expect(Math.abs(counted / flops.step - 1)).toBeLessThan(backend === 'webgpu' ? 0.1 : 0.01);
    expect(kernels.some(({ flops: own, at }) => own > flops.step / 8 && at === SECOND)).toBe(true);
    expect(new Set(kernels.map(({ phase }) => phase))).toEqual(new Set(['forward', 'backward', 'update']));

    expect(kernels.map(({ ms }) => ms)).toEqual(kernels.map(({ ms }) => ms).toSorted((a, b) => b - a));
    expect(sum(kernels.map(({ ms }) => ms))).toBeCloseTo(kernelMs, 6);
    expect(sum(kernels.map(({ share }) => share))).toBeCloseTo(1, 6);
    expect(gapMs).toBeGreaterThanOrEqual(0);
    for (const { ms, flops: own, bytes, intensity, flopsPerSecond, bytesPerSecond, ofPeak, ofBandwidth } of kernels) {
      expect(bytes).toBeGreaterThan(0);
      expect(intensity).toBeCloseTo(own / bytes, 9);
      if (ms === 0) continue;
      expect(flopsPerSecond / ((1000 * own) / ms || 1)).toBeCloseTo(own > 0 ? 1 : 0, 9);
      expect(ofPeak).toBeCloseTo(flopsPerSecond / peak.flopsPerSecond, 9);
      expect(ofBandwidth).toBeCloseTo(bytesPerSecond / bandwidth.bytesPerSecond, 9);
    }
    expectTrace(JSON.parse(await readFile(join(cwd, 'out/trace.json'), 'utf8')) as Trace, profile.runs, kernels.length);
  });
});

/** The Trace Event Format: what viewers ask of each kind of event, and slices of a track that nest or follow each other. */
function expectTrace({ traceEvents, displayTimeUnit }: Trace, runs: number, kernels: number): void {
  expect(displayTimeUnit).toBe('ms');
  const slices = traceEvents.filter((event): event is Extract<TraceEvent, { ph: 'X' }> => event.ph === 'X');
  for (const event of traceEvents) {
    expect(event).toMatchObject({ name: expect.any(String) as string, pid: expect.any(Number) as number });
    if (event.ph === 'M') expect(event.args.name).not.toBe('');
    else expect(event.ts).toBeGreaterThanOrEqual(0);
    if (event.ph === 'C') expect(Object.values(event.args).every(Number.isFinite)).toBe(true);
  }
  const track = (tid: number) => slices.filter((slice) => slice.tid === tid);
  const [steps, parts] = [track(1), track(2)];
  expect([steps.length, parts.length]).toEqual([runs, runs * kernels]);
  for (const own of [steps, parts]) {
    expect(traceEvents.some((event) => event.ph === 'M' && event.name === 'thread_name' && event.tid === own[0]?.tid)).toBe(true);
    own.forEach(({ ts, dur }, i) => {
      expect(dur).toBeGreaterThanOrEqual(0);
      const next = own[i + 1];
      if (next) expect(next.ts).toBeGreaterThanOrEqual(ts + dur - 1e-6 * (ts + dur));
    });
  }
  parts.forEach(({ ts, dur, cat }, i) => {
    const step = steps[Math.floor(i / kernels)];
    expect(step !== undefined && ts >= step.ts && ts + dur <= step.ts + step.dur + 1e-3).toBe(true);
    expect(['forward', 'backward', 'update']).toContain(cat);
  });
}

describe('for people', () => {
  const kernel = (name: string, ms: number, more: Partial<KernelProfile> = {}): KernelProfile => ({
    kernel: name, operations: ['conv2d'], phase: 'forward', at: 'some/where/net.zz:3:4', ms, share: ms / 10, flops: 6e9, bytes: 2e6, intensity: 3000,
    flopsPerSecond: (1000 * 6e9) / ms, bytesPerSecond: (1000 * 2e6) / ms, ofPeak: 3 / ms, ofBandwidth: 0.1 / ms, ...more,
  });
  const profile: Profile = {
    clock: 'device', runs: 7, kernelMs: 10, gapMs: 0.5, otherMs: 1.5, bandwidth: { bytesPerSecond: 20e9, bytes: 5e8 },
    kernels: [kernel('conv2d_7', 4), kernel('conv2d_12.0', 3.5), kernel('conv2d_4_parts', 2), kernel('sub_3', 0.5, { phase: 'update', at: null, flops: 0, intensity: 0, flopsPerSecond: 0, ofPeak: 0 })],
  };

  test('kernels of one form are one row with their mean rates, and totals say where the rest of a step is', () => {
    expect(describeProfile(profile, Infinity).split('\n')).toEqual([
      "Kernels by the device's clock, medians of 7 runs:",
      '',
      'kernel                          at     ms   share  GFLOP  GFLOP/s   peak    MB   GB/s  copy  FLOP/B',
      'conv2d_7 and 1 like it  net.zz:3:4   7.50  75.0 %   12.0     1600   80 %  4.00  0.533   3 %    3000',
      'conv2d_4_parts          net.zz:3:4   2.00  20.0 %   6.00     3000  150 %  2.00   1.00   5 %    3000',
      'sub_3                       update  0.500   5.0 %      0        0    0 %  2.00   4.00  20 %       0',
      '',
      'kernels     10 ms in 4 kernels: forward 9.5, update 0.5',
      'gaps        0.5 ms between them while they are timed',
      'other       1.5 ms of a step that is not timed are in no kernel',
      'copies      20.00 GB/s, reading and writing 500.0 MB',
      'peak, copy: the share of the best matrix products and copies. Bytes: each buffer that a kernel reads or writes once.',
    ]);
  });

  test('on a narrow terminal the columns that follow from others are left out, and all lines fit', () => {
    const lines = describeProfile({ ...profile, otherMs: -1, clock: 'host' }, 80).split('\n');
    expect(lines.filter((line) => line.startsWith('kernel ')).map((line) => line.trim().split(/ +/))).toEqual([['kernel', 'at', 'ms', 'share', 'GFLOP/s', 'peak', 'GB/s', 'copy']]);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });
});

test('a backend that cannot tell kernels apart says so, and is timed all the same', async () => {
  const ran = await zz(['bench', 'small.zz', '--backend', 'gpujs', '--steps', '2', '--batch', '1', '--profile', '--json'], { cwd });
  expect(ran.status).toBe(0);
  expect(ran.stderr).toMatch(/^the gpujs backend cannot tell the kernels of a step apart here; --backend webgpu can/);
  expect(JSON.parse(ran.stdout)).not.toHaveProperty('profile');
});
