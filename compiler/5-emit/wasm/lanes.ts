// Kernel expressions as WebAssembly. Every value is a vector: four lanes along one index variable, or, where no variable is chosen, one lane that counts.

import { children, mapExpr } from '../../4-kernels/expr.ts';
import type { BinaryOp, Comparison, Expr, Reducer, Test } from '../../4-kernels/expr.ts';
import { bounds, int, mentions, plus, replace, strideOf, use } from '../../4-kernels/indexing.ts';
import type { Atom, Index, Term, Var } from '../../4-kernels/indexing.ts';
import type { Code, Fn, Local, Ref } from './code.ts';
import { emitUnary } from './math.ts';

export interface Source {
  /** The parameter that holds the buffer's address. */
  readonly address: Local;
  readonly dtype: 'f32' | 'i32';
}

/** What is in scope. A value is a list of vectors: `vectors` of them side by side along the lane variable. */
export interface Scope {
  readonly fn: Fn;
  readonly sources: ReadonlyMap<string, Source>;
  readonly variables: ReadonlyMap<string, Local>;
  readonly locals: ReadonlyMap<string, readonly Local[]>;
  /** The variable along which the lanes run; its local holds the first lane's value. */
  readonly lane: Var | undefined;
  readonly vectors: number;
  /** The variables of the loops around the innermost one, and the value of an index of them, computed once before it. */
  readonly outer: readonly Var[];
  readonly hoist: (part: Index) => Local;
}

type Values = readonly Ref[];

/** The expression's vectors; statements that must run before they are read go to `out`. */
export function emitExpr(scope: Scope, expr: Expr, out: Ref[]): Values {
  const { fn } = scope;
  const { m, v } = fn.code;
  const each = (make: (vector: number) => Ref): Values => Array.from({ length: scope.vectors }, (_, i) => make(i));
  switch (expr.kind) {
    case 'number':
      return each(() => v(expr.value));
    case 'local':
      return (scope.locals.get(expr.name) ?? missing(expr.name)).map((local) => local.get());
    case 'load':
      return each((vector) => emitLoad(scope, expr.buffer, expr.index, vector));
    case 'index':
      return each((vector) => m.f32x4.convert_i32x4_s(indexLanes(scope, expr.index, vector)));
    case 'unary':
      return emitExpr(scope, expr.x, out).map((x) => emitUnary(fn, expr.op, x));
    case 'binary':
      return emitBinary(scope, expr.op, expr.a, expr.b, out);
    case 'let': {
      const kept = keepAll(scope, emitExpr(scope, expr.value, out), out);
      return emitExpr({ ...scope, locals: new Map([...scope.locals, [expr.name, kept]]) }, expr.body, out);
    }
    case 'select':
      return emitSelect(scope, expr, out);
    case 'reduce':
      return emitReduce(scope, expr, out);
  }
}

const missing = (name: string): never => {
  throw new Error(`no value ${name} in scope`);
};

function keepAll({ fn }: Scope, values: Values, out: Ref[]): Local[] {
  return values.map((value) => {
    const local = fn.v128();
    out.push(local.set(value));
    return local;
  });
}

const BINARY: { readonly [K in BinaryOp]: (code: Code, a: Ref, b: Ref) => Ref } = {
  add: ({ m }, a, b) => m.f32x4.add(a, b),
  sub: ({ m }, a, b) => m.f32x4.sub(a, b),
  mul: ({ m }, a, b) => m.f32x4.mul(a, b),
  div: ({ m }, a, b) => m.f32x4.div(a, b),
  min: ({ m }, a, b) => m.f32x4.min(a, b),
  max: ({ m }, a, b) => m.f32x4.max(a, b),
};

function emitBinary(scope: Scope, op: BinaryOp, a: Expr, b: Expr, out: Ref[]): Values {
  const { m } = scope.fn.code;
  if (op === 'min' || op === 'max') {
    // Beside a number, one instruction does what otherwise takes eight, since only the other operand can be NaN.
    const [x, bound] = a.kind === 'number' ? [b, a] : [a, b];
    const limit = bound.kind === 'number' && !Number.isNaN(bound.value) ? emitExpr(scope, bound, out) : undefined;
    if (limit) return emitExpr(scope, x, out).map((value, i) => (op === 'min' ? m.f32x4.pmin : m.f32x4.pmax)(value, limit[i] as Ref));
  }
  const left = emitExpr(scope, a, out);
  const right = emitExpr(scope, b, out);
  return left.map((x, i) => BINARY[op](scope.fn.code, x, right[i] as Ref));
}

