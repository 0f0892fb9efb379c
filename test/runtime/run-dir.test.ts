// Run directories, whole files, metrics and checkpoints on a real file system.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { capture, persistent, readCheckpoint, restore, writeCheckpoint, type Progress } from '../../runtime/checkpoint.ts';
import { makeNumbered, writeWhole } from '../../runtime/files.ts';
import { appendMetrics, readMetrics, rewindMetrics, type EpochMetrics } from '../../runtime/metrics.ts';
import { createRun, latestRun, openRun, type RunConfig } from '../../runtime/run-dir.ts';
import { encodeSafetensors } from '../../runtime/safetensors.ts';
import { fakeModel, fakeSession } from './fake.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zz-run-'));
});
afterEach(() => rm(dir, { recursive: true }));

const config: RunConfig = {
  format: 1, zigzag: '0.1.0', node: 'v20', created: '2025-01-01T00:00:00.000Z', file: 'a.zz', net: 'Net', settings: fakeModel().train,
  width: 0.5, limit: null, backend: 'reference', classes: ['cat', 'dog'], imports: [{ file: 'lib.zz', text: 'net L { }' }],
};

describe('run directories', () => {
  test('a run comes back as it was made', async () => {
    const made = await createRun({ dir: join(dir, 'deep', 'run') }, config, 'net Net { }');
    expect(await openRun(made.dir)).toEqual(made);
    expect((await readdir(made.dir)).toSorted()).toEqual(['config.json', 'model.zz']);
  });

  test('an empty folder is taken, a used one is refused and left alone', async () => {
    await mkdir(join(dir, 'empty'));
    await createRun({ dir: join(dir, 'empty') }, config, '');
    await writeFile(join(dir, 'file'), 'x');
    await expect(createRun({ dir }, config, '')).rejects.toThrow('is not empty');
    await expect(createRun({ dir: join(dir, 'file') }, config, '')).rejects.toThrow('is not a folder');
    expect((await readdir(dir)).toSorted()).toEqual(['empty', 'file']);
  });

  test('numbers go up, also for many at once, and the latest is found by number', async () => {
    const base = join(dir, 'runs', 'Net');
    expect(await latestRun(base)).toBeUndefined();
    const made = await Promise.all(Array.from({ length: 12 }, () => createRun({ base }, config, '')));
    expect(new Set(made.map((run) => run.dir)).size).toBe(12);
    await makeNumbered(join(dir, 'runs', 'Network'));
    await mkdir(join(dir, 'runs', 'Net-99x'));
    expect(await latestRun(base)).toBe(`${base}-12`);
  });

  test.each<[string, (run: string) => Promise<unknown>, RegExp]>([
    ['nothing there', (run) => rm(run, { recursive: true }), /is not a run directory: there is no config.json/],
    ['no model', (run) => rm(join(run, 'model.zz')), /there is no model.zz/],
    ['half a config', (run) => writeFile(join(run, 'config.json'), '{"format": 1,'), /config.json is not JSON/],
    ['null', (run) => writeFile(join(run, 'config.json'), 'null'), /no usable "format"/],
    ['another format', (run) => writeFile(join(run, 'config.json'), JSON.stringify({ ...config, format: 2 })), /no usable "format"/],
    ['settings gone', (run) => writeFile(join(run, 'config.json'), JSON.stringify({ ...config, settings: {} })), /no usable "settings"/],
    ['a width of text', (run) => writeFile(join(run, 'config.json'), JSON.stringify({ ...config, width: '1' })), /no usable "width"/],
  ])('%s is a clear error', async (_, damage, message) => {
    const { dir: run } = await createRun({ dir: join(dir, 'run') }, config, '');
    await damage(run);
    await expect(openRun(run)).rejects.toThrow(message);
  });
});

