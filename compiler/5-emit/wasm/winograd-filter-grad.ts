// The adjoint of a convolution by its filter in Winograd's way: tiles of the image and of the gradient are transformed, those of a place multiplied and summed over
// all tiles, and the sums transformed back into a filter. The tiles are taken a chunk at a time, so that they stay in the caches.

import { SIGNAL, transpose } from './cook-toom.ts';
import type { Matrix } from './cook-toom.ts';
import { define } from './code.ts';
import type { Code, Local, Ref } from './code.ts';
import type { Store } from './gemm.ts';
import { eachUnit, HEAD } from './threads.ts';
import { createSums, multiplyAdd } from './tile.ts';
import { sandwich } from './transform.ts';
import { ceilTo, locate, oddLines, panelsOf, pixels, PLACES } from './winograd.ts';
import type { Map2d, Tiling } from './winograd.ts';

/** How many bytes of transformed tiles there are at a time, at most about this. */
const CHUNK_BYTES = 1 << 23;
/** Channels of a panel of the left factor; the right one's have a tile's columns. */
const LEFT = 4;
/** Rows that a thread takes at a time. */
const ROWS = 64;

/** Tiles of a chunk. */
function chunkOf({ tiles, groups, inputs, outputs, tile }: Tiling): number {
  const bytes = groups * PLACES * (ceilTo(inputs, LEFT) + ceilTo(outputs, tile.columns)) * 4;
  const chunks = Math.ceil(tiles / Math.max(16, Math.floor(CHUNK_BYTES / bytes)));
  return Math.ceil(tiles / chunks);
}

/** The first tile of each chunk. */
export function chunkStarts(tiling: Tiling): number[] {
  const chunk = chunkOf(tiling);
  return Array.from({ length: Math.ceil(tiling.tiles / chunk) }, (_, i) => i * chunk);
}

/** One side of the product: the image's tiles by the filter's, or the gradient's by the results. */
export interface Side {
  readonly map: Map2d;
  readonly channels: number;
  /** Channels of a panel. */
  readonly width: number;
  readonly matrix: Matrix;
  readonly top: number;
  readonly left: number;
}

export const sidesOf = ({ algorithm, source, result, inputs, outputs, top, left, tile }: Tiling): { readonly image: Side; readonly gradient: Side } => ({
  image: { map: source, channels: inputs, width: LEFT, matrix: algorithm.input, top, left },
  gradient: { map: result, channels: outputs, width: tile.columns, matrix: transpose(algorithm.output), top: 0, left: 0 },
});

/** Bytes of a side's panel, [tiles of a chunk, width], of a place, and of all: [groups, PLACES, panels, ...]. */
function sizesOf(tiling: Tiling, { channels, width }: Side): { panel: number; place: number; all: number } {
  const panel = chunkOf(tiling) * width * 4;
  const place = oddLines(Math.ceil(channels / width) * panel);
  return { panel, place, all: tiling.groups * PLACES * place };
}
export const sideBytes = (tiling: Tiling, side: Side): number => sizesOf(tiling, side).all;

/** Sums: [groups, PLACES, inputs, outputs], both raised to whole tiles. */
const sumSizes = (tiling: Tiling): { line: number; place: number; all: number } => {
  const { groups, inputs, tile } = tiling;
  const line = panelsOf(tiling) * tile.columns * 4;
  const place = oddLines(ceilTo(inputs, tile.rows) * line);
  return { line, place, all: groups * PLACES * place };
};
export const sumBytes = (tiling: Tiling): number => sumSizes(tiling).all;

const tilesFrom = (tiling: Tiling, start: Local, { m, c }: Code): Ref => {
  const rest = (): Ref => m.i32.sub(c(tiling.tiles), start.get());
  return m.select(m.i32.lt_s(rest(), c(chunkOf(tiling))), rest(), c(chunkOf(tiling)));
};

/** Tiles that a thread transforms at a time. */
const FEW = 8;

