// CIFAR-10 from the web, or from a folder on the disk.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveFile } from './archive-file.ts';
import { cached } from './cache.ts';
import { cifar10Archive, decodeCifar10, isBatchFile, OFFICIAL } from './cifar10-files.ts';
import type { Dataset, OpenOptions } from './dataset.ts';
import { download } from './download.ts';

/** The official archive (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009). */
export const ARCHIVE = {
  base: 'https://www.cs.toronto.edu/~kriz/',
  file: 'cifar-10-binary.tar.gz',
  bytes: 170_052_171,
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
};

const ADVICE = 'Give the files with --data PATH (the official binary archive, its folder, or a folder of images), or train on generated images with --data synthetic.';

/** The official data set from the cache, downloaded the first time. Throws DataError (environment) without a network. */
export async function downloadedCifar10(cacheDir: string, options: OpenOptions, archive = ARCHIVE, layout = OFFICIAL): Promise<Dataset> {
  const { baseUrl = process.env.ZZ_CIFAR10_URL ?? archive.base, progress, signal } = options;
  return cached(join(cacheDir, 'cifar10'), archive.md5, async () => {
    const file = join(cacheDir, 'downloads', archive.file);
    await download({ url: new URL(archive.file, baseUrl).href, file, md5: archive.md5, bytes: archive.bytes, advice: ADVICE, progress, signal });
    return cifar10Archive(await archiveFile(file), progress, layout);
  });
}

/** Reads a folder with the official files, or one that holds `cifar-10-batches-bin`. */
export async function cifar10Folder(folder: string, layout = OFFICIAL): Promise<Dataset> {
  const names = (await readdir(folder)).filter(isBatchFile);
  const files = new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
  return decodeCifar10((name) => files.get(name), folder, layout);
}