describe('whole files', () => {
  test('replaces, and leaves nothing beside the file', async () => {
    await writeWhole(join(dir, 'a'), 'one');
    await writeWhole(join(dir, 'a'), Uint8Array.of(50));
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('2');
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('a failed write keeps the old file and cleans up', async () => {
    await mkdir(join(dir, 'a'));
    await writeFile(join(dir, 'a', 'inside'), '');
    await expect(writeWhole(join(dir, 'a'), 'x')).rejects.toThrow(/EISDIR|ENOTEMPTY|EPERM|EEXIST/);
    expect(await readdir(dir)).toEqual(['a']);
  });
});

describe('metrics', () => {
  const epoch = (n: number): EpochMetrics => ({ epoch: n, step: 10 * n, train: { loss: 1 / n, accuracy: n / 7 }, test: { loss: 1 / 3, accuracy: null }, seconds: 0.1, imagesPerSecond: 5 });

  test('lines come back; an absent file is no epochs', async () => {
    const path = join(dir, 'metrics.jsonl');
    expect(await readMetrics(path)).toEqual([]);
    for (const n of [1, 2, 3]) await appendMetrics(path, epoch(n));
    expect(await readMetrics(path)).toEqual([1, 2, 3].map(epoch));
    expect(await rewindMetrics(path, 2)).toEqual([1, 2].map(epoch));
    expect(await readMetrics(path)).toEqual([1, 2].map(epoch));
  });

  test.each(['{"epoch":3', '{"epoch":3}', 'garbage\n', '\n', 'null\n', '{"epoch":7}\n', '\0\0\0\0\n'])('what follows a torn or foreign line %j is left out', async (tail) => {
    const path = join(dir, 'metrics.jsonl');
    await writeFile(path, `${JSON.stringify(epoch(1))}\n${JSON.stringify(epoch(2))}\n${tail}`);
    expect(await readMetrics(path)).toEqual([1, 2].map(epoch));
  });
});

describe('checkpoints', () => {
  const model = fakeModel();
  const progress: Progress = { epoch: 2, step: 13, sums: { steps: 3, rows: 12, loss: 0.1 + 0.2, correct: 7, seconds: 1 / 3 } };
  const path = () => join(dir, 'checkpoint.safetensors');

  test('weights, states and progress come back exactly', async () => {
    const session = fakeSession();
    await session.write('w.1', Float32Array.of(0.1, -1e-40));
    await session.write('m.w.1', Float32Array.of(NaN, 3));
    await writeCheckpoint(path(), await capture(model, session, progress));
    const back = await readCheckpoint(path());
    expect([back.net, back.progress]).toEqual(['Fake', progress]);
    const other = fakeSession();
    await restore(model, other, back);
    expect(await other.read('w.1')).toEqual(await session.read('w.1'));
    expect(await other.read('m.w.1')).toEqual(await session.read('m.w.1'));
  });

  test('each weight and state is kept once', () => {
    expect(persistent(model).map(({ id }) => id)).toEqual(['w.1', 'm.w.1']);
  });

  test.each<[string, Map<string, { shape: number[]; data: Float32Array }>, RegExp]>([
    ['one missing', new Map([['w.1', { shape: [2], data: new Float32Array(2) }]]), /no tensor "m.w.1"/],
    ['another shape', new Map([['w.1', { shape: [1, 2], data: new Float32Array(2) }], ['m.w.1', { shape: [2], data: new Float32Array(2) }]]), /"w.1" is \[1,2\] in the checkpoint and \[2\] in the net/],
  ])('%s: refused before anything is written to the device', async (_, tensors, message) => {
    const session = fakeSession();
    await session.write('w.1', Float32Array.of(5, 5));
    await expect(restore(model, session, { net: 'Fake', progress, tensors })).rejects.toThrow(message);
    expect(await session.read('w.1')).toEqual(Float32Array.of(5, 5));
  });

  test.each<[string, Record<string, string>]>([
    ['no metadata', {}],
    ['another format', { format: 'zigzag-checkpoint-2', progress: JSON.stringify(progress) }],
    ['no progress', { format: 'zigzag-checkpoint-1' }],
    ['a torn progress', { format: 'zigzag-checkpoint-1', progress: '{"epoch":2' }],
    ['a negative step', { format: 'zigzag-checkpoint-1', progress: JSON.stringify({ ...progress, step: -1 }) }],
    ['sums of text', { format: 'zigzag-checkpoint-1', progress: JSON.stringify({ ...progress, sums: { ...progress.sums, loss: '1' } }) }],
  ])('%s: no checkpoint', async (_, metadata) => {
    await writeFile(path(), encodeSafetensors({ tensors: new Map(), metadata }));
    await expect(readCheckpoint(path())).rejects.toThrow('is not a checkpoint');
  });
});
