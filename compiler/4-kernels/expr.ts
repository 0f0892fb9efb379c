// The scalar expressions that kernels compute: a small typed language over f32 values, loads from buffers, and index arithmetic.
// Every constructor simplifies, so that the expressions of rules written in general come out short for a particular shape.

import type { ValueId } from '../2-graph/graph.ts';
import { bounds, replace, showIndex, use, within } from './indexing.ts';
import type { Index, Var } from './indexing.ts';

export type UnaryOp = 'neg' | 'abs' | 'floor' | 'exp' | 'expm1' | 'log' | 'log1p' | 'sqrt' | 'cos' | 'tanh' | 'finite';
export type BinaryOp = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
export type Reducer = 'sum' | 'max';
export type Comparison = '<' | '<=' | '==';

export type Expr =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'load'; readonly buffer: ValueId; readonly index: Index }
  /** An index as a number. */
  | { readonly kind: 'index'; readonly index: Index }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly x: Expr }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly a: Expr; readonly b: Expr }
  /** Only the branch taken has a meaning: a load in the other may be out of bounds. */
  | { readonly kind: 'select'; readonly test: Test; readonly then: Expr; readonly otherwise: Expr }
  | { readonly kind: 'let'; readonly name: string; readonly value: Expr; readonly body: Expr }
  | { readonly kind: 'local'; readonly name: string }
  /** The sum or the largest of `body` over all values of the variable. */
  | { readonly kind: 'reduce'; readonly op: Reducer; readonly variable: Var; readonly body: Expr };

export type Test =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'compare'; readonly op: Comparison; readonly a: Expr; readonly b: Expr }
  /** index >= 0, or index = 0. */
  | { readonly kind: 'atLeastZero' | 'isZero'; readonly index: Index }
  | { readonly kind: 'all'; readonly tests: readonly Test[] };

export const number = (value: number): Expr => ({ kind: 'number', value });
export const load = (buffer: ValueId, index: Index): Expr => ({ kind: 'load', buffer, index });
export const indexValue = (index: Index): Expr => (index.terms.length === 0 ? number(index.offset) : { kind: 'index', index });

const UNARY: { readonly [K in UnaryOp]: (x: number) => number } = {
  neg: (x) => -x,
  abs: Math.abs,
  floor: Math.floor,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  cos: Math.cos,
  tanh: Math.tanh,
  finite: (x) => (Number.isFinite(x) ? 1 : 0),
};

const BINARY: { readonly [K in BinaryOp]: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
};

const COMPARE: { readonly [K in Comparison]: (a: number, b: number) => boolean } = { '<': (a, b) => a < b, '<=': (a, b) => a <= b, '==': (a, b) => a === b };

/** What the operations do to plain numbers. */
export const unaryValue = (op: UnaryOp, x: number): number => UNARY[op](x);
export const binaryValue = (op: BinaryOp, a: number, b: number): number => BINARY[op](a, b);
export const compareValue = (op: Comparison, a: number, b: number): boolean => COMPARE[op](a, b);

export const unary = (op: UnaryOp, x: Expr): Expr => (x.kind === 'number' ? number(UNARY[op](x.value)) : { kind: 'unary', op, x });

export function binary(op: BinaryOp, a: Expr, b: Expr): Expr {
  if (a.kind === 'number' && b.kind === 'number') return number(BINARY[op](a.value, b.value));
  const is = (x: Expr, value: number): boolean => x.kind === 'number' && x.value === value;
  if ((op === 'add' && is(b, 0)) || (op === 'sub' && is(b, 0)) || ((op === 'mul' || op === 'div') && is(b, 1))) return a;
  if ((op === 'add' && is(a, 0)) || (op === 'mul' && is(a, 1))) return b;
  return { kind: 'binary', op, a, b };
}

