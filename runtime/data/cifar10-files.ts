// CIFAR-10 in its official binary form: records of a label and three planes, in files of one batch each. Runs in browsers too.

import { DataError, type Dataset, type ImageShape, type OnProgress, type Split } from './dataset.ts';
import { readTar, type Archive } from './tar.ts';

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
export const CIFAR10_CLASSES: readonly string[] = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const PLANE = 32 * 32;
/** A label, then the red, the green and the blue plane. */
const RECORD = 1 + 3 * PLANE;

const DAMAGED = 'Get the official binary version again: cifar-10-binary.tar.gz.';

/** Reads the official archive. Throws DataError as `decodeCifar10` and `readTar` do. */
export async function cifar10Archive(archive: Archive, progress: OnProgress = () => undefined, layout = OFFICIAL): Promise<Dataset> {
  const files = new Map<string, Uint8Array>();
  for await (const { path, bytes } of readTar(archive, (done) => { progress({ phase: 'unpack', unit: 'bytes', done, total: archive.bytes }); })) {
    if (isBatchFile(path)) files.set(path.slice(path.lastIndexOf('/') + 1), bytes);
  }
  return decodeCifar10((name) => files.get(name), archive.name, layout);
}

export const isBatchFile = (path: string): boolean => /(^|\/)(data_batch_\d|test_batch)\.bin$/.test(path);

/** Splits of all files: labels, and planes turned into NHWC. `from` says in errors where they are. Throws DataError where one is missing, short or holds labels over 9. */
export function decodeCifar10(find: (name: string) => Uint8Array | undefined, from: string, { train, test, images }: BinaryLayout = OFFICIAL): Dataset {
  const join = (names: readonly string[]): Split => {
    const split = { count: names.length * images, images: new Uint8Array(names.length * images * 3 * PLANE), labels: new Uint8Array(names.length * images) };
    names.forEach((name, i) => {
      const bytes = find(name);
      const file = `${from}/${name}`;
      if (!bytes) throw new DataError('input', `${file} is missing`, DAMAGED, { file });
      if (bytes.length !== images * RECORD) throw new DataError('input', `${file} has ${bytes.length} bytes instead of ${images * RECORD}`, DAMAGED, { file });
      for (let n = 0; n < images; n++) {
        const label = bytes[n * RECORD] as number;
        if (label >= CIFAR10_CLASSES.length) throw new DataError('input', `${file}: image ${n} has the label ${label}; labels are 0 to 9`, DAMAGED, { file });
        split.labels[i * images + n] = label;
        interleave(bytes, n * RECORD + 1, split.images, (i * images + n) * 3 * PLANE);
      }
    });
    return split;
  };
  return { name: 'cifar10', shape: SHAPE, classes: CIFAR10_CLASSES, train: join(train), test: join(test) };
}

function interleave(planes: Uint8Array, from: number, pixels: Uint8Array, to: number): void {
  for (let i = 0; i < PLANE; i++) {
    for (let c = 0; c < 3; c++) pixels[to + 3 * i + c] = planes[from + c * PLANE + i] as number;
  }
}
