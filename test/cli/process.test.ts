// The command line as a process: signals, kill -9 and resume, pipes that close, exit statuses.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../runtime/checkpoint-file.ts';
import { readMetrics } from '../../runtime/metrics.ts';
import { build, start, type Built } from './built.ts';

const NET = `net Small {
  input image: [32, 32, 3]
  view seen = image -> hflip(p: 0.5)
  logits = seen -> avgpool(4) -> conv(6, k: 3) -> batchnorm -> relu -> flatten -> dropout(0.2) -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer adam(lr: 0.01)  batch 20  epochs 4  seed 5 }
}
`;
const TRAIN = ['train', 'small.zz', '--backend', 'reference', '--limit', '200', '--json'];

let built: Built;
let root: string;
let cwd: string;
let count = 0;
beforeAll(async () => {
  built = build();
  root = await mkdtemp(join(tmpdir(), 'zz-process-'));
}, 120_000);
afterAll(async () => {
  built.remove();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  cwd = join(root, String(count++));
  await mkdir(cwd);
  await writeFile(join(cwd, 'small.zz'), NET);
});

const epochs = (stdout: string): number => stdout.split('"event":"epoch"').length - 1;
const result = async (run: string) => ({
  metrics: (await readMetrics(join(cwd, run, 'metrics.jsonl'))).map(({ seconds: _s, imagesPerSecond: _i, ...rest }) => rest),
  checkpoint: await readCheckpoint(join(cwd, run, 'checkpoint.safetensors')),
});

describe('signals', () => {
  test('kill -9 at any time, then --resume: the metrics and weights of an uninterrupted run', async () => {
    expect((await start(built.main, [...TRAIN, '--out', 'whole'], cwd)).code).toBe(0);
    const expected = await result('whole');
    // Killed within the second epoch, and, resumed, right after the third.
    const first = await start(built.main, [...TRAIN, '--out', 'run'], cwd, (stdout, child) => { if (epochs(stdout) === 1) setTimeout(() => child.kill('SIGKILL'), 20); });
    expect(first.signal).toBe('SIGKILL');
    const done = (await readMetrics(join(cwd, 'run/metrics.jsonl'))).length;
    expect(done).toBeGreaterThanOrEqual(1);
    expect(done).toBeLessThan(4);
    const second = await start(built.main, ['train', '--resume', '--out', 'run', '--json'], cwd, (stdout, child) => { if (epochs(stdout) === 1) child.kill('SIGKILL'); });
    expect(second.signal).toBe('SIGKILL');
    const third = await start(built.main, ['train', '--resume', '--out', 'run', '--json'], cwd);
    expect(third.code).toBe(0);
    const { metrics, checkpoint } = await result('run');
    expect(metrics).toEqual(expected.metrics);
    expect(checkpoint).toEqual(expected.checkpoint);
    expect((await readdir(join(cwd, 'run'))).filter((name) => !name.endsWith('.tmp')).toSorted()).toEqual(['checkpoint.safetensors', 'config.json', 'metrics.jsonl', 'model.zz', 'report.html']);
  });

  test('killed before the first epoch is done, a run starts again', async () => {
    expect((await start(built.main, [...TRAIN, '--out', 'whole', '--epochs', '1'], cwd)).code).toBe(0);
    expect((await start(built.main, [...TRAIN, '--out', 'run', '--epochs', '1'], cwd)).code).toBe(0);
    // As a kill right after the directory was made leaves it.
    await rm(join(cwd, 'run/checkpoint.safetensors'));
    await rm(join(cwd, 'run/metrics.jsonl'));
    expect((await start(built.main, ['train', '--resume', '--out', 'run', '--json'], cwd)).code).toBe(0);
    expect((await result('run')).metrics).toEqual((await result('whole')).metrics);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('%s saves and exits 130', async (signal) => {
    let sent = false;
    const ended = await start(built.main, TRAIN, cwd, (stdout, child) => { if (!sent && epochs(stdout) === 1) sent = child.kill(signal); });
    expect(ended).toMatchObject({ code: 130, signal: null });
    expect(ended.stderr).toContain('Go on with: zz train --resume --out runs/Small-1');
    const { progress } = await readCheckpoint(join(cwd, 'runs/Small-1/checkpoint.safetensors'));
    expect(progress.epoch).toBeGreaterThanOrEqual(1);
    expect(progress.step).toBeLessThan(40);
  });
});

describe('two signals', () => {
  test('the second ends the process at once, and what was saved is whole', async () => {
    let sent = 0;
    const ended = await start(built.main, [...TRAIN, '--epochs', '1000'], cwd, (stdout, child) => {
      if (epochs(stdout) < 1 || sent > 0) return;
      sent = setInterval(() => child.kill('SIGINT'), 1)[Symbol.toPrimitive]();
    });
    clearInterval(sent);
    expect(ended.signal === 'SIGINT' || ended.code === 130).toBe(true);
    expect((await readCheckpoint(join(cwd, 'runs/Small-1/checkpoint.safetensors'))).progress.epoch).toBeGreaterThanOrEqual(1);
  });
});

describe('a process', () => {
  test('a reader that closes the pipe is no error', () => {
    const ran = spawnSync('sh', ['-c', `"$0" "$1" ir small.zz --stage tokens | head -n 1`, process.execPath, built.main], { cwd, encoding: 'utf8' });
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^1:1\t/);
  });

  test('a run whose messages nobody reads any more is saved and ends', async () => {
    const ran = spawnSync('sh', ['-c', `"$0" "$1" ${TRAIN.slice(0, -1).join(' ')} --epochs 100000 --out run 2>&1 | head -n 1`, process.execPath, built.main], { cwd, encoding: 'utf8', timeout: 60_000 });
    expect(ran.status, ran.stderr).toBe(0);
    expect((await readCheckpoint(join(cwd, 'run/checkpoint.safetensors'))).progress.epoch).toBeGreaterThanOrEqual(1);
    expect((await readdir(join(cwd, 'run'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  }, 60_000);

  test.skipIf(!existsSync('/dev/full'))('a result that cannot be written is an error', () => {
    const ran = spawnSync('sh', ['-c', `"$0" "$1" ir small.zz --stage tokens > /dev/full`, process.execPath, built.main], { cwd, encoding: 'utf8' });
    expect(ran.status).toBe(2);
    expect(ran.stderr).toMatch(/^error: standard output cannot be written: ENOSPC/);
  });

  test('exit statuses: 0 good, 1 the input, 2 the environment', async () => {
    expect((await start(built.main, ['check', 'small.zz'], cwd)).code).toBe(0);
    expect((await start(built.main, ['check', 'none.zz'], cwd)).code).toBe(1);
    const blocked = join(cwd, 'file');
    await writeFile(blocked, '');
    const ended = await start(built.main, ['data', 'cifar10'], cwd, undefined, { ZZ_CACHE: join(blocked, 'cache') });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^error: /);
    expect(ended.stderr).not.toMatch(/\n {4}at /);
  });
});
