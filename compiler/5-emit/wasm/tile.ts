// The register tile, the inside of every product: a few rows times a few vectors of sums, which a loop over the depth adds to.

import type { Fn, Local, Ref } from './code.ts';

export interface Tile {
  readonly rows: number;
  /** A multiple of 4. */
  readonly columns: number;
  /** Bytes from one row of the left factor to the next, and from one depth to the next. */
  readonly rowBytes: number;
  readonly stepBytes: number;
}

export type TileShape = Pick<Tile, 'rows' | 'columns'>;

/**
 * The tile for so many columns. Eight accumulators of four lanes hide the latency of the multiply-add, and with their factors fill the registers that engines have;
 * of the two shapes with eight, the one that has less to compute beyond the last column.
 */
export const tileFor = (columns: number): TileShape => (Math.ceil(columns / 8) % 2 === 0 ? { rows: 2, columns: 16 } : { rows: 4, columns: 8 });

/** The tile's sums, row by row. */
export const createSums = (fn: Fn, { rows, columns }: TileShape): Local[][] => Array.from({ length: rows }, () => Array.from({ length: columns / 4 }, () => fn.v128()));

/** Adds left * right to the sums, from the addresses `a` and `b` on until `a` reaches `end`; at least one depth. The columns of the right factor lie side by side. */
export function multiplyAdd(fn: Fn, sums: readonly (readonly Local[])[], { columns, rowBytes, stepBytes }: Tile, { a, b, end }: { a: Local; b: Local; end: Local }): Ref {
  const { m, c, madd } = fn.code;
  const right = Array.from({ length: columns / 4 }, () => fn.v128());
  const splat = fn.v128();
  const label = fn.label();
  return m.loop(
    label,
    fn.block([
      ...right.map((vector, v) => vector.set(m.v128.load(v * 16, 4, b.get()))),
      ...sums.flatMap((line, r) => [
        splat.set(m.v128.load32_splat(r * rowBytes, 4, a.get())),
        ...line.map((sum, v) => sum.set(madd(splat.get(), (right[v] as Local).get(), sum.get()))),
      ]),
      b.set(m.i32.add(b.get(), c(columns * 4))),
      m.br(label, m.i32.lt_u(a.tee(m.i32.add(a.get(), c(stepBytes))), end.get())),
    ]),
  );
}
