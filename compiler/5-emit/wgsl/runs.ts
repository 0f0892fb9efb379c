// Which expressions can be computed for four neighbours at once: how indices move along a variable within runs of four that begin at a multiple of four.

import { buffersOf, children } from '../../4-kernels/expr.ts';
import type { Expr, Test } from '../../4-kernels/expr.ts';
import type { ValueId } from '../../2-graph/graph.ts';
import { int, plus } from '../../4-kernels/indexing.ts';
import type { Atom, Index } from '../../4-kernels/indexing.ts';

/** Along a run of four the index is base, base + stride, …; `divisor` divides every such base. */
export interface Run {
  readonly stride: number;
  readonly divisor: number;
}

export const LANES = 4 as const;

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

/** How the index moves along the variable, or undefined where that differs from run to run. */
export function runOf(index: Index, variable: string): Run | undefined {
  let run: Run = { stride: 0, divisor: index.offset };
  for (const { factor, atom } of index.terms) {
    const part = atomRun(atom, variable);
    if (!part) return undefined;
    run = { stride: run.stride + factor * part.stride, divisor: gcd(run.divisor, factor * part.divisor) };
  }
  return run;
}

function atomRun(atom: Atom, variable: string): Run | undefined {
  if (atom.kind === 'var') return atom.variable.name === variable ? { stride: 1, divisor: LANES } : { stride: 0, divisor: 1 };
  const run = runOf(atom.of, variable);
  if (!run) return undefined;
  if (run.stride === 0) return { stride: 0, divisor: atom.kind === 'div' ? 1 : gcd(run.divisor, atom.by) };
  if (run.stride !== 1 || run.divisor % LANES !== 0 || atom.by % LANES !== 0) return undefined;
  return atom.kind === 'div' ? { stride: 0, divisor: 1 } : { stride: 1, divisor: gcd(run.divisor, atom.by) };
}

/** Whether the places of a run are four neighbours in one aligned vector. */
export function isVector(index: Index, variable: string): boolean {
  const run = runOf(index, variable);
  return run?.stride === 1 && run.divisor % LANES === 0;
}

/** Whether the whole run has one answer to index >= 0. */
function agrees(index: Index, variable: string): boolean {
  const run = runOf(index, variable);
  if (!run) return false;
  if (run.stride === 0) return true;
  if (run.stride === 1) return run.divisor % LANES === 0;
  return run.stride === -1 && (runOf(plus(index, int(1)), variable)?.divisor ?? 1) % LANES === 0;
}

/** Whether the expression can be computed for a run of four of the variable at once. */
export function vectorises(expr: Expr, variable: string): boolean {
  switch (expr.kind) {
    case 'load':
      return runOf(expr.index, variable)?.stride === 0 || isVector(expr.index, variable);
    case 'index':
      return runOf(expr.index, variable) !== undefined;
    case 'select':
      // A branch is taken by all four neighbours or by none.
      if (comparesValues(expr.test) && guardsLoads(expr)) return false;
      return testVectorises(expr.test, variable) && vectorises(expr.then, variable) && vectorises(expr.otherwise, variable);
    default:
      return children(expr).every((inner) => vectorises(inner, variable));
  }
}

/** Whether a test of indices decides if something is loaded: then it is not loaded where the test fails. */
export const guardsLoads = ({ test, then, otherwise }: Extract<Expr, { kind: 'select' }>): boolean => testsIndices(test) && [then, otherwise].some((branch) => buffersOf(branch).length > 0);

const testsIndices = (test: Test): boolean => test.kind === 'atLeastZero' || test.kind === 'isZero' || (test.kind === 'all' && test.tests.some(testsIndices));

/** Whether a test looks at values, which differ between neighbours. */
export const comparesValues = (test: Test): boolean => test.kind === 'compare' || (test.kind === 'all' && test.tests.some(comparesValues));

export function testVectorises(test: Test, variable: string): boolean {
  switch (test.kind) {
    case 'constant':
      return true;
    case 'compare':
      return vectorises(test.a, variable) && vectorises(test.b, variable);
    case 'atLeastZero':
      return agrees(test.index, variable);
    case 'isZero':
      return runOf(test.index, variable)?.stride === 0;
    case 'all':
      return test.tests.every((part) => testVectorises(part, variable));
  }
}

/** The buffers from which the expression loads whole runs. */
export function vectorBuffers(expr: Expr, variable: string): ValueId[] {
  if (expr.kind === 'load') return isVector(expr.index, variable) ? [expr.buffer] : [];
  return children(expr).flatMap((inner) => vectorBuffers(inner, variable));
}
