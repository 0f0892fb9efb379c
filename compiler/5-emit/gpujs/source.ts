// The text of a kernel as a JavaScript function that gpu.js can translate.
//
// What gpu.js makes of its input decides the form:
// - Variables become floats, which are whole numbers only up to 2^24: those declared with an integer expression, and loop counters too. Of the forms that
//   gpu.js reads, one alone stays an integer in every mode: declared with `this.output.x`, and incremented once. Places in buffers are kept in such
//   variables, and computed of these, of `this.thread` and of counters made whole by `| 0`.
// - `/` is always a float division: floor(a / b) is written floor((a + 0.5) * (1 / b)), which is exact for a below 2^21, however the device rounds.
//   Places in buffers are never divided, only loop indices are.
// - In webasm mode, which takes four neighbours along x at once, a load is cheapest where its place moves by a constant step: every place that is linear
//   in a loop's variable becomes a pointer that the loop increments.
// - A branch that varies along x is computed for all and masked, with places clamped to the buffer; on other devices a load outside gives any value.
// - Loops have literal bounds and a counter that nothing else writes.

import { children, substitute } from '../../4-kernels/expr.ts';
import type { Expr, Test } from '../../4-kernels/expr.ts';
import { int, mentions, minus, quotient, remainder, showIndex, strideOf, times, use, within } from '../../4-kernels/indexing.ts';
import type { Atom, Index, Var } from '../../4-kernels/indexing.ts';
import type { Buffer, Kernel } from '../../4-kernels/kernel.ts';
import { elementCount } from '../../2-graph/types.ts';

export type Layout = 'grid' | 'flat';

/** A block of statements under construction. */
interface Scope {
  readonly parent?: Scope;
  readonly lines: string[];
  /** Index variables that exist from here on. */
  readonly variables: ReadonlySet<string>;
  /** Integer variables that hold a quotient, a remainder or a place, by the index's text. */
  readonly integers: Map<string, string>;
  readonly locals: ReadonlyMap<string, string>;
}

/** The extents of the thread grid, x first: x is the innermost loop, the two next to it are y, the rest is z. */
export function gridOf(kernel: Kernel, layout: Layout): number[] {
  const extents = kernel.indices.map((index) => index.extent);
  const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
  if (layout === 'flat' || extents.length < 2) return [product(extents)];
  const x = extents.at(-1) ?? 1;
  if (extents.length < 4) return [x, ...extents.slice(0, -1).reverse()];
  return [x, product(extents.slice(-3, -1)), product(extents.slice(0, -3))];
}

/** The function's text; its parameters are the kernel's, named a0, a1, … */
export function kernelSource(kernel: Kernel, layout: Layout): string {
  const writer = createWriter(kernel.params);
  const grid = gridOf(kernel, layout);
  const threads = ['this.thread.x', 'this.thread.y', 'this.thread.z'].map((name, axis) => ({ name, extent: grid[axis] ?? 1 }));
  const body = substitute(kernel.body, loopIndices(kernel.indices, threads, layout));
  const top: Scope = { lines: [], variables: new Set(threads.map((thread) => thread.name)), integers: new Map(), locals: new Map() };
  const result = writer.value(body, top);
  const lines = [...writer.declarations(), ...top.lines, `return ${result};`];
  return `function (${kernel.params.map((_, i) => `a${i}`).join(', ')}) {\n${lines.map((line) => `  ${line}\n`).join('')}}`;
}

/** Each loop index of the kernel in terms of the grid. */
function loopIndices(indices: readonly Var[], threads: readonly Var[], layout: Layout): Map<string, Index> {
  const [x, y, z] = threads.map(use);
  const unfold = (names: readonly Var[], from: Index | undefined): [string, Index][] => {
    let rest = from ?? int(0);
    return names.toReversed().map(({ name, extent }, i) => {
      const own = i === names.length - 1 ? rest : remainder(rest, extent);
      rest = quotient(rest, extent);
      return [name, own];
    });
  };
  if (layout === 'flat') return new Map(unfold(indices, x));
  const outer = indices.length < 4 ? indices.slice(0, -2) : indices.slice(0, -3);
  return new Map([...unfold(indices.slice(-1), x), ...unfold(indices.slice(outer.length, -1), y), ...unfold(outer, z)]);
}

