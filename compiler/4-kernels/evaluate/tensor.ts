// Concrete tensors of the evaluator: flat row-major storage, its shape, and the one indexing helper that movement and reductions share.

import { elementCount } from '../../2-graph/types.ts';

export type Storage = Float64Array | Float32Array | Int32Array;

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Storage;
}

/** The distance in elements between neighbours along each axis, row-major. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = (strides[axis + 1] as number) * (shape[axis + 1] as number);
  return strides;
}

/** For every element of a tensor of `shape`, in order, the offset that `strides` give it in another tensor. */
export function offsets(shape: readonly number[], strides: readonly number[]): Int32Array {
  let list = new Int32Array(1);
  shape.forEach((dim, axis) => {
    const stride = strides[axis] as number;
    const longer = new Int32Array(list.length * dim);
    for (let i = 0, n = 0; i < list.length; i++) {
      for (let j = 0; j < dim; j++) longer[n++] = (list[i] as number) + j * stride;
    }
    list = longer;
  });
  return list;
}

/** For every element of `to`, the offset in `from` of the element that broadcasts to it. */
export function broadcastOffsets(from: readonly number[], to: readonly number[]): Int32Array {
  const missing = to.length - from.length;
  const strides = stridesOf(from);
  return offsets(to, to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : (strides[axis - missing] as number))));
}

/** out[i] = x[from[i]] */
export function gather(out: Storage, x: Storage, from: Int32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = x[from[i] as number] as number;
}

/** The elements of x repeated to `shape`; x's own storage where nothing repeats. */
export function expand(x: Tensor, shape: readonly number[]): Storage {
  const count = elementCount(shape);
  if (x.data.length === count) return x.data;
  const data = new Float64Array(count);
  if (x.data.length === 1) return data.fill(x.data[0] as number);
  gather(data, x.data, broadcastOffsets(x.shape, shape));
  return data;
}

/** y[at..] += factor * x[from..], over `count` elements. */
export function axpy(y: Float64Array, at: number, factor: number, x: Float64Array, from: number, count: number): void {
  for (let i = 0; i < count; i++) y[at + i] = (y[at + i] as number) + factor * (x[from + i] as number);
}

/** A row-major matrix that lies in a larger array: where it starts, and how far its rows are apart. */
export interface Block {
  readonly data: Float64Array;
  readonly from: number;
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
}

/** y[at..] += the row x[start..] times the matrix. Four rows at a time, since reading and writing y is most of the cost. */
export function addProduct(y: Float64Array, at: number, x: Float64Array, start: number, { data, from, stride, rows, columns }: Block): void {
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    const [p, q] = [start + row, from + row * stride];
    const [a, b, c, d] = [x[p] as number, x[p + 1] as number, x[p + 2] as number, x[p + 3] as number];
    for (let i = 0, j = q; i < columns; i++, j++) {
      const product = a * (data[j] as number) + b * (data[j + stride] as number) + c * (data[j + 2 * stride] as number) + d * (data[j + 3 * stride] as number);
      y[at + i] = (y[at + i] as number) + product;
    }
  }
  for (; row < rows; row++) axpy(y, at, x[start + row] as number, data, from + row * stride, columns);
}
