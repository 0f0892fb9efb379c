// The safetensors reader and writer: round trips, agreement with the format, and hostile files.

import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunError } from '../../runtime/errors.ts';
import { encodeSafetensors, type StoredTensor } from '../../runtime/safetensors.ts';
import { readSafetensors } from '../../runtime/tensor-file.ts';

let dir: string;
let path: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zz-safetensors-'));
  path = join(dir, 'file.safetensors');
});
afterAll(() => rm(dir, { recursive: true }));

const tensor = (shape: number[], ...values: number[]): StoredTensor => ({ shape, data: Float32Array.from(values) });

const read = async (bytes: Uint8Array) => {
  await writeFile(path, bytes);
  return readSafetensors(path);
};

/** A file with this header text (or bytes), and `payload` bytes after it. */
function file(header: string | Uint8Array, payload = 0, claimed?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + payload);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const entry = (start: number, end: number, shape: unknown = [(end - start) / 4], dtype: unknown = 'F32') => JSON.stringify({ dtype, shape, data_offsets: [start, end] });

/** Tensors as bit patterns, so that NaNs and signed zeros count. */
const bits = (tensors: ReadonlyMap<string, StoredTensor>) =>
  [...tensors].map(([name, { shape, data }]) => [name, shape, [...new Uint32Array(Float32Array.from(data).buffer)]] as const).toSorted(([a], [b]) => (a < b ? -1 : 1));

describe('round trips', () => {
  test('any tensors and metadata come back bit for bit', async () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => text !== '__metadata__');
    const values = fc.float32Array({ maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.tuple(name, values), { selector: ([n]) => n, maxLength: 6 }), fc.dictionary(name, fc.string()), async (list, metadata) => {
        const tensors = new Map(list.map(([n, data]) => [n, { shape: [data.length, 1], data }]));
        const back = await read(encodeSafetensors({ tensors, metadata }));
        expect(bits(back.tensors)).toEqual(bits(tensors));
        expect({ ...back.metadata }).toEqual({ ...metadata });
      }),
      { seed: 678, numRuns: 60 },
    );
  });

  test('scalars, empty tensors, NaN and infinities', async () => {
    const tensors = new Map([['s', tensor([], 3)], ['empty', tensor([0, 5])], ['odd', tensor([2, 2], NaN, Infinity, -0, 1e-45)]]);
    const back = await read(encodeSafetensors({ tensors, metadata: {} }));
    expect(back.tensors).toEqual(tensors);
    expect(Object.is(back.tensors.get('odd')?.data[2], -0)).toBe(true);
  });

  test('values of other dtypes are read as f32, wherever they lie', async () => {
    const double = new DataView(new ArrayBuffer(16));
    [0.1, -1e300].forEach((value, i) => { double.setFloat64(8 * i, value, true); });
    const parts: readonly (readonly [dtype: string, bytes: readonly number[], values: readonly number[]])[] = [
      ['F16', [0x00, 0x3c, 0x55, 0x35, 0x00, 0xc0], [1, 0.333251953125, -2]],
      ['F64', [...new Uint8Array(double.buffer)], [Math.fround(0.1), -Infinity]],
      ['F32', [0, 0, 0x80, 0x3f], [1]],
      ['F16', [0x01, 0x00, 0xff, 0x03, 0x00, 0x04, 0xff, 0x7b, 0x00, 0x7c, 0x00, 0xfc, 0x01, 0x7c, 0x00, 0x80], [2 ** -24, 1023 * 2 ** -24, 2 ** -14, 65504, Infinity, -Infinity, NaN, -0]],
      ['BF16', [0x80, 0x3f, 0xc0, 0xff, 0x49, 0x40, 0x00, 0x80], [1, NaN, 3.140625, -0]],
    ];
    let at = 0;
    const header = parts.map(([dtype, bytes, values], i) => `"${i}":${entry(at, (at += bytes.length), [values.length], dtype)}`).join(',');
    const bytes = file(`{${header}}`, at);
    bytes.set(parts.flatMap(([, each]) => each), bytes.length - at);
    const { tensors } = await read(bytes);
    expect([...tensors.values()].map(({ data }) => [...data])).toEqual(parts.map(([, , values]) => values));
  });

  test('the bytes are those of the format', () => {
    const bytes = encodeSafetensors({ tensors: new Map([['w', tensor([1], 1)]]), metadata: { a: 'b' } });
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({ __metadata__: { a: 'b' }, w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } });
    expect([...bytes.subarray(8 + length)]).toEqual([0, 0, 0x80, 0x3f]);
  });
});

