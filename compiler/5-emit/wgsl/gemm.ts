// Matrix products in tiles: a workgroup copies a tile of each factor into its memory, a thread keeps a small block of the result in registers, and the
// nest's other values are computed from the sums as they are stored.
//
// Tiles lie in memory as vectors of four neighbours along the rows (left) or columns (right), one line for each place of the summed axis. How a factor is
// copied depends on where its elements lie: four along its rows or columns, four along the summed axis (then transposed in registers), or one by one.

import { use } from '../../4-kernels/indexing.ts';
import { buffersOf } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import type { WebGpuStep } from '../model.ts';
import { vectorisesAlong, wideBuffers, writeElement } from './loops.ts';
import type { Task } from './nest.ts';
import { LANES, vectorBuffers, vectorises } from './runs.ts';
import { bindingsOf, groupNumber, stepOf, workgroupsOf } from './shader.ts';
import type { Bindings, Emission } from './shader.ts';
import type { Sizes, Tile, Tiling } from './tiles.ts';
import { threadsOf } from './tiles.ts';
import { createScope, createWriter, indent } from './writer.ts';
import type { Helpers } from './writer.ts';

/** The variables of a product's shader. */
export const PRODUCT_VARIABLES = { group: 'g', row: 'm', column: 'n', depth: 'k', part: 'part' } as const;

/** A factor's element, and the names of its own axis and of the summed one. */
interface Factor {
  readonly element: Expr;
  readonly own: Var;
  readonly depth: Var;
}

/** How four neighbours of a factor are read at once. */
type Copy = 'own' | 'depth' | 'single';

export interface TiledProduct extends Sizes {
  readonly left: Expr;
  readonly right: Expr;
  /** The values after the sums and their places, in the product's variables; the sum is the local `sum`. */
  readonly values: Pick<Task, 'lets' | 'stores'>;
  readonly sum: string;
}

export const productVariables = ({ groups, rows, columns, depth }: Sizes, parts: number) => ({
  group: { name: PRODUCT_VARIABLES.group, extent: groups },
  row: { name: PRODUCT_VARIABLES.row, extent: rows },
  column: { name: PRODUCT_VARIABLES.column, extent: columns },
  depth: { name: PRODUCT_VARIABLES.depth, extent: depth },
  part: { name: PRODUCT_VARIABLES.part, extent: parts },
});

