// The dtypes that tensors of files may have, and their values as f32.

interface Dtype {
  /** Of one value. */
  readonly bytes: number;
  /** Little-endian values as f32, rounded to the nearest where they have more digits. */
  readonly floats: (bytes: Uint8Array) => Float32Array;
}

/** Values of `bytes` bytes each, which may begin anywhere. */
const each = (bytes: number, value: (view: DataView, at: number) => number): Dtype => ({
  bytes,
  floats(from) {
    const view = new DataView(from.buffer, from.byteOffset, from.length);
    const result = new Float32Array(from.length / bytes);
    for (let i = 0; i < result.length; i++) result[i] = value(view, bytes * i);
    return result;
  },
});

/** A view where the bytes lie on a multiple of four, a copy elsewhere. */
const viewed = (bytes: Uint8Array): Float32Array =>
  bytes.byteOffset % 4 === 0 ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : new Float32Array(new Uint8Array(bytes).buffer);

/** IEEE 754 binary16: a sign, five bits of exponent, ten of fraction. */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 31 ? (fraction === 0 ? Infinity : NaN) : exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 === 0 ? size : -size;
}

/** The upper halves of f32. */
function bfloats(bytes: Uint8Array): Float32Array {
  const result = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i += 2) result.set(bytes.subarray(i, i + 2), 2 * i + 2);
  return new Float32Array(result.buffer);
}

export const DTYPES = {
  F32: { bytes: 4, floats: viewed },
  F64: each(8, (view, at) => view.getFloat64(at, true)),
  F16: each(2, (view, at) => half(view.getUint16(at, true))),
  BF16: { bytes: 2, floats: bfloats },
} as const satisfies Readonly<Record<string, Dtype>>;

export type DtypeName = keyof typeof DTYPES;

export const isDtype = (name: unknown): name is DtypeName => typeof name === 'string' && Object.hasOwn(DTYPES, name);
