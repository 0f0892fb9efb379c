// Products of staged slices by the matrix units of a GPU: each subgroup keeps a block of sums in matrices, and multiplies f16 into f32.
//
// WGSL has them by the extension chromium_experimental_subgroup_matrix (github.com/gpuweb/gpuweb, proposals/subgroup-matrix.md). How elements of a matrix are
// spread over the subgroup is nobody's business: sums go through workgroup memory on their way out, one row of matrices at a time.

import { int, plus, quotient, remainder, times, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import type { Arithmetic, Staged } from './fma.ts';
import { LANES } from './runs.ts';
import { NEEDED, sumStride, sumVectors, threadsOf } from './tiles.ts';
import type { Subgroup, Tile } from './tiles.ts';
import { indent, innerScope } from './writer.ts';
import type { Scope, Writer } from './writer.ts';

/** A tile of which each subgroup computes a part in matrices. */
type MatrixTile = Tile & { readonly subgroup: Subgroup };

export const byMatrices = (tile: MatrixTile): Arithmetic => ({
  begin: ['let sg = i32(subgroup);'],
  sums: sumsOf(tile),
  multiply: (...slices) => multiply(tile, ...slices),
  finish: (...place) => finish(tile, ...place),
  module: { shared: [{ name: SUMS, type: 'vec4f', length: sumVectors(tile) }], features: NEEDED, builtins: ['@builtin(subgroup_id) subgroup: u32'] },
});

/** The array in workgroup memory through which sums go. */
const SUMS = 'tile_s';

const each = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

const sumName = (row: number, column: number): string => `s${row}_${column}`;

/** How many matrices a subgroup has below each other and side by side, and how many subgroups there are. */
function countsOf({ rows, columns, threadRows, threadColumns, subgroup: { matrix } }: MatrixTile) {
  const across = columns / threadColumns;
  return { down: threadRows / matrix.rows, side: threadColumns / matrix.columns, across, subgroups: across * (rows / threadRows) };
}

function sumsOf(tile: MatrixTile): string[] {
  const { down, side } = countsOf(tile);
  const { rows, columns } = tile.subgroup.matrix;
  return each(down, (i) => each(side, (j) => `var ${sumName(i, j)} = subgroup_matrix_result<f32, ${columns}, ${rows}>();`)).flat();
}

/** Where subgroups are smaller than the largest of the device there are more of them than blocks. */
const guarded = (tile: MatrixTile, lines: readonly string[]): string[] => [`if sg < ${countsOf(tile).subgroups} {`, ...indent(lines), '}'];

/** Statements that add the products of a slice to the sums. */
function multiply(tile: MatrixTile, left: Staged, right: Staged, writer: Writer, scope: Scope): void {
  const { down, side, across, subgroups } = countsOf(tile);
  const { matrix } = tile.subgroup;
  const subgroup = use({ name: 'sg', extent: subgroups });
  const counter: Var = { name: 'kk', extent: tile.depth / matrix.depth };
  const turn = innerScope(scope, [counter.name], true);
  const k = times(use(counter), matrix.depth);
  /** A load of the matrix that begins at a place of the factor's own axis and of the turn. */
  const load = (type: string, { array, layout, from }: Staged, rowsAreOwn: boolean, own: Index): string => {
    const [line, vector] = layout.along === 'own' ? [k, quotient(own, LANES)] : [own, quotient(k, LANES)];
    const major = (layout.along === 'depth') === rowsAreOwn ? 'row_major' : 'col_major';
    return `subgroupMatrixLoad<${type}, ${major}>(&${array}, ${writer.index(plus(from, times(line, layout.stride), vector), turn)}, ${layout.stride})`;
  };
  const [leftType, rightType] = [`subgroup_matrix_left<f16, ${matrix.depth}, ${matrix.rows}>`, `subgroup_matrix_right<f16, ${matrix.columns}, ${matrix.depth}>`];
  const [row, column] = [times(quotient(subgroup, across), tile.threadRows), times(remainder(subgroup, across), tile.threadColumns)];
  for (const i of each(down, (n) => n)) turn.lines.push(`let l${i} = ${load(leftType, left, true, plus(row, int(i * matrix.rows)))};`);
  for (const j of each(side, (n) => n)) {
    turn.lines.push(`let r${j} = ${load(rightType, right, false, plus(column, int(j * matrix.columns)))};`);
    for (const i of each(down, (n) => n)) turn.lines.push(`${sumName(i, j)} = subgroupMatrixMultiplyAccumulate(l${i}, r${j}, ${sumName(i, j)});`);
  }
  scope.lines.push(...guarded(tile, [`for (var kk = 0; kk < ${counter.extent}; kk++) {`, ...indent(turn.lines), '}']));
}

function finish(tile: MatrixTile, ...[origin, writer, scope, hand]: Parameters<Arithmetic['finish']>): string[] {
  const { down, side, across, subgroups } = countsOf(tile);
  const { matrix } = tile.subgroup;
  const stride = sumStride(tile.threadColumns);
  const first = times(use({ name: 'sg', extent: subgroups }), matrix.rows * stride);
  const runs = tile.threadColumns / LANES;
  const vector: Var = { name: 'v', extent: subgroups * matrix.rows * runs };
  const [place, run] = [quotient(use(vector), runs), remainder(use(vector), runs)];
  const [block, line] = [quotient(place, matrix.rows), remainder(place, matrix.rows)];
  return each(down, (i) => {
    const turn = innerScope(scope, [vector.name], true);
    const row = plus(origin.row, times(quotient(block, across), tile.threadRows), int(i * matrix.rows), line);
    const lines = [
      `let row = ${writer.index(row, turn)};`,
      `let run = ${writer.index(plus(origin.run, times(remainder(block, across), runs), run), turn)};`,
      `let sums = ${SUMS}[${writer.index(plus(times(place, stride), run), turn)}];`,
    ];
    return [
      ...guarded(tile, each(side, (j) => `subgroupMatrixStore<row_major>(&${SUMS}, ${writer.index(plus(first, int((j * matrix.columns) / LANES)), scope)}, ${sumName(i, j)}, ${stride});`)),
      'workgroupBarrier();',
      `for (var v = t; v < ${vector.extent}; v += ${threadsOf(tile)}) {`,
      ...indent([...turn.lines, ...lines, hand('row', 'run', 'sums')]),
      '}',
      ...(i + 1 < down ? ['workgroupBarrier();'] : []),
    ];
  }).flat();
}