function createWriter(params: readonly Buffer[]) {
  const parameters = new Map(params.map((param, i) => [param.id, { name: `a${i}`, length: elementCount(param.shape) }]));
  let count = 0;
  const integerNames: string[] = [];
  const fresh = (prefix: string): string => `${prefix}${count++}`;
  const freshInteger = (): string => {
    const name = fresh('p');
    integerNames.push(name);
    return name;
  };
  const inner = (scope: Scope, more: Partial<Pick<Scope, 'variables' | 'locals'>> = {}): Scope => ({
    parent: scope,
    lines: [],
    variables: more.variables ?? new Set(),
    integers: new Map(),
    locals: more.locals ?? scope.locals,
  });
  const lookUp = (text: string, scope: Scope): string | undefined => scope.integers.get(text) ?? (scope.parent && lookUp(text, scope.parent));

  /** The outermost scope in which all variables of the index exist. */
  const home = (index: Index, scope: Scope): Scope =>
    scope.parent && ![...scope.variables].some((name) => mentions(index, { name, extent: 1 })) ? home(index, scope.parent) : scope;

  const atom = (of: Atom, scope: Scope): string => {
    if (of.kind === 'var') return of.variable.name.startsWith('this.') ? of.variable.name : `(${of.variable.name} | 0)`;
    const self: Index = { terms: [{ factor: 1, atom: of }], offset: 0 };
    const text = showIndex(self);
    const known = lookUp(text, scope);
    if (known !== undefined) return known;
    const place = home(of.of, scope);
    const value =
      of.kind === 'div'
        ? `Math.floor((${index(of.of, place)} + 0.5) * ${1 / of.by}) | 0`
        : index(minus(of.of, times({ terms: [{ factor: 1, atom: { kind: 'div', of: of.of, by: of.by } }], offset: 0 }, of.by)), place);
    const name = freshInteger();
    place.lines.push(`${name} = ${value};`);
    place.integers.set(text, name);
    return name;
  };

  /** An integer expression; positive terms first. */
  const index = (of: Index, scope: Scope): string => {
    const known = lookUp(showIndex(of), scope);
    if (known !== undefined) return known;
    const terms = of.terms.map(({ factor, atom: part }) => {
      const size = Math.abs(factor);
      return { positive: factor > 0, text: size === 1 ? atom(part, scope) : `${atom(part, scope)} * ${size}` };
    });
    if (of.offset !== 0 || terms.length === 0) terms.push({ positive: of.offset >= 0, text: String(Math.abs(of.offset)) });
    const sorted = [...terms.filter((term) => term.positive), ...terms.filter((term) => !term.positive)];
    return sorted.map(({ positive, text }, i) => (i === 0 ? (positive ? '' : '-') : positive ? ' + ' : ' - ') + text).join('');
  };

  const test = (of: Test, scope: Scope): string => {
    switch (of.kind) {
      case 'constant':
        return of.value ? '1 > 0' : '0 > 1';
      case 'compare':
        return `${value(of.a, scope)} ${of.op === '==' ? '===' : of.op} ${value(of.b, scope)}`;
      case 'atLeastZero':
        return `${index(of.index, scope)} >= 0`;
      case 'isZero':
        return `${index(of.index, scope)} === 0`;
      case 'all':
        return of.tests.map((part) => `(${test(part, scope)})`).join(' && ');
    }
  };

  /** Adds the statements that compute the expression to the scope; the text that stands for its value. */
  const value = (expr: Expr, scope: Scope): string => {
    switch (expr.kind) {
      case 'number':
        return numberText(expr.value);
      case 'local':
        return scope.locals.get(expr.name) ?? expr.name;
      case 'load':
        return `${parameters.get(expr.buffer)?.name ?? ''}[${index(expr.index, scope)}]`;
      case 'index':
        return index(expr.index, scope);
      case 'unary': {
        const x = value(expr.x, scope);
        if (expr.op === 'neg') return `(-${x})`;
        if (expr.op === 'finite') {
          const name = fresh('v');
          scope.lines.push(`const ${name} = ${x};`);
          return `(${name} - ${name} == 0 ? 1 : 0)`; // of finite numbers alone
        }
        if (expr.op !== 'floor') return `Math.${expr.op}(${x})`;
        const whole = fresh('v'); // gpu.js takes floor for an integer until it is in a variable
        scope.lines.push(`const ${whole} = Math.floor(${x});`);
        return whole;
      }
      case 'binary': {
        const a = value(expr.a, scope);
        const b = value(expr.b, scope);
        const infix = INFIX[expr.op];
        return infix === undefined ? `Math.${expr.op}(${a}, ${b})` : `(${a} ${infix} ${b})`;
      }
      case 'let': {
        const name = fresh('v');
        scope.lines.push(`const ${name} = ${value(expr.value, scope)};`);
        const within = { ...scope, locals: new Map([...scope.locals, [expr.name, name]]) };
        return value(expr.body, within);
      }
      case 'select': {
        const condition = test(expr.test, scope);
        if (isHarmless(expr.then) && isHarmless(expr.otherwise)) return `(${condition} ? ${value(expr.then, scope)} : ${value(expr.otherwise, scope)})`;
        const name = fresh('v');
        const assign = (branch: Expr): string[] => block(scope, (into) => into.lines.push(`${name} = ${value(branch, into)};`));
        const other = expr.otherwise;
        if (other.kind === 'number') scope.lines.push(`let ${name} = ${numberText(other.value)};`, `if (${condition}) {`, ...assign(expr.then), '}');
        else scope.lines.push(`let ${name} = 0;`, `if (${condition}) {`, ...assign(expr.then), '} else {', ...assign(other), '}');
        return name;
      }
      case 'reduce':
        return reduction(expr, scope);
    }
  };

  /** Whether the value can be computed whether it is chosen or not: it is cheap, needs no statement and loads from inside its buffers. */
  const isHarmless = (expr: Expr): boolean => {
    switch (expr.kind) {
      case 'number':
      case 'local':
        return true;
      case 'load':
        return within(expr.index, 0, parameters.get(expr.buffer)?.length ?? 0);
      case 'binary':
        return isHarmless(expr.a) && isHarmless(expr.b);
      case 'unary':
        return (expr.op === 'neg' || expr.op === 'abs') && isHarmless(expr.x);
      case 'select':
        return expr.test.kind === 'compare' && [expr.test.a, expr.test.b, expr.then, expr.otherwise].every(isHarmless);
      default:
        return false;
    }
  };

  /** The lines of a block inside the scope, indented. */
  const block = (scope: Scope, write: (into: Scope) => void): string[] => {
    const into = inner(scope);
    write(into);
    return into.lines.map((line) => `  ${line}`);
  };

  const reduction = (expr: Extract<Expr, { kind: 'reduce' }>, scope: Scope): string => {
    const total = fresh('s');
    const counter: Var = { name: fresh('k'), extent: expr.variable.extent };
    const body = substitute(expr.body, new Map([[expr.variable.name, use(counter)]]));
    scope.lines.push(`let ${total} = ${expr.op === 'sum' ? '0' : LOWEST};`);
    const loop = inner(scope, { variables: new Set([counter.name]) });
    const advance = pointers(body, counter, scope, loop);
    accumulate(expr.op, total, body, loop);
    const head = `for (let ${counter.name} = 0; ${counter.name} < ${counter.extent}; ${counter.name}++) {`;
    scope.lines.push(head, ...[...loop.lines, ...advance].map((line) => `  ${line}`), '}');
    return total;
  };

  /** Sets a pointer before the loop for each place that the loop moves linearly; the statements that move them on. */
  const pointers = (body: Expr, counter: Var, before: Scope, loop: Scope): string[] =>
    [...new Map(placesIn(body).map((place) => [showIndex(place), place]))].flatMap(([text, place]) => {
      const stride = strideOf(place, counter);
      if (stride === undefined || (stride === 0 && place.terms.length === 0)) return [];
      const start = index(minus(place, times(use(counter), stride)), before);
      const name = freshInteger();
      before.lines.push(`${name} = ${start};`);
      loop.integers.set(text, name);
      return stride === 0 ? [] : [stride === 1 ? `${name}++;` : `${name} ${stride > 0 ? '+=' : '-='} ${Math.abs(stride)};`];
    });

  /** total = total + body, or the larger of them; a guard becomes a branch around the statement. */
  const accumulate = (op: 'sum' | 'max', total: string, body: Expr, scope: Scope): void => {
    if (op === 'sum' && body.kind === 'select' && body.otherwise.kind === 'number' && body.otherwise.value === 0) {
      const condition = test(body.test, scope);
      scope.lines.push(`if (${condition}) {`, ...block(scope, (into) => accumulate(op, total, body.then, into)), '}');
      return;
    }
    const term = value(body, scope);
    scope.lines.push(op === 'sum' ? `${total} += ${term};` : `${total} = Math.max(${total}, ${term});`);
  };

  return { value, declarations: () => integerNames.map((name) => `let ${name} = this.output.x; ${name}++;`) };
}

const INFIX: Readonly<Partial<Record<string, string>>> = { add: '+', sub: '-', mul: '*', div: '/' };

/** The most negative f32. */
const LOWEST = '-3.4028234663852886e+38';

const numberText = (value: number): string => {
  if (value === Infinity || value < -3.4028234663852886e38) return value > 0 ? '3.4028234663852886e+38' : `(${LOWEST})`;
  return value < 0 ? `(${value})` : String(value);
};

/** The places that are loaded from and the indices that are tested in this loop itself, not in loops inside it. */
const placesIn = (expr: Expr): readonly Index[] => {
  if (expr.kind === 'load') return [expr.index];
  if (expr.kind === 'reduce') return [];
  return [...(expr.kind === 'select' ? testedIn(expr.test) : []), ...children(expr).flatMap(placesIn)];
};

const testedIn = (test: Test): readonly Index[] => {
  if (test.kind === 'atLeastZero' || test.kind === 'isZero') return [test.index];
  return test.kind === 'all' ? test.tests.flatMap(testedIn) : [];
};
