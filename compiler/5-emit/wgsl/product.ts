// Contractions as matrix products: which element of which operand each place of the two factors is. Convolutions are never unfolded in memory; the factors'
// places are index arithmetic (implicit im2col).

import { elementCount } from '../../2-graph/types.ts';
import { samePadding } from '../../2-graph/window.ts';
import type { ContractionKind, ContractionRoot } from '../../4-kernels/fused.ts';
import type { Node } from '../../2-graph/graph.ts';
import { all, isZero, number, select } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { int, minus, plus, quotient, remainder, times } from '../../4-kernels/indexing.ts';
import type { Index } from '../../4-kernels/indexing.ts';
import { inside } from '../../4-kernels/rules-movement.ts';
import { unflatten } from '../../4-kernels/rule.ts';
import type { Operand } from '../../4-kernels/rule.ts';

/** `groups` products of rows by depth with depth by columns. */
export interface Product {
  readonly groups: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** The elements of the two factors. */
  readonly left: (group: Index, row: Index, k: Index) => Expr;
  readonly right: (group: Index, k: Index, column: Index) => Expr;
  /** The indices of the result's element. */
  readonly place: (group: Index, row: Index, column: Index) => Index[];
}

type Rule<K extends ContractionKind = ContractionKind> = (attrs: Node<K>['attrs'], left: Operand, right: Operand, shape: readonly number[]) => Product;

export function productOf({ node, operands: [left, right], shape }: ContractionRoot): Product {
  if (!left || !right) throw new Error(`%${node.id}: an operand is missing`);
  return (PRODUCTS[node.kind] as Rule)(node.attrs, left, right, shape);
}

const PRODUCTS: { readonly [K in ContractionKind]: Rule<K> } = {
  matmul: ({ transpose_a, transpose_b }, a, b, shape) => {
    const [rows = 1, columns = 1] = shape.slice(-2);
    const batch = shape.slice(0, -2);
    const depth = a.shape.at(transpose_a ? -2 : -1) ?? 1;
    const shared = b.shape.length === 2;
    // A shared right factor and rows that follow each other: one tall product.
    const tall = shared && !transpose_a;
    const matrix = (group: Index, row: Index): Index[] => (tall ? unflatten(row, [...batch, rows]) : [...unflatten(group, batch), row]);
    return {
      groups: tall ? 1 : elementCount(batch),
      rows: tall ? elementCount(batch) * rows : rows,
      columns,
      depth,
      left: (group, row, k) => {
        const place = matrix(group, row);
        return a.at(...(transpose_a ? [...place.slice(0, -1), k, ...place.slice(-1)] : [...place, k]));
      },
      right: (group, k, column) => b.at(...(shared ? [] : unflatten(group, batch)), ...(transpose_b ? [column, k] : [k, column])),
      place: (group, row, column) => [...matrix(group, row), column],
    };
  },

  conv2d: (attrs, x, filter, shape) => {
    const w = windowOf(attrs, x.shape, shape, filter.shape[0] ?? 1);
    return {
      groups: attrs.groups,
      rows: w.positions,
      columns: w.outputs,
      depth: w.k * w.k * w.inputs,
      left: (group, row, k) => w.tap(x, row, unflatten(k, [w.k, w.k, w.inputs]), times(group, w.inputs)),
      right: (group, k, column) => filter.at(...unflatten(k, [w.k, w.k, w.inputs]), plus(times(group, w.outputs), column)),
      place: (group, row, column) => [...unflatten(row, w.grid), plus(times(group, w.outputs), column)],
    };
  },

  conv2d_input_grad: (attrs, dy, filter, shape) => {
    const w = windowOf(attrs, shape, dy.shape, filter.shape[0] ?? 1);
    const [, height = 1, width = 1] = shape;
    /** The output position whose tap reads this place of the image, and whether there is one. */
    const reader = (place: Index, tap: Index, before: number, length: number) => {
      const scaled = minus(plus(place, int(before)), times(tap, attrs.dilation));
      const out = quotient(scaled, attrs.stride);
      return { out, exists: all(inside(out, length), isZero(remainder(scaled, attrs.stride))) };
    };
    const [, outHeight = 1, outWidth = 1] = dy.shape;
    return {
      groups: attrs.groups,
      rows: (shape[0] ?? 1) * height * width,
      columns: w.inputs,
      depth: w.k * w.k * w.outputs,
      left: (group, row, k) => {
        const [n = int(0), y = int(0), x = int(0)] = unflatten(row, [shape[0] ?? 1, height, width]);
        const [ky = int(0), kx = int(0), co = int(0)] = unflatten(k, [w.k, w.k, w.outputs]);
        const [down, across] = [reader(y, ky, w.top, outHeight), reader(x, kx, w.left, outWidth)];
        return select(all(down.exists, across.exists), dy.at(n, down.out, across.out, plus(times(group, w.outputs), co)), number(0));
      },
      right: (group, k, column) => {
        const [ky = int(0), kx = int(0), co = int(0)] = unflatten(k, [w.k, w.k, w.outputs]);
        return filter.at(ky, kx, column, plus(times(group, w.outputs), co));
      },
      place: (group, row, column) => [...unflatten(row, [shape[0] ?? 1, height, width]), plus(times(group, w.inputs), column)],
    };
  },

  conv2d_filter_grad: (attrs, x, dy) => {
    const w = windowOf(attrs, x.shape, dy.shape, attrs.k);
    return {
      groups: attrs.groups,
      rows: w.k * w.k * w.inputs,
      columns: w.outputs,
      depth: w.positions,
      left: (group, row, k) => w.tap(x, k, unflatten(row, [w.k, w.k, w.inputs]), times(group, w.inputs)),
      right: (group, k, column) => dy.at(...unflatten(k, w.grid), plus(times(group, w.outputs), column)),
      place: (group, row, column) => [...unflatten(row, [w.k, w.k, w.inputs]), plus(times(group, w.outputs), column)],
    };
  },
};

/** A window over an image of shape `image` that gives `result`. */
function windowOf(attrs: Omit<Node<'conv2d'>['attrs'], 'k'>, image: readonly number[], result: readonly number[], k: number) {
  const [n = 1, height = 1, width = 1, channels = 1] = image;
  const [, outHeight = 1, outWidth = 1, outChannels = 1] = result;
  const top = samePadding(height, k, attrs.stride, attrs.dilation, attrs.pad).before;
  const left = samePadding(width, k, attrs.stride, attrs.dilation, attrs.pad).before;
  const grid = [n, outHeight, outWidth];
  const place = (position: Index, tap: Index, before: number): Index => minus(plus(times(position, attrs.stride), times(tap, attrs.dilation)), int(before));
  return {
    k,
    top,
    left,
    grid,
    positions: n * outHeight * outWidth,
    /** Channels of one group. */
    inputs: channels / attrs.groups,
    outputs: outChannels / attrs.groups,
    /** The pixel under a tap of a position, or zero beside the image. */
    tap: (x: Operand, position: Index, [ky = int(0), kx = int(0), channel = int(0)]: readonly Index[], first: Index): Expr => {
      const [b = int(0), oy = int(0), ox = int(0)] = unflatten(position, grid);
      const [y, column] = [place(oy, ky, top), place(ox, kx, left)];
      return select(all(inside(y, height), inside(column, width)), x.at(b, y, column, plus(first, channel)), number(0));
    },
  };
}
