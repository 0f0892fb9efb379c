// The tile shapes of products, and which one a product takes until it is measured.

import type { DeviceLimits } from '../model.ts';
import { layoutOf, vectorsIn } from './staging.ts';
import type { Copy } from './staging.ts';

export interface Tile {
  /** What a workgroup computes: rows by columns, `depth` places of the summed axis at a time. Multiples of 4. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** What each thread computes of it. Multiples of 4 that divide the tile. */
  readonly threadRows: number;
  readonly threadColumns: number;
}

export interface Tiling {
  readonly tile: Tile;
  /** Into how many parts the summed axis is cut, each summed by workgroups of its own. */
  readonly parts: number;
  /** How many slices of the factors workgroup memory holds: with two, one is written while the other is read. */
  readonly buffers: 1 | 2;
}

/** Of a product: its extents, and how its factors are copied. */
export interface Sizes {
  readonly groups: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly left: Copy;
  readonly right: Copy;
}

const tile = (rows: number, columns: number, threadRows: number, threadColumns: number): Tile => ({ rows, columns, depth: 16, threadRows, threadColumns });

export const TILES: readonly Tile[] = [
  tile(128, 128, 8, 8),
  tile(128, 96, 8, 8),
  tile(128, 64, 8, 8),
  tile(64, 128, 8, 8),
  tile(64, 96, 8, 4),
  tile(64, 64, 8, 4),
  tile(32, 96, 4, 8),
  tile(128, 32, 8, 4),
  tile(64, 32, 4, 4),
  tile(32, 64, 4, 4),
  tile(32, 32, 4, 4),
];

/** Counts up when shaders of products are written in another way: times of former ones say nothing of them. */
export const SHADERS = 1;

/** Workgroups that keep a large device busy, and what share of a workgroup's time others are done before the last one. */
const ENOUGH = 192;
const TAIL = 0.3;
/** What a part of the summed axis holds at least, and how many partial results there are at most. */
const PART = 256;
const PARTIAL = 1 << 24;
/** Summed axes up to this long are taken in one slice. */
const SHORT = 32;

export const threadsOf = ({ rows, columns, threadRows, threadColumns }: Tile): number => (rows / threadRows) * (columns / threadColumns);

/** Bytes of workgroup memory. */
export const bytesOf = ({ tile: { rows, columns, depth }, buffers }: Pick<Tiling, 'tile' | 'buffers'>, { left, right }: Pick<Sizes, 'left' | 'right'>): number =>
  16 * buffers * (vectorsIn(layoutOf(left, rows, depth)) + vectorsIn(layoutOf(right, columns, depth)));

/** Whether a product is large enough for tiles. */
export const isTiled = ({ rows, columns, depth }: Sizes): boolean => rows >= 8 && columns >= 4 && depth >= 8;

/** The tilings of a product that the device has room for. */
export function tilingsOf(sizes: Sizes, { workgroupInvocations, workgroupBytes }: DeviceLimits): Tiling[] {
  const slices = TILES.flatMap((each) => [...new Set([each.depth, each.depth / 2].map((depth) => (sizes.depth <= SHORT ? Math.ceil(sizes.depth / 4) * 4 : depth)))].map((depth) => ({ ...each, depth })));
  return slices.flatMap((each): Tiling[] => {
    const parts = partsOf(sizes, each);
    const room = ([2, 1] as const).find((buffers) => bytesOf({ tile: each, buffers }, sizes) <= workgroupBytes);
    return room && threadsOf(each) <= workgroupInvocations ? [{ tile: each, parts, buffers: sizes.depth <= each.depth ? 1 : room }] : [];
  });
}

/**
 * The tilings of a product that are worth measuring, the one of the least estimated time first. Where the summed axis is cut, or there are too few tiles to keep
 * a device busy, with other numbers of parts as well.
 */
export function candidatesOf(sizes: Sizes, limits: DeviceLimits): Tiling[] {
  const one = tilingsOf(sizes, limits).sort((a, b) => costOf(a, sizes) - costOf(b, sizes));
  const others = one.flatMap((each) => [each.parts / 2, each.parts * 2, 1].map((parts) => ({ ...each, parts: Math.ceil(parts) })).filter(({ tile: shape, parts }) => mayHaveParts(sizes, shape, parts)));
  return [...new Map([...one, ...others].map((each) => [JSON.stringify(each), each])).values()].sort((a, b) => costOf(a, sizes) - costOf(b, sizes));
}

/** Whether parts have something to sum, and their partial results fit. */
const mayHaveParts = (sizes: Sizes, shape: Tile, parts: number): boolean =>
  parts === 1 || (parts <= slicesOf(sizes, shape) && sizes.depth / parts >= PART / 2 && parts * sizes.groups * sizes.rows * sizes.columns <= PARTIAL);

/** What tells a product from others: choices are kept under it. */
export const nameOf = (sizes: Sizes): string => Object.entries(sizes).map(([name, value]) => `${name} ${value}`).join(', ');

/** `128x64 tiles, 16 deep, 8x8 a thread, 2 in memory, 3 parts`. */
export const showTiling = ({ tile: { rows, columns, depth, threadRows, threadColumns }, parts, buffers }: Tiling): string =>
  `${rows}x${columns} tiles, ${depth} deep, ${threadRows}x${threadColumns} a thread${buffers === 1 ? '' : `, ${buffers} in memory`}${parts === 1 ? '' : `, ${parts} parts`}`;

/** The tiling with the least estimated time. Throws RangeError where the device has room for none. */
export function chooseTiling(sizes: Sizes, limits: DeviceLimits): Tiling {
  const [first, ...others] = tilingsOf(sizes, limits);
  if (!first) throw new RangeError('no tile fits the device');
  return others.reduce((least, each) => (costOf(least, sizes) <= costOf(each, sizes) ? least : each), first);
}

/** Work on padded sizes, slowed by what each number read from workgroup memory is used for, by waiting at every slice, and by idle processors. */
function costOf({ tile: each, parts, buffers }: Tiling, sizes: Sizes): number {
  const { rows, columns, depth, threadRows, threadColumns } = each;
  const rounds = Math.max(1, (tilesOf(sizes, each) * parts) / ENOUGH) + TAIL;
  const perNumber = 1 + 4 * (1 / threadRows + 1 / threadColumns);
  const waits = (16 / depth) * (buffers === 1 ? 0.1 : 0.05);
  return rounds * rows * columns * (perNumber + waits) * Math.ceil(sizes.depth / parts);
}

export const tilesOf = ({ groups, rows, columns }: Sizes, each: Tile): number => groups * Math.ceil(rows / each.rows) * Math.ceil(columns / each.columns);

/** How often a workgroup copies a slice of each factor. */
export const slicesOf = ({ depth }: Pick<Sizes, 'depth'>, each: Tile): number => Math.ceil(depth / each.depth);

function partsOf(sizes: Sizes, each: Tile): number {
  const most = Math.min(Math.floor(sizes.depth / PART), Math.floor(PARTIAL / (sizes.groups * sizes.rows * sizes.columns)));
  return Math.max(1, Math.min(most, Math.ceil(ENOUGH / tilesOf(sizes, each))));
}
