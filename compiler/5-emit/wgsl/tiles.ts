// The tile shapes of products, and which one a product takes until it is measured.

import type { Product } from './product.ts';
import type { DeviceLimits } from '../model.ts';

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
}

export type Sizes = Pick<Product, 'groups' | 'rows' | 'columns' | 'depth'>;

const tile = (rows: number, columns: number, threadRows: number, threadColumns: number): Tile => ({ rows, columns, depth: 16, threadRows, threadColumns });

export const TILES: readonly Tile[] = [tile(128, 128, 8, 8), tile(128, 64, 8, 8), tile(64, 64, 8, 4), tile(128, 32, 8, 4), tile(64, 32, 4, 4), tile(32, 64, 4, 4), tile(32, 32, 4, 4)];

/** Workgroups that keep a large device busy. */
const ENOUGH = 192;
/** What a part of the summed axis holds at least, and how many partial results there are at most. */
const PART = 256;
const PARTIAL = 1 << 24;

export const threadsOf = ({ rows, columns, threadRows, threadColumns }: Tile): number => (rows / threadRows) * (columns / threadColumns);
export const bytesOf = ({ rows, columns, depth }: Tile): number => 4 * depth * (rows + columns);

/** Whether a product is large enough for tiles. */
export const isTiled = ({ rows, columns, depth }: Sizes): boolean => rows >= 8 && columns >= 4 && depth >= 8;

/** The tile with the least estimated time: work on padded sizes, slowed by what each number read from workgroup memory is used for and by idle processors. */
export function chooseTiling(sizes: Sizes, limits: DeviceLimits): Tiling {
  const fitted = TILES.map((each) => shallow(each, sizes.depth)).filter((each) => threadsOf(each) <= limits.workgroupInvocations && bytesOf(each) <= limits.workgroupBytes);
  const tilings = fitted.map((each) => ({ tile: each, parts: partsOf(sizes, each) }));
  const cost = (each: Tiling): number => {
    const { rows, columns, threadRows, threadColumns } = each.tile;
    const groups = tilesOf(sizes, each.tile) * each.parts;
    const perNumber = 1 + 4 * (1 / threadRows + 1 / threadColumns);
    return Math.ceil(groups / ENOUGH) * (rows * columns * perNumber) * Math.ceil(sizes.depth / each.parts);
  };
  const best = tilings.reduce<Tiling | undefined>((least, each) => (least && cost(least) <= cost(each) ? least : each), undefined);
  if (!best) throw new RangeError('no tile fits the device');
  return best;
}

/** A short summed axis, as that of a first layer of three channels, is taken in one go. */
const shallow = (each: Tile, depth: number): Tile => (depth <= 32 ? { ...each, depth: Math.ceil(depth / 4) * 4 } : each);

export const tilesOf = ({ groups, rows, columns }: Sizes, each: Tile): number => groups * Math.ceil(rows / each.rows) * Math.ceil(columns / each.columns);

function partsOf(sizes: Sizes, each: Tile): number {
  const most = Math.min(Math.floor(sizes.depth / PART), Math.floor(PARTIAL / (sizes.groups * sizes.rows * sizes.columns)));
  return Math.max(1, Math.min(most, Math.ceil(ENOUGH / tilesOf(sizes, each))));
}
