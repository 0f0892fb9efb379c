// An interpreter of fused kernels: all values of a nest are computed before any is stored, and nothing is loaded or stored outside a buffer.

import type { ValueId } from '../../compiler/2-graph/graph.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import { binaryValue, compareValue, unaryValue } from '../../compiler/4-kernels/expr.ts';
import type { Expr, Test } from '../../compiler/4-kernels/expr.ts';
import type { FusedKernel, Let, Nest, Store } from '../../compiler/4-kernels/fused.ts';
import type { Index, Var } from '../../compiler/4-kernels/indexing.ts';
import type { Buffer } from '../../compiler/4-kernels/kernel.ts';

export type Memory = Float32Array;
type Frame = Float64Array;
type Code = (frame: Frame) => number;
/** The frame's slot of each name in scope. */
interface Scope {
  readonly slots: ReadonlyMap<string, number>;
  readonly fresh: () => number;
}

/** Runs the kernels in order. `memoryOf` gives the place of each buffer that is not scratch; places may be shared as the memory plan allows. */
export function interpretFused(kernels: readonly FusedKernel[], memoryOf: (buffer: Buffer) => Memory): void {
  for (const kernel of kernels) {
    const scratch = new Map(kernel.scratch.map((buffer) => [buffer.id, new Float32Array(elementCount(buffer.shape)).fill(NaN)]));
    const own = new Map([...kernel.params, ...kernel.outputs].map((buffer) => [buffer.id, memoryOf(buffer)]));
    const memory = (id: ValueId): Memory => scratch.get(id) ?? own.get(id) ?? missing(`buffer %${id}`);
    // A stage reads what the ones before have stored; within a stage, and of operands, everything is read before anything is stored.
    for (const stage of kernel.stages) for (const store of stage.map((nest) => run(kernel.scalars, nest, memory))) store();
  }
}

const missing = (what: string): never => {
  throw new Error(`no ${what}`);
};

/** Computes a nest's values; what is returned stores them. */
function run(scalars: readonly Let[], { indices, lets, stores }: Nest, memory: (id: ValueId) => Memory): () => void {
  let slots = 0;
  const fresh = (): number => slots++;
  const places = indices.map((variable) => [variable.name, fresh()] as const);
  let scope: Scope = { slots: new Map(places), fresh };
  const bindings = [...scalars, ...lets].map(({ name, value }) => {
    const code = compile(value, scope, memory);
    const slot = fresh();
    scope = { fresh, slots: new Map([...scope.slots, [name, slot]]) };
    return { slot, code };
  });
  const compiled = stores.map((store) => ({ store, value: compile(store.value, scope, memory), index: indexCode(store.index, scope), found: [] as [number, number][] }));
  const frame = new Float64Array(slots);
  const count = elementCount(indices.map((variable) => variable.extent));
  const outermost = elementCount(indices.slice(1).map((variable) => variable.extent));
  for (let place = 0; place < count; place++) {
    setIndices(indices, place, (i, value) => (frame[places[i]?.[1] ?? -1] = value));
    for (const { slot, code } of bindings) frame[slot] = code(frame);
    for (const { store, value, index, found } of compiled) if (isStored(store, Math.floor(place / outermost))) found.push([index(frame), value(frame)]);
  }
  return () => compiled.forEach(({ store, found }) => write(store, found, memory(store.output.id)));
}

function setIndices(indices: readonly Var[], place: number, set: (i: number, value: number) => void): void {
  let rest = place;
  for (let i = indices.length - 1; i >= 0; i--) {
    const extent = indices[i]?.extent ?? 1;
    set(i, rest % extent);
    rest = Math.floor(rest / extent);
  }
}

const isStored = ({ part }: Store, outermost: number): boolean => !part || (outermost >= part.start && outermost < part.start + part.size);

