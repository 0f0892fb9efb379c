// A value in two steps, so that time passes between them: what is loaded from buffers, each into a register, and what is made of it.

import { buffersOf, mapExpr, number, showExpr } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { comparesValues, guardsLoads } from './runs.ts';

export interface Fetches {
  /** What each register takes; it holds zeros where nothing is loaded. */
  readonly registers: readonly { readonly name: string; readonly value: Expr }[];
  /** The value, with the registers as locals. */
  readonly value: Expr;
}

type Guard = (inner: Expr) => Expr;

/** The loads of an expression, under the tests that guard them. */
export function fetchesOf(expr: Expr): Fetches {
  const registers = new Map<string, { name: string; value: Expr }>();
  const register = (value: Expr): Expr => {
    const text = showExpr(value);
    const known = registers.get(text) ?? { name: `fetched ${registers.size}`, value };
    registers.set(text, known);
    return { kind: 'local', name: known.name };
  };
  const visit = (of: Expr, guards: readonly Guard[]): Expr => {
    if (isFetched(of)) return register(guards.reduceRight((inner, guard) => guard(inner), of));
    if (of.kind !== 'select' || !guardsLoads(of)) return mapExpr(of, (index) => index, (inner) => visit(inner, guards));
    const { test } = of;
    const then = visit(of.then, [...guards, (inner) => ({ kind: 'select', test, then: inner, otherwise: number(0) })]);
    const otherwise = visit(of.otherwise, [...guards, (inner) => ({ kind: 'select', test, then: number(0), otherwise: inner })]);
    return { ...of, then, otherwise };
  };
  const value = visit(expr, []);
  return { registers: [...registers.values()], value };
}

/** Whether a value goes into one register as a whole: a load, one of several, or a reduction. */
const isFetched = (expr: Expr): boolean => expr.kind === 'load' || (expr.kind === 'reduce' && buffersOf(expr).length > 0) || (expr.kind === 'select' && isOneOf(expr));

/** Whether it is an element of a buffer, or zero, as tests of indices decide. */
export const isOneOf = (expr: Expr): boolean =>
  expr.kind === 'load' || (expr.kind === 'number' && expr.value === 0) || (expr.kind === 'select' && !comparesValues(expr.test) && isOneOf(expr.then) && isOneOf(expr.otherwise));
