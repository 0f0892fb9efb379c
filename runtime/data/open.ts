// Opens a data set by name or path and fits it to a net's input.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { cacheDirectory, cached } from './cache.ts';
import { cifar10Archive, cifar10Folder, downloadedCifar10, isBatchFile } from './cifar10.ts';
import { DataError, showSize, type Dataset, type ImageShape, type OpenOptions, type Split } from './dataset.ts';
import { archiveSource, decoder, folderSource, importImages, type ImportOptions } from './image-folder.ts';
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

function inputShape(shape: readonly number[]): ImageShape {
  const [height, width, channels, ...more] = shape;
  if (height !== undefined && width !== undefined && channels !== undefined && more.length === 0) return [height, width, channels];
  throw new DataError('input', `a net with the input [${shape.join(', ')}] cannot read images`, 'Declare the input as [height, width, channels].');
}

async function openPath(path: string, cacheDir: string, options: OpenOptions & ImportOptions): Promise<Dataset> {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry) throw new DataError('input', `there is no file or folder ${path}`, FORMS, { file: path });
  // One folder of the cache for each place on the disk.
  const key = (kind: string): string => join(cacheDir, kind, `${basename(path).replace(/[^\w.-]/g, '_')}-${digestOf(realpathSync(path)).slice(0, 16)}`);
  if (!entry.isDirectory()) {
    const digest = digestOf(`${entry.size} ${entry.mtimeMs}`);
    return cached(key('archives'), digest, () => openArchive(path, digest, options));
  }
  for (const folder of [path, join(path, 'cifar-10-batches-bin')]) {
    if (existsSync(folder) && readdirSync(folder).some(isBatchFile)) return cifar10Folder(folder);
  }
  if (['train', 'test'].some((split) => existsSync(join(path, split)))) {
    const source = folderSource(path);
    return cached(key('images'), source.digest, () => importImages(source, options));
  }
  throw unknownLayout(path, readdirSync(path));
}

async function openArchive(archive: string, digest: string, options: OpenOptions & ImportOptions): Promise<Dataset> {
  const { progress } = options;
  const total = statSync(archive).size;
  const paths: string[] = [];
  for await (const { path } of readTar(archive, (done) => { progress?.({ phase: 'unpack', unit: 'bytes', done, total }); })) {
    options.signal?.throwIfAborted();
    paths.push(path);
  }
  if (paths.some(isBatchFile)) return cifar10Archive(archive, progress);
  const source = archiveSource(archive, paths, digest);
  if (!source.paths.some((path) => /^(train|test)\//.test(path))) throw unknownLayout(archive, paths.map((path) => basename(path)));
  return importImages(source, options);
}

function unknownLayout(file: string, names: readonly string[]): DataError {
  const python = names.some((name) => /^data_batch_\d$/.test(name));
  return python
    ? new DataError('input', `${file} holds the Python version of CIFAR-10`, 'Take the binary version, cifar-10-binary.tar.gz.', { file })
    : new DataError('input', `${file} holds neither train/ and test/ nor the files of CIFAR-10`, FORMS, { file });
}

/** The data set in the channels of the net's input. Throws DataError where the sizes differ. */
function fit(dataset: Dataset, shape: ImageShape | undefined, spec: string): Dataset {
  const [height, width, channels] = dataset.shape;
  if (!shape || (shape[0] === height && shape[1] === width && shape[2] === channels)) return dataset;
  if (shape[0] !== height || shape[1] !== width) {
    throw new DataError('input', `the images of ${spec} are ${showSize(height, width)}; the net's input is ${showSize(shape[0], shape[1])}`,
      'Change the net\'s input, or scale the images.', { file: spec });
  }
  if (shape[2] !== 1) throw new DataError('input', `the net's input has ${shape[2]} channels; images have 1 or 3`, 'Change the net\'s input.', { file: spec });
  const convert = (split: Split): Split => ({ ...split, images: greyscale(split.images) });
  return { ...dataset, shape, train: convert(dataset.train), test: convert(dataset.test) };
}

/** Luma of ITU-R BT.601, rounded; RGB that was greyscale keeps its value. */
function greyscale(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const [red, green, blue] = [rgb[3 * i] as number, rgb[3 * i + 1] as number, rgb[3 * i + 2] as number];
    grey[i] = Math.floor((299 * red + 587 * green + 114 * blue + 500) / 1000);
  }
  return grey;
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
