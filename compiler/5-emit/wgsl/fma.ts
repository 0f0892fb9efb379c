// Products of staged slices by multiplications and additions: each thread keeps a block of sums in registers.
//
// A thread's rows and columns lie in runs of four that are spread over the tile, so that threads side by side read vectors side by side.

import { plus, quotient, remainder, times, use, int } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import { LANES } from './runs.ts';
import type { Module } from './shader.ts';
import type { Layout } from './staging.ts';
import { FORMATS } from './storage.ts';
import { threadsOf } from './tiles.ts';
import type { Tile } from './tiles.ts';
import { indent, innerScope } from './writer.ts';
import type { Scope, Writer } from './writer.ts';

const each = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** A factor's slice in workgroup memory. */
export interface Staged {
  readonly array: string;
  readonly layout: Layout;
  /** The first vector of the slice. */
  readonly from: Index;
  /** What its vectors hold; sums are f32. */
  readonly dtype: 'f32' | 'f16';
}

/** How a workgroup multiplies slices: by threads, or by subgroups, each of which keeps a block of sums. */
export interface Arithmetic {
  /** Statements before all others, which have the thread as `t`. */
  readonly begin: readonly string[];
  /** The sums, declared. */
  readonly sums: readonly string[];
  /** Adds the statements that add the products of a slice to the sums. */
  readonly multiply: (left: Staged, right: Staged, writer: Writer, scope: Scope) => void;
  /** Statements that hand each run of four sums on, with its row and the number of the run in its row. `origin` is the tile's first row and first run. */
  readonly finish: (origin: { readonly row: Index; readonly run: Index }, writer: Writer, scope: Scope, hand: (row: string, run: string, sums: string) => string) => string[];
  /** What the module needs for it. */
  readonly module: Required<Pick<Module, 'shared' | 'features' | 'builtins'>>;
}

export const byThreads = (tile: Tile): Arithmetic => ({
  begin: [],
  sums: sumsOf(tile),
  multiply: (...slices) => multiply(tile, ...slices),
  finish: (...place) => finish(tile, ...place),
  module: { shared: [], features: [], builtins: [] },
});

/** The names of a thread's sums, each a run of four columns: `s<row>_<run>`. */
const sumName = (row: number, run: number): string => `s${row}_${run}`;

const sumsOf = ({ threadRows, threadColumns }: Tile): string[] => each(threadRows, (row) => each(threadColumns / LANES, (run) => `var ${sumName(row, run)} = vec4f();`)).flat();

/** Of a thread: its place among those side by side along the rows and the columns. */
const placesOf = (tile: Tile): { row: Index; column: Index } => {
  const across = tile.columns / tile.threadColumns;
  const thread = use({ name: 't', extent: threadsOf(tile) });
  return { row: quotient(thread, across), column: remainder(thread, across) };
};

/** Of run `i` of a thread's rows or columns, the first. */
const runStart = (i: number, place: Index, size: number, threadSize: number): Index => plus(times(place, LANES), int(((i * size) / threadSize) * LANES));

/** Statements that add the products of a slice to the sums. */
function multiply(tile: Tile, left: Staged, right: Staged, writer: Writer, scope: Scope): void {
  const { row, column } = placesOf(tile);
  // Along the summed axis four places at a time, where a factor's vectors hold four of them.
  const deep = left.layout.along === 'depth' || right.layout.along === 'depth' ? LANES : 1;
  const counter: Var = { name: 'kk', extent: tile.depth / deep };
  const turn = innerScope(scope, [counter.name], true);
  const k = use(counter);
  const read = ({ array, layout, from, dtype }: Staged, line: Index, vector: Index): string => FORMATS[dtype].load(`${array}[${writer.index(plus(from, times(line, layout.stride), vector), turn)}]`, LANES);
  /** Loads a factor's vectors for a turn; what its element at a place of its own axis and of the turn is. */
  const load = (staged: Staged, prefix: string, place: Index, size: number, threadSize: number): ((own: number, depth: number) => string) => {
    const start = (i: number): Index => runStart(i, place, size, threadSize);
    if (staged.layout.along === 'own') {
      for (const depth of each(deep, (d) => d))
        for (const i of each(threadSize / LANES, (run) => run)) turn.lines.push(`let ${prefix}${depth}_${i} = ${read(staged, plus(times(k, deep), int(depth)), quotient(start(i), LANES))};`);
      return (own, depth) => `${prefix}${depth}_${Math.floor(own / LANES)}.${'xyzw'[own % LANES] ?? ''}`;
    }
    for (const own of each(threadSize, (o) => o)) turn.lines.push(`let ${prefix}${own} = ${read(staged, plus(start(Math.floor(own / LANES)), int(own % LANES)), k)};`);
    return (own, depth) => `${prefix}${own}.${'xyzw'[depth] ?? ''}`;
  };
  const a = load(left, 'l', row, tile.rows, tile.threadRows);
  const b = load(right, 'r', column, tile.columns, tile.threadColumns);
  for (const depth of each(deep, (d) => d)) {
    const runs = each(tile.threadColumns / LANES, (run) => (right.layout.along === 'own' ? `r${depth}_${run}` : `vec4f(${each(LANES, (i) => b(run * LANES + i, depth)).join(', ')})`));
    for (const r of each(tile.threadRows, (i) => i)) runs.forEach((run, j) => turn.lines.push(`${sumName(r, j)} += ${a(r, depth)} * ${run};`));
  }
  scope.lines.push(`for (var kk = 0; kk < ${counter.extent}; kk++) {`, ...indent(turn.lines), '}');
}

function finish(tile: Tile, ...[origin, writer, scope, hand]: Parameters<Arithmetic['finish']>): string[] {
  const { row, column } = placesOf(tile);
  const more = (name: string, by: number): string => (by === 0 ? name : `${name} + ${by}`);
  return [
    `let row = ${writer.index(plus(origin.row, times(row, LANES)), scope)};`,
    `let run = ${writer.index(plus(origin.run, column), scope)};`,
    ...each(tile.threadRows, (r) => {
      const below = ((Math.floor(r / LANES) * tile.rows) / tile.threadRows) * LANES + (r % LANES);
      return each(tile.threadColumns / LANES, (j) => hand(more('row', below), more('run', (j * tile.columns) / tile.threadColumns), sumName(r, j)));
    }).flat(),
  ];
}
