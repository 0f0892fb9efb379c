// Where the rules put ONNX nodes: values of the graph by id, in the layout that is asked for, and small constants by value.

import type { Node, ValueId } from '../../2-graph/graph.ts';
import { batchFactor } from '../../2-graph/types.ts';
import type { Dim, Shape } from '../../2-graph/types.ts';
import { laidOut, TO_NCHW, TO_NHWC } from '../image-layout.ts';
import type { ImageLayout } from '../image-layout.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './model.ts';

export interface WeightData {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What a rule writes with. Names are those of ONNX values. */
export interface Scope {
  /** Appends an operator, and gives the name of its result. */
  op(op: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): string;
  /** A value of the graph; one of four axes in the layout that it has, or in another. */
  value(id: ValueId, layout?: ImageLayout): string;
  shape(id: ValueId): Shape;
  layout(id: ValueId): ImageLayout;
  /** The operand of an element-wise operation whose result has `rank` axes and this layout. */
  aligned(id: ValueId, rank: number, layout: ImageLayout): string;
  /** A weight as convolutions take it, [out, in, height, width]. */
  filter(id: ValueId): string;
  /** Numbers as a vector, and one number. */
  ints(values: readonly number[]): string;
  floats(values: readonly number[]): string;
  number(value: number): string;
  /** A tensor by a name of its own. */
  array(name: string, values: WeightData): string;
  /** A shape as a vector that is known once the batch is. */
  shapeVector(shape: Shape): string;
  /** One value in every element. */
  filled(shape: Shape, value: number): string;
}

/** Everything that was written. */
export interface Written {
  readonly nodes: OnnxNode[];
  readonly initializers: OnnxTensor[];
}

export interface ScopeParts {
  readonly byId: ReadonlyMap<ValueId, Node>;
  readonly layouts: ReadonlyMap<ValueId, ImageLayout>;
  /** Weights and states. */
  readonly tensors: ReadonlyMap<ValueId, WeightData>;
  /** The names of values that have been written. */
  readonly names: ReadonlyMap<ValueId, string>;
  /** A graph's input whose first axis is the batch, or a multiple of it. */
  readonly batched: { readonly name: string; readonly factor: number } | undefined;
  /** The node that is written at the moment. */
  readonly place: () => { readonly label: string; readonly doc: string; readonly id: string };
}

export function createScope(parts: ScopeParts): Scope & Written {
  const { byId, layouts, tensors, names, batched, place } = parts;
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const made = new Map<string, string>();
  const taken = new Map<string, number>();
  /** A new name: the wanted one, or with a number behind it. */
  const fresh = (wanted: string): string => {
    const count = (taken.get(wanted) ?? 0) + 1;
    taken.set(wanted, count);
    return count === 1 ? wanted : `${wanted}/${count}`;
  };
  const once = (key: string, make: () => string): string => {
    const known = made.get(key) ?? make();
    made.set(key, known);
    return known;
  };
  const nodeOf = (id: ValueId): Node => {
    const node = byId.get(id);
    if (!node) throw new Error(`no value %${id}`);
    return node;
  };
  const shape = (id: ValueId): Shape => nodeOf(id).type.shape;
  const layout = (id: ValueId): ImageLayout => layouts.get(id) ?? 'nhwc';

  const op: Scope['op'] = (kind, inputs, attributes = {}) => {
    const { label, doc, id } = place();
    const output = fresh(`${id}/${kind}`);
    nodes.push({ op: kind, name: fresh(label), inputs, output, attributes, doc });
    return output;
  };
  const constant = (key: string, contents: Omit<OnnxTensor, 'name'>): string =>
    once(key, () => {
      initializers.push({ ...contents, name: key });
      return key;
    });
  const ints: Scope['ints'] = (values) => constant(`=[${values.join(',')}]`, { type: 'int64', dims: [values.length], data: int64s(values) });
  const tensor = (name: string, dims: readonly number[], data: Float32Array): string => constant(name, { type: 'float', dims, data: float32s(data) });
  const floats: Scope['floats'] = (values) => tensor(`=f[${values.join(',')}]`, [values.length], Float32Array.from(values));
  const array: Scope['array'] = (name, { shape: dims, data }) => tensor(name, dims, data);
  const number: Scope['number'] = (value) => tensor(`=${Object.is(value, -0) ? '-0' : value}`, [], Float32Array.of(value));

  /** A weight or state in a form of its own: reshaped and with its axes reordered, when the file is written. */
  const stored = (id: ValueId, form: string, reordered: (found: WeightData) => WeightData): string =>
    once(`${id}:${form}`, () => {
      const found = tensors.get(id);
      if (!found) throw new RangeError(`no values for %${id}`);
      const { shape: dims, data } = reordered(found);
      return tensor(fresh(id), dims, data);
    });
  const isStored = (id: ValueId): boolean => ['weight', 'state'].includes(nodeOf(id).kind);

  const value: Scope['value'] = (id, wanted) => {
    const node = nodeOf(id);
    if (isStored(id)) return stored(id, 'as it is', (found) => found);
    if (node.kind === 'constant') return filled(laidOut(shape(id), wanted ?? 'nhwc'), node.attrs.value);
    const name = names.get(id);
    if (name === undefined) throw new Error(`%${id} is not written yet`);
    const own = layout(id);
    if (wanted === undefined || wanted === own || shape(id).length !== 4) return name;
    return once(`${id}:${wanted}`, () => op('Transpose', [name], { perm: { ints: wanted === 'nchw' ? TO_NCHW : TO_NHWC } }));
  };

  const aligned: Scope['aligned'] = (id, rank, wanted) => {
    const dims = shape(id);
    const node = nodeOf(id);
    if (node.kind === 'constant' && dims.every((dim) => dim === 1)) return number(node.attrs.value);
    if (rank !== 4 || wanted === 'nhwc' || dims.length === 0 || (dims.length === 4 && !isStored(id) && node.kind !== 'constant')) return value(id, rank === 4 ? wanted : 'nhwc');
    // Axes are aligned at the last, where the channels would be: they are spelt out before they are moved.
    const spread = [...Array.from({ length: 4 - dims.length }, () => 1 as Dim), ...dims];
    if (node.kind === 'constant') return filled(TO_NCHW.map((axis) => spread[axis] ?? 1), node.attrs.value);
    if (isStored(id)) return stored(id, 'spread', ({ data }) => permuted({ shape: spread.map(Number), data }, TO_NCHW));
    return once(`${id}:spread`, () => {
      const wide = dims.length === 4 ? value(id, 'nhwc') : op('Reshape', [value(id), ints(withOpenBatch(spread))]);
      return op('Transpose', [wide], { perm: { ints: TO_NCHW } });
    });
  };

  const filter: Scope['filter'] = (id) => {
    const outIn = [3, 2, 0, 1];
    return isStored(id) ? stored(id, 'filter', (found) => permuted(found, outIn)) : op('Transpose', [value(id, 'nhwc')], { perm: { ints: outIn } });
  };

  const batch = (factor: number): string => {
    if (!batched) throw new Error('no input has the batch as its first axis');
    const one = once('batch', () => op('Shape', [batched.name], { start: { int: 0 }, end: { int: 1 } }));
    return factor === batched.factor ? one : once(`batch:${factor}`, () => op('Div', [op('Mul', [one, ints([factor])]), ints([batched.factor])]));
  };
  const shapeVector: Scope['shapeVector'] = (dims) => {
    if (dims.every((dim) => typeof dim === 'number')) return ints(dims.map(Number));
    return once(`shape:${dims.join()}`, () => op('Concat', dims.map((dim) => (typeof dim === 'number' ? ints([dim]) : batch(batchFactor(dim)))), { axis: { int: 0 } }));
  };
  const filled: Scope['filled'] = (dims, fill) =>
    dims.length === 0 ? number(fill) : once(`filled:${dims.join()}:${fill}`, () => op('Expand', [number(fill), shapeVector(dims)]));

  return { nodes, initializers, op, value, shape, layout, aligned, filter, ints, floats, number, array, shapeVector, filled };
}

/** For Reshape and the like: dimensions of which at most one, the batch, is left for the runtime to find. */
export const withOpenBatch = (shape: Shape): number[] => shape.map((dim) => (typeof dim === 'number' ? dim : -1));

/** The tensor with its axes in another order: axis i of the result is axis perm[i]. */
function permuted({ shape, data }: WeightData, perm: readonly number[]): WeightData {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const dims = perm.map((axis) => shape[axis] ?? 1);
  const steps = perm.map((axis) => strides[axis] ?? 1);
  const result = new Float32Array(data.length);
  const index = dims.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from] as number;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const step = steps[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      from += step;
      if ((index[axis] as number) < (dims[axis] as number)) break;
      from -= step * (dims[axis] as number);
      index[axis] = 0;
    }
  }
  return { shape: dims, data: result };
}

function float32s(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => { view.setFloat32(4 * i, value, true); });
  return bytes;
}

function int64s(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => { view.setBigInt64(8 * i, BigInt(value), true); });
  return bytes;
}
