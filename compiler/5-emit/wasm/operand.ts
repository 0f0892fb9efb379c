// The operands of a contraction as matrices, and how their panels are packed: im2col happens here, a panel at a time, never as a whole.

import type { Fn, Local, Ref } from './code.ts';

/** A sliding window over an NHWC image, seen from one side or from the other. Sizes in pixels. */
export interface WindowSpec {
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Taps along each axis, k by k. */
  readonly k: number;
  readonly stride: number;
  readonly dilation: number;
  readonly top: number;
  readonly left: number;
}

/** Where a row of a matrix begins, for each tap. Strides in elements. */
export type Rows =
  /** row * stride + tap * tapStride */
  | { readonly kind: 'strided'; readonly stride: number; readonly tapStride: number }
  /** Rows are the window's positions; a tap reads a pixel of the image, or zeros beside it. */
  | { readonly kind: 'image'; readonly window: WindowSpec; readonly stride: number }
  /** Rows are the image's pixels; a tap reads the position whose tap covers the pixel, or zeros. */
  | { readonly kind: 'positions'; readonly window: WindowSpec; readonly stride: number };

/** A matrix of `rows` by `taps * channels`; the channels of a tap lie side by side in memory. */
export interface Operand {
  readonly rows: Rows;
  readonly taps: number;
  readonly channels: number;
  /** Which axis is summed over. */
  readonly depth: 'rows' | 'columns';
  /** Elements from one group to the next. */
  readonly groupStride: number;
}

/** The address of (row, tap), channel 0, or of zeros. `zeros` is an address with at least `channels` zeros. */
function rowAddress(fn: Fn, operand: Operand, base: Local, zeros: Local, row: () => Ref, tap: () => Ref): Ref {
  const { m, c } = fn.code;
  const { rows } = operand;
  const bytes = (elements: Ref): Ref => m.i32.mul(elements, c(4));
  if (rows.kind === 'strided') {
    const offset = m.i32.mul(row(), c(rows.stride * 4));
    return m.i32.add(base.get(), operand.taps === 1 ? offset : m.i32.add(offset, m.i32.mul(tap(), c(rows.tapStride * 4))));
  }
  const w = rows.window;
  const forward = rows.kind === 'image';
  const [gridHeight, gridWidth] = forward ? [w.outHeight, w.outWidth] : [w.height, w.width];
  const [readHeight, readWidth] = forward ? [w.height, w.width] : [w.outHeight, w.outWidth];
  const [y, x] = [fn.i32(), fn.i32()];
  const image = m.i32.div_u(row(), c(gridHeight * gridWidth));
  const line = m.i32.rem_u(m.i32.div_u(row(), c(gridWidth)), c(gridHeight));
  const column = m.i32.rem_u(row(), c(gridWidth));
  const down = m.i32.mul(m.i32.div_u(tap(), c(w.k)), c(w.dilation));
  const across = m.i32.mul(m.i32.rem_u(tap(), c(w.k)), c(w.dilation));
  const place = (position: Ref, shift: Ref, before: number): Ref =>
    forward ? m.i32.sub(m.i32.add(m.i32.mul(position, c(w.stride)), shift), c(before)) : m.i32.sub(m.i32.add(position, c(before)), shift);
  const inside = (local: Local, size: number): Ref => {
    if (forward || w.stride === 1) return m.i32.lt_u(local.get(), c(size));
    // Only every stride-th pixel is under this tap; a negative place is beyond any size once it is unsigned.
    const whole = m.i32.eqz(m.i32.rem_u(local.get(), c(w.stride)));
    return m.i32.and(whole, m.i32.lt_u(local.get(), c((size - 1) * w.stride + 1)));
  };
  const step = (local: Local): Ref => (forward || w.stride === 1 ? local.get() : m.i32.div_u(local.get(), c(w.stride)));
  const pixel = m.i32.add(m.i32.mul(m.i32.add(m.i32.mul(image, c(readHeight)), step(y)), c(readWidth)), step(x));
  return fn.code.m.block(
    null,
    [
      y.set(place(line, down, w.top)),
      x.set(place(column, across, w.left)),
      m.select(m.i32.and(inside(y, readHeight), inside(x, readWidth)), m.i32.add(base.get(), bytes(m.i32.mul(pixel, c(rows.stride)))), zeros.get()),
    ],
    2 as never,
  );
}
