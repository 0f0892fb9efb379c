// Tensor types: a dtype and an NHWC shape whose batch axis may still be a symbol.

export type DType = 'f32' | 'f16' | 'i32';

/** A multiple of the batch size that is not known yet: `B`, `2B`, … */
export type BatchDim = 'B' | `${number}B`;
export type Dim = number | BatchDim;
export type Shape = readonly Dim[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** The symbol for `factor` times the batch size. */
export const batchDim = (factor: number): BatchDim => (factor === 1 ? 'B' : `${factor}B`);

/** How many times the batch a symbolic dimension is; 0 for a plain number. */
export function batchFactor(dim: Dim): number {
  if (typeof dim === 'number') return 0;
  return dim === 'B' ? 1 : Number(dim.slice(0, -1));
}

/** The dimension once the batch size is known. */
export const bindDim = (dim: Dim, batch: number): number => (typeof dim === 'number' ? dim : batchFactor(dim) * batch);

export const bindShape = (shape: Shape, batch: number): number[] => shape.map((dim) => bindDim(dim, batch));

/** The product of a list of dimensions. At most one may be symbolic; throws RangeError otherwise. */
export function dimProduct(dims: readonly Dim[]): Dim {
  let factor = 1;
  let symbolic = 0;
  for (const dim of dims) {
    if (typeof dim === 'number') factor *= dim;
    else if (symbolic > 0) throw new RangeError('a shape with two batch axes has no element count');
    else symbolic = batchFactor(dim);
  }
  return symbolic === 0 ? factor : batchDim(factor * symbolic);
}

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

export const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

export const showShape = (shape: Shape): string => `[${shape.join(',')}]`;

export const showType = (type: TensorType): string => `${type.dtype}${showShape(type.shape)}`;

/** A shape all of whose dimensions are known. Throws RangeError on a symbolic batch. */
export function concreteShape(shape: Shape): number[] {
  return shape.map((dim) => {
    if (typeof dim !== 'number') throw new RangeError(`the batch size of ${showShape(shape)} is not known yet`);
    return dim;
  });
}

export const elementCount = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
