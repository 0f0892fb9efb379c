// Reading tar archives: all name forms, and every hostile or damaged archive refused by name.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { archiveFile } from '../../runtime/data/archive-file.ts';
import { readTar, type TarLimits } from '../../runtime/data/tar.ts';
import { uniforms } from '../../runtime/random.ts';
import { dataErrorOf, makeTar, temporaryFolder, type TarEntry } from './helpers.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function read(contents: Uint8Array, limits?: TarLimits): Promise<[path: string, text: string][]> {
  const archive = join(temporaryFolder(), 'a.tar.gz');
  writeFileSync(archive, contents);
  const files: [string, string][] = [];
  for await (const file of readTar(await archiveFile(archive), undefined, limits)) files.push([file.path, Buffer.from(file.bytes).toString()]);
  return files;
}

const readError = async (contents: Uint8Array, limits?: TarLimits): Promise<string> => {
  const error = await dataErrorOf(read(contents, limits));
  expect(error.kind).toBe('input');
  expect(error.message).toContain('a.tar.gz: ');
  return error.message.slice(error.message.indexOf('a.tar.gz: ') + 10);
};

const pax = (key: string, value: string): Uint8Array => {
  const record = (length: number): string => `${length} ${key}=${value}\n`;
  const length = [1, 2, 3, 4].map((digits) => record(0).length - 1 + digits).find((n) => Buffer.byteLength(record(n)) === n) ?? 0;
  return bytes(record(length));
};

describe('readTar', () => {
  it.each([['packed', gzipSync], ['plain', (tar: Buffer) => tar]] as const)('gives the files of a %s archive', async (_, pack) => {
    const long = `${'folder/'.repeat(20)}file`;
    const tar = makeTar([
      { path: 'dir/', type: '5' },
      { path: './dir//a.txt', bytes: bytes('A') },
      { path: 'empty' },
      { path: 'block', bytes: bytes('x'.repeat(512)) },
      { path: 'name', prefix: 'under/prefix', bytes: bytes('P') },
      { path: '././@LongLink', type: 'L', bytes: bytes(`${long}\0`) },
      { path: 'cut short', bytes: bytes('L') },
      { path: 'header', type: 'x', bytes: Buffer.concat([pax('mtime', '1.5'), pax('path', 'päx/näme')]) },
      { path: 'other', bytes: bytes('X') },
      { path: 'global', type: 'g', bytes: pax('comment', 'all') },
      { path: 'after', bytes: bytes('plain again') },
    ]);
    expect(await read(pack(tar))).toEqual([
      ['dir/a.txt', 'A'], ['empty', ''], ['block', 'x'.repeat(512)], ['under/prefix/name', 'P'], [long, 'L'], ['päx/näme', 'X'], ['after', 'plain again'],
    ]);
  });

  it('keeps the bytes of large files, in chunks of any size', async () => {
    const next = uniforms(1);
    const contents = Uint8Array.from({ length: 1_000_001 }, () => Math.floor(next() * 256));
    const archive = join(temporaryFolder(), 'large.tar.gz');
    writeFileSync(archive, gzipSync(makeTar([{ path: 'a', bytes: contents }, { path: 'b', bytes: bytes('end') }])));
    const heard: number[] = [];
    const files: Buffer[] = [];
    for await (const file of readTar(await archiveFile(archive), (done) => heard.push(done))) files.push(Buffer.from(file.bytes));
    expect(files[0]?.equals(contents)).toBe(true);
    expect(files[1]?.toString()).toBe('end');
    expect(heard.at(-1)).toBe(readFileSync(archive).length);
  });

  it.each<[string, TarEntry, string]>([
    ['a way out', { path: '../evil' }, 'the path "../evil" leads outside the archive'],
    ['a way out inside', { path: 'a/../../evil' }, 'the path "a/../../evil" leads outside the archive'],
    ['an absolute path', { path: '/etc/passwd' }, 'the path "/etc/passwd" is absolute'],
    ['a drive', { path: 'C:evil' }, 'the path "C:evil" is absolute'],
    ['a backslash', { path: 'a\\b' }, 'the path "a\\b" holds a backslash'],
    ['no name', { path: '' }, 'the path "" is not a name'],
    ['a symbolic link', { path: 'link', type: '2', link: '/etc/passwd' }, '"link" is a link'],
    ['a hard link', { path: 'link', type: '1', link: 'a' }, '"link" is a link'],
    ['a device', { path: 'null', type: '3' }, '"null" is neither a file nor a folder'],
    ['a fifo', { path: 'pipe', type: '6' }, '"pipe" is neither a file nor a folder'],
    ['a way out in an extended name', { path: 'x', type: 'L', bytes: bytes('../../evil\0') }, 'the path "../../evil" leads outside the archive'],
    ['a folder outside', { path: '../dir/', type: '5' }, 'the path "../dir/" leads outside the archive'],
    ['a wrong checksum', { path: 'a', badChecksum: true }, 'not a tar archive, or a damaged one (a header does not match its checksum)'],
    ['a huge name', { path: 'x', type: 'L', bytes: new Uint8Array(70_000) }, '"x" is too large (70000 bytes)'],
    ['a damaged extended header', { path: 'x', type: 'x', bytes: bytes('999 path=a\n') }, 'a damaged extended header'],
    ['an extended size without sense', { path: 'x', type: 'x', bytes: pax('size', '-5') }, '"next" has a size that makes no sense'],
  ])('refuses %s', async (_, entry, problem) => {
    expect(await readError(makeTar([{ path: 'ok', bytes: bytes('fine') }, entry, { path: 'next' }]))).toBe(problem);
  });

  it('refuses what is too large or too much', async () => {
    const tar = makeTar([{ path: 'a', bytes: new Uint8Array(600) }, { path: 'b', bytes: new Uint8Array(600) }]);
    expect(await readError(tar, { file: 599, total: 1e6, entries: 9 })).toBe('"a" is too large (600 bytes)');
    expect(await readError(tar, { file: 600, total: 1199, entries: 9 })).toBe('more than 1199 bytes when unpacked');
    expect(await readError(tar, { file: 600, total: 1200, entries: 1 })).toBe('more than 1 entries');
    expect(await read(tar, { file: 600, total: 1200, entries: 2 })).toHaveLength(2);
    expect(await readError(makeTar([{ path: 'a', size: 8 ** 11 - 1 }]))).toBe('"a" is too large (8589934591 bytes)');
  });

  it('refuses an archive that is cut short, wherever it is cut', async () => {
    const tar = makeTar([{ path: 'a', bytes: bytes('some text') }]);
    for (const length of [0, 1, 511]) expect(await readError(tar.subarray(0, length))).toBe('not a tar archive, or one that is cut short');
    for (const length of [512, 515, 1000, 1024]) expect(await readError(tar.subarray(0, length))).toBe('the archive is cut short');
    const packed = gzipSync(tar);
    for (const length of [3, 20, packed.length - 1]) expect(await readError(packed.subarray(0, length))).toBe('the archive is cut short');
  });

  it('refuses damaged data', async () => {
    const packed = gzipSync(makeTar([{ path: 'a', bytes: bytes('some text') }]));
    const damaged = Buffer.from(packed);
    damaged[packed.length - 6] = (damaged[packed.length - 6] ?? 0) ^ 1;
    expect(await readError(damaged)).toMatch(/^the compressed data are damaged/);
    expect(await readError(Buffer.alloc(2000, 'not an archive'))).toMatch(/^not a tar archive/);
  });
});
