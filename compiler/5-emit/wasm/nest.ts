// A kernel's loop nest: rows split over the threads, the innermost loop four or sixteen elements at a time, and one by one at its end.

import { children, mapExpr, showTest } from '../../4-kernels/expr.ts';
import type { Expr, Test } from '../../4-kernels/expr.ts';
import { int, plus, replace, showIndex, strideOf, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import type { Kernel } from '../../4-kernels/kernel.ts';
import { define } from './code.ts';
import type { Code, Fn, Local, Ref } from './code.ts';
import { emitExpr, emitIndex, runsAlong, variesByLane } from './lanes.ts';
import type { Scope, Source } from './lanes.ts';
import { eachUnit, HEAD } from './threads.ts';

/** Threads get their parts in units of rows, or of this many elements where there are few rows. */
const ROWS_ENOUGH = 64;
const LEAST_CHUNK = 64;

/** Defines `name`(head, out, ...params): writes every element of the kernel's output. */
export function defineNest(code: Code, name: string, kernel: Kernel): void {
  const { m, c } = code;
  const loops = kernel.indices.filter((index) => index.extent > 1);
  const outer = loops.slice(0, -1);
  const inner = loops.at(-1) ?? { name: 'i', extent: 1 };
  const rows = outer.reduce((product, variable) => product * variable.extent, 1);
  const chunk = Math.ceil(inner.extent / Math.max(1, Math.min(Math.floor(ROWS_ENOUGH / rows), Math.floor(inner.extent / LEAST_CHUNK))) / 16) * 16;
  const chunks = Math.ceil(inner.extent / chunk);
  define(code, name, HEAD.length + 1 + kernel.params.length, (fn, [thread, threads, , , out, ...params]) => {
    if (!thread || !threads || !out) throw new Error('arity');
    const sources = new Map(kernel.params.map((param, i) => [param.id, sourceOf(param.id, param.dtype, params[i])]));
    const [row, low, high] = [fn.i32(), fn.i32(), fn.i32()];
    return [
      eachUnit(fn, thread, threads, rows * chunks, (unit) => {
        const { variables, statements } = decode(fn, row, outer);
        const base = { fn, sources, variables, outer };
        return [
          row.set(m.i32.div_u(unit.get(), c(chunks))),
          low.set(m.i32.mul(m.i32.rem_u(unit.get(), c(chunks)), c(chunk))),
          high.set(m.i32.add(low.get(), c(chunk))),
          m.if(m.i32.gt_s(high.get(), c(inner.extent)), high.set(c(inner.extent))),
          ...statements,
          ...segments(kernel.body, inner).flatMap((segment) => emitSegment(base, segment, inner, { out, row, low, high })),
        ];
      }),
    ];
  });
}

export function sourceOf(id: string, dtype: string, address: Local | undefined): Source {
  if (!address || (dtype !== 'f32' && dtype !== 'i32')) throw new Error(`%${id}: buffers of ${dtype} cannot be read here`);
  return { address, dtype };
}

/** The outer variables' values of a row. */
export function decode(fn: Fn, row: Local, outer: readonly Var[]): { variables: Map<string, Local>; statements: Ref[] } {
  const { m, c } = fn.code;
  const variables = new Map(outer.map((variable) => [variable.name, fn.i32()]));
  let inside = 1;
  const statements = outer.toReversed().map((variable, i) => {
    const place = inside === 1 ? row.get() : m.i32.div_u(row.get(), c(inside));
    inside *= variable.extent;
    const value = i === outer.length - 1 ? place : m.i32.rem_u(place, c(variable.extent));
    return (variables.get(variable.name) as Local).set(value);
  });
  return { variables, statements };
}

// Segments: the innermost range is cut where tests of its variable change, so that each part has none left.

interface Segment {
  readonly start: number;
  /** The inner variable counted from the segment's start, with the segment's length. */
  readonly variable: Var;
  readonly body: Expr;
}

function segments(body: Expr, inner: Var): Segment[] {
  const cuts = [...new Set([0, ...testsOf(body).flatMap((test) => cutsOf(test, inner)), inner.extent])]
    .filter((cut) => cut >= 0 && cut <= inner.extent)
    .sort((a, b) => a - b);
  return cuts.slice(0, -1).map((start, i) => {
    const variable = { name: inner.name, extent: (cuts[i + 1] as number) - start };
    const at = new Map([[inner.name, plus(use(variable), int(start))]]);
    return { start, variable, body: mapExpr(body, (index) => replace(index, at)) };
  });
}

/** The tests in an expression, by their text. */
export function testsOf(expr: Expr): Test[] {
  const flat = (test: Test): Test[] => (test.kind === 'all' ? test.tests.flatMap(flat) : [test]);
  const own = expr.kind === 'select' ? flat(expr.test) : [];
  return [...new Map([...own, ...children(expr).flatMap(testsOf)].map((test) => [showTest(test), test])).values()];
}

/** Where the truth of a test changes along the variable, if it depends on that variable alone. */
export function cutsOf(test: Test, variable: Var): number[] {
  if (test.kind !== 'atLeastZero' && test.kind !== 'isZero') return [];
  const [term, ...others] = test.index.terms;
  if (!term || others.length > 0 || term.atom.kind !== 'var' || term.atom.variable.name !== variable.name) return [];
  const root = -test.index.offset / term.factor;
  if (test.kind === 'isZero') return Number.isInteger(root) ? [root, root + 1] : [];
  return [term.factor > 0 ? Math.ceil(root) : Math.floor(root) + 1];
}

interface Range {
  readonly out: Local;
  readonly row: Local;
  readonly low: Local;
  readonly high: Local;
}

function emitSegment(base: Pick<Scope, 'fn' | 'sources' | 'variables' | 'outer'>, segment: Segment, inner: Var, range: Range): Ref[] {
  const { fn } = base;
  const { m, c } = fn.code;
  const { start, variable, body } = segment;
  const [i, end, line] = [fn.i32(), fn.i32(), fn.i32()];
  const before: Ref[] = [];
  const hoisted = new Map<string, Local>();
  const hoist = (part: Index): Local => {
    const key = showIndex(part);
    const found = hoisted.get(key);
    if (found) return found;
    const { local, statement } = fn.keep(emitIndex(base, part));
    before.push(statement);
    hoisted.set(key, local);
    return local;
  };
  const element = (): Ref => m.i32.add(line.get(), m.i32.mul(i.get(), c(4)));
  const scopeOf = (lane: Var | undefined, vectors: number): Scope => ({
    ...base,
    variables: new Map([...base.variables, [variable.name, i]]),
    locals: new Map(),
    lane,
    vectors,
    hoist,
  });
  const pass = (lane: Var | undefined, vectors: number): Ref => {
    const step = lane ? vectors * 4 : 1;
    const statements: Ref[] = [];
    const values = emitExpr(scopeOf(lane, vectors), body, statements);
    const stores = values.map((value, at) => (lane ? m.v128.store(at * 16, 4, element(), value) : m.v128.store32_lane(0, 4, 0, element(), value)));
    return fn.advance(i, () => (step === 1 ? end.get() : m.i32.sub(end.get(), c(step - 1))), step, () => [...statements, ...stores]);
  };
  const passes = vectorWidths(body, variable).map((vectors) => pass(variable, vectors));
  const rest = pass(undefined, 1);
  const clamp = (value: Ref, low: number, high: number): Ref[] => [
    i.set(value),
    m.if(m.i32.lt_s(i.get(), c(low)), i.set(c(low))),
    m.if(m.i32.gt_s(i.get(), c(high)), i.set(c(high))),
    i.set(m.i32.sub(i.get(), c(start))),
  ];
  return [
    ...clamp(range.high.get(), start, start + variable.extent),
    end.set(i.get()),
    ...clamp(range.low.get(), start, start + variable.extent),
    line.set(m.i32.add(range.out.get(), m.i32.mul(m.i32.add(m.i32.mul(range.row.get(), c(inner.extent)), c(start)), c(4)))),
    ...before,
    ...passes,
    rest,
  ];
}

/** How many vectors are computed at once, the widest loop first; none where the lanes cannot or should not run along the variable. */
function vectorWidths(body: Expr, variable: Var): number[] {
  if (variable.extent < 4 || testsOf(body).some((test) => variesByLane(test, variable)) || prefersReduction(body, variable, [])) return [];
  return variable.extent >= 16 && hasLoop(body) ? [4, 1] : [1];
}

const hasLoop = (expr: Expr): boolean => expr.kind === 'reduce' || children(expr).some(hasLoop);

/** Whether a load lies far apart along the variable but side by side along a reduction around it: then the lanes run along that. */
function prefersReduction(expr: Expr, variable: Var, reductions: readonly Var[]): boolean {
  if (expr.kind === 'load') {
    const step = strideOf(expr.index, variable);
    return step !== 0 && step !== 1 && reductions.some((reduction) => strideOf(expr.index, reduction) === 1);
  }
  const around = expr.kind === 'reduce' && runsAlong(expr.body, expr.variable) ? [expr.variable] : reductions;
  return children(expr).some((child) => prefersReduction(child, variable, around));
}