/** Every element of the output is stored: once, or for a pool from k * k values. */
function write({ output, pool }: Store, found: readonly (readonly [number, number])[], out: Memory): void {
  const windows = new Map<number, number[]>();
  for (const [index, value] of found) {
    const window = windows.get(index);
    if (window) window.push(value);
    else windows.set(index, [value]);
  }
  const size = pool ? pool.k * pool.k : 1;
  if (windows.size !== out.length) throw new RangeError(`%${output.id}: ${windows.size} of ${out.length} elements are stored`);
  for (const [index, values] of windows) {
    if (values.length !== size || index < 0 || index >= out.length) throw new RangeError(`%${output.id}[${index}] is stored ${values.length} times`);
    out[index] = pool?.op === 'mean' ? values.reduce((a, b) => a + b, 0) / size : Math.max(...values);
  }
}

const slotOf = (name: string, { slots }: Scope): number => slots.get(name) ?? missing(name);

function indexCode(index: Index, scope: Scope): Code {
  const terms = index.terms.map(({ factor, atom }) => {
    if (atom.kind === 'var') return { factor, code: slotCode(slotOf(atom.variable.name, scope)) };
    const of = indexCode(atom.of, scope);
    const whole: Code = (frame) => Math.floor(of(frame) / atom.by);
    return { factor, code: atom.kind === 'div' ? whole : (frame: Frame) => of(frame) - whole(frame) * atom.by };
  });
  return (frame) => terms.reduce((total, { factor, code }) => total + factor * code(frame), index.offset);
}

const slotCode =
  (slot: number): Code =>
  (frame) =>
    frame[slot] as number;

function compile(expr: Expr, scope: Scope, memory: (id: ValueId) => Memory): Code {
  const go = (e: Expr, inner = scope): Code => compile(e, inner, memory);
  switch (expr.kind) {
    case 'number':
      return () => expr.value;
    case 'local':
      return slotCode(slotOf(expr.name, scope));
    case 'load': {
      const [values, index] = [memory(expr.buffer), indexCode(expr.index, scope)];
      return (frame) => values[index(frame)] ?? missing(`element %${expr.buffer}[${index(frame)}]`);
    }
    case 'index':
      return indexCode(expr.index, scope);
    case 'unary': {
      const x = go(expr.x);
      return (frame) => unaryValue(expr.op, x(frame));
    }
    case 'binary': {
      const [a, b] = [go(expr.a), go(expr.b)];
      return (frame) => binaryValue(expr.op, a(frame), b(frame));
    }
    case 'select': {
      const [test, then, otherwise] = [testCode(expr.test, scope, memory), go(expr.then), go(expr.otherwise)];
      return (frame) => (test(frame) ? then(frame) : otherwise(frame));
    }
    case 'let': {
      const slot = scope.fresh();
      const value = go(expr.value);
      const body = go(expr.body, { ...scope, slots: new Map([...scope.slots, [expr.name, slot]]) });
      return (frame) => {
        frame[slot] = value(frame);
        return body(frame);
      };
    }
    case 'reduce': {
      const slot = scope.fresh();
      const body = go(expr.body, { ...scope, slots: new Map([...scope.slots, [expr.variable.name, slot]]) });
      const { op, variable } = expr;
      return (frame) => {
        let total = op === 'sum' ? 0 : -Infinity;
        for (let i = 0; i < variable.extent; i++) {
          frame[slot] = i;
          total = op === 'sum' ? total + body(frame) : Math.max(total, body(frame));
        }
        return total;
      };
    }
  }
}

function testCode(test: Test, scope: Scope, memory: (id: ValueId) => Memory): (frame: Frame) => boolean {
  switch (test.kind) {
    case 'constant':
      return () => test.value;
    case 'compare': {
      const [a, b] = [compile(test.a, scope, memory), compile(test.b, scope, memory)];
      return (frame) => compareValue(test.op, a(frame), b(frame));
    }
    case 'atLeastZero':
    case 'isZero': {
      const index = indexCode(test.index, scope);
      return test.kind === 'isZero' ? (frame) => index(frame) === 0 : (frame) => index(frame) >= 0;
    }
    case 'all': {
      const parts = test.tests.map((part) => testCode(part, scope, memory));
      return (frame) => parts.every((part) => part(frame));
    }
  }
}
