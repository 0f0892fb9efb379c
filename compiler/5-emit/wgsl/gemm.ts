// Matrix products in tiles: a workgroup copies slices of both factors into its memory, one after the other along the summed axis, multiplies them, and computes
// the nest's other values from the sums as they are stored.
//
// While a slice is multiplied, the next one is on its way: it is fetched into registers before, and put into memory after. Where there is room for two slices in
// memory, threads wait for each other once a slice.

import { buffersOf } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { int, plus, remainder, times, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import type { WebGpuStep } from '../model.ts';
import { byThreads } from './fma.ts';
import type { Helpers } from './functions.ts';
import { vectorisesAlong, wideBuffers, writeElement } from './loops.ts';
import { byMatrices } from './matrix.ts';
import type { Task } from './nest.ts';
import { LANES } from './runs.ts';
import { bindingsOf, groupNumber, stepOf, workgroupsOf } from './shader.ts';
import type { Emission } from './shader.ts';
import { copiesOf, copyOf, layoutOf, vectorsIn, vectorsOf } from './staging.ts';
import type { Factor } from './staging.ts';
import { FLOATS, HALVES } from './storage.ts';
import { slicesOf, threadsOf } from './tiles.ts';
import type { Sizes, Tiling } from './tiles.ts';
import { createNames, createScope, createWriter, enclosed, indent, innerScope } from './writer.ts';
import type { Scope, WriterOptions } from './writer.ts';

/** The variables of a product's shader. */
const NAMES = { group: 'g', row: 'm', column: 'n', depth: 'k', part: 'part' } as const;

export interface TiledProduct extends Pick<Sizes, 'groups' | 'rows' | 'columns' | 'depth' | 'factors'> {
  /** The elements of the factors, in the product's variables. */
  readonly left: Expr;
  readonly right: Expr;
  /** The names in them: values that are the same for all elements. */
  readonly scalars: Task['lets'];
  /** The values after the sums and their places, in the product's variables; the sum is the local `sum`. */
  readonly values: Pick<Task, 'lets' | 'stores'>;
  readonly sum: string;
}

type Extents = Pick<Sizes, 'groups' | 'rows' | 'columns' | 'depth'>;

const variablesOf = ({ groups, rows, columns, depth }: Extents, parts: number) => ({
  group: { name: NAMES.group, extent: groups },
  row: { name: NAMES.row, extent: rows },
  column: { name: NAMES.column, extent: columns },
  depth: { name: NAMES.depth, extent: depth },
  part: { name: NAMES.part, extent: parts },
});

/** The product's own variables as indices. */
export const productIndices = (sizes: Extents, parts: number): { [K in keyof ReturnType<typeof variablesOf>]: Index } => {
  const { group, row, column, depth, part } = variablesOf(sizes, parts);
  return { group: use(group), row: use(row), column: use(column), depth: use(depth), part: use(part) };
};

/** The two factors of a product whose elements are given in its variables. */
export function factorsOf(product: Extents & Pick<TiledProduct, 'left' | 'right'>): { left: Factor; right: Factor } {
  const { row, column, depth } = variablesOf(product, 1);
  return { left: { element: product.left, own: row, depth }, right: { element: product.right, own: column, depth } };
}

export function gemmStep(name: string, product: TiledProduct, { tile, parts, buffers }: Tiling, { buffer, places, device }: Emission): WebGpuStep {
  const { groups, rows, columns, factors: dtype, scalars, values } = product;
  const factors = factorsOf(product);
  const copies = { left: copyOf(factors.left), right: copyOf(factors.right) };
  const arithmetic = tile.subgroup ? byMatrices({ ...tile, subgroup: tile.subgroup }) : byThreads(tile);
  const layouts = { left: layoutOf(copies.left, tile.rows, tile.depth, tile.subgroup !== undefined), right: layoutOf(copies.right, tile.columns, tile.depth, tile.subgroup !== undefined) };
  const wide = columns % LANES === 0 && vectorisesAlong(values, NAMES.column);
  const bindings = bindingsOf({
    reads: [...buffersOf(product.left), ...buffersOf(product.right), ...[...scalars, ...values.lets, ...values.stores].flatMap((each) => buffersOf(each.value))],
    writes: values.stores.map(({ output }) => output.id),
    wide: new Set([...vectorsOf(factors.left, copies.left), ...vectorsOf(factors.right, copies.right), ...(wide ? wideBuffers(values, NAMES.column) : [])]),
    buffer,
    places,
  });
  const helpers: Helpers = new Map();
  const options: WriterOptions = { bound: bindings.bound, helpers, fresh: createNames() };
  const writer = createWriter(options);
  const threads = threadsOf(tile);

  // The workgroup's place.
  const across: Var = { name: 'across', extent: Math.ceil(columns / tile.columns) };
  const down: Var = { name: 'down', extent: Math.ceil(rows / tile.rows) };
  const count = across.extent * down.extent * groups * parts;
  const workgroups = workgroupsOf(count, device.limits);
  const start = createScope(['t', 'sg', across.name, down.name, NAMES.group, NAMES.part]);
  start.lines.push('let t = i32(thread);', ...arithmetic.begin, groupNumber('block', workgroups));
  if (workgroups[0] * workgroups[1] > count) start.lines.push(`if block >= ${count} { return; }`);
  start.lines.push(...placeLines(across.extent, down.extent, groups, parts));
  const main = scalars.reduce((inside, { name: scalar, value }) => writer.bind(scalar, value, inside), start);

  // The slices.
  const slices = slicesOf(product, tile);
  const share = Math.ceil(slices / parts);
  const [begin, end] = parts === 1 ? ['0', String(slices)] : ['begin', 'end'];
  if (parts > 1) main.lines.push(`let begin = part * ${share};`, `let end = min(begin + ${share}, ${slices});`);
  const turn = innerScope(main, ['slice'], slices > 1);
  /** Of a slice, the first vector in an array; slices take turns where there is room for two. */
  const from = (slice: Index, vectors: number): Index => (buffers === 1 ? int(0) : times(remainder(slice, 2), vectors));
  const slice = use({ name: 'slice', extent: slices });
  const before = slices === 1 ? slice : plus(use({ name: 'slice', extent: slices + 1 }), int(1));
  const copying = (side: 'left' | 'right') => ({
    factor: factors[side],
    side,
    copy: copies[side],
    array: arrayOf(side),
    from: from(slice, vectorsIn(layouts[side])),
    size: side === 'left' ? tile.rows : tile.columns,
    depth: tile.depth,
    layout: layouts[side],
    dtype,
    tile: use(side === 'left' ? down : across),
    slice,
    slices,
    threads,
    writer: options,
    outside: main,
    turn,
  });
  const [left, right] = [copiesOf(copying('left')), copiesOf(copying('right'))];
  const staged = (side: 'left' | 'right') => ({ array: arrayOf(side), layout: layouts[side], from: from(before, vectorsIn(layouts[side])), dtype });
  const products = innerScope(turn);
  arithmetic.multiply(staged('left'), staged('right'), writer, products);
  const fetch = [...left.fetch, ...right.fetch];
  const put = [...left.put, ...right.put];
  const registers = [...left.registers, ...right.registers];
  const sums =
    slices === 1
      ? [...turn.lines, ...registers, ...fetch, ...put, 'workgroupBarrier();', ...products.lines]
      : [
          `for (var slice = ${begin}; slice <= ${end}; slice++) {`,
          ...indent([
            ...turn.lines,
            ...registers,
            ...block(`if slice < ${end}`, fetch),
            ...block(`if slice > ${begin}`, products.lines),
            ...(buffers === 1 ? ['workgroupBarrier();'] : []),
            ...block(`if slice < ${end}`, put),
            'workgroupBarrier();',
          ]),
          '}',
        ];

  const last = createScope([], { parent: main });
  const origin = { row: times(use(down), tile.rows), run: times(use(across), tile.columns / LANES) };
  const hand = finisher(product, parts, wide, tile, options);
  const ending = arithmetic.finish(origin, writer, last, hand.call);
  const vector = (dtype === 'f16' ? HALVES : FLOATS)[LANES];
  const vectors = (side: 'left' | 'right'): number => buffers * vectorsIn(layouts[side]);
  return stepOf({
    name,
    bindings,
    workgroups,
    shared: [
      { name: arrayOf('left'), type: vector, length: vectors('left') },
      { name: arrayOf('right'), type: vector, length: vectors('right') },
      ...arithmetic.module.shared,
    ],
    features: [...(dtype === 'f16' ? (['shader-f16'] as const) : []), ...arithmetic.module.features],
    builtins: arithmetic.module.builtins,
    helpers,
    functions: [hand.text],
    threads,
    body: [...main.lines, ...arithmetic.sums, ...sums, ...last.lines, ...ending],
  });
}

const arrayOf = (side: 'left' | 'right'): string => (side === 'left' ? 'tile_a' : 'tile_b');

const block = (head: string, lines: readonly string[]): string[] => [`${head} {`, ...indent(lines), '}'];

/** Tiles side by side that follow each other: what they read of the left factor, and of the right, stays in the device's cache. */
const BAND = 8;

/** Where the tile with the number `block` lies: those of a band of columns first, row by row. */
function placeLines(across: number, down: number, groups: number, parts: number): string[] {
  const tiles = across * down;
  const within = groups * parts === 1 ? 'block' : `block % ${tiles}`;
  const grid =
    across === 1
      ? [...(down > 1 ? [`let down = ${within};`] : [])]
      : across <= BAND || down === 1
        ? [`let across = block % ${across};`, ...(down > 1 ? [`let down = block / ${across}${groups * parts === 1 ? '' : ` % ${down}`};`] : [])]
        : [
            `let band = (${within}) / ${BAND * down};`,
            `let inside = (${within}) % ${BAND * down};`,
            ...(across % BAND === 0 ? [`let width = ${BAND};`] : [`let width = min(${BAND}, ${across} - band * ${BAND});`]),
            `let across = band * ${BAND} + inside % width;`,
            'let down = inside / width;',
          ];
  return [...grid, ...(groups > 1 ? [`let g = block / ${tiles}${parts === 1 ? '' : ` % ${groups}`};`] : []), ...(parts > 1 ? [`let part = block / ${tiles * groups};`] : [])];
}

/** The function that takes a run of four sums of a row, or one of them, computes the values after it and stores them; and how it is called. */
function finisher({ groups, rows, columns, values, sum }: TiledProduct, parts: number, wide: boolean, tile: Tiling['tile'], options: WriterOptions) {
  const { column } = NAMES;
  const run: Var = { name: 'q', extent: Math.ceil(columns / LANES) };
  const writer = createWriter({ ...options, ...(wide && { lane: column, places: new Map([[column, times(use(run), LANES)]]) }) });
  const scope: Scope = createScope([], { locals: new Map([[sum, { text: 'sum', wide }]]) });
  writeElement(writer, values, scope);
  const outer = [...(groups > 1 ? [NAMES.group] : []), ...(parts > 1 ? [NAMES.part] : [])];
  const parameters = [...outer, NAMES.row, wide ? run.name : column].map((name) => `${name}: i32`);
  const edges = [...(rows % tile.rows === 0 ? [] : [`m >= ${rows}`]), ...(columns % tile.columns === 0 ? [] : [wide ? `q >= ${run.extent}` : `n >= ${columns}`])];
  const text = [
    `fn finish(${[...parameters, `sum: ${wide ? 'vec4f' : 'f32'}`].join(', ')}) {`,
    ...indent([...(edges.length > 0 ? [`if ${edges.join(' || ')} { return; }`] : []), ...scope.lines]),
    '}\n',
  ].join('\n');
  const call = (row: string, at: string, sums: string): string =>
    wide
      ? `finish(${[...outer, row, at, sums].join(', ')});`
      : `for (var lane = 0; lane < ${LANES}; lane++) { finish(${[...outer, row, `${enclosed(at)} * ${LANES} + lane`, `${sums}[lane]`].join(', ')}); }`;
  return { text, call };
}
