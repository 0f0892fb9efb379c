// A convolution in Winograd's way, and the adjoint of one by its input, which is a convolution with the filter turned round: blocks of tiles are transformed,
// multiplied place by place with the transformed filter, and transformed back as they are stored.

import { define } from './code.ts';
import type { Code, Fn, Local, Ref } from './code.ts';
import type { Store } from './gemm.ts';
import { eachUnit, HEAD } from './threads.ts';
import { createSums, multiplyAdd } from './tile.ts';
import { sandwich } from './transform.ts';
import { ceilTo, locate, oddLines, panelsOf, pixels, PLACES } from './winograd.ts';
import type { FilterLayout, Tiling } from './winograd.ts';
import { SIGNAL } from './cook-toom.ts';

/** Depth of a product between two visits to its sums in memory. */
const DEPTH = 256;

/** Bytes of the transformed filter from one place to the next: [panels, inputs, columns of the tile]. */
const placeBytes = (tiling: Tiling): number => oddLines(panelsOf(tiling) * tiling.inputs * tiling.tile.columns * 4);

/** Bytes of the transformed filter: [groups, PLACES, panels, inputs, columns of the tile]. */
export const filterBytes = (tiling: Tiling): number => tiling.groups * PLACES * placeBytes(tiling);

/** Defines `name`(head, transformed, filter): the filter of every pair of channels, transformed and packed. */
export function defineFilterTransform(code: Code, name: string, tiling: Tiling, layout: FilterLayout): void {
  const { m, c } = code;
  const { groups, inputs, outputs, algorithm, tile } = tiling;
  const panels = panelsOf(tiling);
  const { taps } = algorithm;
  define(code, name, HEAD.length + 2, (fn, [thread, threads, , , transformed, filter]) => {
    if (!thread || !threads || !transformed || !filter) throw new Error('arity');
    const [panel, group, from, to, column] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    const place = (i: number, j: number): number => (layout.flipped ? taps * taps - 1 - (i * taps + j) : i * taps + j) * layout.tap * 4;
    return [
      eachUnit(fn, thread, threads, groups * panels, (unit) => [
        group.set(m.i32.div_u(unit.get(), c(panels))),
        panel.set(m.i32.rem_u(unit.get(), c(panels))),
        fn.loop(c(0), () => c(inputs), 1, (depth) => [
          to.set(
            m.i32.add(
              m.i32.add(transformed.get(), m.i32.mul(group.get(), c(PLACES * placeBytes(tiling)))),
              m.i32.mul(m.i32.add(m.i32.mul(panel.get(), c(inputs)), depth.get()), c(tile.columns * 4)),
            ),
          ),
          from.set(m.i32.add(filter.get(), m.i32.add(m.i32.mul(group.get(), c(layout.group * 4)), m.i32.mul(depth.get(), c(layout.input * 4))))),
          fn.loop(c(0), () => c(tile.columns), 4, (four) => [
            column.set(m.i32.add(m.i32.mul(panel.get(), c(tile.columns)), four.get())),
            ...sandwich(
              fn,
              algorithm.filter,
              (i, j) => fourColumns(fn, from, column, place(i, j), layout.output, outputs),
              (i, j, value) => m.v128.store((i * SIGNAL + j) * placeBytes(tiling), 4, m.i32.add(to.get(), m.i32.mul(four.get(), c(4))), value),
            ),
          ]),
        ]),
      ]),
    ];
  });
}

/** Numbers of four columns, `offset` bytes further; of columns beyond the last, anything. */
function fourColumns(fn: Fn, from: Local, column: Local, offset: number, stride: number, columns: number): Ref {
  const { m, c } = fn.code;
  const address = (at: Ref): Ref => m.i32.add(from.get(), m.i32.mul(at, c(stride * 4)));
  const last = columns - 1;
  const bounded = (l: number): Ref => {
    const at = (): Ref => m.i32.add(column.get(), c(l));
    return m.select(m.i32.lt_s(at(), c(last)), at(), c(last));
  };
  if (stride === 1) return m.v128.load(offset, 4, address(column.get()));
  return [1, 2, 3].reduce((lanes, l) => m.v128.load32_lane(offset, 4, l, address(bounded(l)), lanes), m.v128.load32_zero(offset, 4, address(bounded(0))));
}

interface Block {
  /** Tiles of a block, and how many blocks there are. */
  readonly tiles: number;
  readonly count: number;
  /** Bytes between a tile's channels, and between places, of the transformed image and of the sums. */
  readonly inputBytes: number;
  readonly inputPlace: number;
  readonly sumBytes: number;
  readonly sumPlace: number;
}

