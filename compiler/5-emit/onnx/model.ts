// ONNX models as plain data, and their bytes. Field numbers are those of onnx.proto3 of the ONNX repository, IR version 8.

import { bytes, finish, float, integer, message, repeated, text } from './protobuf.ts';
import type { Encoded } from './protobuf.ts';

/** The version of the file format, and of the operators that its nodes mean (ONNX 1.12, 2022). */
const IR_VERSION = 8;
const OPSET = 17;

export type ElementType = 'float' | 'int32' | 'int64' | 'bool';
const ELEMENT: { readonly [T in ElementType]: number } = { float: 1, int32: 6, int64: 7, bool: 9 };

/** The number by which an operator's attribute, such as that of Cast, names an element type. */
export const elementCode = (type: ElementType): number => ELEMENT[type];

export interface OnnxTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  /** Little-endian. */
  readonly data: Uint8Array;
}

export type OnnxAttribute = { readonly int: number } | { readonly float: number } | { readonly string: string } | { readonly ints: readonly number[] };

export interface OnnxNode {
  /** The operator. */
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  readonly doc: string;
}

/** A value's type; a dimension that is a text is one that the caller chooses. */
export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
  readonly doc?: string;
}

export interface OnnxModel {
  readonly name: string;
  readonly producer: { readonly name: string; readonly version: string };
  readonly doc: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: readonly OnnxTensor[];
  readonly nodes: readonly OnnxNode[];
  /** Types of values between. */
  readonly values: readonly OnnxValue[];
}

const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 };

function attribute([name, value]: readonly [string, OnnxAttribute]): Encoded {
  const kind = Object.keys(value)[0] as keyof typeof ATTRIBUTE_TYPE;
  const content: Encoded =
    'int' in value ? integer(3, value.int) : 'float' in value ? float(2, value.float) : 'string' in value ? text(4, value.string) : repeated(value.ints, (item) => integer(8, item));
  return message(5, [text(1, name), content, integer(20, ATTRIBUTE_TYPE[kind])]);
}

const node = ({ op, name, inputs, output, attributes, doc }: OnnxNode): Encoded =>
  message(1, [repeated(inputs, (input) => text(1, input)), text(2, output), text(3, name), text(4, op), repeated(Object.entries(attributes), attribute), text(6, doc)]);

const tensor = ({ name, type, dims, data }: OnnxTensor): Encoded =>
  message(5, [repeated(dims, (dim) => integer(1, dim)), integer(2, ELEMENT[type]), text(8, name), bytes(9, data)]);

const value = (field: number) => ({ name, type, shape, doc }: OnnxValue): Encoded => {
  const dims = message(2, [repeated(shape, (dim) => message(1, [typeof dim === 'number' ? integer(1, dim) : text(2, dim)]))]);
  return message(field, [text(1, name), message(2, [message(1, [integer(1, ELEMENT[type]), dims])]), ...(doc === undefined ? [] : [text(3, doc)])]);
};

/** Files that are read with protocol buffers end here. */
const MAX_BYTES = 2 ** 31 - 1;

/** The file's bytes. Throws RangeError above 2 GiB, more than the format holds in one file. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const graph = message(7, [
    repeated(model.nodes, node),
    text(2, model.name),
    repeated(model.initializers, tensor),
    repeated(model.inputs, value(11)),
    repeated(model.outputs, value(12)),
    repeated(model.values, value(13)),
  ]);
  const parts = [
    integer(1, IR_VERSION),
    text(2, model.producer.name),
    text(3, model.producer.version),
    integer(5, 1),
    text(6, model.doc),
    graph,
    message(8, [text(1, ''), integer(2, OPSET)]),
    repeated(Object.entries(model.metadata), ([key, content]) => message(14, [text(1, key), text(2, content)])),
  ];
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  if (total > MAX_BYTES) throw new RangeError(`the ONNX file would have ${total} bytes; the format ends at ${MAX_BYTES}`);
  return finish({ length: total, pieces: parts.flatMap(({ pieces }) => pieces) });
}
