// Imported data sets on disk: one binary file a split and a JSON index that is written last, so that a cache is whole or absent.

import { createHash } from 'node:crypto';
import { open, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder, writeWhole } from '../files.ts';
import { DataError, imageSize, labelArray, type Dataset, type ImageShape, type Split } from './dataset.ts';

const FORMAT = 'zigzag-dataset';
const VERSION = 1;
/** magic, version, count, height, width, channels, bytes a label, 0: 32-bit little-endian words. */
const HEADER_BYTES = 32;
const MAGIC = 0x44535a5a; // "ZZSD"

/** Where this user's downloads and imports are kept: $ZZ_CACHE, else the platform's folder for caches. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env.ZZ_CACHE) return resolve(env.ZZ_CACHE);
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'zigzag');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'zigzag');
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'zigzag', 'Cache');
  return join(homedir(), '.cache', 'zigzag');
}

interface IndexedSplit {
  /** A file beside the index, named by its contents. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly count: number;
}

interface Index {
  readonly format: typeof FORMAT;
  readonly version: number;
  /** What the import was made of: it is made again when this differs. */
  readonly source: string;
  readonly name: string;
  readonly shape: ImageShape;
  readonly classes: readonly string[];
  readonly train: IndexedSplit;
  readonly test: IndexedSplit;
}

const INDEX = 'index.json';

/** Hashed in pieces: a single update takes less than 2 GiB. */
function sha256(bytes: Uint8Array): string {
  const digest = createHash('sha256');
  for (let at = 0; at < bytes.length; at += 2 ** 26) digest.update(bytes.subarray(at, at + 2 ** 26));
  return digest.digest('hex');
}

/** The data set imported into `folder` from `source`; made by `make`, and kept, where it is absent, out of date or damaged. */
export async function cached(folder: string, source: string, make: () => Promise<Dataset>): Promise<Dataset> {
  const found = await readCached(folder, source);
  if (found) return found;
  const dataset = await make();
  await writeCached(folder, source, dataset);
  return dataset;
}

/** Reads an import; undefined where there is none from this source, or a file of it is missing, short or altered. */
export async function readCached(folder: string, source: string): Promise<Dataset | undefined> {
  const index = await readIndex(join(folder, INDEX));
  if (!index || index.source !== source) return undefined;
  const [train, test] = await Promise.all([readSplit(folder, index, index.train), readSplit(folder, index, index.test)]);
  return train && test && { name: index.name, shape: index.shape, classes: index.classes, train, test };
}

async function readIndex(file: string): Promise<Index | undefined> {
  try {
    const index = JSON.parse(await readFile(file, 'utf8')) as Partial<Index> | null;
    return index?.format === FORMAT && index.version === VERSION && index.train && index.test && index.shape && index.classes ? (index as Index) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) return undefined;
    throw diskError(error, file);
  }
}

async function readSplit(folder: string, index: Index, { file, bytes, sha256: digest, count }: IndexedSplit): Promise<Split | undefined> {
  const path = join(folder, basename(file));
  try {
    const contents = await readBytes(path, bytes);
    return contents && sha256(contents) === digest ? decodeSplit(contents, index, count) : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw diskError(error, path);
  }
}

/** A file of so many bytes (2 GiB and more too, which readFile refuses); undefined where it has another size. */
async function readBytes(path: string, bytes: number): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r');
  try {
    if ((await file.stat()).size !== bytes) return undefined;
    const contents = new Uint8Array(bytes);
    for (let at = 0; at < bytes;) {
      const { bytesRead } = await file.read(contents, at, Math.min(bytes - at, 2 ** 30), at);
      if (bytesRead === 0) return undefined;
      at += bytesRead;
    }
    return contents;
  } finally {
    await file.close();
  }
}

