// Imports images sorted into folders, train/<class>/* and test/<class>/* (PNG, JPEG, WebP), from a folder or an archive.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { diskError } from './cache.ts';
import { DataError, labelArray, showSize, type Dataset, type OnProgress, type Split } from './dataset.ts';
import { readTar } from './tar.ts';

const LAYOUT = 'A data set is a folder with train/<class>/* and test/<class>/*, the files PNG, JPEG or WebP.';
const EXTENSION = /\.(png|jpe?g|webp)$/i;

/** Images in flight: enough to keep the decoder's threads busy, few enough to hold in memory. */
const IN_FLIGHT = 16;

/** Where the images come from: all paths, relative and with `/`, and the files in one fixed order. */
export interface ImageSource {
  readonly name: string;
  readonly paths: readonly string[];
  /** Changes when a name, a size or a time of change does. */
  readonly digest: string;
  /** The path as a user would write it. */
  locate(path: string): string;
  files(): AsyncIterable<{ readonly path: string; readonly bytes: () => Promise<Uint8Array> }>;
}

/** The files of a folder, folders without files included as `path/`. Throws DataError where one cannot be read. */
export function folderSource(folder: string): ImageSource {
  const paths: string[] = [];
  const digest = createHash('sha256');
  const walk = (relative: string): void => {
    const names = readdirSync(join(folder, relative)).filter((name) => !isHidden(name)).sort();
    if (names.length === 0) paths.push(`${relative}/`);
    for (const name of names) {
      const path = relative === '' ? name : `${relative}/${name}`;
      const entry = statSync(join(folder, path));
      if (entry.isDirectory()) walk(path);
      else {
        paths.push(path);
        digest.update(`${path}\0${entry.size}\0${entry.mtimeMs}\n`);
      }
    }
  };
  try {
    for (const split of SPLITS) if (existsSync(join(folder, split))) walk(split);
  } catch (error) {
    throw readError(error, folder);
  }
  const locate = (path: string): string => join(folder, path);
  return {
    name: basename(folder),
    paths,
    digest: digest.digest('hex'),
    locate,
    async *files() {
      for (const path of paths) yield { path, bytes: () => readFile(locate(path)).catch((error: unknown) => { throw readError(error, locate(path)); }) };
    },
  };
}

/** The files of an archive, which may hold the data set in a folder of its own. */
export function archiveSource(archive: string, contents: readonly string[], digest: string): ImageSource {
  const inner = contents.filter((path) => !path.split('/').some(isHidden));
  const top = inner[0]?.split('/')[0] ?? '';
  const prefix = !SPLITS.some((split) => split === top) && inner.every((path) => path.startsWith(`${top}/`)) ? `${top}/` : '';
  return {
    name: basename(archive).replace(/\.(tgz|tar(\.gz)?)$/i, ''),
    paths: inner.map((path) => path.slice(prefix.length)),
    digest,
    locate: (path) => `${archive}:${prefix}${path}`,
    async *files() {
      for await (const { path, bytes } of readTar(archive)) {
        if (path.startsWith(prefix)) yield { path: path.slice(prefix.length), bytes: async () => bytes };
      }
    },
  };
}

const SPLITS = ['train', 'test'] as const;
type SplitName = (typeof SPLITS)[number];

const isHidden = (name: string): boolean => name.startsWith('.') || ['__MACOSX', 'Thumbs.db', 'desktop.ini'].includes(name);

/** What the system said about a file that the user gave. */
const readError = (error: unknown, file: string): unknown =>
  error instanceof Error && 'syscall' in error ? new DataError('input', `${file} cannot be read: ${error.message}`, LAYOUT, { file, cause: error }) : diskError(error, file);

interface Arrangement {
  readonly classes: readonly string[];
  readonly counts: Readonly<Record<SplitName, number>>;
  /** Where each image goes. */
  readonly slots: ReadonlyMap<string, { readonly split: SplitName; readonly place: number; readonly label: number }>;
}

/** Sorts the paths into classes. Throws DataError naming what is missing or in the wrong place. */
export function arrange(source: ImageSource): Arrangement {
  const fail = (path: string, problem: string): never => {
    const file = source.locate(path);
    throw new DataError('input', `${file} ${problem}`, LAYOUT, { file });
  };
  const found: Record<SplitName, Map<string, string[]>> = { train: new Map(), test: new Map() };
  for (const path of new Set(source.paths)) {
    const [split, label, file, ...deeper] = path.split('/');
    if (split !== 'train' && split !== 'test') continue;
    if (file === undefined) {
      if (EXTENSION.test(path)) fail(path, 'belongs to no class: it stands in no class folder');
      continue;
    }
    if (deeper.length > 0) fail(path, 'lies too deep: images stand in their class folder itself');
    const files = found[split].get(label as string) ?? [];
    found[split].set(label as string, files);
    if (file === '') continue;
    if (!EXTENSION.test(file)) fail(path, 'is not a PNG, JPEG or WebP file');
    files.push(path);
  }
  const classes = [...new Set([...found.train.keys(), ...found.test.keys()])].sort();
  for (const split of SPLITS) {
    if (found[split].size === 0) fail(split, 'is missing or holds no class folders');
    for (const label of classes) {
      const files = found[split].get(label);
      const other = split === 'train' ? 'test' : 'train';
      if (!files) fail(`${split}/${label}`, `is missing: ${other} has this class`);
      if (files?.length === 0) fail(`${split}/${label}`, 'holds no images');
    }
  }
  if (classes.length < 2) fail('train', `has the single class "${classes[0]}"; there must be two or more`);
  const slots = new Map(SPLITS.flatMap((split) =>
    classes.flatMap((name, label) => (found[split].get(name) ?? []).sort().map((path) => ({ path, label })))
      .map(({ path, label }, place) => [path, { split, place, label }] as const)));
  const count = (split: SplitName): number => [...found[split].values()].reduce((sum, files) => sum + files.length, 0);
  return { classes, counts: { train: count('train'), test: count('test') }, slots };
}