export function gemmStep(name: string, product: TiledProduct, { tile, parts }: Tiling, { buffer, home, device }: Emission): WebGpuStep {
  const { groups, rows, columns, depth, values } = product;
  const variables = productVariables(product, parts);
  const left: Factor = { element: product.left, own: variables.row, depth: variables.depth };
  const right: Factor = { element: product.right, own: variables.column, depth: variables.depth };
  const [copyLeft, copyRight] = [copyOf(left), copyOf(right)];
  const wide = columns % LANES === 0 && vectorisesAlong(values, variables.column.name);
  const bindings = bindingsOf({
    reads: [...buffersOf(product.left), ...buffersOf(product.right), ...[...values.lets, ...values.stores].flatMap((each) => buffersOf(each.value))],
    writes: values.stores.map(({ output }) => output.id),
    wide: new Set([...vectorsOf(left, copyLeft), ...vectorsOf(right, copyRight), ...(wide ? wideBuffers(values, variables.column.name) : [])]),
    buffer,
    home,
  });

  const threads = threadsOf(tile);
  const [across, down] = [Math.ceil(columns / tile.columns), Math.ceil(rows / tile.rows)];
  const workgroups = workgroupsOf(across * down * groups * parts, device.limits);
  const share = Math.ceil(depth / parts / tile.depth) * tile.depth;
  const blocks = { rows: tile.threadRows / LANES, columns: tile.threadColumns / LANES };
  const threadGrid = { rows: tile.rows / tile.threadRows, columns: tile.columns / tile.threadColumns };
  const each = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

  const multiply = [
    ...each(blocks.rows, (i) => `let a${i} = tile_a[kk * ${tile.rows / LANES}u + ${i * threadGrid.rows}u + row];`),
    ...each(blocks.columns, (j) => `let c${j} = tile_b[kk * ${tile.columns / LANES}u + ${j * threadGrid.columns}u + column];`),
    ...each(tile.threadRows, (r) => each(blocks.columns, (j) => `s${r}_${j} += a${Math.floor(r / LANES)}.${'xyzw'[r % LANES] ?? ''} * c${j};`)).flat(),
  ];
  // One loop over the sums keeps the values after them in the text once.
  const sums = each(tile.threadRows, (r) => each(blocks.columns, (j) => `s${r}_${j}`)).flat();
  const finish = [
    `var sums = array<vec4f, ${sums.length}>(${sums.join(', ')});`,
    `for (var i = 0; i < ${sums.length}; i++) {`,
    ...indent([
      `let r = i / ${blocks.columns};`,
      `let at_m = m0 + (r / ${LANES} * ${threadGrid.rows} + i32(row)) * ${LANES} + r % ${LANES};`,
      `let at_n = n0 + (i % ${blocks.columns} * ${threadGrid.columns} + i32(column)) * ${LANES};`,
      ...(wide ? ['finish(g, part, at_m, at_n, sums[i]);'] : [`for (var lane = 0; lane < ${LANES}; lane++) { finish(g, part, at_m, at_n + lane, sums[i][lane]); }`]),
    ]),
    '}',
  ];

  const body = [
    groupNumber('block', workgroups),
    `if block >= ${across * down * groups * parts} { return; }`,
    `let n0 = (block % ${across}) * ${tile.columns};`,
    `let m0 = (block / ${across} % ${down}) * ${tile.rows};`,
    `let g = block / ${across * down} % ${groups};`,
    `let part = block / ${across * down * groups};`,
    `let first = part * ${share};`,
    `let last = min(first + ${share}, ${depth});`,
    `let row = thread / ${threadGrid.columns}u;`,
    `let column = thread % ${threadGrid.columns}u;`,
    ...each(tile.threadRows, (r) => each(blocks.columns, (j) => `var s${r}_${j} = vec4f();`)).flat(),
    `for (var k0 = first; k0 < last; k0 += ${tile.depth}) {`,
    ...indent([
      ...copyLines('a', 'left', copyLeft, tile.rows, rows, tile, threads, 'm0'),
      ...copyLines('b', 'right', copyRight, tile.columns, columns, tile, threads, 'n0'),
      'workgroupBarrier();',
      `for (var kk = 0u; kk < ${tile.depth}u; kk++) {`,
      ...indent(multiply),
      '}',
      'workgroupBarrier();',
    ]),
    '}',
    ...finish,
  ];

  const helpers: Helpers = new Map();
  const functions = [loader('left', left, copyLeft, bindings, helpers), loader('right', right, copyRight, bindings, helpers), finisher(product, wide, bindings, helpers)];
  const shared = [
    { name: 'tile_a', type: 'vec4f', length: (tile.depth * tile.rows) / LANES },
    { name: 'tile_b', type: 'vec4f', length: (tile.depth * tile.columns) / LANES },
  ] as const;
  return stepOf({ name, bindings, workgroups, shared, helpers, functions, threads, body });
}

/** How a factor can be copied: whole vectors must not go beyond the end of its axis. */
function copyOf({ element, own, depth }: Factor): Copy {
  const reads = (variable: Var): boolean => variable.extent % LANES === 0 && vectorises(element, variable.name) && vectorBuffers(element, variable.name).length > 0;
  return reads(own) ? 'own' : reads(depth) ? 'depth' : 'single';
}

const vectorsOf = ({ element, own, depth }: Factor, copy: Copy): string[] => (copy === 'single' ? [] : vectorBuffers(element, copy === 'own' ? own.name : depth.name));

