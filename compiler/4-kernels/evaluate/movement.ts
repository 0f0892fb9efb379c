// The evaluator's data movement: the same elements in other places.

import type { Attrs } from '../../2-graph/ops.ts';
import { elementCount } from '../../2-graph/types.ts';
import { expand, gather, offsets, stridesOf } from './tensor.ts';
import type { Tensor } from './tensor.ts';

export const copy = (_: object, out: Tensor, x: Tensor): void => out.data.set(x.data);

export const broadcast = (_: object, out: Tensor, x: Tensor): void => out.data.set(expand(x, out.shape));

export function transpose({ perm }: Attrs<'transpose'>, out: Tensor, x: Tensor): void {
  const strides = stridesOf(x.shape);
  gather(out.data, x.data, offsets(out.shape, perm.map((axis) => strides[axis] as number)));
}

/** Copies the block of x that starts at `from` along the axis to the place in `out` that starts at `to`, `size` long. */
function copyBlock(out: Tensor, to: number, x: Tensor, from: number, size: number, axis: number): void {
  const inner = elementCount(x.shape.slice(axis + 1));
  const [outRow, row] = [(out.shape[axis] as number) * inner, (x.shape[axis] as number) * inner];
  for (let i = 0; i * row < x.data.length; i++) {
    const start = i * row + from * inner;
    out.data.set(x.data.subarray(start, start + size * inner), i * outRow + to * inner);
  }
}

export const slice = ({ axis, start, size }: Attrs<'slice'>, out: Tensor, x: Tensor): void => copyBlock(out, 0, x, start, size, axis);

export function pad({ axis, before }: Attrs<'pad'>, out: Tensor, x: Tensor): void {
  out.data.fill(0);
  copyBlock(out, before, x, 0, x.shape[axis] as number, axis);
}

export function concat({ axis }: Attrs<'concat'>, out: Tensor, ...xs: Tensor[]): void {
  let to = 0;
  for (const x of xs) {
    const size = x.shape[axis] as number;
    copyBlock(out, to, x, 0, size, axis);
    to += size;
  }
}

export function upsample({ k }: Attrs<'upsample'>, out: Tensor, x: Tensor): void {
  const [batch = 1, height = 1, width = 1, channels = 1] = x.shape;
  const [image, row] = [height * width * channels, width * channels];
  gather(out.data, x.data, offsets([batch, height, k, width, k, channels], [image, row, 0, channels, 0, 1]));
}
