// Geometry that shape rules, adjoints, the evaluator and the lowering share: broadcasting and sliding windows.

import type { Code } from '../diagnostics.ts';
import { showShape } from './types.ts';
import type { Dim, Shape } from './types.ts';

/** A shape rule's refusal. The message shows the shapes and what the rule wanted. */
export class ShapeError extends Error {
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.name = 'ShapeError';
    this.code = code;
  }
}

/**
 * The shape that two operands take together, as NumPy broadcasts: axes are aligned at the last, and a 1 is repeated.
 * A symbolic batch broadcasts with itself and with 1 alone. Throws ShapeError ZZ3001.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    const name = a.length === b.length ? axis : axis - rank;
    throw new ShapeError('ZZ3001', `${showShape(a)} and ${showShape(b)} do not broadcast: axis ${name} is ${left} and ${right}`);
  });
}

/** The axes of `to` along which `from` is repeated when it broadcasts to it: those that are absent, or 1 and not 1 in `to`. */
export const broadcastAxes = (from: Shape, to: Shape): number[] => {
  const missing = to.length - from.length;
  return to.flatMap((dim: Dim, axis) => (axis < missing || (from[axis - missing] === 1 && dim !== 1) ? [axis] : []));
};

export type Pad = 'same' | 'valid';

export interface Window {
  /** Zeros before the first and after the last element. */
  readonly before: number;
  readonly after: number;
  /** How many positions the window takes; below 1 where it does not fit. */
  readonly out: number;
}

/** How many elements a window of `k` taps spans. */
export const windowSpan = (k: number, dilation: number): number => (k - 1) * dilation + 1;

/**
 * The padding and the number of positions of a sliding window along one axis. `same` pads as TensorFlow does:
 * ceil(size / stride) positions, the odd zero after the last element.
 */
export function samePadding(size: number, k: number, stride: number, dilation: number, pad: Pad): Window {
  const span = windowSpan(k, dilation);
  if (pad === 'valid') return { before: 0, after: 0, out: Math.floor((size - span) / stride) + 1 };
  const out = Math.ceil(size / stride);
  const total = Math.max((out - 1) * stride + span - size, 0);
  const before = Math.floor(total / 2);
  return { before, after: total - before, out };
}

/** The number of positions a sliding window takes along one axis; below 1 where it does not fit. */
export const convOutputSize = (size: number, k: number, stride: number, dilation: number, pad: Pad): number => samePadding(size, k, stride, dilation, pad).out;
