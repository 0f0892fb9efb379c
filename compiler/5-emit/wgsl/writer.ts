// The text of expressions in WGSL: statements that compute a value, for one element or for four neighbours at once.
//
// Indices are i32; the divisions that they hold are by constants and done unsigned or as shifts, rounded down. What is loaded where a test of indices holds is
// loaded in a branch: no shader reaches outside its buffers. Numbers that are infinite or NaN have no literals; the largest f32 stands for infinity.

import type { ValueId } from '../../2-graph/graph.ts';
import { substitute } from '../../4-kernels/expr.ts';
import type { BinaryOp, Expr, Test, UnaryOp } from '../../4-kernels/expr.ts';
import { bounds, mentions, showIndex, use } from '../../4-kernels/indexing.ts';
import type { Atom, Index, Var } from '../../4-kernels/indexing.ts';
import type { Placed } from './nest.ts';
import { comparesValues, guardsLoads, isVector, runOf } from './runs.ts';

/** Text for an f32, or for a vec4f of four neighbours. */
export interface Value {
  readonly text: string;
  readonly wide: boolean;
}

/** A bound buffer: its name in the shader, and whether it is declared as vectors of four. */
export interface Bound {
  readonly name: string;
  readonly wide: boolean;
  readonly integer: boolean;
}

type Reduction = Extract<Expr, { kind: 'reduce' }>;

/** A block of statements under construction. */
export interface Scope {
  readonly parent?: Scope;
  readonly lines: string[];
  /** Index variables that exist from here on. */
  readonly variables: ReadonlySet<string>;
  /** Names of quotients and remainders, by the index's text. */
  readonly integers: Map<string, string>;
  readonly locals: ReadonlyMap<string, Value>;
  /** Computes reductions in this very block by all threads of a workgroup. */
  readonly together?: (expr: Reduction, scope: Scope) => Value;
}

export const createScope = (variables: readonly string[], more: Partial<Scope> = {}): Scope => ({ lines: [], variables: new Set(variables), integers: new Map(), locals: new Map(), ...more });

export interface Writer {
  readonly value: (expr: Expr, scope: Scope) => Value;
  readonly test: (test: Test, scope: Scope) => Value;
  readonly index: (index: Index, scope: Scope) => string;
  /** Adds the loop that sums up (or compares) over a counter which exists already; the accumulator's name. */
  readonly loop: (reduction: Reduction, head: (counter: string) => string, scope: Scope) => Value;
  /** A `let` for the value; the scope in which `name` stands for it. */
  readonly bind: (name: string, value: Expr, scope: Scope) => Scope;
  readonly store: (store: Placed, scope: Scope) => void;
  readonly fresh: (prefix: string) => string;
}

/** The functions that a shader's text calls, by name. Writers add to it. */
export type Helpers = Map<string, string>;

