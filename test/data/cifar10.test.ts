// The official CIFAR-10 files: from a folder, an archive, the web; damaged ones named.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { archiveFile } from '../../runtime/data/archive-file.ts';
import { ARCHIVE, cifar10Folder, downloadedCifar10 } from '../../runtime/data/cifar10.ts';
import { cifar10Archive, OFFICIAL } from '../../runtime/data/cifar10-files.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { evalBatches, trainBatch, type Plan } from '../../runtime/data/loader.ts';
import { openDataset } from '../../runtime/data/open.ts';
import { hash } from '../../runtime/random.ts';
import { dataErrorOf, makeTar, serve, temporaryFolder } from './helpers.ts';

const IMAGES = 4;
const RECORD = 3073;
const LAYOUT = { ...OFFICIAL, images: IMAGES };

/** The byte of an image of a file at a pixel and channel. */
const byteOf = (file: number, image: number, pixel: number, channel: number): number => hash(file, image, pixel, channel) & 255;
const labelOf = (file: number, image: number): number => (file * 3 + image) % 10;
const NAMES = [...OFFICIAL.train, ...OFFICIAL.test];

/** A file in the official form: label, red plane, green plane, blue plane. */
const binary = (file: number): Buffer => Buffer.concat(Array.from({ length: IMAGES }, (_, image) =>
  Buffer.from([labelOf(file, image), ...[0, 1, 2].flatMap((channel) => Array.from({ length: 1024 }, (_, pixel) => byteOf(file, image, pixel, channel)))])));
const FILES = new Map(NAMES.map((name, file) => [name, binary(file)]));

const archiveOf = (files: ReadonlyMap<string, Uint8Array>): Buffer =>
  gzipSync(makeTar([{ path: 'cifar-10-batches-bin/', type: '5' }, ...[...files].map(([name, bytes]) => ({ path: `cifar-10-batches-bin/${name}`, bytes })), { path: 'cifar-10-batches-bin/readme.html', bytes: Buffer.from('x') }]));

function folderOf(files: ReadonlyMap<string, Uint8Array> = FILES): string {
  const folder = temporaryFolder();
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  return folder;
}

