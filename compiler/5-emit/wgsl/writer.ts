// The text of expressions in WGSL: statements that compute a value, for one element or for four neighbours at once.
//
// Indices are i32; the divisions that they hold are by constants and done unsigned or as shifts, rounded down. What does not change in a loop is added up and
// divided outside it. What is loaded where a test of indices holds is loaded in a branch: no shader reaches outside its buffers. Numbers that are infinite or
// NaN have no literals; the largest f32 stands for infinity.

import type { ValueId } from '../../2-graph/graph.ts';
import { all, mapTest, select, substitute } from '../../4-kernels/expr.ts';
import type { BinaryOp, Expr, Test, UnaryOp } from '../../4-kernels/expr.ts';
import { bounds, int, mentions, plus, quotient, remainder, replace, showIndex, use } from '../../4-kernels/indexing.ts';
import type { Atom, Index, Term, Var } from '../../4-kernels/indexing.ts';
import { functionFor } from './functions.ts';
import type { Helpers } from './functions.ts';
import type { Placed } from './nest.ts';
import { comparesValues, guardsLoads, isVector, LANES, runOf } from './runs.ts';
import { FLOATS, HALVES } from './storage.ts';
import type { Format, Lanes } from './storage.ts';

/** Text for an f32, or for a vec4f of four neighbours. */
export interface Value {
  readonly text: string;
  readonly wide: boolean;
}

/** A bound buffer: its name in the shader, and how it is declared. */
export interface Bound {
  readonly name: string;
  readonly lanes: Lanes;
  readonly format: Format;
  /** Elements before its first one, where it lies in a larger buffer: a multiple of four. */
  readonly offset: number;
}

type Reduction = Extract<Expr, { kind: 'reduce' }>;
type Selection = Extract<Expr, { kind: 'select' }>;

/** A block of statements under construction. */
export interface Scope {
  readonly parent?: Scope;
  readonly lines: string[];
  /** Index variables that exist from here on. */
  readonly variables: ReadonlySet<string>;
  /** Whether it is the body of a loop. */
  readonly repeats: boolean;
  /** Names of quotients, remainders and sums, by the index's text. */
  readonly integers: Map<string, string>;
  readonly locals: ReadonlyMap<string, Value>;
  /** Computes reductions in this very block by all threads of a workgroup. */
  readonly together?: (expr: Reduction, scope: Scope) => Value;
}

export const createScope = (variables: readonly string[], more: Partial<Scope> = {}): Scope => ({ lines: [], variables: new Set(variables), repeats: false, integers: new Map(), locals: new Map(), ...more });

/** A block inside another. */
export const innerScope = (scope: Scope, variables: readonly string[] = [], repeats = false): Scope => createScope(variables, { parent: scope, locals: scope.locals, repeats });

export interface Writer {
  readonly value: (expr: Expr, scope: Scope) => Value;
  readonly index: (index: Index, scope: Scope) => string;
  /** Adds the loop that sums up (or compares) over a counter which exists already; the accumulator's name. */
  readonly loop: (reduction: Reduction, head: (counter: string) => string, scope: Scope) => Value;
  /** A `let` for the value; the scope in which `name` stands for it. */
  readonly bind: (name: string, value: Expr, scope: Scope) => Scope;
  /** Statements by which a variable that holds zeros takes what is loaded; other values are as wide as it. */
  readonly assign: (variable: string, wide: boolean, expr: Expr, scope: Scope) => void;
  readonly store: (store: Placed, scope: Scope) => void;
  readonly fresh: (prefix: string) => string;
}

export interface WriterOptions {
  readonly bound: (id: ValueId) => Bound;
  readonly helpers: Helpers;
  /** Gives names that no other statement of the shader has. */
  readonly fresh: (prefix: string) => string;
  /** The variable of which four neighbours are computed at once: it is the first of them, a multiple of four. */
  readonly lane?: string | undefined;
  /** Whether what is loaded stays in f16 as it is stored, for assignments of nothing else. */
  readonly asStored?: boolean;
  /** What variables of the expressions are in terms of those that the shader has. */
  readonly places?: ReadonlyMap<string, Index>;
}

export function createNames(): (prefix: string) => string {
  let count = 0;
  return (prefix) => `${prefix}${count++}`;
}

