// Run directories, whole files, metrics and checkpoints on a real file system.

import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { capture, persistent, restore, type Progress } from '../../runtime/checkpoint.ts';
import { readCheckpoint, writeCheckpoint } from '../../runtime/checkpoint-file.ts';
import { makeNumbered, writeTogether, writeWhole } from '../../runtime/files.ts';
import { appendMetrics, readMetrics, rewindMetrics, type EpochMetrics } from '../../runtime/metrics.ts';
import { createRun, latestRun, openRun, openTrained, type RunConfig } from '../../runtime/run-dir.ts';
import { encodeSafetensors, type StoredTensor, type TensorFile } from '../../runtime/safetensors.ts';
import { sealed } from '../../runtime/seal.ts';
import { fakeModel, fakeSession } from './fake.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zz-run-'));
});
afterEach(() => rm(dir, { recursive: true }));

const config: RunConfig = {
  format: 3, zigzag: '0.1.0', node: 'v20', created: '2025-01-01T00:00:00.000Z', file: 'a.zz', net: 'Net', settings: fakeModel().train,
  width: 0.5, limit: null, backend: 'reference', precision: 'f32', classes: ['cat', 'dog'], imports: [{ file: 'lib.zz', text: 'net L { }' }],
};

describe('run directories', () => {
  test('a run comes back as it was made', async () => {
    const made = await createRun({ dir: join(dir, 'deep', 'run') }, config, 'net Net { }');
    expect(await openRun(made.dir)).toEqual(made);
    expect((await readdir(made.dir)).toSorted()).toEqual(['config.json', 'model.zz']);
  });

  test.skipIf(process.platform !== 'linux')('a folder that the system does not let anyone make ends in its error (skipped where there is no /proc)', async () => {
    await expect(createRun({ dir: '/proc/zz/run' }, config, '')).rejects.toThrow('ENOENT');
    await expect(createRun({ base: '/proc/zz/run' }, config, '')).rejects.toThrow('ENOENT');
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

  /** Changes fields of config.json. */
  const edit = (fields: Record<string, unknown>) => async (run: string): Promise<void> => {
    const path = join(run, 'config.json');
    await writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...fields }));
  };

  test.each<[string, (run: string) => Promise<unknown>, RegExp]>([
    ['nothing there', (run) => rm(run, { recursive: true }), /is not a run directory: there is no config.json/],
    ['no model', (run) => rm(join(run, 'model.zz')), /there is no model.zz/],
    ['half a config', (run) => writeFile(join(run, 'config.json'), '{"format": 1,'), /config.json is not JSON/],
    ['null', (run) => writeFile(join(run, 'config.json'), 'null'), /no usable "configuration": it must be object/],
    ['another format', edit({ format: 4 }), /written by a later version of zz, in format 4; this one reads 3/],
    ['an earlier format', edit({ format: 1 }), /written by an earlier version of zz, in format 1/],
    ['another seed', edit({ settings: { ...config.settings, seed: 2 } }), /was changed since the run began/],
    ['another net', (run) => writeFile(join(run, 'model.zz'), 'net Net { }'), /was changed since the run began/],
    ['no digest', edit({ digest: undefined }), /no usable "digest"/],
    ['an unknown optimiser', edit({ settings: { ...config.settings, optimizer: { kind: 'magic', lr: 1 } } }), /no usable "settings.optimizer/],
    ['a batch beyond all bounds', edit({ settings: { ...config.settings, batch: 1e9 } }), /no usable "settings.batch": it must be <= 65536/],
    ['an escape sequence for a class', edit({ classes: ['cat', '\u001b[2J'] }), /no usable "classes.1"/],
    ['a field of no meaning', edit({ more: 1 }), /no usable "more"/],
    ['settings gone', edit({ settings: {} }), /no usable "settings"/],
    ['a width of text', edit({ width: '1' }), /no usable "width"/],
  ])('%s is a clear error', async (_, damage, message) => {
    const { dir: run } = await createRun({ dir: join(dir, 'run') }, config, '');
    await damage(run);
    await expect(openRun(run)).rejects.toThrow(message);
  });
});

test('a run that was broken off before its first epoch was done has no weights to use', async () => {
  const { dir: run, paths } = await createRun({ dir: join(dir, 'run') }, config, '');
  await expect(openTrained(run)).rejects.toMatchObject({ message: `the run in ${run} has no weights: it was broken off before its first epoch was done`, advice: `Go on with: zz train --resume --out ${run}` });
  await writeFile(paths.checkpoint, '');
  expect((await openTrained(run)).paths).toEqual(paths);
});