// Indices.

/** An index as an i32, variables at the values of their locals. */
export function emitIndex(scope: Pick<Scope, 'fn' | 'variables'>, index: Index): Ref {
  const { m, c } = scope.fn.code;
  const terms = index.terms.map(({ factor, atom }) => {
    const value = atom.kind === 'var' ? (scope.variables.get(atom.variable.name) ?? missing(atom.variable.name)).get() : emitDivision(scope, atom.kind, atom.of, atom.by);
    return factor === 1 ? value : m.i32.mul(value, c(factor));
  });
  const sum = terms.length === 0 ? c(index.offset) : terms.reduce((a, b) => m.i32.add(a, b));
  return terms.length === 0 || index.offset === 0 ? sum : m.i32.add(sum, c(index.offset));
}

/** Floor division and its remainder: where the operand may be negative, a multiple of the divisor is lent to it. */
function emitDivision(scope: Pick<Scope, 'fn' | 'variables'>, kind: 'div' | 'mod', of: Index, by: number): Ref {
  const { m, c } = scope.fn.code;
  const lent = Math.max(0, Math.ceil(-bounds(of)[0] / by));
  const value = emitIndex(scope, plus(of, int(lent * by)));
  if (kind === 'mod') return m.i32.rem_u(value, c(by));
  const whole = m.i32.div_u(value, c(by));
  return lent === 0 ? whole : m.i32.sub(whole, c(lent));
}

/** The index with the lane variable moved on. */
const shifted = (index: Index, lane: Var, by: number): Index => (by === 0 ? index : replace(index, new Map([[lane.name, plus(use({ ...lane, extent: lane.extent + by }), int(by))]])));

const stride = ({ lane }: Scope, index: Index): number | undefined => (lane ? strideOf(index, lane) : 0);

/** Four values of an index, as i32 lanes. */
function indexLanes(scope: Scope, index: Index, vector: number): Ref {
  const { m, c } = scope.fn.code;
  const { lane } = scope;
  const step = stride(scope, index);
  const first = (by: number): Ref => emitIndex(scope, lane ? shifted(index, lane, by) : index);
  if (step === undefined) {
    return [1, 2, 3].reduce((lanes, l) => m.i32x4.replace_lane(lanes, l, first(vector * 4 + l)), m.i32x4.splat(first(vector * 4)));
  }
  const base = m.i32x4.splat(m.i32.add(emitIndex(scope, index), c(step * vector * 4)));
  return step === 0 ? base : m.i32x4.add(base, m.v128.const(Array.from(new Uint8Array(Int32Array.from([0, step, 2 * step, 3 * step]).buffer))));
}

/** An element's address, and an offset for the instruction. What the outer loops fix is computed before the innermost one. */
function addressOf(scope: Scope, source: Source, index: Index): { ptr: Ref; offset: number } {
  const { m, c } = scope.fn.code;
  const isFixed = (term: Term): boolean => variablesOf(term.atom).every((name) => scope.outer.some((variable) => variable.name === name));
  const fixed = index.terms.filter(isFixed);
  const moving = index.terms.filter((term) => !fixed.includes(term));
  // A constant part goes into the instruction where nothing before it can be negative.
  const inInstruction = index.offset >= 0 && bounds({ ...index, offset: 0 })[0] >= 0;
  const own: Index = { terms: moving, offset: inInstruction ? 0 : index.offset };
  const parts = [
    source.address.get(),
    ...(fixed.length > 0 ? [m.i32.mul(scope.hoist({ terms: fixed, offset: 0 }).get(), c(4))] : []),
    ...(own.terms.length > 0 || own.offset !== 0 ? [m.i32.mul(emitIndex(scope, own), c(4))] : []),
  ];
  return { ptr: parts.reduce((a, b) => m.i32.add(a, b)), offset: inInstruction ? index.offset * 4 : 0 };
}

const variablesOf = (atom: Atom): string[] => (atom.kind === 'var' ? [atom.variable.name] : atom.of.terms.flatMap((term) => variablesOf(term.atom)));