export const neg = (x: Expr): Expr => unary('neg', x);
export const exp = (x: Expr): Expr => unary('exp', x);
export const log = (x: Expr): Expr => unary('log', x);
export const add = (a: Expr, b: Expr): Expr => binary('add', a, b);
export const sub = (a: Expr, b: Expr): Expr => binary('sub', a, b);
export const mul = (a: Expr, b: Expr): Expr => binary('mul', a, b);
export const div = (a: Expr, b: Expr): Expr => binary('div', a, b);

const constant = (value: boolean): Test => ({ kind: 'constant', value });

export const compare = (op: Comparison, a: Expr, b: Expr): Test =>
  a.kind === 'number' && b.kind === 'number' ? constant(COMPARE[op](a.value, b.value)) : { kind: 'compare', op, a, b };

/** index >= 0; decided here where the bounds tell. */
export function atLeastZero(index: Index): Test {
  const [least, greatest] = bounds(index);
  if (least >= 0) return constant(true);
  return greatest < 0 ? constant(false) : { kind: 'atLeastZero', index };
}

/** index = 0. */
export function isZero(index: Index): Test {
  if (index.terms.length === 0) return constant(index.offset === 0);
  return within(index, 1, Infinity) || within(index, -Infinity, 0) ? constant(false) : { kind: 'isZero', index };
}

/** Whether all hold; decided here where one cannot. */
export function all(...tests: readonly Test[]): Test {
  const open = tests.filter((test) => test.kind !== 'constant' || !test.value);
  const never = open.find((test) => test.kind === 'constant');
  if (never) return never;
  const [only] = open;
  if (!only) return constant(true);
  return open.length === 1 ? only : { kind: 'all', tests: open };
}

/** `then` where the test holds, else `otherwise`; the branch not taken is not evaluated. */
export const select = (test: Test, then: Expr, otherwise: Expr): Expr =>
  test.kind === 'constant' ? (test.value ? then : otherwise) : { kind: 'select', test, then, otherwise };

/** Names a value that `body` uses more than once. Numbers, locals and indices are used as they are. */
export function bind(name: string, value: Expr, body: (value: Expr) => Expr): Expr {
  if (value.kind === 'number' || value.kind === 'local') return body(value);
  return { kind: 'let', name, value, body: body({ kind: 'local', name }) };
}

/** The sum or the largest of `body(variable)`, over 0..extent-1. */
export function reduce(op: Reducer, name: string, extent: number, body: (index: Index) => Expr): Expr {
  const variable = { name, extent };
  const of = body(use(variable));
  if (of.kind === 'number') return number(op === 'sum' ? extent * of.value : of.value);
  return extent === 1 ? of : { kind: 'reduce', op, variable, body: of };
}

export const sum = (name: string, extent: number, body: (index: Index) => Expr): Expr => reduce('sum', name, extent, body);
export const largest = (name: string, extent: number, body: (index: Index) => Expr): Expr => reduce('max', name, extent, body);

/** The expression with `onIndex` applied to every index, and `onExpr` to the expressions directly inside; rebuilt by the simplifying constructors. */
export function mapExpr(expr: Expr, onIndex: (index: Index) => Index, onExpr: (inner: Expr) => Expr = (inner) => mapExpr(inner, onIndex)): Expr {
  switch (expr.kind) {
    case 'number':
    case 'local':
      return expr;
    case 'load':
      return load(expr.buffer, onIndex(expr.index));
    case 'index':
      return indexValue(onIndex(expr.index));
    case 'unary':
      return unary(expr.op, onExpr(expr.x));
    case 'binary':
      return binary(expr.op, onExpr(expr.a), onExpr(expr.b));
    case 'select':
      return select(mapTest(expr.test, onIndex, onExpr), onExpr(expr.then), onExpr(expr.otherwise));
    case 'let':
      return { ...expr, value: onExpr(expr.value), body: onExpr(expr.body) };
    case 'reduce':
      return { ...expr, body: onExpr(expr.body) };
  }
}

