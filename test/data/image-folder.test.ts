// Folders and archives of images: imported once, fitted to the net, and every mistake in them named.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { DataError, type Dataset, type OpenOptions, type Progress } from '../../runtime/data/dataset.ts';
import { openDataset, openImage } from '../../runtime/data/open.ts';
import { uniforms } from '../../runtime/random.ts';
import { dataErrorOf, makeTar, temporaryFolder } from './helpers.ts';

const [HEIGHT, WIDTH] = [6, 5];

type Format = 'png' | 'webp' | 'jpeg';

/** RGB bytes for a key. */
const pixelsOf = (key: number, size = HEIGHT * WIDTH): Buffer => {
  const next = uniforms(key);
  return Buffer.from(Uint8Array.from({ length: size * 3 }, () => Math.floor(next() * 256)));
};

const encode = (pixels: Buffer, format: Format = 'png', height = HEIGHT, width = WIDTH): Promise<Buffer> => {
  const image = sharp(pixels, { raw: { height, width, channels: 3 } });
  return (format === 'webp' ? image.webp({ lossless: true }) : image.toFormat(format)).toBuffer();
};

/** path -> contents of a good data set: cat and dog, three training and two test images each. */
const FILES = new Map<string, Buffer>();
const ORDER: Record<'train' | 'test', string[]> = { train: [], test: [] };

beforeAll(async () => {
  for (const [split, count] of [['train', 3], ['test', 2]] as const) {
    for (const label of ['cat', 'dog']) {
      for (let i = 0; i < count; i++) {
        const format = (['png', 'webp'] as const)[i % 2] ?? 'png';
        const path = `${split}/${label}/${i}.${format}`;
        FILES.set(path, await encode(pixelsOf(ORDER[split].length + (split === 'test' ? 100 : 0)), format));
        ORDER[split].push(path);
      }
    }
  }
});

function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array> = FILES): string {
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  return folder;
}

const expectGood = (dataset: Dataset): void => {
  expect(dataset).toMatchObject({ shape: [HEIGHT, WIDTH, 3], classes: ['cat', 'dog'] });
  expect([...dataset.train.labels]).toEqual([0, 0, 0, 1, 1, 1]);
  expect([...dataset.test.labels]).toEqual([0, 0, 1, 1]);
  expect(Buffer.from(dataset.train.images)).toEqual(Buffer.concat([0, 1, 2, 3, 4, 5].map((key) => pixelsOf(key))));
  expect(Buffer.from(dataset.test.images)).toEqual(Buffer.concat([100, 101, 102, 103].map((key) => pixelsOf(key))));
};

interface Place {
  readonly folder: string;
  readonly cacheDir: string;
  readonly open: (options?: OpenOptions) => Promise<Dataset>;
}

/** A good data set in a folder, with a cache of its own. */
function place(): Place {
  const root = temporaryFolder();
  const folder = writeFiles(join(root, 'pets'));
  const cacheDir = join(root, 'cache');
  return { folder, cacheDir, open: (options) => openDataset(folder, { cacheDir, ...options }) };
}

/** Everything in the cache but folders. */
const cacheFiles = (cacheDir: string): string[] =>
  existsSync(cacheDir) ? readdirSync(cacheDir, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(cacheDir, name)).isFile()) : [];