export interface ImportOptions {
  /** The size that every image must have; absent: that of the first. */
  readonly size?: readonly [height: number, width: number] | undefined;
  readonly progress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Decodes all images to RGB bytes (greyscale is repeated, transparency dropped), sorted by class and name.
 * Throws DataError naming the first file, in the source's order, that is damaged, of another size, or not an image.
 */
export async function importImages(source: ImageSource, { size, progress, signal }: ImportOptions): Promise<Dataset> {
  const { classes, counts, slots } = arrange(source);
  const decode = await decoder();
  const open = source.files()[Symbol.asyncIterator]();
  let expected = size;
  let splits: Record<SplitName, Split> | undefined;
  let taken = 0;
  let done = 0;
  const seen = new Set<string>();
  const failures: { readonly order: number; readonly error: unknown }[] = [];

  const importOne = async (file: { readonly path: string; readonly bytes: () => Promise<Uint8Array> }): Promise<void> => {
    const slot = slots.get(file.path);
    if (!slot || seen.has(file.path)) return;
    seen.add(file.path);
    const image = await decode(await file.bytes(), source.locate(file.path), expected);
    expected ??= [image.height, image.width];
    splits ??= { train: emptySplit(counts.train, image.pixels.length, classes.length), test: emptySplit(counts.test, image.pixels.length, classes.length) };
    splits[slot.split].images.set(image.pixels, slot.place * image.pixels.length);
    splits[slot.split].labels[slot.place] = slot.label;
    progress?.({ phase: 'import', unit: 'images', done: ++done, total: slots.size });
  };
  /** Takes the next file; false at the end, or once one has failed. */
  const step = async (): Promise<boolean> => {
    if (failures.length > 0) return false;
    const order = taken++;
    try {
      signal?.throwIfAborted();
      const next = await open.next();
      if (!next.done) await importOne(next.value);
      return !next.done;
    } catch (error) {
      failures.push({ order, error });
      return false;
    }
  };
  // The first image alone settles the size that the others are held against.
  while (!splits && (await step()));
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => { while (await step()); }));
  await open.return?.();
  const first = failures.sort((a, b) => a.order - b.order)[0];
  if (first) throw first.error;
  const missing = [...slots.keys()].find((path) => !seen.has(path));
  if (missing !== undefined || !splits || !expected) throw readMissing(source.locate(missing ?? 'train'));
  return { name: source.name, shape: [...expected, 3], classes, ...splits };
}

const readMissing = (file: string): DataError => new DataError('input', `${file} went away during the import`, LAYOUT, { file });

function emptySplit(count: number, size: number, classes: number): Split {
  try {
    return { count, images: new Uint8Array(count * size), labels: labelArray(count, classes) };
  } catch (error) {
    throw new DataError('environment', `${count} images of ${size} bytes do not fit into memory`, 'Take fewer or smaller images.', { cause: error });
  }
}

interface Image {
  readonly height: number;
  readonly width: number;
  /** RGB. */
  readonly pixels: Uint8Array;
}

/** A function that decodes one file to RGB. Throws DataError (environment) where the image library does not load here. */
export async function decoder(): Promise<(bytes: Uint8Array, file: string, size?: readonly [number, number]) => Promise<Image>> {
  const { default: sharp } = await import('sharp').catch((error: unknown) => {
    throw new DataError('environment', 'the image library (sharp) does not load on this machine', 'Use the CIFAR-10 binary files or --data synthetic.', { cause: error });
  });
  return async (bytes, file, size) => {
    const wrong = (problem: string, advice: string, cause?: unknown): DataError => new DataError('input', `${file} ${problem}`, advice, { file, cause });
    if (bytes.length === 0) throw wrong('is empty', 'Get this file again, or remove it.');
    if (!hasImageMagic(bytes)) throw wrong('is not a PNG, JPEG or WebP file, whatever its name says', 'Convert or remove it.');
    const check = (height: number, width: number): void => {
      if (size && (height !== size[0] || width !== size[1])) {
        throw wrong(`is ${showSize(height, width)}; expected ${showSize(...size)}`, 'All images of a data set must have the size of the net\'s input: scale them, or change the net.');
      }
    };
    try {
      // The limit keeps a file that claims to be huge from being decoded before its size is compared.
      const { data, info } = await sharp(bytes, { failOn: 'warning', ...(size && { limitInputPixels: size[0] * size[1] }) })
        .removeAlpha().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
      check(info.height, info.width);
      return { height: info.height, width: info.width, pixels: info.channels === 1 ? Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)] ?? 0) : data };
    } catch (error) {
      if (error instanceof DataError) throw error;
      const header = await sharp(bytes, { limitInputPixels: false }).metadata().catch(() => undefined);
      if (header) check(header.height, header.width);
      throw wrong(`is damaged: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`, 'Get this file again, or remove it.', error);
    }
  };
}

function hasImageMagic(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 12)).toString('latin1');
  return head.startsWith('\x89PNG') || head.startsWith('\xff\xd8\xff') || (head.startsWith('RIFF') && head.endsWith('WEBP'));
}
