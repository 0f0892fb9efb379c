// The evaluator's reductions, pools and classifier heads. Sums are taken in double precision.

import type { Attrs } from '../../2-graph/ops.ts';
import { elementCount } from '../../2-graph/types.ts';
import { broadcastOffsets } from './tensor.ts';
import type { Tensor } from './tensor.ts';

/** Folds every element of x into the element of `out` that it is reduced to. */
function fold(attrs: Attrs<'reduce_sum'>, x: Tensor, start: number, f: (total: number, value: number) => number): Float64Array {
  const kept = x.shape.map((dim, axis) => (attrs.axes.includes(axis) ? 1 : dim));
  const totals = new Float64Array(elementCount(kept)).fill(start);
  const target = broadcastOffsets(kept, x.shape);
  for (let i = 0; i < x.data.length; i++) {
    const at = target[i] as number;
    totals[at] = f(totals[at] as number, x.data[i] as number);
  }
  return totals;
}

const sum = (a: number, b: number): number => a + b;

export const reduceSum = (attrs: Attrs<'reduce_sum'>, out: Tensor, x: Tensor): void => out.data.set(fold(attrs, x, 0, sum));

export const reduceMean = (attrs: Attrs<'reduce_mean'>, out: Tensor, x: Tensor): void =>
  out.data.set(fold(attrs, x, 0, sum).map((total) => (total * out.data.length) / x.data.length));

export const reduceMax = (attrs: Attrs<'reduce_max'>, out: Tensor, x: Tensor): void => out.data.set(fold(attrs, x, -Infinity, Math.max));

export const allFinite = (_: object, out: Tensor, x: Tensor): void => void (out.data[0] = x.data.every(Number.isFinite) ? 1 : 0);

/** Calls `visit` with every row along the last axis, as doubles that may be changed, and where it starts. */
function eachRow(x: Tensor, visit: (row: Float64Array, start: number) => void): void {
  const length = x.shape.at(-1) ?? 1;
  for (let start = 0; start < x.data.length; start += length) visit(new Float64Array(x.data.subarray(start, start + length)), start);
}

/** The log of a row's softmax: shifted by the largest value first, so that no exponential overflows. */
function logSoftmaxOf(row: Float64Array): Float64Array {
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const logSum = Math.log(row.reduce((total, value) => total + Math.exp(value - largest), 0));
  return row.map((value) => value - largest - logSum);
}

export const logSoftmax = (_: object, out: Tensor, x: Tensor): void => eachRow(x, (row, start) => out.data.set(logSoftmaxOf(row), start));

export const softmax = (_: object, out: Tensor, x: Tensor): void => eachRow(x, (row, start) => out.data.set(logSoftmaxOf(row).map(Math.exp), start));

/** The label of a row of logits. Throws RangeError where there is no such class. */
function labelOf(labels: Tensor, row: number, classes: number): number {
  const label = labels.data[row] as number;
  if (!(label >= 0 && label < classes)) throw new RangeError(`label ${label} of image ${row}: there are ${classes} classes`);
  return label;
}

/** The probability a class should have: label smoothing spreads its share over all classes evenly (Szegedy and others, 2016). */
const target = (smoothing: number, classes: number, isLabel: boolean): number => (isLabel ? 1 - smoothing : 0) + smoothing / classes;

export function softmaxCrossEntropy({ label_smoothing }: Attrs<'softmax_cross_entropy'>, out: Tensor, logits: Tensor, labels: Tensor): void {
  const [rows = 1, classes = 1] = logits.shape;
  let total = 0;
  eachRow(logits, (row, start) => {
    const label = labelOf(labels, start / classes, classes);
    logSoftmaxOf(row).forEach((logP, c) => {
      const q = target(label_smoothing, classes, c === label);
      if (q !== 0) total -= q * logP;
    });
  });
  out.data[0] = total / rows;
}

export function softmaxCrossEntropyGrad(
  { label_smoothing }: Attrs<'softmax_cross_entropy_grad'>, out: Tensor, logits: Tensor, labels: Tensor, dloss: Tensor,
): void {
  const [rows = 1, classes = 1] = logits.shape;
  const scale = (dloss.data[0] as number) / rows;
  eachRow(logits, (row, start) => {
    const label = labelOf(labels, start / classes, classes);
    out.data.set(logSoftmaxOf(row).map((logP, c) => scale * (Math.exp(logP) - target(label_smoothing, classes, c === label))), start);
  });
}

export function countCorrect(_: object, out: Tensor, logits: Tensor, labels: Tensor): void {
  const classes = logits.shape[1] as number;
  let count = 0;
  eachRow(logits, (row, start) => {
    if (row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity)) === labelOf(labels, start / classes, classes)) count++;
  });
  out.data[0] = count;
}

/** Visits each element of a pooled result with the offset of its window's first element in the image, and the offsets of the window's elements from there. */
function eachWindow(image: readonly number[], pooled: readonly number[], k: number, visit: (at: number, first: number, steps: readonly number[]) => void): void {
  const [, height = 1, width = 1, channels = 1] = image;
  const [batch = 1, outHeight = 1, outWidth = 1] = pooled;
  const steps = Array.from({ length: k * k }, (_, i) => (Math.floor(i / k) * width + (i % k)) * channels);
  let at = 0;
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < outHeight; y++) {
      for (let x = 0; x < outWidth; x++) {
        const first = ((n * height + y * k) * width + x * k) * channels;
        for (let c = 0; c < channels; c++) visit(at++, first + c, steps);
      }
    }
  }
}

export function avgpool({ k }: Attrs<'avgpool'>, out: Tensor, x: Tensor): void {
  eachWindow(x.shape, out.shape, k, (at, first, steps) => {
    let total = 0;
    for (const step of steps) total += x.data[first + step] as number;
    out.data[at] = total / steps.length;
  });
}

/** Where a window's first largest value is, or one that is not a number. */
function largestOf(x: Tensor, first: number, steps: readonly number[]): number {
  let best = first;
  for (const step of steps) {
    const value = x.data[first + step] as number;
    if (value > (x.data[best] as number) || Number.isNaN(value)) best = first + step;
  }
  return best;
}

export function maxpool({ k }: Attrs<'maxpool'>, out: Tensor, x: Tensor): void {
  eachWindow(x.shape, out.shape, k, (at, first, steps) => {
    out.data[at] = x.data[largestOf(x, first, steps)] as number;
  });
}

export function maxpoolGrad({ k }: Attrs<'maxpool_grad'>, out: Tensor, x: Tensor, dy: Tensor): void {
  out.data.fill(0);
  eachWindow(x.shape, dy.shape, k, (at, first, steps) => {
    out.data[largestOf(x, first, steps)] = dy.data[at] as number;
  });
}