export function createWriter({ bound, helpers, fresh, lane, asStored = false, places = new Map() }: WriterOptions): Writer {
  const lookUp = (text: string, scope: Scope): string | undefined => scope.integers.get(text) ?? (scope.parent && lookUp(text, scope.parent));
  const placed = (of: Index): Index => (places.size === 0 ? of : replace(of, places));
  const decided = (test: Test): Test => mapTest(test, placed, (inner) => inner);

  // Indices; those of expressions are placed first.

  /** The outermost scope in which all variables of the index exist. */
  const home = (index: Index, scope: Scope): Scope =>
    scope.parent && ![...scope.variables].some((name) => mentions(index, { name, extent: 1 })) ? home(index, scope.parent) : scope;

  /** The name of what the text computes, in the scope or one around it. */
  const named = (of: Index, place: Scope, prefix: string, text: () => string): string => {
    const key = showIndex(of);
    const known = lookUp(key, place);
    if (known !== undefined) return known;
    const value = text();
    const name = fresh(prefix);
    place.lines.push(`let ${name} = ${value};`);
    place.integers.set(key, name);
    return name;
  };

  const atom = (of: Atom, scope: Scope): string => {
    if (of.kind === 'var') return of.variable.name;
    const place = home(of.of, scope);
    return named({ terms: [{ factor: 1, atom: of }], offset: 0 }, place, 'p', () => division(of.kind, index(of.of, place), of.by, bounds(of.of)[0]));
  };

  const index = (of: Index, scope: Scope): string => {
    const groups = new Map<Scope, Term[]>();
    const places = [...anchorsOf(scope).filter((place) => place.lines !== scope.lines), scope];
    for (const term of of.terms) {
      const origin = home({ terms: [term], offset: 0 }, scope);
      const anchor = places.find((place) => encloses(origin, place)) ?? scope;
      groups.set(anchor, [...(groups.get(anchor) ?? []), term]);
    }
    const inner = places.findLast((place) => groups.has(place)) ?? scope;
    const texts = places.flatMap((place) => {
      const sum: Index = { terms: groups.get(place) ?? [], offset: place === inner ? of.offset : 0 };
      const [first, ...more] = sum.terms;
      if (!first) return place === inner ? parts(sum, scope) : [];
      const isSum = more.length > 0 || first.factor !== 1 || sum.offset !== 0;
      return place === scope || !isSum ? parts(sum, scope) : [{ positive: true, text: named(sum, place, 'at', () => joined(parts(sum, place))) }];
    });
    return joined(texts);
  };

  const parts = (of: Index, scope: Scope): Part[] => {
    const texts = of.terms.map(({ factor, atom: part }) => ({ positive: factor > 0, text: Math.abs(factor) === 1 ? atom(part, scope) : `${atom(part, scope)} * ${Math.abs(factor)}` }));
    return of.offset !== 0 || texts.length === 0 ? [...texts, { positive: of.offset >= 0, text: String(Math.abs(of.offset)) }] : texts;
  };

  /** Of tests that are decided. */
  const test = (of: Test, scope: Scope): Value => {
    switch (of.kind) {
      case 'constant':
        return narrow(String(of.value));
      case 'compare': {
        const { texts, wide } = alike(value(of.a, scope), value(of.b, scope));
        return { text: `(${texts[0]} ${of.op} ${texts[1]})`, wide };
      }
      case 'atLeastZero':
        return narrow(`(${index(of.index, scope)} >= 0)`);
      case 'isZero':
        return narrow(`(${index(of.index, scope)} == 0)`);
      case 'all': {
        const parts = inRanges(conjuncts(of), scope);
        const wide = parts.some((part) => part.wide);
        const texts = parts.map((part) => (wide && !part.wide ? `vec4<bool>(${part.text})` : part.text));
        // Without short circuits, which are branches.
        return { text: texts.length === 1 ? (texts[0] ?? '') : `(${texts.join(' & ')})`, wide };
      }
    }
  };

  /** Two tests 0 <= i and i <= n as one: a negative number is large without its sign. */
  const inRanges = (tests: readonly Test[], scope: Scope): Value[] => {
    const [first, ...others] = tests;
    if (!first) return [];
    const opposite = first.kind === 'atLeastZero' ? others.find((other) => other.kind === 'atLeastZero' && plus(first.index, other.index).terms.length === 0) : undefined;
    if (first.kind !== 'atLeastZero' || opposite?.kind !== 'atLeastZero') return [test(first, scope), ...inRanges(others, scope)];
    const length = plus(first.index, opposite.index).offset + 1;
    // Of the two, the one that counts upwards.
    const [upwards] = [first.index, opposite.index].sort((a, b) => (b.terms[0]?.factor ?? 0) - (a.terms[0]?.factor ?? 0));
    return [narrow(`(u32(${index(upwards ?? first.index, scope)}) < ${length}u)`), ...inRanges(others.filter((other) => other !== opposite), scope)];
  };

  // Values.

  const element = (id: ValueId, at: Index, lanes: Lanes, scope: Scope): string => {
    const { name, lanes: declared, offset } = bound(id);
    const place = plus(placed(at), int(offset));
    if (lanes > declared) throw new Error(`%${id} is read or written in fours, but not declared so`);
    if (declared === 1) return `${name}[${index(place, scope)}]`;
    const vector = `${name}[${index(quotient(place, LANES), scope)}]`;
    return lanes === declared ? vector : `${vector}[${index(remainder(place, LANES), scope)}]`;
  };

  const isRun = (at: Index): boolean => lane !== undefined && isVector(at, lane);

  /** Adds the statements that compute the expression to the scope; the text that stands for its value. */
  const value = (expr: Expr, scope: Scope): Value => {
    switch (expr.kind) {
      case 'number':
        return narrow(asStored ? `f16(${numberText(expr.value)})` : numberText(expr.value));
      case 'local': {
        const known = scope.locals.get(expr.name);
        if (!known) throw new Error(`no local ${expr.name}`);
        return known;
      }
      case 'load': {
        const wide = isRun(expr.index);
        const lanes = wide ? LANES : 1;
        const stored = element(expr.buffer, expr.index, lanes, scope);
        return { text: asStored ? stored : bound(expr.buffer).format.load(stored, lanes), wide };
      }
      case 'index': {
        const stride = lane === undefined ? 0 : (runOf(expr.index, lane)?.stride ?? 0);
        const first = `f32(${index(placed(expr.index), scope)})`;
        return stride === 0 ? narrow(first) : { text: `(${first} + vec4f(${[0, 1, 2, 3].map((i) => numberText(i * stride)).join(', ')}))`, wide: true };
      }
      case 'unary':
        return call(expr.op, value(expr.x, scope));
      case 'binary':
        return combine(expr.op, value(expr.a, scope), value(expr.b, scope), helpers);
      case 'let':
        return value(expr.body, bind(expr.name, expr.value, scope));
      case 'select':
        return choose(expr, scope);
      case 'reduce':
        return scope.together ? scope.together(expr, scope) : serial(expr, scope);
    }
  };

  const call = (op: UnaryOp, x: Value): Value => {
    if (op === 'neg') return { text: `(-${x.text})`, wide: x.wide };
    return { text: `${functionFor(op, FLOATS[x.wide ? LANES : 1], helpers)}(${x.text})`, wide: x.wide };
  };

  const choose = (expr: Selection, scope: Scope): Value => {
    const of = decided(expr.test);
    if (of.kind === 'constant') return value(of.value ? expr.then : expr.otherwise, scope);
    const { then, otherwise } = expr;
    const condition = test(of, scope);
    if (!guardsLoads(expr)) {
      const { texts, wide } = alike(value(then, scope), value(otherwise, scope), condition.wide);
      return { text: `select(${texts[1]}, ${texts[0]}, ${condition.text})`, wide };
    }
    const [yes, no] = [innerScope(scope), innerScope(scope)];
    const { texts, wide } = alike(value(then, yes), value(otherwise, no));
    const name = fresh('v');
    const assigned = (into: Scope, text: string): string[] => indent([...into.lines, `${name} = ${text};`]);
    if (otherwise.kind === 'number') scope.lines.push(`var ${name} = ${texts[1]};`, `if ${condition.text} {`, ...assigned(yes, texts[0]), '}');
    else scope.lines.push(`var ${name}: ${wide ? 'vec4f' : 'f32'};`, `if ${condition.text} {`, ...assigned(yes, texts[0]), '} else {', ...assigned(no, texts[1]), '}');
    return { text: name, wide };
  };

  const assign = (variable: string, wide: boolean, expr: Expr, scope: Scope): void => {
    if (isZeroNumber(expr)) return;
    if (expr.kind !== 'select') {
      const known = value(expr, scope);
      scope.lines.push(`${variable} = ${wide && !known.wide ? `${(asStored ? HALVES : FLOATS)[LANES]}(${known.text})` : known.text};`);
      return;
    }
    const { then, otherwise } = expr;
    // Two guards inside each other are one.
    if (then.kind === 'select' && isZeroNumber(otherwise) && isZeroNumber(then.otherwise)) return assign(variable, wide, select(all(expr.test, then.test), then.then, otherwise), scope);
    const of = decided(expr.test);
    if (of.kind === 'constant') return assign(variable, wide, of.value ? expr.then : expr.otherwise, scope);
    const { text } = test(of, scope);
    const [yes, no] = [innerScope(scope), innerScope(scope)];
    assign(variable, wide, expr.then, yes);
    assign(variable, wide, expr.otherwise, no);
    if (no.lines.length > 0) scope.lines.push(`if ${text} {`, ...indent(yes.lines), '} else {', ...indent(no.lines), '}');
    else guardLines(scope.lines, text, yes.lines);
  };

  const serial = (expr: Reduction, scope: Scope): Value => loop(expr, (k) => `for (var ${k} = 0; ${k} < ${expr.variable.extent}; ${k}++)`, scope);

  const loop = (expr: Reduction, head: (counter: string) => string, scope: Scope): Value => {
    const total = fresh('s');
    const counter: Var = { name: fresh('k'), extent: expr.variable.extent };
    const turn = innerScope(scope, [counter.name], true);
    const wide = accumulate(expr.op, total, substitute(expr.body, new Map([[expr.variable.name, use(counter)]])), turn);
    const first = expr.op === 'sum' ? '0.0' : LOWEST;
    scope.lines.push(`var ${total} = ${wide ? `vec4f(${first})` : first};`, `${head(counter.name)} {`, ...indent(turn.lines), '}');
    return { text: total, wide };
  };

  /** total = total + body, or the larger of them; a guard becomes a branch around the statement. Whether the total is a vector. */
  const accumulate = (op: 'sum' | 'max', total: string, body: Expr, scope: Scope): boolean => {
    if (op === 'sum' && body.kind === 'select' && !comparesValues(body.test) && body.otherwise.kind === 'number' && body.otherwise.value === 0) {
      const of = decided(body.test);
      if (of.kind === 'constant') return of.value && accumulate(op, total, body.then, scope);
      const { text } = test(of, scope);
      const branch = innerScope(scope);
      const wide = accumulate(op, total, body.then, branch);
      guardLines(scope.lines, text, branch.lines);
      return wide;
    }
    const term = value(body, scope);
    scope.lines.push(op === 'sum' ? `${total} += ${term.text};` : `${total} = ${functionFor('max', FLOATS[term.wide ? LANES : 1], helpers)}(${total}, ${term.text});`);
    return term.wide;
  };

  const bind = (name: string, of: Expr, scope: Scope): Scope => {
    const known = value(of, scope);
    const isName = /^[a-z]\w*$/.test(known.text);
    const text = isName ? known.text : fresh('v');
    if (!isName) scope.lines.push(`let ${text} = ${known.text};`);
    return { ...scope, locals: new Map([...scope.locals, [name, { text, wide: known.wide }]]) };
  };

  const store = ({ output, index: at, value: of, guard }: Placed, scope: Scope): void => {
    const where = guard && decided(guard);
    if (where && where.kind !== 'constant') {
      const { text } = test(where, scope);
      const guarded = innerScope(scope);
      store({ output, index: at, value: of }, guarded);
      guardLines(scope.lines, text, guarded.lines);
      return;
    }
    if (where?.value === false) return;
    const { lanes, format } = bound(output.id);
    if (lanes === LANES && !isRun(at)) throw new Error(`%${output.id} is written one by one, but declared in fours`);
    const stored = value(of, scope);
    const text = lanes === LANES && !stored.wide ? `vec4f(${stored.text})` : stored.text;
    scope.lines.push(`${element(output.id, at, lanes, scope)} = ${format.store(text, lanes)};`);
  };

  return { value, index: (of, scope) => index(placed(of), scope), loop, bind, assign, store, fresh };
}