describe('whole files', () => {
  test('replaces, and leaves nothing beside the file', async () => {
    await writeWhole(join(dir, 'a'), 'one');
    await writeWhole(join(dir, 'a'), Uint8Array.of(50));
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('2');
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('a link stays a link, and a file keeps its mode whatever the mask', async () => {
    await writeFile(join(dir, 'a'), 'one');
    await chmod(join(dir, 'a'), 0o662);
    await symlink('a', join(dir, 'link'));
    await writeWhole(join(dir, 'link'), 'two');
    expect((await lstat(join(dir, 'link'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('two');
    expect((await lstat(join(dir, 'a'))).mode & 0o777).toBe(0o662);
  });

  test('a pipe is written to, not replaced', async () => {
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [read] = await Promise.all([readFile(pipe, 'utf8'), writeWhole(pipe, 'through')]);
    expect(read).toBe('through');
    expect((await lstat(pipe)).isFIFO()).toBe(true);
    expect(await readdir(dir)).toEqual(['pipe']);
  });

  test('a name as long as names may be', async () => {
    const name = 'ä'.repeat(127);
    await writeWhole(join(dir, name), 'x');
    expect(await readdir(dir)).toEqual([name]);
    await expect(writeWhole(join(dir, 'a'.repeat(256)), 'x')).rejects.toMatchObject({ code: 'ENAMETOOLONG', path: join(dir, 'a'.repeat(256)) });
  });

  test('a failed write keeps the old file and cleans up', async () => {
    await mkdir(join(dir, 'a'));
    await writeFile(join(dir, 'a', 'inside'), '');
    await expect(writeWhole(join(dir, 'a'), 'x')).rejects.toThrow(/EISDIR|ENOTEMPTY|EPERM|EEXIST/);
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('of several files none changes where one cannot be written', async () => {
    await writeFile(join(dir, 'a'), 'old');
    const files = ['a', 'nowhere/b', 'c'].map((name) => ({ path: join(dir, name), contents: 'new' }));
    await expect(writeTogether(files)).rejects.toMatchObject({ code: 'ENOENT', path: join(dir, 'nowhere/b') });
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('old');
    expect(await readdir(dir)).toEqual(['a']);
    await mkdir(join(dir, 'nowhere'));
    await writeTogether(files);
    expect(await Promise.all(files.map(({ path }) => readFile(path, 'utf8')))).toEqual(['new', 'new', 'new']);
    expect(await readdir(dir)).toEqual(['a', 'c', 'nowhere']);
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
    await expect(restore(model, session, { net: 'Fake', tensors })).rejects.toThrow(message);
    expect(await session.read('w.1')).toEqual(Float32Array.of(5, 5));
  });

  const format = 'zigzag-checkpoint-2';
  test.each<[string, Record<string, string>, RegExp]>([
    ['no metadata', {}, /is not a checkpoint/],
    ['another format', { format: 'zigzag-checkpoints', progress: JSON.stringify(progress) }, /is not a checkpoint/],
    ['an earlier format', { format: 'zigzag-checkpoint-1', progress: JSON.stringify(progress) }, /is not a checkpoint/],
    ['a later format', { format: 'zigzag-checkpoint-3' }, /was written by a later version of zz, in format 3; this one reads 2/],
    ['no progress', { format }, /is not a whole checkpoint/],
    ['a torn progress', { format, progress: '{"epoch":2' }, /is not a whole checkpoint/],
    ['a negative step', { format, progress: JSON.stringify({ ...progress, step: -1 }) }, /is not a whole checkpoint/],
    ['sums of text', { format, progress: JSON.stringify({ ...progress, sums: { ...progress.sums, loss: '1' } }) }, /is not a whole checkpoint/],
    ['channels of text', { format, progress: JSON.stringify(progress), channels: '{"mean":["1"],"std":[1]}' }, /is not a whole checkpoint/],
    ['companions that are not there', { format, progress: JSON.stringify(progress), companions: '49' }, /is not a whole checkpoint/],
  ])('%s: no checkpoint', async (_, metadata, message) => {
    await writeFile(path(), encodeSafetensors(sealed({ tensors: new Map(), metadata })));
    await expect(readCheckpoint(path())).rejects.toThrow(message);
  });

  test('a digest tells of values, shapes and names that were changed', async () => {
    const tensors = new Map([['a', { shape: [2], data: Float32Array.of(1, 2) }], ['b', { shape: [2], data: Float32Array.of(3, 4) }]]);
    const file = sealed({ tensors, metadata: { format, net: 'Fake', progress: JSON.stringify(progress) } });
    const refused = async (changed: TensorFile): Promise<void> => {
      await writeFile(path(), encodeSafetensors(changed));
      await expect(readCheckpoint(path())).rejects.toThrow('its contents are not those of its digest');
    };
    await refused({ ...file, tensors: new Map([...tensors, ['b', { shape: [2], data: Float32Array.of(3, 5) }]]) });
    await refused({ ...file, tensors: new Map([...tensors, ['b', { shape: [1, 2], data: Float32Array.of(3, 4) }]]) });
    await refused({ ...file, tensors: new Map([['b', tensors.get('a') as StoredTensor], ['a', tensors.get('b') as StoredTensor]]) });
    await refused({ ...file, metadata: { ...file.metadata, net: 'Other' } });
    await writeFile(path(), encodeSafetensors({ ...file, tensors: new Map([...tensors].reverse()) }));
    expect((await readCheckpoint(path())).tensors).toEqual(tensors);
    const { digest: _, ...rest } = file.metadata;
    await writeFile(path(), encodeSafetensors({ ...file, metadata: rest }));
    await expect(readCheckpoint(path())).rejects.toThrow('its digest is missing');
  });

  test('what normalising takes from the training images comes back exactly', async () => {
    for (const statistics of [{}, { channels: { mean: [0.1, 1 / 3], std: [0.2, 2e-9] } }, { companions: { count: 49, mean: Float32Array.of(0.1, 0.2), std: Float32Array.of(0.3, 0) } }]) {
      await writeCheckpoint(path(), await capture(model, fakeSession(), progress, statistics));
      expect((await readCheckpoint(path())).statistics).toEqual(statistics);
    }
  });

  test('weights of another net are refused, alike as they may be', async () => {
    const other = await capture({ ...model, net: 'Other' }, fakeSession(), progress);
    await expect(restore(model, fakeSession(), other)).rejects.toThrow('the checkpoint is of the net "Other", not of Fake');
  });

  test('pipes and devices are not waited for', async () => {
    await symlink('/dev/zero', path());
    await expect(readCheckpoint(path())).rejects.toThrow('is not a regular file');
  });
});