describe('an image folder', () => {
  it('is imported with its classes and pixels', async () => {
    const { open, cacheDir } = place();
    const heard: Progress[] = [];
    const dataset = await open({ shape: [HEIGHT, WIDTH, 3], progress: (progress) => heard.push(progress) });
    expectGood(dataset);
    expect(dataset.name).toBe('pets');
    expect(heard.map(({ done }) => done)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(heard[0]).toEqual({ phase: 'import', unit: 'images', done: 1, total: 10 });
    expect(cacheFiles(cacheDir)).toHaveLength(3);
  });

  it('is imported once, and again when a file changes', async () => {
    const { open, folder } = place();
    const imports = async (): Promise<number> => {
      let heard = 0;
      expectGood(await open({ progress: () => { heard++; } }));
      return heard;
    };
    expect(await imports()).toBe(10);
    expect(await imports()).toBe(0);
    utimesSync(join(folder, 'train/cat/0.png'), new Date(5000), new Date(5000));
    expect(await imports()).toBe(10);
    expect(await imports()).toBe(0);
    renameSync(join(folder, 'train/cat/0.png'), join(folder, 'train/cat/00.png'));
    expect(await imports()).toBe(10);
    rmSync(join(folder, 'test/dog/1.webp'));
    expect((await open()).test.count).toBe(3);
  });

  it('takes JPEG files, greyscale, 16 bits, palettes and transparency', async () => {
    const { open, folder } = place();
    const grey = Buffer.from(Uint8Array.from({ length: 30 }, (_, i) => i * 8));
    const raw = { raw: { height: HEIGHT, width: WIDTH, channels: 1 as const } };
    writeFileSync(join(folder, 'train/cat/0.png'), await sharp(grey, raw).toColourspace('b-w').png().toBuffer());
    writeFileSync(join(folder, 'train/cat/1.webp'), await encode(Buffer.alloc(90, 120), 'jpeg'));
    writeFileSync(join(folder, 'train/cat/2.png'), await sharp(grey, raw).toColourspace('grey16').png().toBuffer());
    writeFileSync(join(folder, 'train/dog/0.png'), await sharp(pixelsOf(3), { raw: { height: HEIGHT, width: WIDTH, channels: 3 } }).ensureAlpha(0.25).png().toBuffer());
    const { train } = await open();
    const image = (i: number): Uint8Array => train.images.subarray(i * 90, (i + 1) * 90);
    const repeated = [...grey].flatMap((value) => [value, value, value]);
    expect([...image(0)]).toEqual(repeated);
    expect([...image(1)]).toEqual(Array<number>(90).fill(120));
    expect([...image(2)]).toEqual(repeated);
    expect(Buffer.from(image(3))).toEqual(pixelsOf(3));
  });

  it('becomes greyscale for a net of one channel, from the same cache', async () => {
    const { open } = place();
    await open();
    let imported = false;
    const dataset = await open({ shape: [HEIGHT, WIDTH, 1], progress: () => { imported = true; } });
    const rgb = pixelsOf(2);
    expect(imported).toBe(false);
    expect(dataset.shape).toEqual([HEIGHT, WIDTH, 1]);
    expect(dataset.train.images).toHaveLength(6 * 30);
    expect([...dataset.train.images.subarray(60, 90)]).toEqual(Array.from({ length: 30 }, (_, i) =>
      Math.round((299 * (rgb[3 * i] ?? 0) + 587 * (rgb[3 * i + 1] ?? 0) + 114 * (rgb[3 * i + 2] ?? 0)) / 1000)));
  });

  it('passes over hidden files', async () => {
    const { folder, open } = place();
    for (const path of ['.DS_Store', 'train/.DS_Store', 'train/cat/.DS_Store', 'train/cat/._0.png', 'train/cat/Thumbs.db', 'README.md', 'train/labels.csv']) writeFileSync(join(folder, path), 'x');
    expectGood(await open());
  });

  it('may be imported by several at the same time', async () => {
    const { open, cacheDir } = place();
    for (const dataset of await Promise.all([open(), open(), open(), open()])) expectGood(dataset);
    expect(cacheFiles(cacheDir)).toHaveLength(3);
    expectGood(await open());
  });

  it('stops when told to, and keeps nothing', async () => {
    const { open, cacheDir } = place();
    const control = new AbortController();
    await expect(open({ signal: control.signal, progress: () => { control.abort(new Error('stopped')); } })).rejects.toThrow('stopped');
    expect(cacheFiles(cacheDir)).toEqual([]);
    expectGood(await open());
  });
});

describe('a mistake in an image folder', () => {
  it.each<[string, (folder: string) => unknown, string, RegExp]>([
    ['a file cut short', (f) => { writeFileSync(join(f, 'train/dog/1.webp'), readFileSync(join(f, 'train/dog/1.webp')).subarray(0, 60)); }, 'train/dog/1.webp', /^ is damaged: \S/],
    ['a PNG cut short', (f) => { writeFileSync(join(f, 'train/dog/0.png'), readFileSync(join(f, 'train/dog/0.png')).subarray(0, 100)); }, 'train/dog/0.png', /^ is damaged: \S/],
    ['a file with altered bytes', (f) => { writeFileSync(join(f, 'train/dog/0.png'), Buffer.from(readFileSync(join(f, 'train/dog/0.png'))).fill(0, 60, 90)); }, 'train/dog/0.png', /^ is damaged: \S/],
    ['an empty file', (f) => { writeFileSync(join(f, 'test/cat/0.png'), ''); }, 'test/cat/0.png', /^ is empty$/],
    ['text by the name of an image', (f) => { writeFileSync(join(f, 'test/cat/0.png'), 'this is no image'); }, 'test/cat/0.png', /^ is not a PNG, JPEG or WebP file, whatever its name says$/],
    ['a drawing by the name of an image', (f) => { writeFileSync(join(f, 'test/cat/0.png'), '<svg xmlns="http://www.w3.org/2000/svg" width="5" height="6"/>'); }, 'test/cat/0.png', /^ is not a PNG, JPEG or WebP file, whatever its name says$/],
    ['an image of another size', async (f) => { writeFileSync(join(f, 'train/dog/0.png'), await encode(pixelsOf(1, 42), 'png', 7, 6)); }, 'train/dog/0.png', /^ is 7x6; expected 6x5$/],
    ['a smaller image', async (f) => { writeFileSync(join(f, 'train/dog/0.png'), await encode(pixelsOf(1, 20), 'png', 4, 5)); }, 'train/dog/0.png', /^ is 4x5; expected 6x5$/],
    ['an image as large by area', async (f) => { writeFileSync(join(f, 'train/dog/0.png'), await encode(pixelsOf(1), 'png', 5, 6)); }, 'train/dog/0.png', /^ is 5x6; expected 6x5$/],
    ['another kind of file', (f) => { writeFileSync(join(f, 'train/dog/notes.txt'), 'x'); }, 'train/dog/notes.txt', /^ is not a PNG, JPEG or WebP file$/],
    ['an image outside the classes', (f) => { cpSync(join(f, 'train/dog/0.png'), join(f, 'train/0.png')); }, 'train/0.png', /^ belongs to no class/],
    ['a folder in a class', (f) => { cpSync(join(f, 'train/dog'), join(f, 'train/cat/dog'), { recursive: true }); }, 'train/cat/dog/0.png', /^ lies too deep/],
    ['no test images', (f) => { rmSync(join(f, 'test'), { recursive: true }); }, 'test', /^ is missing or holds no class folders$/],
    ['no classes', (f) => { rmSync(join(f, 'train'), { recursive: true }); mkdirSync(join(f, 'train')); }, 'train', /^ is missing or holds no class folders$/],
    ['a class without test images', (f) => { rmSync(join(f, 'test/dog'), { recursive: true }); }, 'test/dog', /^ is missing: train has this class$/],
    ['a class without training images', (f) => { cpSync(join(f, 'test/dog'), join(f, 'test/elk'), { recursive: true }); }, 'train/elk', /^ is missing: test has this class$/],
    ['a class by another name', (f) => { renameSync(join(f, 'test/dog'), join(f, 'test/Dog')); }, 'train/Dog', /^ is missing: test has this class$/],
    ['an empty class', (f) => { rmSync(join(f, 'train/cat'), { recursive: true }); mkdirSync(join(f, 'train/cat')); }, 'train/cat', /^ holds no images$/],
    ['a single class', (f) => { for (const split of ['train', 'test']) rmSync(join(f, split, 'dog'), { recursive: true }); }, 'train', /^ has the single class "cat"; there must be two or more$/],
  ])('is named: %s', async (_, spoil, path, problem) => {
    const { folder, open, cacheDir } = place();
    await spoil(folder);
    const error = await dataErrorOf(open());
    expect(error.kind).toBe('input');
    expect(error.file).toBe(join(folder, path));
    expect(error.message.startsWith(join(folder, path))).toBe(true);
    expect(error.message.slice(join(folder, path).length)).toMatch(problem);
    expect(error.advice).not.toBe('');
    expect(cacheFiles(cacheDir)).toEqual([]);
  });

  it('is the first one of several', async () => {
    const { folder, open } = place();
    for (const path of ['test/dog/0.png', 'train/dog/0.png', 'train/dog/2.png']) writeFileSync(join(folder, path), 'no image');
    for (let i = 0; i < 5; i++) expect((await dataErrorOf(open())).file).toBe(join(folder, 'train/dog/0.png'));
  });

  it('does not spoil what was imported before', async () => {
    const { folder, open, cacheDir } = place();
    await open();
    const before = cacheFiles(cacheDir).map((file) => readFileSync(join(cacheDir, file)));
    const good = readFileSync(join(folder, 'train/cat/0.png'));
    writeFileSync(join(folder, 'train/cat/0.png'), 'no image');
    await dataErrorOf(open());
    expect(cacheFiles(cacheDir).map((file) => readFileSync(join(cacheDir, file)))).toEqual(before);
    writeFileSync(join(folder, 'train/cat/0.png'), good);
    expectGood(await open());
  });

  it('of a net that takes another size names the first file, or the folder once it is imported', async () => {
    const { folder, open } = place();
    const first = await dataErrorOf(open({ shape: [32, 32, 3] }));
    expect(first.message).toBe(`${join(folder, 'train/cat/0.png')} is 6x5; expected 32x32`);
    await open();
    expect((await dataErrorOf(open({ shape: [32, 32, 3] }))).message).toBe(`the images of ${folder} are 6x5; the net's input is 32x32`);
    expect((await dataErrorOf(open({ shape: [HEIGHT, WIDTH, 4] }))).message).toBe('the net\'s input has 4 channels; images have 1 or 3');
    expect((await dataErrorOf(open({ shape: [30] }))).message).toBe('a net with the input [30] cannot read images');
  });
});

describe('an archive of images', () => {
  const archive = (files: ReadonlyMap<string, Uint8Array>, prefix = ''): { path: string; cacheDir: string } => {
    const root = temporaryFolder();
    const path = join(root, 'pets.tar.gz');
    writeFileSync(path, gzipSync(makeTar([...files].reverse().map(([name, bytes]) => ({ path: `${prefix}${name}`, bytes })))));
    return { path, cacheDir: join(root, 'cache') };
  };

  it.each(['', 'pets-1.0/', './'])('is imported with the prefix "%s" and in any order, once', async (prefix) => {
    const { path, cacheDir } = archive(FILES, prefix);
    const phases = new Set<string>();
    expectGood(await openDataset(path, { cacheDir, progress: ({ phase }) => phases.add(phase) }));
    expect([...phases]).toEqual(['unpack', 'import']);
    expectGood(await openDataset(path, { cacheDir, progress: () => { throw new Error('imported again'); } }));
  });

  it('names the file in it that is wrong', async () => {
    const { path, cacheDir } = archive(new Map([...FILES, ['train/cat/1.webp', Buffer.from('no image')]]), 'top/');
    const error = await dataErrorOf(openDataset(path, { cacheDir }));
    expect(error.message).toBe(`${path}:top/train/cat/1.webp is not a PNG, JPEG or WebP file, whatever its name says`);
    expect(cacheFiles(cacheDir)).toEqual([]);
  });

  it('with a file twice takes the first', async () => {
    const { path, cacheDir } = archive(FILES);
    const tar = makeTar([...[...FILES].map(([name, bytes]) => ({ path: name, bytes })), { path: 'train/cat/0.png', bytes: Buffer.from('no image') }]);
    writeFileSync(path, tar);
    expectGood(await openDataset(path, { cacheDir }));
  });

  it('that holds nothing of the kind is refused', async () => {
    const { path, cacheDir } = archive(new Map([['notes.txt', Buffer.from('x')]]));
    expect((await dataErrorOf(openDataset(path, { cacheDir }))).message).toBe(`${path} holds neither train/ and test/ nor the files of CIFAR-10`);
    writeFileSync(path, 'no archive');
    expect((await dataErrorOf(openDataset(path, { cacheDir }))).message).toBe(`${path}: not a tar archive, or one that is cut short`);
  });
});

describe('openImage', () => {
  it('gives a file as the net takes it', async () => {
    const file = join(temporaryFolder(), 'one.png');
    writeFileSync(file, await encode(pixelsOf(1)));
    expect(Buffer.from(await openImage(file, [HEIGHT, WIDTH, 3]))).toEqual(pixelsOf(1));
    expect(await openImage(file, [HEIGHT, WIDTH, 1])).toHaveLength(30);
    await expect(openImage(file, [HEIGHT, WIDTH, 2])).rejects.toThrow(DataError);
    expect((await dataErrorOf(openImage(file, [8, 8, 3]))).message).toBe(`${file} is 6x5; expected 8x8`);
    expect((await dataErrorOf(openImage(`${file}x`, [8, 8, 3]))).kind).toBe('input');
  });
});
