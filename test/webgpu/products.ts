// Products that tiles are tried on: matrices and convolutions of many kinds and sizes.

import type { Tile, Tiling } from '../../compiler/5-emit/wgsl/tiles.ts';
import { op } from '../wasm/harness.ts';
import type { Case } from '../wasm/harness.ts';

/** A convolution with both its adjoints. */
export function convolution(n: number, h: number, w: number, inputs: number, outputs: number, k: number, { stride = 1, dilation = 1, groups = 1, pad = 'same' as 'same' | 'valid' } = {}): Case[] {
  const span = (k - 1) * dilation + 1;
  const size = (length: number): number => (pad === 'same' ? Math.ceil(length / stride) : Math.floor((length - span) / stride) + 1);
  const attrs = { stride, dilation, groups, pad };
  const [x, filter, y] = [[n, h, w, inputs], [k, k, inputs / groups, outputs], [n, size(h), size(w), outputs]];
  return [op('conv2d', attrs, x, filter), op('conv2d_input_grad', { ...attrs, size: [h, w] }, y, filter), op('conv2d_filter_grad', { ...attrs, k }, x, y)];
}

/** Factors that lie in fours along their own axis, along the summed one and along neither; sizes that fill tiles and that do not. */
export const PRODUCTS: Case[] = [
  ...convolution(2, 6, 6, 8, 12, 3),
  ...convolution(2, 5, 7, 3, 20, 3),
  ...convolution(1, 5, 6, 7, 5, 5),
  ...convolution(3, 6, 6, 12, 10, 1),
  ...convolution(2, 7, 7, 8, 12, 3, { stride: 2 }),
  ...convolution(2, 11, 10, 6, 9, 3, { stride: 3, pad: 'valid' }),
  ...convolution(1, 9, 8, 4, 8, 3, { dilation: 2 }),
  ...convolution(2, 6, 5, 12, 24, 3, { groups: 3 }),
  ...convolution(2, 4, 4, 6, 12, 3, { groups: 3, stride: 2 }),
  ...[false, true].flatMap((transpose_a) =>
    [false, true].flatMap((transpose_b) =>
      [[33, 20, 12], [10, 37, 9]].flatMap(([rows = 1, depth = 1, columns = 1]) => {
        const [a, b] = [transpose_a ? [depth, rows] : [rows, depth], transpose_b ? [columns, depth] : [depth, columns]];
        return [op('matmul', { transpose_a, transpose_b }, [2, ...a], b), op('matmul', { transpose_a, transpose_b }, [2, ...a], [2, ...b])];
      }),
    ),
  ),
];

const tile = (rows: number, columns: number, depth: number, threadRows: number, threadColumns: number): Tile => ({ rows, columns, depth, threadRows, threadColumns });

/** Ways to cut them into tiles, and the summed axis in parts. */
export const SHAPES: readonly Tiling[] = [
  { tile: tile(16, 16, 8, 4, 4), parts: 1, buffers: 2 },
  { tile: tile(16, 16, 12, 8, 4), parts: 3, buffers: 1 },
  { tile: tile(8, 32, 4, 4, 8), parts: 2, buffers: 2 },
];
