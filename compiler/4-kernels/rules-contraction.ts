// Lowering rules of matrix products and convolutions. Guards stand outside the loop over the channels, which is the innermost.

import { samePadding } from '../2-graph/window.ts';
import type { Window } from '../2-graph/window.ts';
import { elementCount } from '../2-graph/types.ts';
import { all, isZero, mul, number, select, sum } from './expr.ts';
import type { Expr } from './expr.ts';
import { int, minus, plus, quotient, remainder, times } from './indexing.ts';
import type { Index } from './indexing.ts';
import { inside, operand } from './rules-movement.ts';
import type { Loops, LowerRule, Operand } from './rule.ts';

const ZERO = number(0);

export const matmul: LowerRule<'matmul'> = ({ attrs }, left, right) => {
  const a = operand(left);
  const b = operand(right);
  const depth = a.shape.at(attrs.transpose_a ? -2 : -1) ?? 1;
  return {
    kind: 'contraction',
    body: (...indices) => {
      const batch = indices.slice(0, -2);
      const [m = int(0), n = int(0)] = indices.slice(-2);
      const shared = b.shape.length === 2 ? [] : batch;
      return sum('k', depth, (k) =>
        mul(a.at(...batch, ...(attrs.transpose_a ? [k, m] : [m, k])), b.at(...shared, ...(attrs.transpose_b ? [n, k] : [k, n]))),
      );
    },
  };
};

interface WindowAttrs {
  readonly stride: number;
  readonly pad: 'same' | 'valid';
  readonly dilation: number;
}

const windowOf = (size: number, k: number, { stride, dilation, pad }: WindowAttrs): Window => samePadding(size, k, stride, dilation, pad);

/** The input position that tap `tap` of output position `out` reads; it may lie in the padding. */
const positionOf = (out: Index, tap: Index, { stride, dilation }: WindowAttrs, before: number): Index =>
  minus(plus(times(out, stride), times(tap, dilation)), int(before));

export const conv2d: LowerRule<'conv2d'> = ({ attrs, shape }, input, kernel) => {
  const x = operand(input);
  const filter = operand(kernel);
  const [, height = 1, width = 1] = x.shape;
  const [k = 1, , depth = 1] = filter.shape;
  const rows = windowOf(height, k, attrs);
  const columns = windowOf(width, k, attrs);
  const perGroup = (shape.at(-1) ?? 1) / attrs.groups;
  return {
    kind: 'contraction',
    body: (n = int(0), oy = int(0), ox = int(0), co = int(0)) => {
      const first = times(quotient(co, perGroup), depth);
      return sum('ky', k, (ky) => {
        const y = positionOf(oy, ky, attrs, rows.before);
        const row = sum('kx', k, (kx) => {
          const column = positionOf(ox, kx, attrs, columns.before);
          const products = sum('ci', depth, (ci) => mul(x.at(n, y, column, plus(first, ci)), filter.at(ky, kx, ci, co)));
          return select(inside(column, width), products, ZERO);
        });
        return select(inside(y, height), row, ZERO);
      });
    },
  };
};

export const conv2dInputGrad: LowerRule<'conv2d_input_grad'> = ({ attrs, shape }, gradient, kernel) => {
  const dy = operand(gradient);
  const filter = operand(kernel);
  const [, height = 1, width = 1, channels = 1] = shape;
  const [, outHeight = 1, outWidth = 1] = dy.shape;
  const [k = 1, , , outChannels = 1] = filter.shape;
  const rows = windowOf(height, k, attrs);
  const columns = windowOf(width, k, attrs);
  const depth = outChannels / attrs.groups;
  /** The output position whose tap `tap` reads input position `place`, and whether there is one. */
  const reader = (place: Index, tap: Index, before: number, length: number) => {
    const scaled = minus(plus(place, int(before)), times(tap, attrs.dilation));
    const out = quotient(scaled, attrs.stride);
    return { out, exists: all(inside(out, length), isZero(remainder(scaled, attrs.stride))) };
  };
  return {
    kind: 'contraction',
    body: (n = int(0), y = int(0), x = int(0), ci = int(0)) => {
      const group = quotient(ci, channels / attrs.groups);
      const channel = remainder(ci, channels / attrs.groups);
      return sum('ky', k, (ky) => {
        const row = reader(y, ky, rows.before, outHeight);
        const products = sum('kx', k, (kx) => {
          const column = reader(x, kx, columns.before, outWidth);
          const channelSum = sum('co', depth, (co) => {
            const out = plus(times(group, depth), co);
            return mul(dy.at(n, row.out, column.out, out), filter.at(ky, kx, channel, out));
          });
          return select(column.exists, channelSum, ZERO);
        });
        return select(row.exists, products, ZERO);
      });
    },
  };
};

/** How many numbers the partial sums of a filter gradient may take. */
const PARTIAL_SUMS = 1 << 22;

/** Summed over a few images at a time, which stay in the caches while every filter element reads them, then over the parts. */
export const conv2dFilterGrad: LowerRule<'conv2d_filter_grad'> = ({ attrs, shape, stage }, input, gradient) => {
  const x = operand(input);
  const dy = operand(gradient);
  const [batch = 1, height = 1, width = 1] = x.shape;
  const [, outHeight = 1, outWidth = 1, outChannels = 1] = dy.shape;
  const depth = shape[2] ?? 1;
  const rows = windowOf(height, attrs.k, attrs);
  const columns = windowOf(width, attrs.k, attrs);
  const parts = largestDivisor(batch, PARTIAL_SUMS / elementCount(shape));
  const images = batch / parts;
  const overImages = (part: Index, ky: Index, kx: Index, ci: Index, co: Index): Expr => {
    const channel = plus(times(quotient(co, outChannels / attrs.groups), depth), ci);
    return sum('n', images, (image) =>
      sum('oy', outHeight, (oy) => {
        const n = plus(times(part, images), image);
        const y = positionOf(oy, ky, attrs, rows.before);
        const row = sum('ox', outWidth, (ox) => {
          const column = positionOf(ox, kx, attrs, columns.before);
          return select(inside(column, width), mul(x.at(n, y, column, channel), dy.at(n, oy, ox, co)), ZERO);
        });
        return select(inside(y, height), row, ZERO);
      }),
    );
  };
  const partial = (part = int(0), ky = int(0), kx = int(0), ci = int(0), co = int(0)): Expr => overImages(part, ky, kx, ci, co);
  if (parts === 1) return { kind: 'contraction', body: (...filter) => partial(int(0), ...filter) };
  const sums = stage('parts', [parts, ...shape], { kind: 'contraction', body: partial });
  return sumOver(sums, shape);
};

/** The sum over the first axis; the others are walked as one. */
const sumOver = (parts: Operand, shape: readonly number[]): Loops => {
  const count = elementCount(shape);
  return { kind: 'reduce', extents: [count], body: (i = int(0)) => sum('part', parts.shape[0] ?? 1, (part) => parts.flat(plus(times(part, count), i))) };
};

/** The largest divisor of n that is no larger than `limit`; at least 1. */
const largestDivisor = (n: number, limit: number): number => Array.from({ length: n }, (_, i) => n - i).find((d) => n % d === 0 && d <= limit) ?? 1;
