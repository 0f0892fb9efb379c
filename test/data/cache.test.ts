// The cached form: what is written reads back, what is damaged is made again, and nothing is ever half there.

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { homedir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { cacheDirectory, cached, locked, readCached, writeCached } from '../../runtime/data/cache.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { dataErrorOf, randomDataset, temporaryFolder } from './helpers.ts';

const small = randomDataset(7, 5);
const manyClasses: Dataset = (() => {
  const dataset = randomDataset(300, 300, [1, 2, 1], 300);
  const labels = Uint16Array.from({ length: 300 }, (_, i) => 299 - i);
  return { ...dataset, train: { ...dataset.train, labels }, test: { ...dataset.test, labels } };
})();

const same = (actual: Dataset | undefined, expected: Dataset): void => {
  if (!actual) throw new Error('nothing was read');
  const plain = ({ train, test, ...rest }: Dataset) => ({
    ...rest, splits: [train, test].map(({ count, images, labels }) => ({ count, images: [...images], labels: [...labels], bytes: labels.BYTES_PER_ELEMENT })),
  });
  expect(plain(actual)).toEqual(plain(expected));
};

describe('cacheDirectory', () => {
  it.each([
    [{ ZZ_CACHE: '/data/zz', XDG_CACHE_HOME: '/xdg' }, 'linux', '/data/zz'],
    [{ ZZ_CACHE: 'here' }, 'linux', resolve('here')],
    [{ XDG_CACHE_HOME: '/xdg' }, 'darwin', '/xdg/zigzag'],
    [{}, 'linux', join(homedir(), '.cache/zigzag')],
    [{ ZZ_CACHE: '' }, 'darwin', join(homedir(), 'Library/Caches/zigzag')],
    [{ LOCALAPPDATA: '/local' }, 'win32', join('/local', 'zigzag', 'Cache')],
  ] as const)('%o on %s is %s', (env, platform, expected) => {
    expect(cacheDirectory(env, platform)).toBe(expected);
  });
});

describe('the cached form', () => {
  it.each([['small', small], ['of 300 classes', manyClasses]] as const)('reads back as it was (%s)', async (_, dataset) => {
    const folder = join(temporaryFolder(), 'deep', 'set');
    await writeCached(folder, 'source 1', dataset);
    same(await readCached(folder, 'source 1'), dataset);
    expect(readdirSync(folder).sort()).toEqual(['index.json', expect.stringMatching(/^test-[0-9a-f]{16}\.bin$/), expect.stringMatching(/^train-[0-9a-f]{16}\.bin$/)]);
    expect(await readCached(folder, 'source 2')).toBeUndefined();
  });

  it('is made once', async () => {
    const folder = temporaryFolder();
    let made = 0;
    const make = async (): Promise<Dataset> => { made++; return small; };
    same(await cached(folder, 's', make), small);
    same(await cached(folder, 's', make), small);
    expect(made).toBe(1);
    await cached(folder, 'changed', make);
    expect(made).toBe(2);
  });

  const fileOf = (folder: string, split: string): string => join(folder, readdirSync(folder).find((name) => name.startsWith(split)) ?? '');
  const edit = (file: string, change: (bytes: Buffer) => void): void => {
    const bytes = readFileSync(file);
    change(bytes);
    writeFileSync(file, bytes);
  };
  it.each<[string, (folder: string) => void]>([
    ['no index', (folder) => { rmSync(join(folder, 'index.json')); }],
    ['half an index', (folder) => { truncateSync(join(folder, 'index.json'), 100); }],
    ['an index of null', (folder) => { writeFileSync(join(folder, 'index.json'), 'null'); }],
    ['another version', (folder) => { edit(join(folder, 'index.json'), (bytes) => { bytes.write('"version": 9', bytes.indexOf('"version": 1')); }); }],
    ['a missing split', (folder) => { rmSync(fileOf(folder, 'train')); }],
    ['a short split', (folder) => { truncateSync(fileOf(folder, 'test'), 100); }],
    ['a long split', (folder) => { appendFileSync(fileOf(folder, 'test'), 'x'); }],
    ['an empty split', (folder) => { truncateSync(fileOf(folder, 'test'), 0); }],
    ['an altered pixel', (folder) => { edit(fileOf(folder, 'train'), (bytes) => { bytes[40] = (bytes[40] ?? 0) ^ 1; }); }],
    ['an altered label', (folder) => { edit(fileOf(folder, 'test'), (bytes) => { bytes[bytes.length - 1] = 250; }); }],
    ['an altered magic', (folder) => { edit(fileOf(folder, 'train'), (bytes) => { bytes[0] = 0; }); }],
    ['another count in the index', (folder) => { edit(join(folder, 'index.json'), (bytes) => { bytes.write('"count": 8', bytes.indexOf('"count": 7')); }); }],
  ])('is made again after damage: %s', async (_, damage) => {
    const folder = temporaryFolder();
    await writeCached(folder, 's', small);
    damage(folder);
    expect(await readCached(folder, 's')).toBeUndefined();
    same(await cached(folder, 's', async () => small), small);
    same(await readCached(folder, 's'), small);
  });

  it('does not see what a killed import left, and clears it away when it is old', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, '.train-0000000000000000.bin.1.aa.tmp'), 'half a file');
    writeFileSync(join(folder, 'train-0000000000000000.bin'), 'without an index');
    writeFileSync(join(folder, '.index.json.1.bb.tmp'), '{');
    expect(await readCached(folder, 's')).toBeUndefined();
    utimesSync(join(folder, 'train-0000000000000000.bin'), new Date(0), new Date(0));
    utimesSync(join(folder, '.index.json.1.bb.tmp'), new Date(0), new Date(0));
    await writeCached(folder, 's', small);
    same(await readCached(folder, 's'), small);
    expect(readdirSync(folder).filter((name) => name.includes('000000') || name.includes('.tmp'))).toEqual(['.train-0000000000000000.bin.1.aa.tmp']);
  });

  it('stays as it was when making the new one fails', async () => {
    const folder = temporaryFolder();
    await writeCached(folder, 'old', small);
    const before = readdirSync(folder);
    await expect(cached(folder, 'new', async () => { throw new Error('no'); })).rejects.toThrow('no');
    expect(readdirSync(folder)).toEqual(before);
    same(await readCached(folder, 'old'), small);
  });

  it('is whole after many imports at the same time', async () => {
    const folder = temporaryFolder();
    const others = randomDataset(7, 5, [4, 5, 3], 2);
    await Promise.all(Array.from({ length: 12 }, (_, i) => writeCached(folder, i % 2 === 0 ? 'a' : 'b', i % 2 === 0 ? small : others)));
    const [a, b] = [await readCached(folder, 'a'), await readCached(folder, 'b')];
    expect([a, b].filter((found) => found === undefined)).toHaveLength(1);
    if (a) same(a, small);
    else same(b, others);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('says so where it cannot be written', async () => {
    const file = join(temporaryFolder(), 'a file');
    writeFileSync(file, '');
    const error = await dataErrorOf(writeCached(join(file, 'set'), 's', small));
    expect(error).toMatchObject({ kind: 'environment', advice: expect.stringContaining('ZZ_CACHE') as string });
  });
});

describe('locked', () => {
  it('runs one job at a time', async () => {
    const lock = join(temporaryFolder(), 'sub', 'x.lock');
    let running = 0;
    let most = 0;
    await Promise.all([1, 2, 3].map(() => locked(lock, async () => {
      most = Math.max(most, ++running);
      await new Promise((done) => setTimeout(done, 20));
      running--;
    })));
    expect(most).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });

  it('lets go when the job fails, and stops waiting when told to', async () => {
    const lock = join(temporaryFolder(), 'x.lock');
    await expect(locked(lock, async () => { throw new Error('no'); })).rejects.toThrow('no');
    expect(existsSync(lock)).toBe(false);
    mkdirSync(join(lock, '..'), { recursive: true });
    writeFileSync(lock, '');
    await expect(locked(lock, async () => 1, AbortSignal.timeout(30))).rejects.toThrow();
    expect(existsSync(lock)).toBe(true);
  });
});