function emitLoad(scope: Scope, buffer: string, index: Index, vector: number): Ref {
  const { m } = scope.fn.code;
  const source = scope.sources.get(buffer) ?? missing(buffer);
  const step = stride(scope, index);
  const { lane } = scope;
  const number = (value: Ref): Ref => (source.dtype === 'i32' ? m.f32x4.convert_i32x4_s(value) : value);
  if (step === 0) {
    const { ptr, offset } = addressOf(scope, source, index);
    return number(m.v128.load32_splat(offset, 4, ptr));
  }
  if (step === 1) {
    const { ptr, offset } = addressOf(scope, source, index);
    return number(m.v128.load(offset + vector * 16, 4, ptr));
  }
  return number(
    [0, 1, 2, 3].reduce((lanes, l) => {
      const { ptr, offset } = addressOf(scope, source, shifted(index, lane as Var, vector * 4 + l));
      return l === 0 ? m.v128.load32_zero(offset, 4, ptr) : m.v128.load32_lane(offset, 4, l, ptr, lanes);
    }, 0),
  );
}

// Tests and selection.

/** Whether a test's index parts change from lane to lane: then it cannot be a branch. */
export const variesByLane = (test: Test, lane: Var): boolean => {
  if (test.kind === 'atLeastZero' || test.kind === 'isZero') return mentions(test.index, lane);
  return test.kind === 'all' && test.tests.some((part) => variesByLane(part, lane));
};

const isBranch = (test: Test): boolean => test.kind !== 'compare' && (!('tests' in test) || test.tests.every(isBranch));

/** A test of indices alone, as an i32. */
function emitCondition(scope: Scope, test: Test): Ref {
  const { m, c } = scope.fn.code;
  switch (test.kind) {
    case 'constant':
      return c(test.value ? 1 : 0);
    case 'atLeastZero':
      return m.i32.ge_s(emitIndex(scope, test.index), c(0));
    case 'isZero':
      return m.i32.eqz(emitIndex(scope, test.index));
    case 'all':
      return test.tests.map((part) => emitCondition(scope, part)).reduce((a, b) => m.i32.and(a, b));
    case 'compare':
      throw new Error('a comparison of numbers is no condition of indices');
  }
}

const COMPARE: { readonly [K in Comparison]: (code: Code, a: Ref, b: Ref) => Ref } = {
  '<': ({ m }, a, b) => m.f32x4.lt(a, b),
  '<=': ({ m }, a, b) => m.f32x4.le(a, b),
  '==': ({ m }, a, b) => m.f32x4.eq(a, b),
};

/** A test as masks, one for each vector. */
function emitMask(scope: Scope, test: Test, out: Ref[]): Values {
  const { m, c } = scope.fn.code;
  if (test.kind === 'compare') {
    const a = emitExpr(scope, test.a, out);
    const b = emitExpr(scope, test.b, out);
    return a.map((x, i) => COMPARE[test.op](scope.fn.code, x, b[i] as Ref));
  }
  if (test.kind === 'all') return test.tests.map((part) => emitMask(scope, part, out)).reduce((a, b) => a.map((x, i) => m.v128.and(x, b[i] as Ref)));
  return Array.from({ length: scope.vectors }, () => m.i32x4.splat(m.i32.sub(c(0), emitCondition(scope, test))));
}

/** A branch where indices decide, so that loads beyond a border are not made; else both sides, and a choice lane by lane. */
function emitSelect(scope: Scope, { test, then, otherwise }: Extract<Expr, { kind: 'select' }>, out: Ref[]): Values {
  const { m } = scope.fn.code;
  if (!isBranch(test)) {
    const masks = emitMask(scope, test, out);
    const yes = emitExpr(scope, then, out);
    const no = emitExpr(scope, otherwise, out);
    return masks.map((mask, i) => m.v128.bitselect(yes[i] as Ref, no[i] as Ref, mask));
  }
  const results = Array.from({ length: scope.vectors }, () => scope.fn.v128());
  const side = (expr: Expr): Ref => {
    const statements: Ref[] = [];
    const values = emitExpr(scope, expr, statements);
    return scope.fn.block([...statements, ...results.map((result, i) => result.set(values[i] as Ref))]);
  };
  out.push(m.if(emitCondition(scope, test), side(then), side(otherwise)));
  return results.map((result) => result.get());
}