/** Defines `name`(head, transformed, image, start): the tiles of the chunk that begins there, transformed and packed. */
export function defineTiles(code: Code, name: string, tiling: Tiling, side: Side): void {
  const { m, c } = code;
  const { groups, algorithm } = tiling;
  const { channels, width, matrix, map } = side;
  const sizes = sizesOf(tiling, side);
  const parts = Math.ceil(chunkOf(tiling) / FEW);
  define(code, name, HEAD.length + 3, (fn, [thread, threads, , zeros, transformed, image, start]) => {
    if (!thread || !threads || !zeros || !transformed || !image || !start) throw new Error('arity');
    const [group, first, end, base, to, count] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    return [
      count.set(tilesFrom(tiling, start, code)),
      eachUnit(fn, thread, threads, groups * parts, (unit) => [
        group.set(m.i32.div_u(unit.get(), c(parts))),
        first.set(m.i32.mul(m.i32.rem_u(unit.get(), c(parts)), c(FEW))),
        end.set(m.i32.add(first.get(), c(FEW))),
        m.if(m.i32.gt_s(end.get(), count.get()), end.set(count.get())),
        base.set(m.i32.add(image.get(), m.i32.mul(group.get(), c(channels * 4)))),
        fn.advance(first, end.get, 1, () => {
          const place = locate(fn, tiling, () => m.i32.add(start.get(), first.get()));
          const origin = (at: Local, before: number): Ref => m.i32.sub(m.i32.mul(at.get(), c(algorithm.outputs)), c(before));
          const size = matrix[0]?.length ?? 0;
          const { addresses, statements } = pixels(fn, map, size, { base, zeros, image: place.image, y: origin(place.line, side.top), x: origin(place.column, side.left) });
          return [
            ...place.statements,
            ...statements,
            fn.loop(c(0), () => c(channels), 4, (channel) => [
              to.set(
                m.i32.add(
                  m.i32.add(transformed.get(), m.i32.mul(group.get(), c(PLACES * sizes.place))),
                  m.i32.add(
                    m.i32.add(m.i32.mul(m.i32.div_u(channel.get(), c(width)), c(sizes.panel)), m.i32.mul(m.i32.rem_u(channel.get(), c(width)), c(4))),
                    m.i32.mul(first.get(), c(width * 4)),
                  ),
                ),
              ),
              ...sandwich(
                fn,
                matrix,
                (i, j) => m.v128.load(0, 4, m.i32.add((addresses[i]?.[j] as Local).get(), m.i32.mul(channel.get(), c(4)))),
                (i, j, value) => m.v128.store((i * SIGNAL + j) * sizes.place, 4, to.get(), value),
              ),
            ]),
          ];
        }),
      ]),
    ];
  });
}

/** Defines `name`(head, sums, image, gradient, start): adds the products of the chunk's transformed tiles, summed over the tiles, to those of the chunks before. */
export function defineTileProducts(code: Code, name: string, tiling: Tiling): void {
  const { m, c } = code;
  const { groups, inputs } = tiling;
  const { image: left, gradient: right } = sidesOf(tiling);
  const [leftSizes, rightSizes, sizes] = [sizesOf(tiling, left), sizesOf(tiling, right), sumSizes(tiling)];
  const blocks = Math.ceil(inputs / ROWS);
  define(code, name, HEAD.length + 4, (fn, [thread, threads, , , sums, image, gradient, start]) => {
    if (!thread || !threads || !sums || !image || !gradient || !start) throw new Error('arity');
    const [place, first, last, depth, a, b, end, target] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    const tile = { ...tiling.tile, rowBytes: 4, stepBytes: LEFT * 4 };
    const lines = createSums(fn, tile);
    const each = (visit: (sum: Local, offset: number) => Ref): Ref => fn.block(lines.flatMap((line, r) => line.map((sum, v) => visit(sum, r * sizes.line + v * 16))));
    return [
      depth.set(tilesFrom(tiling, start, code)),
      eachUnit(fn, thread, threads, groups * PLACES * blocks, (unit) => [
        place.set(m.i32.div_u(unit.get(), c(blocks))),
        first.set(m.i32.mul(m.i32.rem_u(unit.get(), c(blocks)), c(ROWS))),
        last.set(m.i32.add(first.get(), c(ROWS))),
        m.if(m.i32.gt_s(last.get(), c(inputs)), last.set(c(inputs))),
        fn.loop(c(0), () => c(panelsOf(tiling)), 1, (panel) => [
          fn.loop(first.get(), last.get, tile.rows, (row) => [
            each((sum) => sum.set(fn.code.v(0))),
            a.set(
              m.i32.add(
                m.i32.add(image.get(), m.i32.mul(place.get(), c(leftSizes.place))),
                m.i32.add(m.i32.mul(m.i32.div_u(row.get(), c(LEFT)), c(leftSizes.panel)), m.i32.mul(m.i32.rem_u(row.get(), c(LEFT)), c(4))),
              ),
            ),
            end.set(m.i32.add(a.get(), m.i32.mul(depth.get(), c(LEFT * 4)))),
            b.set(m.i32.add(m.i32.add(gradient.get(), m.i32.mul(place.get(), c(rightSizes.place))), m.i32.mul(panel.get(), c(rightSizes.panel)))),
            multiplyAdd(fn, lines, tile, { a, b, end }),
            target.set(
              m.i32.add(
                m.i32.add(sums.get(), m.i32.mul(place.get(), c(sizes.place))),
                m.i32.add(m.i32.mul(row.get(), c(sizes.line)), m.i32.mul(panel.get(), c(tile.columns * 4))),
              ),
            ),
            m.if(m.i32.ne(start.get(), c(0)), each((sum, offset) => sum.set(m.f32x4.add(sum.get(), m.v128.load(offset, 4, target.get()))))),
            each((sum, offset) => m.v128.store(offset, 4, target.get(), sum.get())),
          ]),
        ]),
      ]),
    ];
  });
}