/** Part of a sum. */
interface Part {
  readonly positive: boolean;
  readonly text: string;
}

const joined = (parts: readonly Part[]): string => parts.map(({ positive, text }, i) => (i === 0 ? (positive ? '' : '-') : positive ? ' + ' : ' - ') + text).join('');

/** Where sums get names, so that they are computed once: before each loop that the scope is in, and in its body; the outermost first. */
function anchorsOf(scope: Scope): Scope[] {
  const { parent, repeats } = scope;
  const outer = parent ? anchorsOf(parent) : [];
  if (!repeats) return outer;
  const isNew = parent && outer.at(-1)?.lines !== parent.lines;
  return [...outer, ...(isNew ? [parent] : []), scope];
}

/** Whether a scope is another, or around it. */
const encloses = (outer: Scope, inner: Scope): boolean => outer.lines === inner.lines || (inner.parent !== undefined && encloses(outer, inner.parent));

const isZeroNumber = (expr: Expr): boolean => expr.kind === 'number' && expr.value === 0;

/** The tests of which all must hold. */
const conjuncts = (test: Test): readonly Test[] => (test.kind === 'all' ? test.tests.flatMap(conjuncts) : [test]);

export const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** Adds statements under a condition; what is guarded by the same condition right before goes with them. */
function guardLines(lines: string[], condition: string, guarded: readonly string[]): void {
  const head = `if ${condition} {`;
  const start = lines.lastIndexOf(head);
  const follows = start >= 0 && lines.at(-1) === '}' && lines.slice(start + 1, -1).every((line) => line.startsWith(' '));
  if (follows) lines.splice(-1, 0, ...indent(guarded));
  else lines.push(head, ...indent(guarded), '}');
}