function blockOf(tiling: Tiling): Block {
  const { tiles, groups, inputs, tile } = tiling;
  // What one place multiplies at a time stays in the first cache.
  const most = Math.max(8, Math.min(64, Math.floor(6144 / Math.min(inputs, DEPTH))));
  const blocks = Math.ceil(tiles / most);
  // Where there are few, a number of them that 2, 4 and 8 threads share evenly.
  const evenly = blocks * groups < 64 ? Math.min(ceilTo(blocks, 8), Math.ceil(tiles / 8)) : blocks;
  const size = ceilTo(Math.ceil(tiles / evenly), tile.rows);
  const [inputBytes, sumBytes] = [ceilTo(inputs, 4) * 4, panelsOf(tiling) * tile.columns * 4];
  return { tiles: size, count: Math.ceil(tiles / size), inputBytes, inputPlace: oddLines(size * inputBytes), sumBytes, sumPlace: oddLines(size * sumBytes) };
}

/** Bytes of scratch that each thread needs. */
export const convolutionScratch = (tiling: Tiling): number => {
  const { inputPlace, sumPlace } = blockOf(tiling);
  return PLACES * (inputPlace + sumPlace);
};

/** Defines `name`(head, out, image, transformed, ...more): the convolution with a filter that has been transformed; `store` is applied to every result. */
export function defineConvolution(code: Code, name: string, tiling: Tiling, store: Store, more = 0): void {
  const { m, c } = code;
  const block = blockOf(tiling);
  const { groups, inputs, tiles, algorithm, source } = tiling;
  define(code, name, HEAD.length + 3 + more, (fn, [thread, threads, scratch, zeros, out, image, filter, ...further]) => {
    if (!thread || !threads || !scratch || !zeros || !out || !image || !filter) throw new Error('arity');
    const [group, first, count, base, sums, transformed] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    const eachTile = (body: (tile: Local, place: ReturnType<typeof locate>) => readonly Ref[]): Ref =>
      fn.loop(c(0), count.get, 1, (tile) => {
        const place = locate(fn, tiling, () => m.i32.add(first.get(), tile.get()));
        return [...place.statements, ...body(tile, place)];
      });
    return [
      sums.set(m.i32.add(scratch.get(), c(PLACES * block.inputPlace))),
      eachUnit(fn, thread, threads, groups * block.count, (unit) => [
        group.set(m.i32.div_u(unit.get(), c(block.count))),
        first.set(m.i32.mul(m.i32.rem_u(unit.get(), c(block.count)), c(block.tiles))),
        count.set(m.i32.sub(c(tiles), first.get())),
        m.if(m.i32.gt_s(count.get(), c(block.tiles)), count.set(c(block.tiles))),
        base.set(m.i32.add(image.get(), m.i32.mul(group.get(), c(inputs * 4)))),
        eachTile((tile, { image: number, line, column, statements: _ }) => {
          const origin = (at: Local, before: number): Ref => m.i32.sub(m.i32.mul(at.get(), c(algorithm.outputs)), c(before));
          const { addresses, statements } = pixels(fn, source, SIGNAL, { base, zeros, image: number, y: origin(line, tiling.top), x: origin(column, tiling.left) });
          const to = fn.keep(m.i32.add(scratch.get(), m.i32.mul(tile.get(), c(block.inputBytes))));
          return [
            ...statements,
            to.statement,
            fn.loop(c(0), () => c(inputs * 4), 16, (at) =>
              sandwich(
                fn,
                algorithm.input,
                (i, j) => m.v128.load(0, 4, m.i32.add((addresses[i]?.[j] as Local).get(), at.get())),
                (i, j, value) => m.v128.store((i * SIGNAL + j) * block.inputPlace, 4, m.i32.add(to.local.get(), at.get()), value),
              ),
            ),
          ];
        }),
        transformed.set(m.i32.add(filter.get(), m.i32.mul(group.get(), c(PLACES * placeBytes(tiling))))),
        multiplyPlaces(fn, tiling, block, { scratch, sums, transformed, count }),
        eachTile((tile, place) => storeTile(fn, tiling, block, { tile, ...place, sums, out, group, store: (...sum) => store(...sum, further) })),
      ]),
    ];
  });
}

