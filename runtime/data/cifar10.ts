// CIFAR-10 in its official binary form: downloaded, from an archive, or from a folder.

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cached } from './cache.ts';
import { DataError, type Dataset, type ImageShape, type OpenOptions, type OnProgress, type Split } from './dataset.ts';
import { download } from './download.ts';
import { readTar } from './tar.ts';

/** The official archive (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009). */
export const ARCHIVE = {
  base: 'https://www.cs.toronto.edu/~kriz/',
  file: 'cifar-10-binary.tar.gz',
  bytes: 170_052_171,
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
};

/** What an archive or folder must hold. Another geometry or number of images is for tests. */
export interface BinaryLayout {
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** Images in each file. */
  readonly images: number;
}

export const OFFICIAL: BinaryLayout = {
  train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
  test: ['test_batch.bin'],
  images: 10_000,
};

const SHAPE: ImageShape = [32, 32, 3];
const CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const PLANE = 32 * 32;
/** A label, then the red, the green and the blue plane. */
const RECORD = 1 + 3 * PLANE;

const ADVICE = 'Give the files with --data PATH (the official binary archive, its folder, or a folder of images), or train on generated images with --data synthetic.';
const DAMAGED = 'Get the official binary version again: cifar-10-binary.tar.gz.';

/** The official data set from the cache, downloaded the first time. Throws DataError (environment) without a network. */
export async function downloadedCifar10(cacheDir: string, options: OpenOptions, archive = ARCHIVE, layout = OFFICIAL): Promise<Dataset> {
  const { baseUrl = process.env.ZZ_CIFAR10_URL ?? archive.base, progress, signal } = options;
  return cached(join(cacheDir, 'cifar10'), archive.md5, async () => {
    const file = join(cacheDir, 'downloads', archive.file);
    await download({ url: new URL(archive.file, baseUrl).href, file, md5: archive.md5, bytes: archive.bytes, advice: ADVICE, progress, signal });
    return cifar10Archive(file, progress, layout);
  });
}

/** Reads the official archive. Throws DataError where a file is missing, short or holds labels over 9. */
export async function cifar10Archive(archive: string, progress: OnProgress = () => undefined, layout = OFFICIAL): Promise<Dataset> {
  const total = (await stat(archive)).size;
  const files = new Map<string, Uint8Array>();
  for await (const { path, bytes } of readTar(archive, (done) => { progress({ phase: 'unpack', unit: 'bytes', done, total }); })) {
    if (isBatchFile(path)) files.set(basename(path), bytes);
  }
  return decode((name) => files.get(name), archive, layout);
}

/** Reads a folder with the official files, or one that holds `cifar-10-batches-bin`. */
export async function cifar10Folder(folder: string, layout = OFFICIAL): Promise<Dataset> {
  const names = (await readdir(folder)).filter(isBatchFile);
  const files = new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
  return decode((name) => files.get(name), folder, layout);
}

export const isBatchFile = (path: string): boolean => /(^|\/)(data_batch_\d|test_batch)\.bin$/.test(path);

/** Splits of all files: labels, and planes turned into NHWC. */
function decode(find: (name: string) => Uint8Array | undefined, from: string, { train, test, images }: BinaryLayout): Dataset {
  const join = (names: readonly string[]): Split => {
    const split = { count: names.length * images, images: new Uint8Array(names.length * images * 3 * PLANE), labels: new Uint8Array(names.length * images) };
    names.forEach((name, i) => {
      const bytes = find(name);
      const file = `${from}/${name}`;
      if (!bytes) throw new DataError('input', `${file} is missing`, DAMAGED, { file });
      if (bytes.length !== images * RECORD) throw new DataError('input', `${file} has ${bytes.length} bytes instead of ${images * RECORD}`, DAMAGED, { file });
      for (let n = 0; n < images; n++) {
        const label = bytes[n * RECORD] as number;
        if (label >= CLASSES.length) throw new DataError('input', `${file}: image ${n} has the label ${label}; labels are 0 to 9`, DAMAGED, { file });
        split.labels[i * images + n] = label;
        interleave(bytes, n * RECORD + 1, split.images, (i * images + n) * 3 * PLANE);
      }
    });
    return split;
  };
  return { name: 'cifar10', shape: SHAPE, classes: CLASSES, train: join(train), test: join(test) };
}

function interleave(planes: Uint8Array, from: number, pixels: Uint8Array, to: number): void {
  for (let i = 0; i < PLANE; i++) {
    for (let c = 0; c < 3; c++) pixels[to + 3 * i + c] = planes[from + c * PLANE + i] as number;
  }
}
