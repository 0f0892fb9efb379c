// The safetensors format: a u64 header length, a JSON header, then the tensors' bytes, all little-endian as every engine with typed arrays is today.
// Hostile files are refused before anything is allocated for them: beside the file's own bytes, reading takes room for its header, and for values that are not f32.

import { DTYPES, isDtype, type DtypeName } from './dtypes.ts';
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
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

interface Header {
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes a header may have: some 40,000 tensors. The format allows 100 MB, whose JSON would take gigabytes. */
const MAX_HEADER = 4 * 2 ** 20;
/** Levels of a header's JSON: tensors, what is said of each, its shape. */
const MAX_DEPTH = 3;
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
    bytes.set(bytesOf(data), at);
    at += data.byteLength;
  }
  return bytes;
}

/** A view of an array's bytes. */
export const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** The length of the header that a file of `size` bytes begins with. Throws RunError where the file cannot be as long as it says. */
export function headerLength(name: string, start: Uint8Array, size: number): number {
  if (size < 8 || start.length < 8) throw broken(name, `it has ${size} bytes, fewer than the 8 of the header's length`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(Math.min(size - 8, MAX_HEADER))) {
    throw broken(name, `its header claims ${length} bytes; the file has ${size - 8} after the length, and a header at most ${MAX_HEADER.toLocaleString('en')}`);
  }
  return Number(length);
}

/**
 * The tensors of a file as f32: views of `bytes` where they are f32 and lie on multiples of four, copies elsewhere. `name` says in errors what was read.
 * Throws RunError on a file that is damaged, hostile or holds other dtypes.
 */
export function decodeSafetensors(name: string, bytes: Uint8Array): TensorFile {
  const start = 8 + headerLength(name, bytes, bytes.length);
  const { entries, metadata } = parseHeader(name, bytes.subarray(8, start), bytes.length - start);
  const tensors = new Map<string, StoredTensor>();
  for (const entry of entries) tensors.set(entry.name, { shape: entry.shape, data: DTYPES[entry.dtype].floats(bytes.subarray(start + entry.start, start + entry.end)) });
  return { tensors, metadata };
}

export const broken = (name: string, why: string): RunError => new RunError(`${name} is not a sound safetensors file: ${why}`, 'Use a whole one, or train again. ONNX files and pickled PyTorch files are no safetensors files.');

/** Checks everything the header says against the `payload` bytes that follow it. */
function parseHeader(file: string, bytes: Uint8Array, payload: number): Header {
  const fail = (why: string): never => {
    throw broken(file, why);
  };
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail('its header is not UTF-8');
  }
  if (deeperThan(MAX_DEPTH, text)) fail('its header is no JSON of tensors: it is nested too deep');
  try {
    json = JSON.parse(text);
  } catch {
    return fail('its header is not JSON');
  }
  if (!text.startsWith('{') || !isRecord(json)) return fail('its header is not a JSON object');
  const twice = duplicateKey(text);
  if (twice !== undefined) fail(`its header has the name ${quote(twice)} twice`);

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
    if (start < expected) fail(`tensor ${quote(name)} overlaps another one`);
    if (start > expected) fail(`bytes ${expected} to ${start} belong to no tensor`);
    expected = end;
  }
  if (expected !== payload) fail(`its tensors end at byte ${expected}, its data at byte ${payload}`);
  return { entries, metadata };
}

function parseEntry(name: string, value: unknown, payload: number, fail: (why: string) => never): Entry {
  const label = `tensor ${quote(name)}`;
  if (!isRecord(value)) return fail(`${label} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) return fail(`${label} has dtype ${shorten(JSON.stringify(dtype) ?? 'none')}; expected ${Object.keys(DTYPES).join(', ')}`);
  if (!isCounts(shape)) return fail(`${label} has no shape of whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`${label} has no pair of offsets`);
  const [start = 0, end = 0] = offsets;
  if (start > end || end > payload) fail(`${label} lies at bytes ${start} to ${end} of ${payload}`);
  const size = shape.reduce((a, b) => a * b, DTYPES[dtype].bytes);
  if (size !== end - start) fail(`${label} of shape [${shorten(shape.join(','))}] needs ${size} bytes and has ${end - start}`);
  return { name, dtype, shape, start, end };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);

/** Names as JSON: control characters of a hostile file do not reach the terminal. */
const quote = (text: string): string => JSON.stringify(shorten(text));
const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text);

/** Whether brackets outside strings are nested more than `limit` deep in what may be JSON. */
function deeperThan(limit: number, text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (quoted && sign === '\\') i++;
    else if (sign === '"') quoted = !quoted;
    else if (!quoted && (sign === '[' || sign === '{') && ++depth > limit) return true;
    else if (!quoted && (sign === ']' || sign === '}')) depth--;
  }
  return false;
}

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