// Reductions.

const START: { readonly [K in Reducer]: number } = { sum: 0, max: -Infinity };
const COMBINE: { readonly [K in Reducer]: BinaryOp } = { sum: 'add', max: 'max' };
type Reduce = Extract<Expr, { kind: 'reduce' }>;

/** Reductions this short are written out. */
const UNROLLED = 3;

function emitReduce(scope: Scope, expr: Reduce, out: Ref[]): Values {
  const { code } = scope.fn;
  const { variable, op } = expr;
  const sums = keepAll(scope, Array.from({ length: scope.vectors }, () => code.v(START[op])), out);
  if (variable.extent <= UNROLLED) {
    for (let i = 0; i < variable.extent; i++) {
      const at = new Map([[variable.name, int(i)]]);
      out.push(...accumulate(scope, op, mapExpr(expr.body, (index) => replace(index, at)), sums));
    }
  } else if (!scope.lane && runsAlong(expr.body, variable)) {
    const whole = variable.extent - (variable.extent % 4);
    const [parts = missing(variable.name)] = keepAll(scope, [code.v(START[op])], out);
    out.push(reduceLoop(scope, expr, 0, whole, 4, [parts]));
    out.push(...accumulateValue(scope, op, sums, [acrossLanes(scope, op, parts)]));
    if (whole < variable.extent) out.push(reduceLoop(scope, expr, whole, variable.extent, 1, sums));
  } else out.push(reduceLoop(scope, expr, 0, variable.extent, 1, sums));
  return sums.map((sum) => sum.get());
}

/** Counts the variable from `from` to `to`; by 4, the lanes run along it. */
function reduceLoop(scope: Scope, { op, variable, body }: Reduce, from: number, to: number, step: 1 | 4, sums: readonly Local[]): Ref {
  const { fn } = scope;
  return fn.loop(fn.code.c(from), () => fn.code.c(to), step, (i) => {
    const inner: Scope = { ...scope, variables: new Map([...scope.variables, [variable.name, i]]), ...(step === 4 ? { lane: variable, vectors: 1 } : {}) };
    // What the lanes share is spread over them already: every value is a full vector.
    return accumulate(inner, op, body, sums);
  });
}

/** Adds one value of the body to the sums; a product is multiplied and added at once. */
function accumulate(scope: Scope, op: Reducer, body: Expr, sums: readonly Local[]): Ref[] {
  const out: Ref[] = [];
  if (op === 'sum' && body.kind === 'binary' && body.op === 'mul') {
    const a = emitExpr(scope, body.a, out);
    const b = emitExpr(scope, body.b, out);
    return [...out, ...sums.map((sum, i) => sum.set(scope.fn.code.madd(a[i] as Ref, b[i] as Ref, sum.get())))];
  }
  const values = emitExpr(scope, body, out);
  return [...out, ...accumulateValue(scope, op, sums, values)];
}

const accumulateValue = (scope: Scope, op: Reducer, sums: readonly Local[], values: Values): Ref[] =>
  sums.map((sum, i) => sum.set(BINARY[COMBINE[op]](scope.fn.code, sum.get(), values[i] as Ref)));

/** All lanes combined, in every lane. */
function acrossLanes(scope: Scope, op: Reducer, value: Local): Ref {
  const { m } = scope.fn.code;
  const turn = (words: readonly number[]): Ref => m.i8x16.shuffle(value.get(), value.get(), words.flatMap((word) => [0, 1, 2, 3].map((byte) => word * 4 + byte)));
  const pairs = value.set(BINARY[COMBINE[op]](scope.fn.code, value.get(), turn([2, 3, 0, 1])));
  return m.block(null, [pairs, BINARY[COMBINE[op]](scope.fn.code, value.get(), turn([1, 0, 3, 2]))], scope.fn.code.vector);
}

/** Whether lanes can run along a variable in the body: loads step by 0 or 1, and no index test changes from lane to lane. */
export function runsAlong(body: Expr, lane: Var): boolean {
  if (body.kind === 'load') {
    const step = strideOf(body.index, lane);
    return step === 0 || step === 1;
  }
  if (body.kind === 'select' && variesByLane(body.test, lane)) return false;
  return children(body).every((child) => runsAlong(child, lane));
}