/** The product of each place: [tiles, inputs] by [inputs, outputs]. */
function multiplyPlaces(fn: Fn, tiling: Tiling, block: Block, { scratch, sums, transformed, count }: Record<'scratch' | 'sums' | 'transformed' | 'count', Local>): Ref {
  const { m, c } = fn.code;
  const { inputs } = tiling;
  const [a, b, end, target] = [fn.i32(), fn.i32(), fn.i32(), fn.i32()];
  const tile = { ...tiling.tile, rowBytes: block.inputBytes, stepBytes: 4 };
  const lines = createSums(fn, tile);
  const each = (visit: (sum: Local, offset: number) => Ref): Ref[] => lines.flatMap((line, r) => line.map((sum, v) => visit(sum, r * block.sumBytes + v * 16)));
  const slice = (from: number): Ref[] => {
    const depth = Math.min(DEPTH, inputs - from);
    return [
      fn.loop(c(0), () => c(panelsOf(tiling)), 1, (panel) => [
        fn.loop(c(0), count.get, tile.rows, (row) => [
          ...each((sum) => sum.set(fn.code.v(0))),
          a.set(m.i32.add(m.i32.add(scratch.get(), c(from * 4)), m.i32.mul(row.get(), c(block.inputBytes)))),
          b.set(m.i32.add(m.i32.add(transformed.get(), c(from * tile.columns * 4)), m.i32.mul(panel.get(), c(inputs * tile.columns * 4)))),
          end.set(m.i32.add(a.get(), c(depth * 4))),
          multiplyAdd(fn, lines, tile, { a, b, end }),
          target.set(m.i32.add(m.i32.add(sums.get(), m.i32.mul(row.get(), c(block.sumBytes))), m.i32.mul(panel.get(), c(tile.columns * 4)))),
          ...each((sum, offset) => m.v128.store(offset, 4, target.get(), from === 0 ? sum.get() : m.f32x4.add(sum.get(), m.v128.load(offset, 4, target.get())))),
        ]),
      ]),
    ];
  };
  const slices = Array.from({ length: Math.ceil(inputs / DEPTH) }, (_, i) => slice(i * DEPTH));
  const move = (local: Local, bytes: number): Ref => local.set(m.i32.add(local.get(), c(bytes)));
  return fn.block([
    fn.loop(c(0), () => c(PLACES), 1, () => [...slices.flat(), move(scratch, block.inputPlace), move(sums, block.sumPlace), move(transformed, placeBytes(tiling))]),
    move(scratch, -PLACES * block.inputPlace),
    move(sums, -PLACES * block.sumPlace),
  ]);
}

interface Stored extends Record<'tile' | 'image' | 'line' | 'column' | 'sums' | 'out' | 'group', Local> {
  readonly store: (fn: Fn, value: Ref, row: Local, column: Ref, group: Local) => Ref;
}

/** Transforms a tile's sums back, in place, and stores what lies in the image. */
function storeTile(fn: Fn, tiling: Tiling, block: Block, { tile, image, line, column, sums, out, group, store }: Stored): Ref[] {
  const { m, c } = fn.code;
  const { algorithm: { outputs: side, output }, result, outputs } = tiling;
  const from = fn.keep(m.i32.add(sums.get(), m.i32.mul(tile.get(), c(block.sumBytes))));
  const place = (i: number, j: number): number => (i * SIGNAL + j) * block.sumPlace;
  const [row, source, target, high] = [fn.i32(), fn.i32(), fn.i32(), fn.i32()];
  const inside = (first: Local, at: Local, length: number): Ref => m.i32.lt_s(m.i32.add(m.i32.mul(first.get(), c(side)), at.get()), c(length));
  const value = (at: Local): Ref => store(fn, m.v128.load(0, 4, m.i32.add(source.get(), m.i32.mul(at.get(), c(4)))), row, at.get(), group);
  const address = (at: Local): Ref => m.i32.add(target.get(), m.i32.mul(at.get(), c(4)));
  const whole = outputs - (outputs % 4);
  const last = fn.v128();
  const rest = fn.i32();
  return [
    from.statement,
    fn.loop(c(0), () => c(outputs * 4), 16, (at) => {
      const address = (): Ref => m.i32.add(from.local.get(), at.get());
      return sandwich(
        fn,
        output,
        (i, j) => m.v128.load(place(i, j), 4, address()),
        (i, j, result) => m.v128.store(place(i, j), 4, address(), result),
      );
    }),
    fn.loop(c(0), () => c(side), 1, (down) => [
      high.set(m.i32.add(m.i32.mul(line.get(), c(side)), down.get())),
      m.if(
        inside(line, down, result.height),
        fn.loop(c(0), () => c(side), 1, (across) => [
          m.if(
            inside(column, across, result.width),
            fn.block([
              row.set(m.i32.add(m.i32.mul(m.i32.add(m.i32.mul(image.get(), c(result.height)), high.get()), c(result.width)), m.i32.add(m.i32.mul(column.get(), c(side)), across.get()))),
              source.set(m.i32.add(from.local.get(), m.i32.mul(m.i32.add(m.i32.mul(down.get(), c(SIGNAL)), across.get()), c(block.sumPlace)))),
              target.set(m.i32.add(out.get(), m.i32.add(m.i32.mul(row.get(), c(result.channels * 4)), m.i32.mul(group.get(), c(outputs * 4))))),
              fn.loop(c(0), () => c(whole), 4, (at) => [m.v128.store(0, 4, address(at), value(at))]),
              ...(whole === outputs
                ? []
                : [
                    rest.set(c(whole)),
                    last.set(value(rest)),
                    ...Array.from({ length: outputs - whole }, (_, l) => m.v128.store32_lane(l * 4, 4, l, address(rest), last.get())),
                  ]),
            ]),
          ),
        ]),
      ),
    ]),
  ];
}