/** Of `lane`, where it is given, four neighbours are computed at once: the variable holds the first, a multiple of four. */
export function createWriter(bound: (id: ValueId) => Bound, used: Helpers, lane?: string): Writer {
  let count = 0;
  const fresh = (prefix: string): string => `${prefix}${count++}`;
  const inner = (scope: Scope, variables: readonly string[] = []): Scope => createScope(variables, { parent: scope, locals: scope.locals });
  const lookUp = (text: string, scope: Scope): string | undefined => scope.integers.get(text) ?? (scope.parent && lookUp(text, scope.parent));

  /** The outermost scope in which all variables of the index exist. */
  const home = (index: Index, scope: Scope): Scope =>
    scope.parent && ![...scope.variables].some((name) => mentions(index, { name, extent: 1 })) ? home(index, scope.parent) : scope;

  const atom = (of: Atom, scope: Scope): string => {
    if (of.kind === 'var') return of.variable.name;
    const text = showIndex({ terms: [{ factor: 1, atom: of }], offset: 0 });
    const known = lookUp(text, scope);
    if (known !== undefined) return known;
    const place = home(of.of, scope);
    const name = fresh('p');
    place.lines.push(`let ${name} = ${division(of.kind, index(of.of, place), of.by, bounds(of.of)[0])};`);
    place.integers.set(text, name);
    return name;
  };

  const index = (of: Index, scope: Scope): string => {
    const terms = of.terms.map(({ factor, atom: part }) => ({ positive: factor > 0, text: Math.abs(factor) === 1 ? atom(part, scope) : `${atom(part, scope)} * ${Math.abs(factor)}` }));
    if (of.offset !== 0 || terms.length === 0) terms.push({ positive: of.offset >= 0, text: String(Math.abs(of.offset)) });
    return terms.map(({ positive, text }, i) => (i === 0 ? (positive ? '' : '-') : positive ? ' + ' : ' - ') + text).join('');
  };

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
      case 'all':
      case 'any': {
        const parts = of.tests.map((part) => test(part, scope));
        const wide = parts.some((part) => part.wide);
        const joint = wide ? (of.kind === 'all' ? ' & ' : ' | ') : of.kind === 'all' ? ' && ' : ' || ';
        return { text: `(${parts.map((part) => (wide && !part.wide ? `vec4<bool>(${part.text})` : part.text)).join(joint)})`, wide };
      }
    }
  };

  const loadText = (id: ValueId, at: Index, scope: Scope): Value => {
    const { name, wide, integer } = bound(id);
    const place = index(at, scope);
    const isRun = lane !== undefined && isVector(at, lane);
    if (isRun !== wide && isRun) throw new Error(`%${id} is loaded in fours, but not declared so`);
    const text = isRun ? `${name}[(${place}) >> 2u]` : wide ? `${name}[(${place}) >> 2u][(${place}) & 3]` : `${name}[${place}]`;
    return { text: integer ? `${isRun ? 'vec4f' : 'f32'}(${text})` : text, wide: isRun };
  };

  /** Adds the statements that compute the expression to the scope; the text that stands for its value. */
  const value = (expr: Expr, scope: Scope): Value => {
    switch (expr.kind) {
      case 'number':
        return narrow(numberText(expr.value));
      case 'local': {
        const known = scope.locals.get(expr.name);
        if (!known) throw new Error(`no local ${expr.name}`);
        return known;
      }
      case 'load':
        return loadText(expr.buffer, expr.index, scope);
      case 'index': {
        const stride = lane === undefined ? 0 : (runOf(expr.index, lane)?.stride ?? 0);
        const first = `f32(${index(expr.index, scope)})`;
        return stride === 0 ? narrow(first) : { text: `(${first} + vec4f(${[0, 1, 2, 3].map((i) => numberText(i * stride)).join(', ')}))`, wide: true };
      }
      case 'unary':
        return call(expr.op, value(expr.x, scope));
      case 'binary':
        return combine(expr.op, value(expr.a, scope), value(expr.b, scope));
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
    const helper = HELPERS[op];
    if (!helper) return { text: `${op}(${x.text})`, wide: x.wide };
    const type = x.wide ? 'vec4f' : 'f32';
    for (const name of helper.needs) used.set(`${name}_${type}`, HELPERS[name]?.text(type) ?? '');
    used.set(`${op}_${type}`, helper.text(type));
    return { text: `${op}_${type}(${x.text})`, wide: x.wide };
  };

  const choose = (expr: Extract<Expr, { kind: 'select' }>, scope: Scope): Value => {
    const { test: of, then, otherwise } = expr;
    if (!guardsLoads(expr)) {
      const condition = test(of, scope);
      const { texts, wide } = alike(value(then, scope), value(otherwise, scope), condition.wide);
      return { text: `select(${texts[1]}, ${texts[0]}, ${condition.text})`, wide };
    }
    const condition = test(of, scope);
    const [yes, no] = [inner(scope), inner(scope)];
    const { texts, wide } = alike(value(then, yes), value(otherwise, no));
    const name = fresh('v');
    const assigned = (into: Scope, text: string): string[] => indent([...into.lines, `${name} = ${text};`]);
    if (otherwise.kind === 'number') scope.lines.push(`var ${name} = ${texts[1]};`, `if ${condition.text} {`, ...assigned(yes, texts[0]), '}');
    else scope.lines.push(`var ${name}: ${wide ? 'vec4f' : 'f32'};`, `if ${condition.text} {`, ...assigned(yes, texts[0]), '} else {', ...assigned(no, texts[1]), '}');
    return { text: name, wide };
  };

  const serial = (expr: Reduction, scope: Scope): Value => loop(expr, (k) => `for (var ${k} = 0; ${k} < ${expr.variable.extent}; ${k}++)`, scope);

  const loop = (expr: Reduction, head: (counter: string) => string, scope: Scope): Value => {
    const total = fresh('s');
    const counter: Var = { name: fresh('k'), extent: expr.variable.extent };
    const turn = inner(scope, [counter.name]);
    const wide = accumulate(expr.op, total, substitute(expr.body, new Map([[expr.variable.name, use(counter)]])), turn);
    const first = expr.op === 'sum' ? '0.0' : LOWEST;
    scope.lines.push(`var ${total} = ${wide ? `vec4f(${first})` : first};`, `${head(counter.name)} {`, ...indent(turn.lines), '}');
    return { text: total, wide };
  };

  /** total = total + body, or the larger of them; a guard becomes a branch around the statement. Whether the total is a vector. */
  const accumulate = (op: 'sum' | 'max', total: string, body: Expr, scope: Scope): boolean => {
    if (op === 'sum' && body.kind === 'select' && !comparesValues(body.test) && body.otherwise.kind === 'number' && body.otherwise.value === 0) {
      const condition = test(body.test, scope);
      const branch = inner(scope);
      const wide = accumulate(op, total, body.then, branch);
      scope.lines.push(`if ${condition.text} {`, ...indent(branch.lines), '}');
      return wide;
    }
    const term = value(body, scope);
    scope.lines.push(op === 'sum' ? `${total} += ${term.text};` : `${total} = max(${total}, ${term.text});`);
    return term.wide;
  };

  const bind = (name: string, of: Expr, scope: Scope): Scope => {
    const known = value(of, scope);
    const text = fresh('v');
    scope.lines.push(`let ${text} = ${known.text};`);
    return { ...scope, locals: new Map([...scope.locals, [name, { text, wide: known.wide }]]) };
  };

  const store = ({ output, index: at, value: of, guard }: Placed, scope: Scope): void => {
    if (guard) {
      const { text } = test(guard, scope);
      const guarded = inner(scope);
      store({ output, index: at, value: of }, guarded);
      scope.lines.push(`if ${text} {`, ...indent(guarded.lines), '}');
      return;
    }
    const { name, wide } = bound(output.id);
    const stored = value(of, scope);
    const place = index(at, scope);
    if (wide) scope.lines.push(`${name}[(${place}) >> 2u] = ${stored.wide ? stored.text : `vec4f(${stored.text})`};`);
    else scope.lines.push(`${name}[${place}] = ${stored.text};`);
  };

  return { value, test, index, loop, bind, store, fresh };
}

