// A blocked matrix product over packed panels, the engine of every contraction: a register tile, a panel of the right operand in the first cache, a block of the
// left one in the second (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).

import { define } from './code.ts';
import type { Code, Fn, Local, Ref } from './code.ts';
import { pack } from './operand.ts';
import type { Operand } from './operand.ts';
import { eachUnit, HEAD } from './threads.ts';
import { createSums, multiplyAdd, tileFor } from './tile.ts';
import type { Tile } from './tile.ts';

/** out[g, m, n] = sum over depth of left[g, m, depth] * right[g, depth, n]. Strides in elements. */
export interface Product {
  readonly groups: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly left: Operand;
  readonly right: Operand;
  readonly outStride: number;
  readonly outGroupStride: number;
}

export interface Blocking {
  readonly tileRows: number;
  readonly tileColumns: number;
  /** How much of the depth, the rows and the columns one block takes. */
  readonly depth: number;
  readonly rows: number;
  readonly columns: number;
  /** How much of the depth is packed at a time: all of it, or so much that it stays in the caches while every block of rows reads it. */
  readonly chunk: number;
}

const ceilTo = (value: number, step: number): number => Math.ceil(value / step) * step;
/** The largest even share of `total`, at most about `most`, that is a multiple of `step`. */
const share = (total: number, most: number, step: number): number => Math.min(ceilTo(total, step), ceilTo(Math.ceil(total / Math.ceil(total / most)), step));

/** Blocks for a first cache of 32 KiB and a second of 512 KiB; where there are few, a number of them that 2, 4 and 8 threads share evenly. */
export function blockingOf(product: Product): Blocking {
  const { rows: tileRows, columns: tileColumns } = tileFor(product.columns);
  const depth = share(product.depth, 256, 4);
  const columns = share(product.columns, 512, tileColumns);
  const blocks = Math.ceil(product.rows / 128);
  const evenly = blocks < 64 ? Math.min(ceilTo(blocks, 8), Math.ceil(product.rows / 16)) : blocks;
  // A block of packed columns begins where a panel does: copies by whole panels reckon with it.
  const rows = share(product.rows, Math.ceil(product.rows / evenly), product.left.depth === 'rows' ? Math.max(tileRows, COLUMN_PANEL) : tileRows);
  const depthBytes = product.groups * ceilTo(product.columns, tileColumns) * 4;
  const chunk = depthBytes * product.depth <= 2 * CHUNK_BYTES ? product.depth : Math.min(product.depth, ceilTo(Math.ceil(CHUNK_BYTES / depthBytes), depth));
  return { tileRows, tileColumns, depth, rows, columns, chunk };
}

/** How much of a right operand that is twice as large or more is packed at a time. */
const CHUNK_BYTES = 1 << 21;

/** Bytes of a chunk of the right operand once packed. */
export const packedBytes = (product: Product, blocking: Blocking): number =>
  product.groups * ceilTo(product.columns, blocking.tileColumns) * blocking.chunk * 4;

/** Where each chunk begins. */
export const chunksOf = (product: Product, { chunk }: Blocking): number[] => Array.from({ length: Math.ceil(product.depth / chunk) }, (_, i) => i * chunk);

/** How tiles read the left operand: where it lies, or packed in panels of `width` rows. */
interface Left {
  readonly width?: number;
  readonly rowBytes: number;
  readonly stepBytes: number;
}

/** Rows of a panel whose numbers are gathered from columns: a vector. */
const COLUMN_PANEL = 4;

/** Rows whose numbers lie side by side are read as they are, unless a tile would reach beyond the last; panels of rows that must be gathered are one tile wide, of columns a vector. */
function leftOf({ left, rows }: Product, { tileRows }: Blocking): Left {
  if (left.depth === 'rows') return { width: COLUMN_PANEL, rowBytes: 4, stepBytes: COLUMN_PANEL * 4 };
  if (left.rows.kind === 'strided' && left.taps === 1 && rows % tileRows === 0) return { rowBytes: left.rows.stride * 4, stepBytes: 4 };
  return { width: tileRows, rowBytes: 4, stepBytes: tileRows * 4 };
}