/** Defines `name`(head, out, sums, ...more): the sums transformed back; `store` is applied to every result, of which each tap's inputs are rows. */
export function defineFilterStore(code: Code, name: string, tiling: Tiling, store: Store, more = 0): void {
  const { m, c } = code;
  const { groups, inputs, outputs, algorithm: { taps, filter }, result } = tiling;
  const sizes = sumSizes(tiling);
  define(code, name, HEAD.length + 2 + more, (fn, [thread, threads, , , out, sums, ...further]) => {
    if (!thread || !threads || !out || !sums) throw new Error('arity');
    const [group, input, from, target, row, column] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    const value = fn.v128();
    return [
      eachUnit(fn, thread, threads, groups * inputs, (unit) => [
        group.set(m.i32.div_u(unit.get(), c(inputs))),
        input.set(m.i32.rem_u(unit.get(), c(inputs))),
        fn.loop(c(0), () => c(outputs), 4, (at) => [
          column.set(at.get()),
          from.set(
            m.i32.add(
              m.i32.add(sums.get(), m.i32.mul(group.get(), c(PLACES * sizes.place))),
              m.i32.add(m.i32.mul(input.get(), c(sizes.line)), m.i32.mul(at.get(), c(4))),
            ),
          ),
          ...sandwich(
            fn,
            transpose(filter),
            (i, j) => m.v128.load((i * SIGNAL + j) * sizes.place, 4, from.get()),
            (i, j, result) => m.v128.store((i * SIGNAL + j) * sizes.place, 4, from.get(), result),
          ),
          fn.loop(c(0), () => c(taps * taps), 1, (tap) => [
            row.set(m.i32.add(m.i32.mul(tap.get(), c(inputs)), input.get())),
            target.set(
              m.i32.add(
                m.i32.add(out.get(), m.i32.mul(row.get(), c(result.channels * 4))),
                m.i32.add(m.i32.mul(group.get(), c(outputs * 4)), m.i32.mul(column.get(), c(4))),
              ),
            ),
            value.set(
              store(
                fn,
                m.v128.load(0, 4, m.i32.add(from.get(), m.i32.mul(m.i32.add(m.i32.mul(m.i32.div_u(tap.get(), c(taps)), c(SIGNAL)), m.i32.rem_u(tap.get(), c(taps))), c(sizes.place)))),
                row,
                column.get(),
                group,
                further,
              ),
            ),
            m.if(
              m.i32.le_s(column.get(), c(outputs - 4)),
              m.v128.store(0, 4, target.get(), value.get()),
              fn.block([0, 1, 2].map((l) => m.if(m.i32.gt_s(m.i32.sub(c(outputs), column.get()), c(l)), m.v128.store32_lane(l * 4, 4, l, target.get(), value.get())))),
            ),
          ]),
        ]),
      ]),
    ];
  });
}