export const helpersText = (helpers: Helpers): string => [...helpers.values()].map((text) => `${text}\n`).join('');

export const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

const narrow = (text: string): Value => ({ text, wide: false });

/** Two values as texts of one type. */
function alike(a: Value, b: Value, wide = a.wide || b.wide): { texts: readonly [string, string]; wide: boolean } {
  const either = wide || a.wide || b.wide;
  const text = (each: Value): string => (either && !each.wide ? `vec4f(${each.text})` : each.text);
  return { texts: [text(a), text(b)], wide: either };
}

const INFIX: Partial<Record<BinaryOp, string>> = { add: '+', sub: '-', mul: '*', div: '/' };

function combine(op: BinaryOp, a: Value, b: Value): Value {
  const infix = INFIX[op];
  if (infix !== undefined) return { text: `(${a.text} ${infix} ${b.text})`, wide: a.wide || b.wide };
  const { texts, wide } = alike(a, b);
  return { text: `${op}(${texts[0]}, ${texts[1]})`, wide };
}

/** Floor division or its remainder by a constant; `least` is the smallest that the dividend can be. */
function division(kind: 'div' | 'mod', of: string, by: number, least: number): string {
  if (Number.isInteger(Math.log2(by))) return kind === 'div' ? `(${of}) >> ${Math.log2(by)}u` : `(${of}) & ${by - 1}`;
  const turns = least >= 0 ? 0 : Math.ceil(-least / by);
  const moved = turns === 0 ? of : `${of} + ${turns * by}`;
  if (kind === 'mod') return `i32(u32(${moved}) % ${by}u)`;
  return turns === 0 ? `i32(u32(${moved}) / ${by}u)` : `i32(u32(${moved}) / ${by}u) - ${turns}`;
}

const LARGEST = 3.4028234663852886e38;
/** The most negative f32. */
const LOWEST = '-3.4028234663852886e+38f';

export const numberText = (value: number): string => {
  const finite = Math.min(LARGEST, Math.max(-LARGEST, value));
  return finite < 0 ? `(${finite}f)` : `${finite}${Number.isInteger(finite) && Math.abs(finite) < 1e6 ? '.0f' : 'f'}`;
};

interface Helper {
  readonly needs: readonly UnaryOp[];
  readonly text: (type: string) => string;
}

/** What WGSL lacks, and what its builtins give too few digits of near 0 or overflow in. */
const HELPERS: Partial<Record<UnaryOp, Helper>> = {
  // exp(x) - 1 loses its digits near 0: its series there.
  expm1: {
    needs: [],
    text: (type) => `fn expm1_${type}(x: ${type}) -> ${type} {
  let series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x / 5040.0))))));
  return select(exp(x) - 1.0, series, abs(x) < ${type}(0.4));
}
`,
  },
  // log(1 + x) = 2 artanh(x / (2 + x)): its series for -0.5 < x <= 1.
  log1p: {
    needs: [],
    text: (type) => `fn log1p_${type}(x: ${type}) -> ${type} {
  let s = x / (2.0 + x);
  let t = s * s;
  let series = 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t / 13.0))))));
  return select(log(1.0 + x), series, abs(x - 0.25) <= ${type}(0.75));
}
`,
  },
  // Beyond 9.1 it is 1 in f32.
  tanh: {
    needs: ['expm1'],
    text: (type) => `fn tanh_${type}(x: ${type}) -> ${type} {
  let e = expm1_${type}(2.0 * clamp(x, ${type}(-9.1), ${type}(9.1)));
  return e / (e + 2.0);
}
`,
  },
};
