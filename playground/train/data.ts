// A data set from files that were dropped: CIFAR-10's binary files, an archive of them or of images, or images in folders.

import { cifar10Archive, decodeCifar10, isBatchFile, OFFICIAL } from '../../runtime/data/cifar10-files.ts';
import { DataError } from '../../runtime/data/dataset.ts';
import type { Dataset, OnProgress, Progress } from '../../runtime/data/dataset.ts';
import { archiveSource, importImages, isHidden } from '../../runtime/data/images.ts';
import type { ImageSource } from '../../runtime/data/images.ts';
import { archiveError, readTar } from '../../runtime/data/tar.ts';
import type { Archive } from '../../runtime/data/tar.ts';
import { decode } from './image.ts';
import type { Dropped } from './messages.ts';

const FORMS = 'Drop CIFAR-10\'s binary files (data_batch_1.bin, …, test_batch.bin), their .tar.gz, or a folder with train/<class>/* and test/<class>/* of PNG, JPEG or WebP images.';

/** Throws DataError, naming the file, where something is missing, damaged or in the wrong place. */
export async function openDropped(files: readonly Dropped[], progress: OnProgress): Promise<Dataset> {
  const [only, ...more] = files;
  if (!only) throw new DataError('input', 'there are no files in what was dropped', FORMS);
  if (more.length === 0 && /\.(tgz|tar|tar\.gz)$/i.test(only.path)) return openArchive(archiveOf(only.file), progress);
  const seen = files.filter(({ path }) => !path.split('/').some(isHidden));
  if (seen.some(({ path }) => isBatchFile(path))) return openBatches(seen);
  const source = folderSource(seen);
  if (!hasSplits(source)) throw unknownForm(only.path.split('/')[0] ?? only.path, seen.map(({ path }) => path));
  return importImages(source, decode, { progress });
}

export const describeProgress = ({ unit, done, total }: Progress): string => {
  const [count, noun] = unit === 'bytes' ? [(n: number) => (n / 1e6).toFixed(0), 'MB'] : [(n: number) => n.toLocaleString('en'), 'images'];
  return `read ${count(done)}${total === undefined ? '' : ` of ${count(total)}`} ${noun}`;
};

/** Some of the training files will do; the test file must be there. */
async function openBatches(files: readonly Dropped[]): Promise<Dataset> {
  const named = new Map(files.map(({ path, file }) => [path.slice(path.lastIndexOf('/') + 1), file]));
  const train = OFFICIAL.train.filter((name) => named.has(name));
  if (train.length === 0) throw new DataError('input', 'there is no data_batch_1.bin, …, data_batch_5.bin among the files', FORMS);
  const layout = { ...OFFICIAL, train };
  const bytes = new Map<string, Uint8Array>();
  for (const name of [...layout.train, ...layout.test]) {
    const file = named.get(name);
    if (file) bytes.set(name, new Uint8Array(await file.arrayBuffer()));
  }
  return decodeCifar10((name) => bytes.get(name), 'the dropped files', layout);
}

async function openArchive(archive: Archive, progress: OnProgress): Promise<Dataset> {
  const paths: string[] = [];
  for await (const { path } of readTar(archive, (done) => progress({ phase: 'unpack', unit: 'bytes', done, total: archive.bytes }))) paths.push(path);
  if (paths.some(isBatchFile)) return cifar10Archive(archive, progress);
  const source = archiveSource(archive, paths);
  if (!hasSplits(source)) throw unknownForm(archive.name, paths);
  return importImages(source, decode, { progress });
}

const hasSplits = ({ paths }: ImageSource): boolean => paths.some((path) => /^(train|test)\//.test(path));

function unknownForm(name: string, paths: readonly string[]): DataError {
  if (paths.some((path) => /(^|\/)data_batch_\d$/.test(path))) return new DataError('input', `${name} holds the Python version of CIFAR-10`, 'Take the binary version, cifar-10-binary.tar.gz.');
  return new DataError('input', `${name} holds neither train/ and test/ nor the files of CIFAR-10`, FORMS);
}

/** Files of a folder, which may be the data set's own or lie around it. */
function folderSource(files: readonly Dropped[]): ImageSource {
  const top = files[0]?.path.split('/')[0] ?? '';
  const prefix = !['train', 'test'].includes(top) && files.every(({ path }) => path.startsWith(`${top}/`)) ? `${top}/` : '';
  const inner = files.map(({ path, file }) => ({ path: path.slice(prefix.length), bytes: async () => new Uint8Array(await file.arrayBuffer()) })).sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    name: prefix === '' ? 'dropped images' : top,
    paths: inner.map(({ path }) => path),
    locate: (path) => prefix + path,
    async *files() {
      yield* inner;
    },
  };
}

const archiveOf = (file: File): Archive => ({ name: file.name, bytes: file.size, unpack: (onBytes) => unpacked(file, onBytes) });

async function* unpacked(file: File, onBytes: (done: number) => void): AsyncGenerator<Uint8Array> {
  let done = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      onBytes((done += chunk.length));
      controller.enqueue(chunk);
    },
  });
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const packed = file.stream().pipeThrough(counted);
  const reader = (first === 0x1f && second === 0x8b ? packed.pipeThrough(new DecompressionStream('gzip')) : packed).getReader();
  try {
    for (;;) {
      const next = await reader.read().catch((cause: unknown) => {
        throw archiveError(file.name, `the compressed data are damaged or cut short (${cause instanceof Error ? cause.message : String(cause)})`);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
