// Data sets of images sorted into folders, train/<class>/* and test/<class>/* (PNG, JPEG, WebP), wherever the files are. Runs in browsers too.

import { DataError, labelArray, showSize, type Dataset, type OnProgress, type Split } from './dataset.ts';
import { readTar, type Archive } from './tar.ts';

export const LAYOUT = 'A data set is a folder with train/<class>/* and test/<class>/*, the files PNG, JPEG or WebP.';
const EXTENSION = /\.(png|jpe?g|webp)$/i;

/** Images in flight: enough to keep the decoder's threads busy, few enough to hold in memory. */
const IN_FLIGHT = 16;

/** Where the images come from: all paths, relative and with `/`, and the files in one fixed order. */
export interface ImageSource {
  readonly name: string;
  readonly paths: readonly string[];
  /** The path as a user would write it. */
  locate(path: string): string;
  files(): AsyncIterable<{ readonly path: string; readonly bytes: () => Promise<Uint8Array> }>;
}

export interface Image {
  readonly height: number;
  readonly width: number;
  /** RGB. */
  readonly pixels: Uint8Array;
}

/** Decodes one file, named `file` in errors, to RGB. Throws DataError where it is damaged, no image, or not of the size. */
export type Decode = (bytes: Uint8Array, file: string, size?: readonly [height: number, width: number]) => Promise<Image>;

const imageError = (file: string, problem: string, advice: string, cause?: unknown): DataError => new DataError('input', `${file} ${problem}`, advice, { file, cause });
export const damaged = (file: string, cause: unknown): DataError =>
  imageError(file, `is damaged: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`, 'Get this file again, or remove it.', cause);

/** Throws DataError where a file does not begin as a PNG, JPEG or WebP file does. */
export function checkKind(bytes: Uint8Array, file: string): void {
  if (bytes.length === 0) throw imageError(file, 'is empty', 'Get this file again, or remove it.');
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  const known = head.startsWith('\x89PNG') || head.startsWith('\xff\xd8\xff') || (head.startsWith('RIFF') && head.endsWith('WEBP'));
  if (!known) throw imageError(file, 'is not a PNG, JPEG or WebP file, whatever its name says', 'Convert or remove it.');
}

/** Throws DataError where an image is not of the size, if one is given. */
export function checkSize(file: string, height: number, width: number, size: readonly [height: number, width: number] | undefined): void {
  if (!size || (height === size[0] && width === size[1])) return;
  throw imageError(file, `is ${showSize(height, width)}; expected ${showSize(...size)}`, 'All images of a data set must have the size of the net\'s input: scale them, or change the net.');
}

/** The files of an archive, which may hold the data set in a folder of its own. */
export function archiveSource(archive: Archive, contents: readonly string[]): ImageSource {
  const inner = contents.filter((path) => !path.split('/').some(isHidden));
  const top = inner[0]?.split('/')[0] ?? '';
  const prefix = !SPLITS.some((split) => split === top) && inner.every((path) => path.startsWith(`${top}/`)) ? `${top}/` : '';
  return {
    name: archive.name.replace(/^.*[\\/]/, '').replace(/\.(tgz|tar(\.gz)?)$/i, ''),
    paths: inner.map((path) => path.slice(prefix.length)),
    locate: (path) => `${archive.name}:${prefix}${path}`,
    async *files() {
      for await (const { path, bytes } of readTar(archive)) {
        if (path.startsWith(prefix)) yield { path: path.slice(prefix.length), bytes: async () => bytes };
      }
    },
  };
}

export const SPLITS = ['train', 'test'] as const;
type SplitName = (typeof SPLITS)[number];

export const isHidden = (name: string): boolean => name.startsWith('.') || ['__MACOSX', 'Thumbs.db', 'desktop.ini'].includes(name);

interface Arrangement {
  readonly classes: readonly string[];
  readonly counts: Readonly<Record<SplitName, number>>;
  /** Where each image goes. */
  readonly slots: ReadonlyMap<string, { readonly split: SplitName; readonly place: number; readonly label: number }>;
}

/** Sorts the paths into classes. Throws DataError naming what is missing or in the wrong place. */
function arrange(source: ImageSource): Arrangement {
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
export async function importImages(source: ImageSource, decode: Decode, { size, progress, signal }: ImportOptions): Promise<Dataset> {
  const { classes, counts, slots } = arrange(source);
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