/** Odd multiples of a cache line between panels, so that they do not meet in one set of the cache. */
const panelBytes = (blocking: Blocking, width: number): number => ceilTo(blocking.depth * width * 4, 128) + 64;

/** Bytes of scratch that each thread needs. */
export function scratchBytes(product: Product, blocking: Blocking): number {
  const { width } = leftOf(product, blocking);
  return width === undefined ? 0 : Math.ceil(blocking.rows / width) * panelBytes(blocking, width);
}

/** What is stored of a sum: four lanes at (row, column) of a group. Both are counted from the group's start. `more` are the function's further parameters. */
export type Store = (fn: Fn, value: Ref, row: Local, column: Ref, group: Local, more: readonly Local[]) => Ref;

/** Defines `name`(head, packed, right, start): packs the chunk of the right operand that starts there into panels, each [chunk, tileColumns]. */
export function definePack(code: Code, name: string, product: Product, blocking: Blocking): void {
  const { m, c } = code;
  const panels = Math.ceil(product.columns / blocking.tileColumns);
  const bytes = blocking.chunk * blocking.tileColumns * 4;
  define(code, name, HEAD.length + 3, (fn, [thread, threads, , zeros, packed, right, start]) => {
    if (!thread || !threads || !zeros || !packed || !right || !start) throw new Error('arity');
    const [group, column, count, base, to] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    return [
      eachUnit(fn, thread, threads, product.groups * panels, (unit) => [
        group.set(m.i32.div_u(unit.get(), c(panels))),
        column.set(m.i32.mul(m.i32.rem_u(unit.get(), c(panels)), c(blocking.tileColumns))),
        count.set(least(fn, c(blocking.tileColumns), () => m.i32.sub(c(product.columns), column.get()))),
        base.set(m.i32.add(right.get(), m.i32.mul(group.get(), c(product.right.groupStride * 4)))),
        to.set(m.i32.add(packed.get(), m.i32.mul(unit.get(), c(bytes)))),
        pack(fn, product.right, blocking.tileColumns, {
          base,
          zeros,
          to,
          from: column.get,
          count: count.get,
          depthFrom: start.get,
          depthCount: () => least(fn, c(blocking.chunk), () => m.i32.sub(c(product.depth), start.get())),
          panelBytes: () => c(bytes),
        }),
      ]),
    ];
  });
}

/** The smaller of a constant and a value (signed). */
const least = ({ code: { m } }: Fn, a: Ref, b: () => Ref): Ref => m.select(m.i32.lt_s(a, b()), m.copyExpression(a), b());