export function mapTest(test: Test, onIndex: (index: Index) => Index, onExpr: (inner: Expr) => Expr = (inner) => mapExpr(inner, onIndex)): Test {
  switch (test.kind) {
    case 'constant':
      return test;
    case 'compare':
      return compare(test.op, onExpr(test.a), onExpr(test.b));
    case 'atLeastZero':
      return atLeastZero(onIndex(test.index));
    case 'isZero':
      return isZero(onIndex(test.index));
    case 'all':
      return all(...test.tests.map((part) => mapTest(part, onIndex, onExpr)));
  }
}

/** The expression with index variables replaced by name. */
export const substitute = (expr: Expr, by: ReadonlyMap<string, Index>): Expr => mapExpr(expr, (index) => replace(index, by));

/** The expressions directly inside, those of tests included. */
export function children(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'number':
    case 'local':
    case 'load':
    case 'index':
      return [];
    case 'unary':
      return [expr.x];
    case 'binary':
      return [expr.a, expr.b];
    case 'select':
      return [...testOperands(expr.test), expr.then, expr.otherwise];
    case 'let':
      return [expr.value, expr.body];
    case 'reduce':
      return [expr.body];
  }
}

function testOperands(test: Test): readonly Expr[] {
  if (test.kind === 'compare') return [test.a, test.b];
  return test.kind === 'all' ? test.tests.flatMap(testOperands) : [];
}

/** The names of locals in the expression, those that it binds itself included. */
export const localsOf = (expr: Expr): string[] => (expr.kind === 'local' ? [expr.name] : [...new Set(children(expr).flatMap(localsOf))]);

/** The expression with locals replaced by name. What takes their place must not name a local that the expression binds. */
export function replaceLocals(expr: Expr, by: ReadonlyMap<string, Expr>): Expr {
  return expr.kind === 'local' ? (by.get(expr.name) ?? expr) : mapExpr(expr, (index) => index, (inner) => replaceLocals(inner, by));
}

/** Whether the expression adds up or compares over a variable. */
export const reduces = (expr: Expr): boolean => expr.kind === 'reduce' || children(expr).some(reduces);

/** The buffers that are read, in order of first use. */
export function buffersOf(expr: Expr): ValueId[] {
  const visit = (e: Expr): ValueId[] => (e.kind === 'load' ? [e.buffer] : children(e).flatMap(visit));
  return [...new Set(visit(expr))];
}

const INFIX: Partial<Record<BinaryOp, string>> = { add: '+', sub: '-', mul: '*', div: '/' };

/** Readable text, on one line. */
export function showExpr(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return String(expr.value);
    case 'load':
      return `%${expr.buffer}[${showIndex(expr.index)}]`;
    case 'index':
      return `number(${showIndex(expr.index)})`;
    case 'unary':
      return `${expr.op}(${showExpr(expr.x)})`;
    case 'binary': {
      const infix = INFIX[expr.op];
      return infix ? `(${showExpr(expr.a)} ${infix} ${showExpr(expr.b)})` : `${expr.op}(${showExpr(expr.a)}, ${showExpr(expr.b)})`;
    }
    case 'select':
      return `select(${showTest(expr.test)}, ${showExpr(expr.then)}, ${showExpr(expr.otherwise)})`;
    case 'let':
      return `let ${expr.name} = ${showExpr(expr.value)} in ${showExpr(expr.body)}`;
    case 'local':
      return expr.name;
    case 'reduce':
      return `${expr.op}(${expr.variable.name}<${expr.variable.extent}: ${showExpr(expr.body)})`;
  }
}

export function showTest(test: Test): string {
  switch (test.kind) {
    case 'constant':
      return String(test.value);
    case 'compare':
      return `${showExpr(test.a)} ${test.op} ${showExpr(test.b)}`;
    case 'atLeastZero':
      return `${showIndex(test.index)} >= 0`;
    case 'isZero':
      return `${showIndex(test.index)} == 0`;
    case 'all':
      return test.tests.map(showTest).join(' & ');
  }
}
