// The evaluator's products: matrices, and convolutions with both adjoints. All add up in double precision.

import type { Attrs } from '../../2-graph/ops.ts';
import { elementCount } from '../../2-graph/types.ts';
import { samePadding } from '../../2-graph/window.ts';
import { addProduct, axpy, gather, offsets } from './tensor.ts';
import type { Block, Storage, Tensor } from './tensor.ts';

/** A matrix, or a stack of them, as doubles in row-major order, transposed where `flip` says so. */
function matrices(x: Tensor, flip: boolean): { data: Float64Array; count: number; rows: number; columns: number } {
  const [height = 1, width = 1] = x.shape.slice(-2);
  const count = elementCount(x.shape.slice(0, -2));
  if (!flip) return { data: new Float64Array(x.data), count, rows: height, columns: width };
  const data = new Float64Array(x.data.length);
  gather(data, x.data, offsets([count, width, height], [height * width, 1, width]));
  return { data, count, rows: width, columns: height };
}

export function matmul({ transpose_a, transpose_b }: Attrs<'matmul'>, out: Tensor, x: Tensor, y: Tensor): void {
  const a = matrices(x, transpose_a);
  const b = matrices(y, transpose_b);
  const sums = new Float64Array(out.data.length);
  for (let m = 0; m < a.count; m++) {
    const right = { ...b, from: b.count === 1 ? 0 : m * b.rows * b.columns, stride: b.columns };
    for (let row = m * a.rows; row < (m + 1) * a.rows; row++) addProduct(sums, row * b.columns, a.data, row * a.columns, right);
  }
  out.data.set(sums);
}

interface Geometry {
  readonly batch: number;
  /** Of the image, and of the convolution's result. */
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly channels: number;
  readonly outChannels: number;
  /** Channels of one group. */
  readonly inputs: number;
  readonly outputs: number;
  readonly k: number;
  readonly groups: number;
  readonly stride: number;
  readonly dilation: number;
  readonly top: number;
  readonly left: number;
}

function geometry(attrs: Omit<Attrs<'conv2d'>, 'k'>, image: readonly number[], result: readonly number[], k: number): Geometry {
  const [batch = 0, height = 0, width = 0, channels = 0] = image;
  const [, outHeight = 0, outWidth = 0, outChannels = 0] = result;
  const { groups, stride, dilation, pad } = attrs;
  const top = samePadding(height, k, stride, dilation, pad).before;
  const left = samePadding(width, k, stride, dilation, pad).before;
  const inputs = channels / groups;
  const outputs = outChannels / groups;
  return { batch, height, width, outHeight, outWidth, channels, outChannels, inputs, outputs, k, groups, stride, dilation, top, left };
}

/** Visits every pair of an image's pixel and a result's pixel that a tap of the filter joins. */
function eachTap(g: Geometry, visit: (pixel: number, result: number, tap: number) => void): void {
  for (let tap = 0; tap < g.k * g.k; tap++) {
    const down = Math.floor(tap / g.k) * g.dilation - g.top;
    const across = (tap % g.k) * g.dilation - g.left;
    for (let n = 0; n < g.batch; n++) {
      for (let i = 0; i < g.outHeight; i++) {
        const y = i * g.stride + down;
        if (y < 0 || y >= g.height) continue;
        for (let j = 0; j < g.outWidth; j++) {
          const x = j * g.stride + across;
          if (x >= 0 && x < g.width) visit((n * g.height + y) * g.width + x, (n * g.outHeight + i) * g.outWidth + j, tap);
        }
      }
    }
  }
}

/** The matrix of each tap and group in a filter. */
const filterBlocks = (g: Geometry, blockOf: (tap: number, group: number) => Block): Block[][] =>
  Array.from({ length: g.k * g.k }, (_, tap) => Array.from({ length: g.groups }, (_, group) => blockOf(tap, group)));

const doubles = (x: Storage): Float64Array => new Float64Array(x);

export function conv2d(attrs: Attrs<'conv2d'>, out: Tensor, x: Tensor, filter: Tensor): void {
  const g = geometry(attrs, x.shape, out.shape, filter.shape[0] as number);
  const [image, weights, sums] = [doubles(x.data), doubles(filter.data), new Float64Array(out.data.length)];
  const blocks = filterBlocks(g, (tap, group) => ({
    data: weights, from: tap * g.inputs * g.outChannels + group * g.outputs, stride: g.outChannels, rows: g.inputs, columns: g.outputs,
  }));
  eachTap(g, (pixel, result, tap) => {
    blocks[tap]?.forEach((block, group) => addProduct(sums, result * g.outChannels + group * g.outputs, image, pixel * g.channels + group * g.inputs, block));
  });
  out.data.set(sums);
}

export function conv2dInputGrad(attrs: Attrs<'conv2d_input_grad'>, out: Tensor, dy: Tensor, filter: Tensor): void {
  const g = geometry(attrs, out.shape, dy.shape, filter.shape[0] as number);
  // Rows of input channels, so that the inner loop runs along them.
  const weights = matrices({ data: filter.data, shape: [g.k * g.k, g.inputs, g.outChannels] }, true).data;
  const [results, sums] = [doubles(dy.data), new Float64Array(out.data.length)];
  const blocks = filterBlocks(g, (tap, group) => ({
    data: weights, from: (tap * g.outChannels + group * g.outputs) * g.inputs, stride: g.inputs, rows: g.outputs, columns: g.inputs,
  }));
  eachTap(g, (pixel, result, tap) => {
    blocks[tap]?.forEach((block, group) => addProduct(sums, pixel * g.channels + group * g.inputs, results, result * g.outChannels + group * g.outputs, block));
  });
  out.data.set(sums);
}

export function conv2dFilterGrad(attrs: Attrs<'conv2d_filter_grad'>, out: Tensor, x: Tensor, dy: Tensor): void {
  const g = geometry(attrs, x.shape, dy.shape, attrs.k);
  const [image, results, sums] = [doubles(x.data), doubles(dy.data), new Float64Array(out.data.length)];
  eachTap(g, (pixel, result, tap) => {
    for (let c = 0; c < g.channels; c++) {
      const group = Math.floor(c / g.inputs);
      const row = (tap * g.inputs + (c - group * g.inputs)) * g.outChannels;
      axpy(sums, row + group * g.outputs, image[pixel * g.channels + c] as number, results, result * g.outChannels + group * g.outputs, g.outputs);
    }
  });
  out.data.set(sums);
}
