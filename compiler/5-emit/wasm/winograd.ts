// Convolutions with few multiplications (Winograd's algorithm): a tile of an image and a filter become 36 numbers a channel each, which are multiplied place by place.
// Over all tiles and channels that is one matrix product for each of the 36 places. This file holds what the forward and the filter's side share.

import { samePadding } from '../../2-graph/window.ts';
import type { Node } from '../../2-graph/graph.ts';
import { concreteShape } from '../../2-graph/types.ts';
import type { Fn, Local, Ref } from './code.ts';
import { cookToom, SIGNAL } from './cook-toom.ts';
import type { ShortConvolution } from './cook-toom.ts';
import { tileFor } from './tile.ts';
import type { TileShape } from './tile.ts';

/** An NHWC image, whose pixels may be read as if they stood further apart, with zeros between them. */
export interface Map2d {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly spacing: number;
}

/** How images are cut: tiles of `algorithm.outputs` results along each axis, in rows and columns from the first result on. */
export interface Tiling {
  readonly algorithm: ShortConvolution;
  readonly images: number;
  readonly groups: number;
  /** What the taps read, and where they are put. */
  readonly source: Map2d;
  readonly result: Map2d;
  /** Zeros before the source's first line and column. */
  readonly top: number;
  readonly left: number;
  readonly down: number;
  readonly across: number;
  readonly tiles: number;
  /** Channels of a group that are summed over or paired, and those of the result. */
  readonly inputs: number;
  readonly outputs: number;
  /** The register tile of the products. */
  readonly tile: TileShape;
}

/** Numbers of a transformed tile, a channel. */
export const PLACES = SIGNAL * SIGNAL;

/** Where a tap's factor for a pair of channels lies in the filter: strides in elements. */
export interface FilterLayout {
  readonly tap: number;
  readonly input: number;
  readonly output: number;
  readonly group: number;
  /** The last tap comes first. */
  readonly flipped: boolean;
}

export type Winograd =
  | { readonly kind: 'convolution'; readonly tiling: Tiling; readonly filter: FilterLayout }
  | { readonly kind: 'filter gradient'; readonly tiling: Tiling };

type WindowAttrs = Omit<Node<'conv2d'>['attrs'], 'k'>;

/** The node done in Winograd's way, where that takes less time than a plain product; the operands' shapes may differ from those of the values they hold. */
export function winogradOf(node: Node, operands: readonly (readonly number[])[]): Winograd | undefined {
  const [left = [], right = []] = operands;
  const out = concreteShape(node.type.shape);
  switch (node.kind) {
    case 'conv2d': {
      const [k = 1, , inputs = 1, outChannels = 1] = right;
      const tiling = tilingOf(node.attrs, k, left, out);
      const filter = { tap: inputs * outChannels, input: outChannels, output: 1, group: tiling.outputs, flipped: false };
      return node.attrs.stride === 1 ? accepted({ kind: 'convolution', tiling, filter }, node.attrs) : undefined;
    }
    case 'conv2d_input_grad': {
      const [k = 1, , inputs = 1, outChannels = 1] = right;
      const { top, left: before } = paddingOf(node.attrs, k, out);
      // A convolution by steps is one whose other results are thrown away: their adjoints are zeros.
      const plain = tilingOf(node.attrs, k, left, out);
      const tiling = { ...plain, source: { ...plain.source, spacing: node.attrs.stride }, top: k - 1 - top, left: k - 1 - before };
      const filter = { tap: inputs * outChannels, input: 1, output: outChannels, group: tiling.inputs, flipped: true };
      return accepted({ kind: 'convolution', tiling, filter }, node.attrs);
    }
    case 'conv2d_filter_grad':
      return node.attrs.stride === 1 ? accepted({ kind: 'filter gradient', tiling: tilingOf(node.attrs, node.attrs.k, left, right) }, node.attrs) : undefined;
    default:
      return undefined;
  }
}

const paddingOf = ({ stride, dilation, pad }: WindowAttrs, k: number, [, height = 1, width = 1]: readonly number[]) => ({
  top: samePadding(height, k, stride, dilation, pad).before,
  left: samePadding(width, k, stride, dilation, pad).before,
});

