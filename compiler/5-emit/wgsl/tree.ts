// Reductions by a whole workgroup: each thread takes every so many terms, and a tree in workgroup memory joins what they have.

import { children, mapExpr } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { replace, strideOf, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import { unflatten } from '../../4-kernels/rule.ts';
import type { DeviceLimits } from '../model.ts';
import type { Form } from './form.ts';
import { byElement, elementOf, loopForm, writeElement } from './loops.ts';
import { moved, readsOf, writesOf } from './nest.ts';
import type { Task } from './nest.ts';
import { guardsLoads } from './runs.ts';
import { functionFor } from './functions.ts';
import type { Helpers } from './functions.ts';
import { operationsAt } from './work.ts';
import { createNames, createScope, createWriter, indent } from './writer.ts';
import type { Scope, Value, Writer } from './writer.ts';

type Reduction = Extract<Expr, { kind: 'reduce' }>;

/** From how many terms on a workgroup takes them together, and up to how many elements: beyond, the elements alone fill a device. */
const TERMS = 64;
const ELEMENTS = 1 << 16;
/** Threads of a workgroup at most: with more, a device has room for fewer workgroups, and they wait longer for each other. */
const THREADS = 256;

/** Threads side by side, each at an element of its own, and threads that share an element's terms. */
interface Shape {
  readonly across: number;
  readonly deep: number;
}

/** How a workgroup reduces the task together, or undefined where an invocation for each element serves as well. */
export function treeShape(task: Task, { workgroupInvocations }: DeviceLimits): Shape | undefined {
  const invocations = Math.min(THREADS, workgroupInvocations);
  const values = [...task.lets, ...task.stores].map(({ value }) => value);
  const reductions = values.flatMap(outermost);
  const terms = Math.max(0, ...reductions.map((each) => chain(each).variables.reduce((product, { extent }) => product * extent, 1)));
  const elements = elementOf(task).extent;
  if (terms < TERMS || elements > ELEMENTS || values.some(hidesReduction)) return undefined;
  const powerUpTo = (limit: number): number => 2 ** Math.floor(Math.log2(limit));
  // Neighbouring threads read neighbouring numbers: along the terms where those lie side by side, else along the elements.
  const across = reductions.some(isContiguous) ? 1 : Math.min(Math.max(1, invocations / 8), powerUpTo(elements));
  return { across, deep: Math.min(invocations / across, powerUpTo(terms)) };
}

/** The reductions that are not inside others. */
const outermost = (expr: Expr): Reduction[] => (expr.kind === 'reduce' ? [expr] : children(expr).flatMap(outermost));

/** Whether a reduction is computed only where a test of indices holds: not all threads would come to it. */
function hidesReduction(expr: Expr): boolean {
  if (expr.kind === 'reduce') return false;
  if (expr.kind === 'select' && guardsLoads(expr)) return outermost(expr.then).length + outermost(expr.otherwise).length > 0;
  return children(expr).some(hidesReduction);
}

/** Reductions directly inside each other as one. */
function chain({ op, variable, body }: Reduction): { variables: readonly Var[]; body: Expr } {
  if (body.kind !== 'reduce' || body.op !== op) return { variables: [variable], body };
  const inner = chain(body);
  return { variables: [variable, ...inner.variables], body: inner.body };
}

function isContiguous(reduction: Reduction): boolean {
  const { variables, body } = chain(reduction);
  const last = variables.at(-1);
  const loads = (expr: Expr): Index[] => (expr.kind === 'load' ? [expr.index] : children(expr).flatMap(loads));
  return last !== undefined && loads(body).some((index) => strideOf(index, last) === 1);
}

/** By a tree where threads should join, else by a thread for each element. */
export function formOf(task: Task, limits: DeviceLimits): Form {
  const shape = treeShape(task, limits);
  return shape ? treeForm(task, shape) : loopForm(task);
}

function treeForm(task: Task, { across, deep }: Shape): Form {
  const element = elementOf(task);
  const flat = moved(task, byElement(task, element));
  const blocks = Math.ceil(element.extent / across);
  return {
    tasks: [flat],
    element,
    reads: readsOf(flat),
    writes: writesOf(flat),
    wide: new Set(),
    isTree: true,
    threads: across * deep,
    blocks: () => blocks,
    turns: () => blocks * (operationsAt(flat) / deep + readsOf(flat).length + Math.log2(deep)),
    write(shader, _threads, setting) {
      const writer = createWriter({ ...shader, fresh: createNames() });
      const scope = createScope([element.name], { together: (reduction, inside) => together(writer, reduction, { across, deep }, inside, shader.helpers) });
      const named = flat.lets.reduce((inside, { name, value }) => writer.bind(name, value, inside), scope);
      // All threads compute the values; one of them stores.
      const values = flat.stores.map((store) => ({ ...store, value: { kind: 'local' as const, name: ` ${store.output.id}` } }));
      const done = flat.stores.reduce((inside, store) => writer.bind(` ${store.output.id}`, store.value, inside), named);
      const { together: _together, ...alone } = done;
      const last: Scope = { ...alone, lines: [] };
      writeElement(writer, { lets: [], stores: values }, last);
      const single = across === 1;
      const lines = [
        ...(single ? [] : [`let x = i32(thread % ${across}u);`]),
        `let y = i32(thread${single ? '' : ` / ${across}u`});`,
        `let ${element.name} = min(${single ? 'block' : `block * ${across} + x`}, ${element.extent - 1});`,
        ...scope.lines,
        `if y == 0${single ? ` && block < ${element.extent}` : ` && block * ${across} + x < ${element.extent}`} {`,
        ...indent(last.lines),
        '}',
      ];
      return setting === 'single' ? [`for (var block = 0; block < ${blocks}; block++) {`, ...indent(lines), '}'] : lines;
    },
  };
}

/** The threads' shares of a reduction, then the tree. Every thread gets the result. */
function together(writer: Writer, reduction: Reduction, { across, deep }: Shape, scope: Scope, helpers: Helpers): Value {
  const { variables, body } = chain(reduction);
  const term: Var = { name: 'term', extent: variables.reduce((product, { extent }) => product * extent, 1) };
  const places = unflatten(use(term), variables.map(({ extent }) => extent));
  const by = new Map(variables.map(({ name }, i) => [name, places[i] as Index]));
  const joined: Reduction = { ...reduction, variable: term, body: replaceAll(body, by) };
  const { together: _, ...alone } = scope;
  const share = writer.loop(joined, (k) => `for (var ${k} = y; ${k} < ${term.extent}; ${k} += ${deep})`, alone);
  const result = writer.fresh('t');
  const join = (a: string, b: string): string => (reduction.op === 'sum' ? `${a} + ${b}` : `${functionFor('max', 'f32', helpers)}(${a}, ${b})`);
  const half = writer.fresh('h');
  scope.lines.push(
    `partial[thread] = ${share.text};`,
    'workgroupBarrier();',
    `for (var ${half} = ${Math.floor(deep / 2)}; ${half} > 0; ${half} = ${half} / 2) {`,
    `  if y < ${half} { partial[thread] = ${join('partial[thread]', `partial[thread + u32(${half}) * ${across}u]`)}; }`,
    '  workgroupBarrier();',
    '}',
    `let ${result} = partial[${across === 1 ? '0' : 'x'}];`,
    'workgroupBarrier();',
  );
  return { text: result, wide: false };
}

const replaceAll = (expr: Expr, by: ReadonlyMap<string, Index>): Expr => mapExpr(expr, (index) => replace(index, by));