/** The function that gives an element of a factor, or four. */
function loader(name: string, { element, own, depth }: Factor, copy: Copy, bindings: Bindings, helpers: Helpers): string {
  const writer = createWriter(bindings.bound, helpers, copy === 'single' ? undefined : copy === 'own' ? own.name : depth.name);
  const scope = createScope([]);
  const { text, wide } = writer.value(element, scope);
  const type = copy === 'single' ? 'f32' : 'vec4f';
  const result = type === 'vec4f' && !wide ? `vec4f(${text})` : text;
  const lines = indent([...scope.lines, `return ${result};`]).join('\n');
  return `fn ${name}(${PRODUCT_VARIABLES.group}: i32, ${own.name}: i32, ${depth.name}: i32) -> ${type} {\n${lines}\n}\n`;
}

/** Copies a tile of a factor; beyond the summed axis it holds zeros, beyond the factor's own axis anything, for those sums are not stored. */
function copyLines(tile: string, load: string, copy: Copy, size: number, length: number, { depth }: Tile, threads: number, from: string): string[] {
  const line = size / LANES;
  const units = copy === 'depth' ? (line * depth) / LANES : line * depth;
  const loop = (body: readonly string[]): string[] => [`for (var u = thread; u < ${units}u; u += ${threads}u) {`, ...indent(body), '}'];
  const target = (k: string): string => `tile_${tile}[(${k}) * ${line}u + q]`;
  if (copy === 'own') {
    return loop([
      `let q = u % ${line}u;`,
      `let d = u / ${line}u;`,
      `let at = min(${from} + i32(q) * ${LANES}, ${length - LANES});`,
      'var v = vec4f();',
      `if k0 + i32(d) < last { v = ${load}(g, at, k0 + i32(d)); }`,
      `${target('d')} = v;`,
    ]);
  }
  // Loops of four turns keep the factor's text once.
  const each = `for (var i = 0; i < ${LANES}; i++) { v[i] = ${load}(g, min(${from} + i32(q) * ${LANES} + i, ${length - 1}), k0 + i32(d)); }`;
  if (copy === 'depth') {
    return loop([
      `let d = (u % ${depth / LANES}u) * ${LANES}u;`,
      `let q = u / ${depth / LANES}u;`,
      'var v = mat4x4f();',
      'if k0 + i32(d) < last {',
      `  ${each}`,
      '  v = transpose(v);',
      '}',
      ...[0, 1, 2, 3].map((i) => `${target(`d + ${i}u`)} = v[${i}];`),
    ]);
  }
  return loop([
    `let d = u % ${depth}u;`,
    `let q = u / ${depth}u;`,
    'var v = vec4f();',
    'if k0 + i32(d) < last {',
    `  ${each}`,
    '}',
    `${target('d')} = v;`,
  ]);
}

/** The function that takes a sum, or four of a row, computes the values after it and stores. */
function finisher({ rows, columns, values, sum }: TiledProduct, wide: boolean, bindings: Bindings, helpers: Helpers): string {
  const { group, row, column, part } = PRODUCT_VARIABLES;
  const writer = createWriter(bindings.bound, helpers, wide ? column : undefined);
  const scope = createScope([], { locals: new Map([[sum, { text: 'sum', wide }]]) });
  writeElement(writer, values, scope);
  const head = `fn finish(${group}: i32, ${part}: i32, ${row}: i32, ${column}: i32, sum: ${wide ? 'vec4f' : 'f32'}) {\n`;
  return `${head}  if ${row} >= ${rows} || ${column} >= ${columns} { return; }\n${indent(scope.lines).join('\n')}\n}\n`;
}

/** The product's own variables as indices. */
export const productIndices = (sizes: Sizes, parts: number): { [K in keyof ReturnType<typeof productVariables>]: Index } => {
  const { group, row, column, depth, part } = productVariables(sizes, parts);
  return { group: use(group), row: use(row), column: use(column), depth: use(depth), part: use(part) };
};