function tilingOf(attrs: WindowAttrs, k: number, from: readonly number[], to: readonly number[]): Tiling {
  const map = ([, height = 1, width = 1, channels = 1]: readonly number[]): Map2d => ({ height, width, channels, spacing: 1 });
  const [images = 1] = from;
  const [source, result] = [map(from), map(to)];
  const algorithm = cookToom(k);
  const [down, across] = [Math.ceil(result.height / algorithm.outputs), Math.ceil(result.width / algorithm.outputs)];
  const { groups } = attrs;
  return { algorithm, images, groups, source, result, ...paddingOf(attrs, k, from), down, across, tiles: images * down * across, inputs: source.channels / groups, outputs: result.channels / groups, tile: tileFor(result.channels / groups) };
}

/** What transforming a channel of a tile, and a filter for a pair of channels, takes in multiply-adds of the product. */
const TILE_COST = 240;
const FILTER_COST = 120;
/** A pixel beside the image is read from a block of zeros, which is 64 KiB long. */
const MOST_CHANNELS = 16_000;

function accepted(winograd: Winograd, { dilation }: WindowAttrs): Winograd | undefined {
  const { algorithm: { taps }, images, groups, result, tiles, inputs, outputs } = winograd.tiling;
  if (dilation !== 1 || taps < 2 || taps >= SIGNAL || inputs > MOST_CHANNELS || outputs > MOST_CHANNELS) return undefined;
  const pairs = inputs * outputs;
  const plain = images * result.height * result.width * taps * taps * pairs;
  const cost = tiles * (PLACES * pairs + TILE_COST * (inputs + outputs)) + FILTER_COST * pairs;
  return groups * cost < 0.9 * groups * plain ? winograd : undefined;
}

// What kernels have in common.

export const ceilTo = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Bytes, raised to an odd number of cache lines, so that steps of so many do not meet in one set of the cache. */
export const oddLines = (bytes: number): number => ceilTo(bytes, 128) + 64;

/** Panels of columns that the products' right factor is packed in. */
export const panelsOf = ({ outputs, tile }: Tiling): number => Math.ceil(outputs / tile.columns);

/** A tile's image and its place in it, found from its number. */
export function locate(fn: Fn, { down, across }: Tiling, tile: () => Ref): { image: Local; line: Local; column: Local; statements: Ref[] } {
  const { m, c } = fn.code;
  const [image, line, column] = [fn.i32(), fn.i32(), fn.i32()];
  return {
    image,
    line,
    column,
    statements: [
      image.set(m.i32.div_u(tile(), c(down * across))),
      line.set(m.i32.rem_u(m.i32.div_u(tile(), c(across)), c(down))),
      column.set(m.i32.rem_u(tile(), c(across))),
    ],
  };
}

/** The addresses of a square of pixels, channel 0 of the group at `base`; those beside the image are at `zeros`. */
export function pixels(fn: Fn, map: Map2d, size: number, { base, zeros, image, y, x }: { base: Local; zeros: Local; image: Local; y: Ref; x: Ref }): { addresses: Local[][]; statements: Ref[] } {
  const { m, c } = fn.code;
  const statements: Ref[] = [];
  const keep = (value: Ref): Local => {
    const { local, statement } = fn.keep(value);
    statements.push(statement);
    return local;
  };
  const { spacing } = map;
  const axis = (first: Ref, length: number, place: (at: Ref) => Ref): { inside: Local; bytes: Local }[] => {
    const start = keep(first);
    return Array.from({ length: size }, (_, i) => {
      const at = keep(m.i32.add(start.get(), c(i)));
      const within = m.i32.lt_u(at.get(), c((length - 1) * spacing + 1));
      if (spacing === 1) return { inside: keep(within), bytes: keep(place(at.get())) };
      return { inside: keep(m.i32.and(within, m.i32.eqz(m.i32.rem_u(at.get(), c(spacing))))), bytes: keep(place(m.i32.div_u(at.get(), c(spacing)))) };
    });
  };
  const lines = axis(y, map.height, (at) => m.i32.add(base.get(), m.i32.mul(m.i32.add(m.i32.mul(image.get(), c(map.height)), at), c(map.width * map.channels * 4))));
  const columns = axis(x, map.width, (at) => m.i32.mul(at, c(map.channels * 4)));
  const addresses = lines.map((line) =>
    columns.map((column) => keep(m.select(m.i32.and(line.inside.get(), column.inside.get()), m.i32.add(line.bytes.get(), column.bytes.get()), zeros.get()))),
  );
  return { addresses, statements };
}
