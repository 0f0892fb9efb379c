// Reads and writes the safetensors format: a u64 header length, a JSON header, then the tensors' bytes. Hostile files are refused before anything is allocated for them.

import { open } from 'node:fs/promises';
import { RunError } from './errors.ts';

export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

interface Header {
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit on the header. */
const MAX_HEADER = 100_000_000;
const METADATA = '__metadata__';

/** The file's bytes: tensors in the map's order, f32 little-endian, header padded with spaces so that they start 8-aligned. */
export function encodeSafetensors({ tensors, metadata }: TensorFile): Uint8Array {
  let offset = 0;
  const entries = [...tensors].map(([name, { shape, data }]) => {
    const start = offset;
    offset += data.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [start, offset] }] as const;
  });
  const json = new TextEncoder().encode(JSON.stringify({ [METADATA]: metadata, ...Object.fromEntries(entries) }));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + offset).fill(0x20, 8, 8 + headerLength);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(headerLength), true);
  bytes.set(json, 8);
  let at = 8 + headerLength;
  for (const { data } of tensors.values()) {
    for (const value of data) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  return bytes;
}

/**
 * The tensors of a file of f32 tensors.
 * Throws RunError on a file that is damaged, hostile or holds other dtypes; system errors of `open` and `read` pass through.
 */
export async function readSafetensors(path: string): Promise<TensorFile> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const read = async (start: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, start);
      if (bytesRead !== length) throw broken(path, 'it ends early');
      return bytes;
    };
    if (size < 8) throw broken(path, `it has ${size} bytes, fewer than the 8 of the header's length`);
    const headerLength = new DataView((await read(0, 8)).buffer).getBigUint64(0, true);
    if (headerLength > BigInt(Math.min(size - 8, MAX_HEADER))) {
      throw broken(path, `its header claims ${headerLength} bytes; the file has ${size - 8} after the length, and a header at most ${MAX_HEADER}`);
    }
    const start = 8 + Number(headerLength);
    const { entries, metadata } = parseHeader(path, await read(8, Number(headerLength)), size - start);
    const tensors = new Map<string, StoredTensor>();
    for (const entry of entries) tensors.set(entry.name, { shape: entry.shape, data: floats(await read(start + entry.start, entry.end - entry.start)) });
    return { tensors, metadata };
  } finally {
    await file.close();
  }
}

function floats(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

const broken = (path: string, why: string): RunError => new RunError(`${path} is not a sound safetensors file: ${why}`, 'Use a file written by zz train, or train again.');

/** Checks everything the header says against the `payload` bytes that follow it. */
function parseHeader(path: string, bytes: Uint8Array, payload: number): Header {
  const fail = (why: string): never => {
    throw broken(path, why);
  };
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail('its header is not UTF-8');
  }
  try {
    json = JSON.parse(text);
  } catch {
    return fail('its header is not JSON');
  }
  if (!text.startsWith('{') || !isRecord(json)) return fail('its header is not a JSON object');
  const twice = duplicateKey(text);
  if (twice !== undefined) fail(`its header has the name "${shorten(twice)}" twice`);

  const entries: Entry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === METADATA) {
      if (!isRecord(value) || !Object.values(value).every((v) => typeof v === 'string')) fail('its metadata is not a map of strings');
      metadata = value as Record<string, string>;
    } else {
      entries.push(parseEntry(name, value, payload, fail));
    }
  }
  let expected = 0;
  for (const { name, start, end } of entries.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (start < expected) fail(`tensor "${shorten(name)}" overlaps another one`);
    if (start > expected) fail(`bytes ${expected} to ${start} belong to no tensor`);
    expected = end;
  }
  if (expected !== payload) fail(`its tensors end at byte ${expected}, its data at byte ${payload}`);
  return { entries, metadata };
}

function parseEntry(name: string, value: unknown, payload: number, fail: (why: string) => never): Entry {
  const label = `tensor "${shorten(name)}"`;
  if (!isRecord(value)) return fail(`${label} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (dtype !== 'F32') fail(`${label} has dtype ${shorten(JSON.stringify(dtype) ?? 'none')}; expected "F32"`);
  if (!isCounts(shape)) return fail(`${label} has no shape of whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`${label} has no pair of offsets`);
  const [start = 0, end = 0] = offsets;
  if (start > end || end > payload) fail(`${label} lies at bytes ${start} to ${end} of ${payload}`);
  const size = shape.reduce((a, b) => a * b, 4);
  if (size !== end - start) fail(`${label} of shape [${shorten(shape.join(','))}] needs ${size} bytes and has ${end - start}`);
  return { name, shape, start, end };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text);

/** A key that an object of this valid JSON text has twice, at any depth; JSON.parse would keep the last one silently. */
function duplicateKey(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // a set of keys for an object, undefined for a list
  let last = '';
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (c === '{') open.push(new Set());
    else if (c === '[') open.push(undefined);
    else if (c === '}' || c === ']') open.pop();
    else if (c === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
      last = json.slice(start, i + 1);
    } else if (c === ':') {
      const key = JSON.parse(last) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
