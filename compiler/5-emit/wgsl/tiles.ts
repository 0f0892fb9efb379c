// The tile shapes of products, and which one a product takes until it is measured.

import type { DeviceProfile, MatrixShape } from '../model.ts';
import { layoutOf, vectorsIn } from './staging.ts';
import type { Copy } from './staging.ts';

export interface Tile {
  /** What a workgroup computes: rows by columns, `depth` places of the summed axis at a time. Multiples of 4. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** What each thread, or each subgroup, computes of it. Multiples of 4, or of its matrices' sizes, that divide the tile. */
  readonly threadRows: number;
  readonly threadColumns: number;
  /** Where subgroups multiply matrices: their invocations at most, and the matrices. */
  readonly subgroup?: Subgroup;
}

export interface Subgroup {
  readonly size: number;
  readonly matrix: Pick<MatrixShape, 'rows' | 'columns' | 'depth'>;
}

export interface Tiling {
  readonly tile: Tile;
  /** Into how many parts the summed axis is cut, each summed by workgroups of its own. */
  readonly parts: number;
  /** How many slices of the factors workgroup memory holds: with two, one is written while the other is read. */
  readonly buffers: 1 | 2;
}

/** Of a product: its extents, how its factors are copied, and in what they are multiplied. */
export interface Sizes {
  readonly groups: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly left: Copy;
  readonly right: Copy;
  readonly factors: 'f32' | 'f16';
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

/** The same for matrices of subgroups: four or eight subgroups in a workgroup. */
const MATRIX_TILES: readonly Tile[] = [
  tile(128, 128, 64, 32),
  tile(128, 128, 64, 64),
  tile(128, 96, 32, 48),
  tile(128, 64, 32, 32),
  tile(64, 128, 32, 32),
  tile(64, 96, 32, 48),
  tile(64, 64, 32, 32),
  tile(128, 32, 32, 32),
  tile(32, 96, 16, 48),
  tile(64, 32, 32, 16),
  tile(32, 64, 16, 32),
  tile(32, 32, 16, 16),
];

/** Counts up when shaders of products are written in another way: times of former ones say nothing of them. */
export const SHADERS = 1;

/** Workgroups that keep a large device busy, and what share of a workgroup's time others are done before the last one. */
const ENOUGH = 192;
const TAIL = 0.3;
/** How often a subgroup multiplies numbers of matrices in the time of others. A guess: it decides only until tilings are measured. */
const MATRIX_SPEED = 8;
/** What a part of the summed axis holds at least, and how many partial results there are at most. */
const PART = 256;
const PARTIAL = 1 << 24;
/** Summed axes up to this long are taken in one slice. */
const SHORT = 32;

export const threadsOf = ({ rows, columns, threadRows, threadColumns, subgroup }: Tile): number => (rows / threadRows) * (columns / threadColumns) * (subgroup?.size ?? 1);

/** Bytes of workgroup memory. */
export const bytesOf = ({ tile: each, buffers }: Pick<Tiling, 'tile' | 'buffers'>, { left, right, factors }: Pick<Sizes, 'left' | 'right' | 'factors'>): number =>
  (factors === 'f16' ? 8 : 16) * buffers * (sliceOf(each, left, each.rows) + sliceOf(each, right, each.columns)) + 16 * sumVectors(each);

const sliceOf = ({ depth, subgroup }: Tile, copy: Copy, size: number): number => vectorsIn(layoutOf(copy, size, depth, subgroup !== undefined));

/** Vectors of four sums that lie in workgroup memory at once on their way out of matrices: a row of matrices for each subgroup. */
export const sumVectors = ({ rows, columns, threadRows, threadColumns, subgroup }: Tile): number =>
  subgroup ? (rows / threadRows) * (columns / threadColumns) * subgroup.matrix.rows * sumStride(threadColumns) : 0;

/** From one row of a subgroup's sums to the next, in vectors: one of padding leads neighbours to different banks. */
export const sumStride = (threadColumns: number): number => threadColumns / 4 + 1;

/** Whether a product is large enough for tiles. */
export const isTiled = ({ rows, columns, depth }: Sizes): boolean => rows >= 8 && columns >= 4 && depth >= 8;

/** The subgroups that multiply f16 and add up in f32, with the largest of the device's matrices, if it has any. */
export function subgroupOf({ features, subgroupSizes, matrices }: DeviceProfile): Subgroup | undefined {
  const volume = ({ rows, columns, depth }: MatrixShape): number => rows * columns * depth;
  const [largest] = matrices.filter(({ factors, sums }) => factors === 'f16' && sums === 'f32').sort((a, b) => volume(b) - volume(a));
  if (!largest || !subgroupSizes || !NEEDED.every((feature) => features.includes(feature))) return undefined;
  const { rows, columns, depth } = largest;
  return { size: subgroupSizes[1], matrix: { rows, columns, depth } };
}

/** What shaders with matrices ask of a device. */
export const NEEDED = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as const;

/** The tilings of a product that the device has room for. */
export function tilingsOf(sizes: Sizes, device: DeviceProfile): Tiling[] {
  const subgroup = sizes.factors === 'f16' ? subgroupOf(device) : undefined;
  const { workgroupInvocations, workgroupBytes } = device.limits;
  const byThreads = TILES.flatMap((each) => slicesFor(sizes, [each.depth, each.depth / 2], 4).map((depth) => ({ ...each, depth })));
  return [...(subgroup ? matrixTiles(sizes, subgroup) : []), ...byThreads].flatMap((each): Tiling[] => {
    const parts = partsOf(sizes, each);
    const room = ([2, 1] as const).find((buffers) => bytesOf({ tile: each, buffers }, sizes) <= workgroupBytes);
    return room && threadsOf(each) <= workgroupInvocations ? [{ tile: each, parts, buffers: sizes.depth <= each.depth ? 1 : room }] : [];
  });
}

/** How deep slices may be: short axes are taken in one. */
const slicesFor = ({ depth }: Sizes, usual: readonly number[], multiple: number): number[] => [...new Set(usual.map((each) => (depth <= SHORT ? Math.ceil(depth / multiple) * multiple : each)))];

function matrixTiles(sizes: Sizes, subgroup: Subgroup): Tile[] {
  const { rows, columns, depth } = subgroup.matrix;
  const fitting = MATRIX_TILES.filter((each) => each.threadRows % rows === 0 && each.threadColumns % columns === 0);
  return fitting.flatMap((each) => slicesFor(sizes, [32, 16].filter((slice) => slice % depth === 0), depth).map((slice) => ({ ...each, depth: slice, subgroup })));
}

/**
 * The tilings of a product that are worth measuring, the one of the least estimated time first. Where the summed axis is cut, or there are too few tiles to keep
 * a device busy, with other numbers of parts as well.
 */
export function candidatesOf(sizes: Sizes, device: DeviceProfile): Tiling[] {
  const one = tilingsOf(sizes, device).sort((a, b) => costOf(a, sizes) - costOf(b, sizes));
  const others = one.flatMap((each) => [each.parts / 2, each.parts * 2, 1].map((parts) => ({ ...each, parts: Math.ceil(parts) })).filter(({ tile: shape, parts }) => mayHaveParts(sizes, shape, parts)));
  return [...new Map([...one, ...others].map((each) => [JSON.stringify(each), each])).values()].sort((a, b) => costOf(a, sizes) - costOf(b, sizes));
}

/** Whether parts have something to sum, and their partial results fit. */
const mayHaveParts = (sizes: Sizes, shape: Tile, parts: number): boolean =>
  parts === 1 || (parts <= slicesOf(sizes, shape) && sizes.depth / parts >= PART / 2 && parts * sizes.groups * sizes.rows * sizes.columns <= PARTIAL);

/** What tells a product from others: choices are kept under it. */
export const nameOf = (sizes: Sizes): string => Object.entries(sizes).map(([name, value]) => `${name} ${value}`).join(', ');

/** `128x64 tiles, 16 deep, 8x8 a thread, 2 in memory, 3 parts`. */
export const showTiling = ({ tile: { rows, columns, depth, threadRows, threadColumns, subgroup }, parts, buffers }: Tiling): string =>
  `${rows}x${columns} tiles, ${depth} deep, ${threadRows}x${threadColumns} a ${subgroup ? `subgroup in ${Object.values(subgroup.matrix).join('x')} matrices` : 'thread'}${buffers === 1 ? '' : `, ${buffers} in memory`}${parts === 1 ? '' : `, ${parts} parts`}`;

/** The tiling with the least estimated time. Throws RangeError where the device has room for none. */
export function chooseTiling(sizes: Sizes, device: DeviceProfile): Tiling {
  const [first, ...others] = tilingsOf(sizes, device);
  if (!first) throw new RangeError('no tile fits the device');
  return others.reduce((least, each) => (costOf(least, sizes) <= costOf(each, sizes) ? least : each), first);
}

/** Work on padded sizes, slowed by what each number read from workgroup memory is used for, by waiting at every slice, and by idle processors. */
function costOf({ tile: each, parts, buffers }: Tiling, sizes: Sizes): number {
  const { rows, columns, depth, threadRows, threadColumns, subgroup } = each;
  const rounds = Math.max(1, (tilesOf(sizes, each) * parts) / ENOUGH) + TAIL;
  const perNumber = (subgroup ? 1 / MATRIX_SPEED : 1) + 4 * (1 / threadRows + 1 / threadColumns);
  const waits = (16 / depth) * (buffers === 1 ? 0.1 : 0.05);
  return rounds * rows * columns * (perNumber + waits) * Math.ceil(sizes.depth / parts);
}

const tilesOf = ({ groups, rows, columns }: Sizes, each: Tile): number => groups * Math.ceil(rows / each.rows) * Math.ceil(columns / each.columns);

/** How often a workgroup copies a slice of each factor. */
export const slicesOf = ({ depth }: Pick<Sizes, 'depth'>, each: Tile): number => Math.ceil(depth / each.depth);

function partsOf(sizes: Sizes, each: Tile): number {
  const most = Math.min(Math.floor(sizes.depth / PART), Math.floor(PARTIAL / (sizes.groups * sizes.rows * sizes.columns)));
  return Math.max(1, Math.min(most, Math.ceil(ENOUGH / tilesOf(sizes, each))));
}
