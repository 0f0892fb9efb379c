// The evaluator's products: matrices, and convolutions with both adjoints. All add up in double precision.

import type { Attrs } from '../../2-graph/ops.ts';
import { elementCount } from '../../2-graph/types.ts';
import { samePadding } from '../../2-graph/window.ts';
import { axpy, gather, offsets } from './tensor.ts';
import type { Storage, Tensor } from './tensor.ts';

/** A matrix, or a stack of them, as doubles in row-major order, transposed where `flip` says so. */
function matrices(x: Tensor, flip: boolean): { data: Float64Array; count: number; rows: number; columns: number } {
  const [height = 1, width = 1] = x.shape.slice(-2);
  const count = elementCount(x.shape.slice(0, -2));
  if (!flip) return { data: new Float64Array(x.data), count, rows: height, columns: width };
  const data = new Float64Array(x.data.length);
  gather(data, x.data, offsets([count, width, height], [height * width, 1, width]));
  return { data, count, rows: width, columns: height };
}

export function matmul({ transpose_a, transpose_b }: Attrs<'matmul'>, out: Tensor, left: Tensor, right: Tensor): void {
  const a = matrices(left, transpose_a);
  const b = matrices(right, transpose_b);
  const sums = new Float64Array(out.data.length);
  for (let m = 0; m < a.count; m++) {
    const base = b.count === 1 ? 0 : m * b.rows * b.columns;
    for (let i = 0; i < a.rows; i++) {
      const row = m * a.rows + i;
      for (let j = 0; j < a.columns; j++) axpy(sums, row * b.columns, a.data[row * a.columns + j] as number, b.data, base + j * b.columns, b.columns);
    }
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

const doubles = (x: Storage): Float64Array => new Float64Array(x);

export function conv2d(attrs: Attrs<'conv2d'>, out: Tensor, x: Tensor, filter: Tensor): void {
  const g = geometry(attrs, x.shape, out.shape, filter.shape[0] as number);
  const [image, weights, sums] = [doubles(x.data), doubles(filter.data), new Float64Array(out.data.length)];
  eachTap(g, (pixel, result, tap) => {
    for (let c = 0; c < g.channels; c++) {
      const group = Math.floor(c / g.inputs);
      const row = (tap * g.inputs + (c - group * g.inputs)) * g.outChannels;
      axpy(sums, result * g.outChannels + group * g.outputs, image[pixel * g.channels + c] as number, weights, row + group * g.outputs, g.outputs);
    }
  });
  out.data.set(sums);
}

export function conv2dInputGrad(attrs: Attrs<'conv2d_input_grad'>, out: Tensor, dy: Tensor, filter: Tensor): void {
  const g = geometry(attrs, out.shape, dy.shape, filter.shape[0] as number);
  // Rows of input channels, so that the inner loop runs along them.
  const weights = matrices({ data: filter.data, shape: [g.k * g.k, g.inputs, g.outChannels] }, true).data;
  const [results, sums] = [doubles(dy.data), new Float64Array(out.data.length)];
  eachTap(g, (pixel, result, tap) => {
    for (let c = 0; c < g.outChannels; c++) {
      const group = Math.floor(c / g.outputs);
      const row = (tap * g.outChannels + c) * g.inputs;
      axpy(sums, pixel * g.channels + group * g.inputs, results[result * g.outChannels + c] as number, weights, row, g.inputs);
    }
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
