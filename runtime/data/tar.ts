// Reads tar archives (ustar, GNU and pax names) as a stream of plain files; what could do harm is refused. Runs in browsers too.

import { DataError } from './dataset.ts';

export interface TarFile {
  /** Relative, with `/` between folders, free of `.` and `..`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** An archive wherever it is kept. */
export interface Archive {
  readonly name: string;
  /** What it takes packed. */
  readonly bytes: number;
  /** Its contents, unpacked, from the beginning. `onBytes` hears how much of the archive has been read. Throws DataError where the packed data are damaged. */
  readonly unpack: (onBytes: (done: number) => void) => AsyncIterable<Uint8Array>;
}

export interface TarLimits {
  /** The most bytes of one file, of all files, and the most entries. */
  readonly file: number;
  readonly total: number;
  readonly entries: number;
}

const LIMITS: TarLimits = { file: 2 ** 28, total: 2 ** 36, entries: 10_000_000 };

const BLOCK = 512;
/** Type flags of entries that are kept or passed over; all others but links are refused alike. */
const FILES = ['0', '\0', '7'];
const FOLDER = '5';
/** Names longer than this in an extension header are an attack. */
const LONGEST_NAME = 65_536;

/** The error of an archive that cannot be read. */
export const archiveError = (name: string, problem: string): DataError =>
  new DataError('input', `${name}: ${problem}`, 'Get the archive again, or unpack it yourself and give the folder.', { file: name });

/**
 * The plain files of an archive, in their order. `onBytes` hears how much of it has been read.
 * Throws DataError, naming the archive and the entry, where it is damaged, cut short, too large, or holds links, devices or paths that lead outside.
 */
export async function* readTar({ name, unpack }: Archive, onBytes: (done: number) => void = () => undefined, limits: TarLimits = LIMITS): AsyncGenerator<TarFile> {
  const fail = (problem: string): never => {
    throw archiveError(name, problem);
  };
  let entries = 0;
  const source = reader(unpack(onBytes), () => fail(entries === 0 ? 'not a tar archive, or one that is cut short' : 'the archive is cut short'));
  let longName: string | undefined;
  let pax: ReadonlyMap<string, string> = new Map();
  let total = 0;
  for (;;) {
    const block = await source.take(BLOCK);
    // Reading on to the end of the stream checks the checksum of the compressed data.
    if (block.every((byte) => byte === 0)) return source.drain();
    const header = parseHeader(block) ?? fail('not a tar archive, or a damaged one (a header does not match its checksum)');
    const path = longName ?? pax.get('path') ?? header.path;
    const size = header.extension ? header.size : Number(pax.get('size') ?? header.size);
    if (!Number.isSafeInteger(size) || size < 0) fail(`"${path}" has a size that makes no sense`);
    if (++entries > limits.entries) fail(`more than ${limits.entries} entries`);
    if (size > (header.extension ? LONGEST_NAME : limits.file)) fail(`"${path}" is too large (${size} bytes)`);
    total += size;
    if (total > limits.total) fail(`more than ${limits.total} bytes when unpacked`);
    const bytes = await source.take(size);
    await source.take(-size & (BLOCK - 1));
    if (header.type === 'L') longName = text(bytes);
    else if (header.type === 'x') pax = paxRecords(bytes) ?? fail('a damaged extended header');
    else if (header.type !== 'g' && header.type !== 'K') {
      const unsafe = unsafety(path);
      if (unsafe) fail(`the path "${path}" ${unsafe}`);
      if (header.type === '1' || header.type === '2') fail(`"${path}" is a link`);
      if (![...FILES, FOLDER].includes(header.type)) fail(`"${path}" is neither a file nor a folder`);
      [longName, pax] = [undefined, new Map()];
      if (header.type !== FOLDER && !path.endsWith('/')) yield { path: path.split('/').filter((part) => part !== '.' && part !== '').join('/'), bytes };
    }
  }
}

/** Hands out bytes in the sizes asked for. */
function reader(unpacked: AsyncIterable<Uint8Array>, cutShort: () => never): { take: (count: number) => Promise<Uint8Array>; drain: () => Promise<void> } {
  const chunks = unpacked[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  return {
    async drain() {
      while (!(await chunks.next()).done);
    },
    async take(count) {
      const whole = new Uint8Array(count);
      for (let filled = 0; ; ) {
        const part = rest.subarray(0, count - filled);
        whole.set(part, filled);
        rest = rest.subarray(part.length);
        filled += part.length;
        if (filled === count) return whole;
        const next = await chunks.next();
        if (next.done) return cutShort();
        rest = next.value;
      }
    },
  };
}

interface Header {
  readonly path: string;
  readonly size: number;
  readonly type: string;
  /** Carries a name or attributes of the next entry, or of all, not a file. */
  readonly extension: boolean;
}

/** The header of a block; undefined where the checksum is wrong. */
function parseHeader(block: Uint8Array): Header | undefined {
  const field = (start: number, length: number): string => text(block.subarray(start, start + length));
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  if (parseInt(field(148, 8).trim(), 8) !== sum) return undefined;
  const prefix = field(257, 6).startsWith('ustar') && block[263] === 48 ? field(345, 155) : '';
  const type = String.fromCharCode(block[156] ?? 0);
  return { path: prefix ? `${prefix}/${field(0, 100)}` : field(0, 100), size: sizeField(block.subarray(124, 136)), type, extension: 'LKxg'.includes(type) };
}

/** Octal text, or (GNU) a big-endian number marked by its first bit. */
function sizeField(bytes: Uint8Array): number {
  if (((bytes[0] ?? 0) & 0x80) === 0) return /^[0-7]*$/.test(text(bytes).trim()) ? parseInt(text(bytes).trim() || '0', 8) : NaN;
  return bytes.subarray(1).reduce((total, byte) => total * 256 + byte, 0);
}

/** The text before the first NUL. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Records `length key=value\n`. */
function paxRecords(bytes: Uint8Array): Map<string, string> | undefined {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(32, at);
    const length = parseInt(utf8.decode(bytes.subarray(at, Math.max(at, space))), 10);
    if (space < 0 || !(length > space - at + 1) || at + length > bytes.length) return undefined;
    const record = utf8.decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf('=');
    if (equals < 0) return undefined;
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/** Why a path must not be used; undefined where it is plain. */
function unsafety(path: string): string | undefined {
  if (path === '' || path.includes('\0')) return 'is not a name';
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is absolute';
  if (path.includes('\\')) return 'holds a backslash';
  return path.split('/').includes('..') ? 'leads outside the archive' : undefined;
}
