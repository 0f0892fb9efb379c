// Small constant matrices applied to squares of vectors, as straight-line code: M X Mᵀ for each of the four lanes.

import type { Fn, Local, Ref } from './code.ts';
import type { Matrix } from './cook-toom.ts';

/**
 * The statements that compute M X Mᵀ for a square X, first along the columns, then along the rows. `source(row, column)` is an element of X, asked for once each;
 * `sink` is given every element of the result.
 */
export function sandwich(fn: Fn, matrix: Matrix, source: (row: number, column: number) => Ref, sink: (row: number, column: number, value: Ref) => Ref): Ref[] {
  const size = matrix[0]?.length ?? 0;
  const statements: Ref[] = [];
  const keep = (value: Ref): Local => {
    const local = fn.v128();
    statements.push(local.set(value));
    return local;
  };
  const apply = (elements: readonly Local[]): Ref[] => multiply(fn, matrix, elements, keep);
  const columns = Array.from({ length: size }, (_, column) => apply(Array.from({ length: size }, (__, row) => keep(source(row, column)))).map(keep));
  matrix.forEach((_, row) => {
    const line = columns.map((column) => column[row] as Local);
    statements.push(...apply(line).map((value, column) => sink(row, column, value)));
  });
  return statements;
}

/** M x. What the rows for opposite points share is computed once. */
function multiply(fn: Fn, matrix: Matrix, x: readonly Local[], keep: (value: Ref) => Local): Ref[] {
  const { m } = fn.code;
  const parts = new Map<number, readonly [even: Local, odd: Local]>();
  const pairs = opposites(matrix);
  const { terms, rows } = pairs.size > 0 ? { terms: x, rows: matrix } : folded(fn, matrix, x, keep);
  return rows.map((row, i) => {
    const partner = pairs.get(i);
    if (partner === undefined) return combination(fn, row, terms);
    const [even, odd] = parts.get(partner) ?? [0, 1].map((parity) => keep(combination(fn, row.map((factor, j) => (j % 2 === parity ? factor : 0)), terms))) as [Local, Local];
    parts.set(i, [even, odd]);
    return parts.has(partner) ? m.f32x4.sub(even.get(), odd.get()) : m.f32x4.add(even.get(), odd.get());
  });
}

/** Rows that differ in the sign of every second number, each with its partner. */
function opposites(matrix: Matrix): ReadonlyMap<number, number> {
  const isOpposite = (a: readonly number[], b: readonly number[]): boolean => a.every((value, j) => near(value, (j % 2 === 0 ? 1 : -1) * (b[j] ?? 0)));
  const isMixed = (row: readonly number[]): boolean => [0, 1].every((parity) => row.some((value, j) => j % 2 === parity && value !== 0));
  return new Map(
    matrix.flatMap((row, i) => {
      const partner = matrix.findIndex((other, j) => j !== i && isMixed(row) && isOpposite(row, other));
      return partner < 0 ? [] : [[i, partner] as const];
    }),
  );
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b));

/** The same product, with the sum and the difference of two numbers in place of those whose columns differ in the sign of every second row. */
function folded(fn: Fn, matrix: Matrix, x: readonly Local[], keep: (value: Ref) => Local): { terms: readonly Local[]; rows: Matrix } {
  const { m } = fn.code;
  const columns = (matrix[0] ?? []).map((_, j) => matrix.map((row) => row[j] ?? 0));
  const pairs = opposites(columns);
  const taken = columns.map((column, j) => {
    const partner = pairs.get(j);
    const [a, b] = [x[j] as Local, x[partner ?? j] as Local];
    if (partner === undefined) return { term: a, column };
    const parity = j < partner ? 0 : 1;
    const own = columns[Math.min(j, partner)] ?? [];
    return { term: keep(parity === 0 ? m.f32x4.add(a.get(), b.get()) : m.f32x4.sub(b.get(), a.get())), column: own.map((value, i) => (i % 2 === parity ? value : 0)) };
  });
  return { terms: taken.map(({ term }) => term), rows: matrix.map((_, i) => taken.map(({ column }) => column[i] ?? 0)) };
}

/** The sum of factor * term over what is not zero; a term without a factor comes first, since it costs nothing. */
function combination(fn: Fn, factors: readonly number[], terms: readonly Local[]): Ref {
  const { m } = fn.code;
  const { madd, v } = fn.code;
  const used = factors.map((factor, j) => ({ factor, term: terms[j] as Local })).filter(({ factor }) => factor !== 0).sort((a, b) => Number(b.factor === 1) - Number(a.factor === 1));
  const [first, ...others] = used;
  if (!first) return v(0);
  const start = first.factor === 1 ? first.term.get() : m.f32x4.mul(first.term.get(), v(first.factor));
  return others.reduce((sum, { factor, term }) => (factor === 1 ? m.f32x4.add(sum, term.get()) : madd(term.get(), v(factor), sum)), start);
}
