// Tensors that carry their shape in their type: `Tensor<readonly [25, 32, 32, 3], Uint8Array>`.

export type TensorData = Float32Array | Uint8Array | Uint16Array | Int32Array;

/** Elements in row-major order, with their shape. A literal shape is part of the type, so that another one does not compile. */
export interface Tensor<Shape extends readonly number[] = readonly number[], Data extends TensorData = Float32Array> {
  readonly shape: Shape;
  readonly data: Data;
}

/** A tensor of the data, which is not copied. Throws RangeError where it has not as many elements as the shape. */
export function tensor<const Shape extends readonly number[], Data extends TensorData>(shape: Shape, data: Data): Tensor<Shape, Data> {
  const count = shape.reduce((a, b) => a * b, 1);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) throw new RangeError(`[${shape.join(', ')}] is no shape`);
  if (data.length !== count) throw new RangeError(`a tensor of shape [${shape.join(', ')}] has ${count} elements, not ${data.length}`);
  return { shape, data };
}

/** Throws RangeError where the tensor is not `count` items of this shape each, or its data do not fill its shape. `what` names it in the error. */
export function checkTensor(what: string, { shape, data }: Tensor<readonly number[], TensorData>, item: readonly number[], count?: number): number {
  const [items = 0, ...rest] = shape;
  const wanted = `[${[count ?? 'N', ...item].join(', ')}]`;
  if (rest.length !== item.length || rest.some((size, i) => size !== item[i]) || (count !== undefined && items !== count)) {
    throw new RangeError(`${what} have the shape [${shape.join(', ')}]; expected ${wanted}`);
  }
  tensor(shape, data);
  if (items < 1) throw new RangeError(`${what} are none: their shape is [${shape.join(', ')}]`);
  return items;
}