describe('hostile files', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['no bytes', new Uint8Array(), /has 0 bytes/],
    ['seven bytes', new Uint8Array(7), /has 7 bytes/],
    ['a header longer than the file', file('{}', 0, 3n), /claims 3 bytes/],
    ['a header of 2^63 bytes', file('{}', 0, 1n << 63n), /claims 9223372036854775808 bytes/],
    ['a header of 2^64 - 1 bytes', file('{}', 0, (1n << 64n) - 1n), /claims 18446744073709551615 bytes/],
    ['an empty header', file(''), /not JSON/],
    ['not JSON', file('{"a":'), /not JSON/],
    ['a list', file('[]'), /not a JSON object/],
    ['null', file('null'), /not a JSON object/],
    ['space before the brace', file(' {}'), /not a JSON object/],
    ['not UTF-8', file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), /not UTF-8/],
    ['a name twice', file(`{"w":${entry(0, 4)},"w":${entry(0, 4)}}`, 4), /name "w" twice/],
    ['a name twice, once escaped', file(`{"w":${entry(0, 4)},"\\u0077":${entry(0, 4)}}`, 4), /name "w" twice/],
    ['offsets twice', file('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}', 4), /name "data_offsets" twice/],
    ['metadata that is no map of strings', file('{"__metadata__":{"a":1}}'), /metadata/],
    ['metadata that is a list', file('{"__metadata__":["a"]}'), /metadata/],
    ['another dtype', file(`{"w":${entry(0, 4, [1], 'I32')}}`, 4), /dtype "I32"; expected F32, F64, F16, BF16/],
    ['a dtype that is a name of every object', file(`{"w":${entry(0, 4, [1], 'constructor')}}`, 4), /dtype "constructor"/],
    ['half as many bytes as its dtype needs', file(`{"w":${entry(0, 4, [1], 'F64')}}`, 4), /needs 8 bytes and has 4/],
    ['no dtype', file('{"w":{"shape":[1],"data_offsets":[0,4]}}', 4), /dtype none/],
    ['a number for an entry', file('{"w":1}'), /not described by an object/],
    ['null for an entry', file('{"w":null}'), /not described by an object/],
    ['a negative dimension', file(`{"w":${entry(0, 4, [-1, -1])}}`, 4), /no shape/],
    ['a fraction as dimension', file(`{"w":${entry(0, 4, [0.5, 2])}}`, 4), /no shape/],
    ['a text as shape', file(`{"w":${entry(0, 4, 'x')}}`, 4), /no shape/],
    ['a shape that overflows', file(`{"w":${entry(0, 4, [2 ** 52, 2 ** 52, 2 ** 52])}}`, 4), /needs .* bytes and has 4/],
    ['a shape of too few', file(`{"w":${entry(0, 8, [1])}}`, 8), /needs 4 bytes and has 8/],
    ['offsets beyond the data', file(`{"w":${entry(0, 8)}}`, 4), /bytes 0 to 8 of 4/],
    ['huge offsets', file(`{"w":${entry(0, 2 ** 50)}}`, 4), /of 4/],
    ['offsets backwards', file(`{"w":${entry(4, 0, [0])}}`, 4), /bytes 4 to 0/],
    ['negative offsets', file(`{"w":${entry(-4, 0, [1])}}`, 4), /no pair of offsets/],
    ['three offsets', file('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}', 4), /no pair of offsets/],
    ['overlap', file(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12), /"b" overlaps/],
    ['the same bytes twice', file(`{"a":${entry(0, 4)},"b":${entry(0, 4)}}`, 4), /overlaps/],
    ['a hole', file(`{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12), /bytes 4 to 8 belong to no tensor/],
    ['bytes left over', file(`{"a":${entry(0, 4)}}`, 9), /end at byte 4, its data at byte 9/],
    ['a deep header', file('['.repeat(100_000)), /nested too deep/],
    ['quotes without an end', file(`{"${'\\\\"'.repeat(200_000)}`), /not JSON/],
    ['a header of more than 4 MiB', file(`{"__metadata__":{"a":"${'b'.repeat(5_000_000)}"}}`), /a header at most 4,194,304/],
    ['control characters in a name', file(`{"\\u001b[31m":1}`), /tensor "\\u001b\[31m" is not described/],
    ['a deep valid header', file(`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`), /nested too deep/],
  ];
  test.each(cases)('%s', async (_, bytes, message) => {
    const error: unknown = await read(bytes).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RunError);
    expect((error as RunError).message).toMatch(message);
    expect((error as RunError).message.length).toBeLessThan(500);
  });

  test('a sparse file that claims gigabytes is refused without reading it', async () => {
    const handle = await open(path, 'w');
    await handle.write(file('', 0, 6_000_000_000n));
    await handle.truncate(8_000_000_000);
    await handle.close();
    const before = process.memoryUsage().arrayBuffers;
    await expect(readSafetensors(path)).rejects.toThrow('has 8,000,000,000 bytes; at most 2,147,483,648 are read');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
    await rm(path);
  });

  test('mutated files are read or refused, never anything else', async () => {
    const good = encodeSafetensors({ tensors: new Map([['w.1', tensor([2], 1, 2)], ['b', tensor([1], 3)]]), metadata: { k: 'v' } });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(good.length), async (edits, cut) => {
        const bytes = good.slice();
        for (const [at, value] of edits) bytes[at] = value;
        const error: unknown = await read(bytes.subarray(0, cut % 3 === 0 ? cut : bytes.length)).then(() => undefined, (thrown: unknown) => thrown);
        if (error !== undefined) expect(error).toBeInstanceOf(RunError);
      }),
      { seed: 21, numRuns: 300 },
    );
  });

  test('an absent file is a system error', async () => {
    await expect(readSafetensors(join(dir, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
