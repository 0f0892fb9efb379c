// The wire format of protocol buffers, as much of it as ONNX files need. https://protobuf.dev/programming-guides/encoding/

/** An encoded message, or a part of one: its bytes in pieces, so that large tensors are copied once, at the end. */
export interface Encoded {
  readonly length: number;
  readonly pieces: readonly Uint8Array[];
}

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

const one = (bytes: Uint8Array): Encoded => ({ length: bytes.length, pieces: [bytes] });

/** Parts one after the other: the fields of a message in any order, or of several messages. */
const join = (parts: readonly Encoded[]): Encoded => ({ length: parts.reduce((sum, { length }) => sum + length, 0), pieces: parts.flatMap(({ pieces }) => pieces) });

/** Seven bits a byte, the lowest first; negative numbers as 64 bits in two's complement. */
function varint(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

const key = (field: number, wire: number): number[] => varint((field << 3) | wire);

/** A whole number: int32, int64, bool or an enumeration. */
export const integer = (field: number, value: number | bigint): Encoded => one(Uint8Array.from([...key(field, VARINT), ...varint(value)]));

export function float(field: number, value: number): Encoded {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return one(Uint8Array.from([...key(field, FIXED32), ...bytes]));
}

export const bytes = (field: number, value: Uint8Array): Encoded => join([one(Uint8Array.from([...key(field, BYTES), ...varint(value.length)])), one(value)]);

export const text = (field: number, value: string): Encoded => bytes(field, new TextEncoder().encode(value));

/** A message within a message. */
export const message = (field: number, parts: readonly Encoded[]): Encoded => {
  const inner = join(parts);
  return join([one(Uint8Array.from([...key(field, BYTES), ...varint(inner.length)])), inner]);
};

/** One field for each of a list's items. */
export const repeated = <T>(items: readonly T[], encode: (item: T) => Encoded): Encoded => join(items.map(encode));

/** All bytes. */
export function finish({ length, pieces }: Encoded): Uint8Array {
  const result = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}