function decodeSplit(contents: Uint8Array, { shape, classes }: Index, count: number): Split | undefined {
  const labels = labelArray(count, classes.length);
  const images = count * imageSize(shape);
  const words = [MAGIC, VERSION, count, ...shape, labels.BYTES_PER_ELEMENT, 0];
  const view = new DataView(contents.buffer, contents.byteOffset, contents.byteLength);
  if (contents.length !== HEADER_BYTES + images + labels.byteLength) return undefined;
  if (words.some((word, i) => view.getUint32(i * 4, true) !== word)) return undefined;
  for (let i = 0; i < count; i++) {
    const at = HEADER_BYTES + images + i * labels.BYTES_PER_ELEMENT;
    labels[i] = labels.BYTES_PER_ELEMENT === 1 ? view.getUint8(at) : view.getUint16(at, true);
  }
  if (labels.some((label) => label >= classes.length)) return undefined;
  return { count, images: contents.subarray(HEADER_BYTES, HEADER_BYTES + images), labels };
}

function encodeSplit({ count, images, labels }: Split, shape: ImageShape): Uint8Array {
  const contents = new Uint8Array(HEADER_BYTES + images.length + labels.byteLength);
  const view = new DataView(contents.buffer);
  [MAGIC, VERSION, count, ...shape, labels.BYTES_PER_ELEMENT, 0].forEach((word, i) => { view.setUint32(i * 4, word, true); });
  contents.set(images, HEADER_BYTES);
  labels.forEach((label, i) => {
    const at = HEADER_BYTES + images.length + i * labels.BYTES_PER_ELEMENT;
    if (labels.BYTES_PER_ELEMENT === 1) view.setUint8(at, label);
    else view.setUint16(at, label, true);
  });
  return contents;
}

/** Keeps a data set: its files first, under names made of their contents, then the index that names them. Imports at the same time are safe. */
export async function writeCached(folder: string, source: string, dataset: Dataset): Promise<void> {
  const { name, shape, classes } = dataset;
  const keep = async (split: 'train' | 'test'): Promise<IndexedSplit> => {
    const contents = encodeSplit(dataset[split], shape);
    const digest = sha256(contents);
    const file = `${split}-${digest.slice(0, 16)}.bin`;
    await writeWhole(join(folder, file), contents);
    return { file, bytes: contents.length, sha256: digest, count: dataset[split].count };
  };
  try {
    await makeFolder(folder);
    const train = await keep('train');
    const test = await keep('test');
    const index: Index = { format: FORMAT, version: VERSION, source, name, shape, classes, train, test };
    await writeWhole(join(folder, INDEX), new TextEncoder().encode(JSON.stringify(index, undefined, 2)));
    await removeStale(folder, [train.file, test.file]);
  } catch (error) {
    throw diskError(error, folder);
  }
}

/** A file that nobody has touched for so long belongs to no import under way. */
const STALE_MS = 60 * 60 * 1000;

/** Removes what killed imports and former versions of the source left behind. */
async function removeStale(folder: string, inUse: readonly string[]): Promise<void> {
  for (const file of await readdir(folder)) {
    if (inUse.includes(file) || !/\.(bin|tmp)$/.test(file)) continue;
    const path = join(folder, file);
    const age = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs, () => 0);
    if (age > STALE_MS) await rm(path, { force: true });
  }
}

/** How often a lock shows that its holder lives, and after how long without it is taken over. */
const BEAT_MS = 2_000;
const DEAD_MS = 20_000;

/** Runs a job that one process at a time may run; a lock whose holder died is taken over. */
export async function locked<T>(lock: string, job: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      await makeFolder(dirname(lock));
      await (await open(lock, 'wx')).close();
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw diskError(error, lock);
      const age = await stat(lock).then(({ mtimeMs }) => Date.now() - mtimeMs, () => 0);
      if (age > DEAD_MS) await rm(lock, { force: true });
      else await sleep(200, undefined, { ...(signal && { signal }) });
    }
  }
  const beat = setInterval(() => { utimes(lock, new Date(), new Date()).catch(() => undefined); }, BEAT_MS);
  try {
    return await job();
  } finally {
    clearInterval(beat);
    await rm(lock, { force: true });
  }
}

export const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** What the system said about a file of the cache, as an error of the environment. */
export function diskError(error: unknown, file: string): unknown {
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return error;
  return new DataError('environment', `${file}: ${error.message}`, 'Free some space or set ZZ_CACHE to a folder that can be written.', { file, cause: error });
}