function expectGood(dataset: Dataset): void {
  expect(dataset).toMatchObject({ name: 'cifar10', shape: [32, 32, 3], classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'] });
  for (const [split, first, files] of [[dataset.train, 0, 5], [dataset.test, 5, 1]] as const) {
    expect(split.count).toBe(files * IMAGES);
    const where = Array.from({ length: split.count }, (_, n) => [first + Math.floor(n / IMAGES), n % IMAGES] as const);
    expect([...split.labels]).toEqual(where.map(([file, image]) => labelOf(file, image)));
    const pixels = where.flatMap(([file, image]) => Array.from({ length: 3072 }, (_, i) => byteOf(file, image, Math.floor(i / 3), i % 3)));
    expect(Buffer.from(split.images).equals(Buffer.from(pixels))).toBe(true);
  }
}

describe('the official files', () => {
  it('are read from a folder, planes turned into pixels', async () => {
    expectGood(await cifar10Folder(folderOf(), LAYOUT));
  });

  it('are read from an archive', async () => {
    const archive = join(temporaryFolder(), 'a.tar.gz');
    writeFileSync(archive, archiveOf(FILES));
    expectGood(await cifar10Archive(await archiveFile(archive), undefined, LAYOUT));
  });

  it.each<[string, (folder: string) => void, string, string]>([
    ['missing', (folder) => { rmSync(join(folder, 'data_batch_3.bin')); }, 'data_batch_3.bin', ' is missing'],
    ['missing test', (folder) => { rmSync(join(folder, 'test_batch.bin')); }, 'test_batch.bin', ' is missing'],
    ['short', (folder) => { truncateSync(join(folder, 'data_batch_5.bin'), 100); }, 'data_batch_5.bin', ` has 100 bytes instead of ${IMAGES * RECORD}`],
    ['mislabelled', (folder) => { writeFileSync(join(folder, 'test_batch.bin'), Buffer.from(binary(5)).fill(10, 2 * RECORD, 2 * RECORD + 1)); }, 'test_batch.bin', ': image 2 has the label 10; labels are 0 to 9'],
  ])('are named when %s', async (_, spoil, file, problem) => {
    const folder = folderOf();
    spoil(folder);
    const error = await dataErrorOf(cifar10Folder(folder, LAYOUT));
    expect(error).toMatchObject({ kind: 'input', file: `${folder}/${file}`, message: `${folder}/${file}${problem}` });
  });
});

describe('the download', () => {
  const packed = archiveOf(FILES);
  const official = { ...ARCHIVE, bytes: packed.length, md5: createHash('md5').update(packed).digest('hex') };

  it('is read, kept, and not asked for again', async () => {
    const asked: unknown[] = [];
    const baseUrl = await serve((request, response) => { asked.push(request.url); response.end(packed); });
    const cacheDir = temporaryFolder();
    const phases = new Set<string>();
    expectGood(await downloadedCifar10(cacheDir, { baseUrl, progress: ({ phase }) => phases.add(phase) }, official, LAYOUT));
    expect([...phases]).toEqual(['download', 'unpack']);
    expectGood(await downloadedCifar10(cacheDir, { baseUrl }, official, LAYOUT));
    // A damaged cache is made again of the archive that was kept.
    const bin = readdirSync(join(cacheDir, 'cifar10')).find((name) => name.endsWith('.bin')) ?? '';
    truncateSync(join(cacheDir, 'cifar10', bin), 10);
    expectGood(await downloadedCifar10(cacheDir, { baseUrl }, official, LAYOUT));
    expect(asked).toEqual(['/cifar-10-binary.tar.gz']);
  });

  it('of another archive is refused', async () => {
    const baseUrl = await serve((_, response) => { response.end(packed); });
    const cacheDir = temporaryFolder();
    const error = await dataErrorOf(downloadedCifar10(cacheDir, { baseUrl }, { ...official, md5: ARCHIVE.md5 }, LAYOUT));
    expect(error).toMatchObject({ kind: 'environment', message: expect.stringContaining('MD5') as string });
    expect(existsSync(join(cacheDir, 'cifar10'))).toBe(false);
    expect(existsSync(join(cacheDir, 'downloads', ARCHIVE.file))).toBe(false);
  });

  it('has the official address, size and MD5', async () => {
    expect(ARCHIVE).toEqual({ base: 'https://www.cs.toronto.edu/~kriz/', file: 'cifar-10-binary.tar.gz', bytes: 170052171, md5: 'c32a1d4ab5d03f1284b67883e8d87530' });
    const baseUrl = await serve((_, response) => { response.writeHead(403).end(); });
    const error = await dataErrorOf(openDataset('cifar10', { cacheDir: temporaryFolder(), baseUrl }));
    expect(error.message).toBe(`${baseUrl}cifar-10-binary.tar.gz answers 403 Forbidden`);
    expect(error.advice).toMatch(/--data PATH.*--data synthetic/);
  });
});

describe('openDataset', () => {
  it('knows a folder of official files, also one level down, and wants them whole', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'cifar-10-batches-bin'));
    for (const [name, bytes] of FILES) writeFileSync(join(folder, 'cifar-10-batches-bin', name), bytes);
    const message = `${folder}/cifar-10-batches-bin/data_batch_1.bin has ${IMAGES * RECORD} bytes instead of 30730000`;
    expect((await dataErrorOf(openDataset(folder))).message).toBe(message);
    expect((await dataErrorOf(openDataset(join(folder, 'cifar-10-batches-bin')))).message).toBe(message);
  });

  it('knows an archive of official files', async () => {
    const archive = join(temporaryFolder(), 'any name.tgz');
    writeFileSync(archive, archiveOf(FILES));
    expect((await dataErrorOf(openDataset(archive, { cacheDir: temporaryFolder() }))).message).toBe(`${archive}/data_batch_1.bin has ${IMAGES * RECORD} bytes instead of 30730000`);
  });

  it('says which version of CIFAR-10 it takes', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'data_batch_1'), 'pickle');
    expect(await dataErrorOf(openDataset(folder))).toMatchObject({ message: `${folder} holds the Python version of CIFAR-10`, advice: expect.stringContaining('binary') as string });
  });

  it('says what it takes where there is nothing', async () => {
    const folder = temporaryFolder();
    expect((await dataErrorOf(openDataset(join(folder, 'none')))).message).toBe(`there is no file or folder ${join(folder, 'none')}`);
    expect((await dataErrorOf(openDataset(folder))).message).toBe(`${folder} holds neither train/ and test/ nor the files of CIFAR-10`);
  });

  it('draws synthetic images of the net\'s shape and seed', async () => {
    const one = await openDataset('synthetic', { shape: [16, 16, 1], seed: 5 });
    const two = await openDataset('synthetic', { shape: [16, 16, 1], seed: 6 });
    expect(one.train.images).toHaveLength(5000 * 256);
    expect(one.train.images.subarray(0, 256)).not.toEqual(two.train.images.subarray(0, 256));
    expect((await openDataset('synthetic')).shape).toEqual([32, 32, 3]);
  });
});

const REAL = process.env.ZZ_TEST_CIFAR10;

describe.skipIf(!REAL)('real images, where ZZ_TEST_CIFAR10 names a data set', () => {
  it('are imported within two minutes, read back in seconds, and make batches', async () => {
    const cacheDir = temporaryFolder();
    const first = await openDataset(REAL ?? '', { cacheDir, shape: [32, 32, 3] });
    const start = performance.now();
    const dataset = await openDataset(REAL ?? '', { cacheDir, shape: [32, 32, 3] });
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(dataset).toMatchObject({ shape: [32, 32, 3], classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'] });
    expect([dataset.train.count, dataset.test.count]).toEqual([50_000, 10_000]);
    for (let label = 0; label < 10; label++) expect(dataset.test.labels.filter((other) => other === label)).toHaveLength(1000);
    expect(Buffer.from(first.train.images).equals(Buffer.from(dataset.train.images))).toBe(true);
    const plan: Plan = { batch: 25, seed: 678, normalize: 'per_batch', views: [{ name: 'image', parts: [{ source: 'image', steps: [] }] }] };
    expect(new Set(trainBatch(dataset, plan, 0).labels).size).toBeGreaterThan(4);
    expect([...evalBatches(dataset, dataset.test, plan, 50)]).toHaveLength(200);
  }, 120_000);
});