/** Defines `name`(head, out, left, packed, ...more, start): the chunk of the product that starts there is added to those before; `store` is applied to every sum at last. */
export function defineProduct(code: Code, name: string, product: Product, blocking: Blocking, store: Store, more = 0): void {
  const { m, c } = code;
  const rowBlocks = Math.ceil(product.rows / blocking.rows);
  const columnBlocks = Math.ceil(product.columns / blocking.columns);
  const { tileRows, tileColumns } = blocking;
  const panelColumns = Math.ceil(product.columns / tileColumns);
  const { width } = leftOf(product, blocking);
  define(code, name, HEAD.length + 4 + more, (fn, [thread, threads, scratch, zeros, out, left, packed, ...further]) => {
    const start = further.at(-1);
    if (!thread || !threads || !scratch || !zeros || !out || !left || !packed || !start) throw new Error('arity');
    const [group, row, rows, columnEnd, depth] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    const [base, panel, target, chunk, depthFrom] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
    const scalar = (index: Ref, by: number): Ref => m.i32.mul(index, c(by));
    const tile = (column: Local, rowInBlock: Local): Ref[] => [
      target.set(
        m.i32.add(
          m.i32.add(out.get(), scalar(group.get(), product.outGroupStride * 4)),
          m.i32.add(scalar(m.i32.add(row.get(), rowInBlock.get()), product.outStride * 4), scalar(column.get(), 4)),
        ),
      ),
      ...microKernel(fn, product, blocking, { scratch, base, rowInBlock, panel, depth, depthFrom, target, row, rows, column, group, store: (...sum) => store(...sum, further) }),
    ];
    const columnLoop = (unit: Local, from: Local): Ref =>
      fn.loop(scalar(m.i32.rem_u(m.i32.div_u(unit.get(), c(rowBlocks)), c(columnBlocks)), blocking.columns), columnEnd.get, tileColumns, (column) => [
        panel.set(
          m.i32.add(
            packed.get(),
            scalar(
              m.i32.add(scalar(m.i32.add(scalar(group.get(), panelColumns), m.i32.div_u(column.get(), c(tileColumns))), blocking.chunk), from.get()),
              tileColumns * 4,
            ),
          ),
        ),
        fn.loop(c(0), rows.get, tileRows, (rowInBlock) => tile(column, rowInBlock)),
      ]);
    return [
      chunk.set(least(fn, c(blocking.chunk), () => m.i32.sub(c(product.depth), start.get()))),
      eachUnit(fn, thread, threads, product.groups * rowBlocks * columnBlocks, (unit) => [
        group.set(m.i32.div_u(unit.get(), c(rowBlocks * columnBlocks))),
        row.set(scalar(m.i32.rem_u(unit.get(), c(rowBlocks)), blocking.rows)),
        rows.set(least(fn, c(blocking.rows), () => m.i32.sub(c(product.rows), row.get()))),
        columnEnd.set(scalar(m.i32.rem_u(m.i32.div_u(unit.get(), c(rowBlocks)), c(columnBlocks)), blocking.columns)),
        columnEnd.set(m.i32.add(columnEnd.get(), c(blocking.columns))),
        columnEnd.set(least(fn, c(product.columns), columnEnd.get)),
        base.set(m.i32.add(left.get(), scalar(group.get(), product.left.groupStride * 4))),
        fn.loop(c(0), chunk.get, blocking.depth, (from) => [
          depth.set(least(fn, c(blocking.depth), () => m.i32.sub(chunk.get(), from.get()))),
          depthFrom.set(m.i32.add(start.get(), from.get())),
          ...(width === undefined
            ? []
            : [
                pack(fn, product.left, width, {
                  base,
                  zeros,
                  to: scratch,
                  from: row.get,
                  count: rows.get,
                  depthFrom: depthFrom.get,
                  depthCount: depth.get,
                  panelBytes: () => c(panelBytes(blocking, width)),
                }),
              ]),
          columnLoop(unit, from),
        ]),
      ]),
    ];
  });
}

interface Place {
  readonly scratch: Local;
  /** The left operand, of this group. */
  readonly base: Local;
  /** The tile's first row, counted in the block. */
  readonly rowInBlock: Local;
  /** The right operand's panel, at this depth block. */
  readonly panel: Local;
  readonly depth: Local;
  readonly depthFrom: Local;
  /** Where the tile's first number is stored. */
  readonly target: Local;
  /** The block's first row, and how many it has. */
  readonly row: Local;
  readonly rows: Local;
  readonly column: Local;
  readonly group: Local;
  readonly store: (fn: Fn, value: Ref, row: Local, column: Ref, group: Local) => Ref;
}

