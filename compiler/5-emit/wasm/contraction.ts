// Contractions as blocked products: how each operation's operands are read as matrices.

import type { Node } from '../../2-graph/graph.ts';
import { concreteShape, elementCount } from '../../2-graph/types.ts';
import { samePadding } from '../../2-graph/window.ts';
import type { Product } from './gemm.ts';
import type { Operand, Rows, WindowSpec } from './operand.ts';

type ContractionKind = 'matmul' | 'conv2d' | 'conv2d_input_grad' | 'conv2d_filter_grad';

const isContraction = (node: Node): node is Node<ContractionKind> => Object.hasOwn(PRODUCTS, node.kind);

/** The node as a product of its two operands of these shapes, or undefined where a loop nest serves as well: no contraction, or too few rows or columns to fill tiles. */
export function productOf(node: Node, operands: readonly (readonly number[])[]): Product | undefined {
  if (!isContraction(node)) return undefined;
  const rule = PRODUCTS[node.kind] as Rule;
  const [left = [], right = []] = operands;
  const product = rule(node.attrs, left, right, concreteShape(node.type.shape));
  const fitsZeros = (operand: Operand): boolean => operand.rows.kind === 'strided' || operand.channels <= MOST_CHANNELS;
  return product.rows >= 4 && product.columns >= 4 && product.depth >= 4 && fitsZeros(product.left) ? product : undefined;
}

/** A pixel in the padding is read from a block of zeros, which is 64 KiB long. */
const MOST_CHANNELS = 16_000;

type Rule<K extends ContractionKind = ContractionKind> = (attrs: Node<K>['attrs'], left: readonly number[], right: readonly number[], out: readonly number[]) => Product;

const strided = (stride: number, tapStride = 0): Rows => ({ kind: 'strided', stride, tapStride });

const PRODUCTS: { readonly [K in ContractionKind]: Rule<K> } = {
  matmul: ({ transpose_a, transpose_b }, a, b, out) => {
    const [rows = 1, columns = 1] = out.slice(-2);
    const depth = a.at(transpose_a ? -2 : -1) ?? 1;
    const batch = elementCount(out.slice(0, -2));
    const shared = b.length === 2;
    // A shared right operand and rows that follow each other: one tall product.
    const fold = shared && !transpose_a;
    const matrix = (width: number, summed: Operand['depth'], groupStride: number): Operand => ({ rows: strided(width), taps: 1, channels: width, depth: summed, groupStride });
    const perGroup = shared ? 0 : depth * columns;
    return {
      groups: fold ? 1 : batch,
      rows: fold ? batch * rows : rows,
      columns,
      depth,
      left: transpose_a ? matrix(rows, 'rows', depth * rows) : matrix(depth, 'columns', rows * depth),
      right: transpose_b ? matrix(depth, 'columns', perGroup) : matrix(columns, 'rows', perGroup),
      outStride: columns,
      outGroupStride: rows * columns,
    };
  },

  conv2d: (attrs, x, filter, out) => {
    const g = geometry(attrs, x, out, filter[0] ?? 1);
    return {
      groups: attrs.groups,
      rows: g.positions,
      columns: g.outputs,
      depth: g.taps * g.inputs,
      left: { rows: g.image, taps: g.taps, channels: g.inputs, depth: 'columns', groupStride: g.inputs },
      right: { rows: strided(g.outChannels), taps: 1, channels: g.outputs, depth: 'rows', groupStride: g.outputs },
      outStride: g.outChannels,
      outGroupStride: g.outputs,
    };
  },

  conv2d_input_grad: (attrs, dy, filter, out) => {
    const g = geometry(attrs, out, dy, filter[0] ?? 1);
    return {
      groups: attrs.groups,
      rows: g.pixels,
      columns: g.inputs,
      depth: g.taps * g.outputs,
      left: { rows: g.adjoint, taps: g.taps, channels: g.outputs, depth: 'columns', groupStride: g.outputs },
      right: { rows: strided(g.outChannels, g.inputs * g.outChannels), taps: g.taps, channels: g.outputs, depth: 'columns', groupStride: g.outputs },
      outStride: g.channels,
      outGroupStride: g.inputs,
    };
  },

  conv2d_filter_grad: (attrs, x, dy) => {
    const g = geometry(attrs, x, dy, attrs.k);
    return {
      groups: attrs.groups,
      rows: g.taps * g.inputs,
      columns: g.outputs,
      depth: g.positions,
      left: { rows: g.image, taps: g.taps, channels: g.inputs, depth: 'rows', groupStride: g.inputs },
      right: { rows: strided(g.outChannels), taps: 1, channels: g.outputs, depth: 'rows', groupStride: g.outputs },
      outStride: g.outChannels,
      outGroupStride: g.outputs,
    };
  },
};

interface Geometry {
  readonly taps: number;
  /** Channels in all, and of one group. */
  readonly channels: number;
  readonly outChannels: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly pixels: number;
  readonly positions: number;
  /** The image's rows under each position, and the positions' rows over each pixel. */
  readonly image: Rows;
  readonly adjoint: Rows;
}

function geometry(attrs: Omit<Node<'conv2d'>['attrs'], 'k'>, image: readonly number[], result: readonly number[], k: number): Geometry {
  const [batch = 1, height = 1, width = 1, channels = 1] = image;
  const [, outHeight = 1, outWidth = 1, outChannels = 1] = result;
  const { groups, stride, dilation, pad } = attrs;
  const top = samePadding(height, k, stride, dilation, pad).before;
  const left = samePadding(width, k, stride, dilation, pad).before;
  const window: WindowSpec = { height, width, outHeight, outWidth, k, stride, dilation, top, left };
  const pointwise = k === 1 && stride === 1;
  return {
    taps: k * k,
    channels,
    outChannels,
    inputs: channels / groups,
    outputs: outChannels / groups,
    pixels: batch * height * width,
    positions: batch * outHeight * outWidth,
    image: pointwise ? strided(channels) : { kind: 'image', window, stride: channels },
    adjoint: pointwise ? strided(outChannels) : { kind: 'positions', window, stride: outChannels },
  };
}