const narrow = (text: string): Value => ({ text, wide: false });

/** Two values as texts of one type. */
function alike(a: Value, b: Value, wide = a.wide || b.wide): { texts: readonly [string, string]; wide: boolean } {
  const either = wide || a.wide || b.wide;
  const text = (each: Value): string => (either && !each.wide ? `vec4f(${each.text})` : each.text);
  return { texts: [text(a), text(b)], wide: either };
}

const INFIX: Readonly<Record<Exclude<BinaryOp, 'min' | 'max'>, string>> = { add: '+', sub: '-', mul: '*', div: '/' };

function combine(op: BinaryOp, a: Value, b: Value, helpers: Helpers): Value {
  if (op !== 'min' && op !== 'max') return { text: `(${a.text} ${INFIX[op]} ${b.text})`, wide: a.wide || b.wide };
  const { texts, wide } = alike(a, b);
  return { text: `${functionFor(op, FLOATS[wide ? LANES : 1], helpers)}(${texts[0]}, ${texts[1]})`, wide };
}

/** Floor division or its remainder by a constant; `least` is the smallest that the dividend can be. */
function division(kind: 'div' | 'mod', of: string, by: number, least: number): string {
  if (Number.isInteger(Math.log2(by))) return kind === 'div' ? `${enclosed(of)} >> ${Math.log2(by)}u` : `${enclosed(of)} & ${by - 1}`;
  const turns = least >= 0 ? 0 : Math.ceil(-least / by);
  const moved = turns === 0 ? of : `${of} + ${turns * by}`;
  if (kind === 'mod') return `i32(u32(${moved}) % ${by}u)`;
  return turns === 0 ? `i32(u32(${moved}) / ${by}u)` : `i32(u32(${moved}) / ${by}u) - ${turns}`;
}

/** In parentheses, unless it is a name. */
export const enclosed = (text: string): string => (/^\w+$/.test(text) ? text : `(${text})`);

const LARGEST = 3.4028234663852886e38;
/** The most negative f32. */
const LOWEST = '-3.4028234663852886e+38f';

export const numberText = (value: number): string => {
  const finite = Math.min(LARGEST, Math.max(-LARGEST, value));
  return finite < 0 ? `(${finite}f)` : `${finite}${Number.isInteger(finite) && Math.abs(finite) < 1e6 ? '.0f' : 'f'}`;
};