/** One register tile over one depth block: sums begin at zero, or at what the blocks before have stored. */
function microKernel(fn: Fn, product: Product, blocking: Blocking, tile: Place): Ref[] {
  const { m, c } = fn.code;
  const { tileRows, tileColumns } = blocking;
  const { width, rowBytes, stepBytes } = leftOf(product, blocking);
  const shape: Tile = { rows: tileRows, columns: tileColumns, rowBytes, stepBytes };
  const rowOffset = (): Ref => m.i32.mul(m.i32.add(tile.row.get(), tile.rowInBlock.get()), c(rowBytes));
  const inPanel = (panel: number): Ref =>
    m.i32.add(m.i32.mul(m.i32.div_u(tile.rowInBlock.get(), c(panel)), c(panelBytes(blocking, panel))), m.i32.mul(m.i32.rem_u(tile.rowInBlock.get(), c(panel)), c(rowBytes)));
  const sums = createSums(fn, shape);
  const each = (visit: (sum: Local, r: number, v: number) => Ref): Ref[] => sums.flatMap((line, r) => line.map((sum, v) => visit(sum, r, v)));
  const [a, b, end] = [fn.i32(), fn.i32(), fn.i32()];
  const lineBytes = product.outStride * 4;
  const isFirst = (): Ref => m.i32.eqz(tile.depthFrom.get());
  const isLast = (): Ref => m.i32.ge_s(m.i32.add(tile.depthFrom.get(), tile.depth.get()), c(product.depth));
  const rowsLeft = (): Ref => m.i32.sub(tile.rows.get(), tile.rowInBlock.get());
  const columnsLeft = (): Ref => m.i32.sub(c(product.columns), tile.column.get());
  const whole = (): Ref => m.i32.and(m.i32.ge_s(rowsLeft(), c(tileRows)), m.i32.ge_s(columnsLeft(), c(tileColumns)));
  const exists = (r: number, v: number): Ref => m.i32.and(m.i32.gt_s(rowsLeft(), c(r)), m.i32.gt_s(columnsLeft(), c(v * 4)));
  const place = (r: number, v: number): number => r * lineBytes + v * 16;
  const read = (sum: Local, r: number, v: number): Ref => sum.set(m.v128.load(place(r, v), 4, tile.target.get()));

  const currentRow = fn.i32();
  const finished = (sum: Local, r: number, v: number): Ref =>
    fn.block([
      currentRow.set(m.i32.add(m.i32.add(tile.row.get(), tile.rowInBlock.get()), c(r))),
      sum.set(tile.store(fn, sum.get(), currentRow, m.i32.add(tile.column.get(), c(v * 4)), tile.group)),
    ]);
  const write = (sum: Local, r: number, v: number): Ref => m.v128.store(place(r, v), 4, tile.target.get(), sum.get());
  const lane = (sum: Local, r: number, v: number, l: number): Ref => m.v128.store32_lane(place(r, v) + l * 4, 4, l, tile.target.get(), sum.get());
  const writePart = (sum: Local, r: number, v: number): Ref =>
    m.if(
      exists(r, v),
      m.if(
        m.i32.ge_s(columnsLeft(), c(v * 4 + 4)),
        write(sum, r, v),
        fn.block([0, 1, 2].map((l) => m.if(m.i32.gt_s(columnsLeft(), c(v * 4 + l)), lane(sum, r, v, l)))),
      ),
    );

  return [
    a.set(width === undefined ? m.i32.add(m.i32.add(tile.base.get(), m.i32.mul(tile.depthFrom.get(), c(4))), rowOffset()) : m.i32.add(tile.scratch.get(), inPanel(width))),
    b.set(tile.panel.get()),
    end.set(m.i32.add(a.get(), m.i32.mul(tile.depth.get(), c(stepBytes)))),
    m.if(
      isFirst(),
      fn.block(each((sum) => sum.set(fn.code.v(0)))),
      m.if(whole(), fn.block(each(read)), fn.block(each((sum, r, v) => m.if(exists(r, v), read(sum, r, v), sum.set(fn.code.v(0)))))),
    ),
    multiplyAdd(fn, sums, shape, { a, b, end }),
    m.if(isLast(), fn.block(each((sum, r, v) => m.if(exists(r, v), finished(sum, r, v))))),
    m.if(whole(), fn.block(each(write)), fn.block(each(writePart))),
  ];
}
