// Opens a data set by name or path and fits it to a net's input.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { nearest } from '../../compiler/diagnostics.ts';
import { archiveFile } from './archive-file.ts';
import { cacheDirectory, cached } from './cache.ts';
import { cifar10Folder, downloadedCifar10 } from './cifar10.ts';
import { cifar10Archive, isBatchFile } from './cifar10-files.ts';
import { DataError, type Dataset, type OpenOptions } from './dataset.ts';
import { fit, greyscale, inputShape } from './fit.ts';
import { decoder } from './image-file.ts';
import { folderSource } from './image-folder.ts';
import { archiveSource, importImages, type ImportOptions } from './images.ts';
import { syntheticDataset } from './synthetic.ts';
import { readTar } from './tar.ts';

const FORMS = 'Give cifar10, synthetic, or a path: a folder with train/<class>/* and test/<class>/*, a .tar.gz of one, or the official CIFAR-10 binary files.';

/**
 * Opens `cifar10`, `synthetic`, or a path: the official CIFAR-10 binary archive or folder, or images in train/<class>/* and test/<class>/* in a folder or archive.
 * Images come in the channels of `shape` (RGB to greyscale and back); their height and width must be its own.
 * Throws DataError, naming the file, where the data are missing, damaged or do not fit.
 */
export async function openDataset(spec: string, options: OpenOptions = {}): Promise<Dataset> {
  const shape = options.shape && inputShape(options.shape);
  if (spec === 'synthetic') return syntheticDataset({ ...(shape && { shape }), ...(options.seed !== undefined && { seed: options.seed }) });
  const cacheDir = options.cacheDir ?? cacheDirectory();
  if (spec === 'cifar10') return fit(await downloadedCifar10(cacheDir, options), shape, 'cifar10');
  return fit(await openPath(resolve(spec), cacheDir, { ...options, size: shape && [shape[0], shape[1]] }), shape, spec);
}

async function openPath(path: string, cacheDir: string, options: OpenOptions & ImportOptions): Promise<Dataset> {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry) {
    const near = nearest(basename(path), ['cifar10', 'synthetic']);
    throw new DataError('input', `there is no file or folder ${path}`, `${near === undefined ? '' : `Did you mean ${near}? `}${FORMS}`, { file: path });
  }
  // One folder of the cache for each place on the disk.
  const key = (kind: string): string => join(cacheDir, kind, `${basename(path).replace(/[^\w.-]/g, '_')}-${digestOf(realpathSync(path)).slice(0, 16)}`);
  if (!entry.isDirectory()) {
    const digest = digestOf(`${entry.size} ${entry.mtimeMs}`);
    return cached(key('archives'), digest, () => openArchive(path, options));
  }
  for (const folder of [path, join(path, 'cifar-10-batches-bin')]) {
    if (existsSync(folder) && readdirSync(folder).some(isBatchFile)) return cifar10Folder(folder);
  }
  if (['train', 'test'].some((split) => existsSync(join(path, split)))) {
    const source = folderSource(path);
    return cached(key('images'), source.digest, async () => importImages(source, await decoder(), options));
  }
  throw unknownLayout(path, readdirSync(path));
}

async function openArchive(file: string, options: OpenOptions & ImportOptions): Promise<Dataset> {
  const { progress } = options;
  const archive = await archiveFile(file);
  const paths: string[] = [];
  for await (const { path } of readTar(archive, (done) => { progress?.({ phase: 'unpack', unit: 'bytes', done, total: archive.bytes }); })) {
    options.signal?.throwIfAborted();
    paths.push(path);
  }
  if (paths.some(isBatchFile)) return cifar10Archive(archive, progress);
  const source = archiveSource(archive, paths);
  if (!source.paths.some((path) => /^(train|test)\//.test(path))) throw unknownLayout(file, paths.map((path) => basename(path)));
  return importImages(source, await decoder(), options);
}

function unknownLayout(file: string, names: readonly string[]): DataError {
  const python = names.some((name) => /^data_batch_\d$/.test(name));
  return python
    ? new DataError('input', `${file} holds the Python version of CIFAR-10`, 'Take the binary version, cifar-10-binary.tar.gz.', { file })
    : new DataError('input', `${file} holds neither train/ and test/ nor the files of CIFAR-10`, FORMS, { file });
}

/**
 * One image file as a net's input takes it, H * W * C bytes. `bytes` are the file's contents where the caller has them (scaled, say).
 * Throws DataError where it is damaged or of another size.
 */
export async function openImage(file: string, shape: readonly number[], bytes?: Uint8Array): Promise<Uint8Array> {
  const [height, width, channels] = inputShape(shape);
  const contents = bytes ?? await readFile(file).catch((error: unknown) => {
    throw new DataError('input', `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, 'Give a PNG, JPEG or WebP file.', { file, cause: error });
  });
  const { pixels } = await (await decoder())(contents, file, [height, width]);
  if (channels === 3) return pixels;
  if (channels === 1) return greyscale(pixels);
  throw new DataError('input', `the net's input has ${channels} channels; images have 1 or 3`, 'Change the net\'s input.', { file });
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
