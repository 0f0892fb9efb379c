// Loop nests in the form that shaders are written from: stores with guards in place of parts, one value for each element, and few enough buffers for a device.

import { elementCount } from '../../2-graph/types.ts';
import type { ValueId } from '../../2-graph/graph.ts';
import { all, atLeastZero, buffersOf, children, div, load, localsOf, mapExpr, mapTest, number, reduce, showExpr } from '../../4-kernels/expr.ts';
import type { Expr, Test } from '../../4-kernels/expr.ts';
import { isContraction } from '../../4-kernels/fused.ts';
import type { ContractionRoot, FusedKernel, Let, Nest, Store } from '../../4-kernels/fused.ts';
import { int, minus, plus, replace, times, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import { LOWER } from '../../4-kernels/lower.ts';
import { flatten, unflatten } from '../../4-kernels/rule.ts';
import type { StepTiling } from '../model.ts';
import type { Loops, LowerRule, Operand } from '../../4-kernels/rule.ts';
import { guardsLoads } from './runs.ts';

/** A value and its place; stored only where the guard holds. */
export interface Placed {
  readonly output: Buffer;
  readonly index: Index;
  readonly value: Expr;
  readonly guard?: Test;
}

/** What one dispatch computes. */
export interface Task {
  readonly name: string;
  /** The kernel that it is, or is a part of. */
  readonly kernel: string;
  readonly indices: readonly Var[];
  readonly root?: ContractionRoot;
  readonly lets: readonly Let[];
  readonly stores: readonly Placed[];
  /** The product in tiles that it computes, or a part of it. */
  readonly ofProduct?: StepTiling;
}

/** How many buffers a task may bind, and under which id each of them is bound. */
export interface Room {
  readonly most: number;
  readonly home: (id: ValueId) => ValueId;
}

/** The dispatches of a kernel, in order, none with more buffers than there is room for; and the buffers between them. */
export function tasksOf(kernel: FusedKernel, room: Room): { tasks: Task[]; scratch: Buffer[] } {
  const scratch: Buffer[] = [...kernel.scratch];
  const own = (buffer: Buffer): Buffer => (scratch.push(buffer), buffer);
  const tasks = kernel.stages.flat().flatMap((nest, i) => {
    const name = i === 0 ? kernel.name : `${kernel.name}_${i}`;
    return unpooled({ ...nest, lets: [...kernel.scalars, ...nest.lets] }, { name, kernel: kernel.name }, own).flatMap((task) => fitting(trimmed(task), room, own));
  });
  return { tasks, scratch };
}

/** Pooled stores in a task of their own, over the whole value. */
function unpooled(nest: Nest, names: Pick<Task, 'name' | 'kernel'>, own: (buffer: Buffer) => Buffer): Task[] {
  const { indices, root, lets, stores } = nest;
  const shape = indices.map(({ extent }) => extent);
  const places = indices.map(use);
  const whole = (store: Store): Placed => ({ output: store.output, index: store.index, value: store.value, ...(store.part && { guard: partGuard(places[0] ?? int(0), store.part) }) });
  const direct = stores.filter((store) => !store.pool).map(whole);
  const pooled = stores.flatMap((store): { full: Placed; task: Task }[] => {
    if (!store.pool) return [];
    const same = direct.find((other) => !other.guard && showExpr(other.value) === showExpr(store.value) && elementCount(other.output.shape) === elementCount(shape));
    const full = same ?? { output: own({ id: `${store.output.id}.full`, dtype: 'f32', shape }), index: flatten(places, shape), value: store.value };
    return [{ full, task: poolTask({ ...names, name: `${names.name}_pool` }, store.output, full.output, shape, store.pool) }];
  });
  const task: Task = { ...names, indices, ...(isContraction(root) && { root }), lets, stores: [...direct, ...pooled.map(({ full }) => full).filter((full) => !direct.includes(full))] };
  return [task, ...pooled.map((each) => each.task)];
}

const partGuard = (outermost: Index, { start, size }: NonNullable<Store['part']>): Test =>
  all(atLeastZero(minus(outermost, int(start))), atLeastZero(minus(int(start + size - 1), outermost)));

function poolTask(names: Pick<Task, 'name' | 'kernel'>, output: Buffer, full: Buffer, shape: readonly number[], { op, k }: NonNullable<Store['pool']>): Task {
  const indices = output.shape.map((extent, axis) => ({ name: `i${axis}`, extent }));
  const [n = int(0), y = int(0), x = int(0), ...rest] = indices.map(use);
  const at = (ky: Index, kx: Index): Expr => load(full.id, flatten([n, plus(times(y, k), ky), plus(times(x, k), kx), ...rest], shape));
  const over = reduce(op === 'max' ? 'max' : 'sum', 'ky', k, (ky) => reduce(op === 'max' ? 'max' : 'sum', 'kx', k, (kx) => at(ky, kx)));
  return { ...names, indices, lets: [], stores: [{ output, index: flatten(indices.map(use), output.shape), value: op === 'max' ? over : div(over, number(k * k)) }] };
}

/** The names that are read, directly or through others. */
export function namesFor(read: Iterable<string>, lets: readonly Let[]): Let[] {
  const needed = new Set(read);
  const kept = lets.toReversed().filter((each) => {
    if (!needed.has(each.name)) return false;
    for (const name of localsOf(each.value)) needed.add(name);
    return true;
  });
  return kept.toReversed();
}

/** The task without the names that nothing uses. */
function trimmed(task: Task): Task {
  const kept = namesFor(namesIn(task.stores), task.lets);
  const { root, ...rest } = task;
  return { ...rest, ...(root && kept.some(({ name }) => name === root.local) && { root }), lets: kept };
}

export const namesIn = (stores: readonly Placed[]): string[] => stores.flatMap(({ value, guard }) => [...localsOf(value), ...(guard ? testLocals(guard) : [])]);

const testLocals = (test: Test): string[] => localsOf({ kind: 'select', test, then: number(0), otherwise: number(0) });

/** The buffers that a task reads, in order of first use. */
export const readsOf = ({ lets, stores }: Task): string[] => [
  ...new Set([...lets, ...stores].flatMap(({ value }) => buffersOf(value))),
];

export const writesOf = ({ stores }: Task): string[] => stores.map(({ output }) => output.id);

/** The values that it reads and writes. */
export const valuesIn = (task: Task): ValueId[] => [...readsOf(task), ...writesOf(task)];

const buffersIn = (task: Task, home: Room['home']): ValueId[] => [...new Set(valuesIn(task).map(home))];

/** The task as several where it needs more buffers than a device binds at once: its results one by one, then values of its own in between. */
function fitting(task: Task, room: Room, own: (buffer: Buffer) => Buffer): Task[] {
  if (buffersIn(task, room.home).length <= room.most) return [task];
  const shape = task.indices.map(({ extent }) => extent);
  const place = flatten(task.indices.map(use), shape);
  const [first] = task.stores;
  if (!first) return [task];
  /** The named value stored by itself, then read by the rest. */
  const aside = (name: string): Task[] => {
    const position = task.lets.findIndex((each) => each.name === name);
    const found = task.lets[position];
    if (!found) throw new Error(`no local ${name}`);
    const output = own({ id: `${first.output.id}.${name}`, dtype: 'f32', shape });
    const isRoot = task.root?.local === name;
    const value: Expr = isRoot ? { kind: 'local', name } : found.value;
    const before: Task = trimmed({ ...task, name: `${task.name}_${name}`, lets: task.lets.slice(0, position + (isRoot ? 1 : 0)), stores: [{ output, index: place, value }] });
    const { root, ...rest } = task;
    const after: Task = trimmed({
      ...rest,
      ...(root && root.local !== name && { root }),
      lets: task.lets.map((each) => (each.name === name ? { ...each, value: load(output.id, place) } : each)),
    });
    return [...fitting(before, room, own), ...fitting(after, room, own)];
  };
  const isLoad = ({ value }: Let): boolean => value.kind === 'load';
  if (task.root && task.lets.some((each) => each.name === task.root?.local && !isLoad(each)) && (task.stores.length > 1 || task.lets.length > 1 || first.value.kind !== 'local')) return aside(task.root.local);
  if (task.stores.length > 1) return storeGroups(task, room).flatMap((stores, i) => fitting(trimmed({ ...task, name: i === 0 ? task.name : `${task.name}_s${i}`, stores }), room, own));
  if (task.root) return withStagedOperand(task, task.root, own).flatMap((each) => fitting(each, room, own));
  const reads = readsThrough(task.lets);
  const cut = task.lets.findLast((each) => !isLoad(each) && reads(each.value) > 1);
  if (cut) return aside(cut.name);
  if (first.value.kind === 'reduce' && innermost(first.value).body.kind !== 'load') return withStagedTerms(task, first, first.value, own).flatMap((each) => fitting(each, room, own));
  const named = withNames(first.value, task.lets.length, reads);
  if (named && named.lets.length > 0) return fitting({ ...task, lets: [...task.lets, ...named.lets], stores: [{ ...first, value: named.value }] }, room, own);
  throw new RangeError(`${task.name} binds ${buffersIn(task, room.home).length} buffers; a device has room for ${room.most}`);
}

/** The results in groups for which there is room: each goes with those that read the same tensors, as the moments and the weight of one update do. */
function storeGroups(task: Task, { most, home }: Room): Placed[][] {
  const groups: Placed[][] = [];
  const of = (stores: readonly Placed[]): Task => trimmed({ ...task, stores });
  const tensors = (stores: readonly Placed[]): ValueId[] => {
    const { lets } = of(stores);
    return [...lets, ...stores].flatMap(({ value }) => tensorsOf(value));
  };
  for (const store of task.stores) {
    const group = groups.find((each) => tensors(each).some((id) => tensors([store]).includes(id)) && buffersIn(of([...each, store]), home).length <= most);
    if (group) group.push(store);
    else groups.push([store]);
  }
  return groups;
}

/** The buffers that are read at more than one place. */
const tensorsOf = (expr: Expr): ValueId[] => (expr.kind === 'load' ? (expr.index.terms.length > 0 ? [expr.buffer] : []) : children(expr).flatMap(tensorsOf));

/** A contraction's operand that reads the most buffers stored by itself first. Throws RangeError where each is one already. */
function withStagedOperand(task: Task, root: ContractionRoot, own: (buffer: Buffer) => Buffer): Task[] {
  const elements = root.operands.map(({ shape, at }) => {
    const indices = shape.map((extent, axis) => ({ name: `i${axis}`, extent }));
    return { indices, value: at(...indices.map(use)) };
  });
  const counts = elements.map(({ value }) => buffersOf(value).length);
  const most = counts.indexOf(Math.max(...counts));
  const [element, operand] = [elements[most], root.operands[most]];
  if (!element || !operand || (counts[most] ?? 0) < 2) throw new RangeError(`${task.name} binds more buffers than a device has room for`);
  const { shape } = operand;
  const output = own({ id: `${root.node.id}.operand${most}`, dtype: root.factors, shape });
  const stored: Task = { name: `${task.name}_operand${most}`, kernel: task.kernel, indices: element.indices, lets: [], stores: [{ output, index: flatten(element.indices.map(use), shape), value: element.value }] };
  const plain: Operand = { shape, at: (...places) => load(output.id, flatten(places, shape)), flat: (place) => load(output.id, place) };
  const operands = root.operands.with(most, plain);
  const value = contraction({ ...root, operands }, task.indices.map(use));
  return [stored, { ...task, root: { ...root, operands }, lets: task.lets.map((each) => (each.name === root.local ? { ...each, value } : each)) }];
}

type Reduction = Extract<Expr, { kind: 'reduce' }>;

/** What a reduction of reductions takes in, and the variables that it goes over. */
const innermost = ({ op, variable, body }: Reduction): { readonly variables: readonly Var[]; readonly body: Expr } => {
  if (body.kind !== 'reduce' || body.op !== op) return { variables: [variable], body };
  const inner = innermost(body);
  return { ...inner, variables: [variable, ...inner.variables] };
};

/** The terms of a reduction stored by themselves first, then reduced. */
function withStagedTerms(task: Task, store: Placed, reduction: Reduction, own: (buffer: Buffer) => Buffer): Task[] {
  const { variables, body } = innermost(reduction);
  const indices = [...task.indices, ...variables];
  const shape = indices.map(({ extent }) => extent);
  const place = flatten(indices.map(use), shape);
  const output = own({ id: `${store.output.id}.terms`, dtype: 'f32', shape });
  const value = variables.reduceRight<Expr>((inner, variable) => ({ ...reduction, variable, body: inner }), load(output.id, place));
  return [trimmed({ ...task, name: `${task.name}_terms`, indices, stores: [{ output, index: place, value: body }] }), trimmed({ ...task, stores: [{ ...store, value }] })];
}

/** The element of a contraction, summed where it is read. */
function contraction({ node, operands, shape }: ContractionRoot, indices: readonly Index[]): Expr {
  const inline = (_: string, stageShape: readonly number[], { body, extents }: Loops): Operand => {
    const at = (...places: readonly Index[]): Expr => body(...(extents ? unflatten(flatten(places, stageShape), extents) : places));
    return { shape: stageShape, at, flat: (place) => at(...unflatten(place, stageShape)) };
  };
  const rule = LOWER[node.kind] as LowerRule;
  const { body, extents } = rule({ node, attrs: node.attrs as never, inputs: operands, shape, stage: inline }, ...operands);
  return body(...(extents ? unflatten(flatten(indices, shape), extents) : indices));
}

/** How many buffers a value reads, through names as well. */
const readsThrough = (lets: readonly Let[]) => (value: Expr): number => new Set([value, ...namesFor(localsOf(value), lets).map((each) => each.value)].flatMap(buffersOf)).size;

/** An operation's operands by names, which end in `suffix`; undefined where there is nothing to name. */
function withNames(expr: Expr, suffix: number, reads: (value: Expr) => number): { lets: Let[]; value: Expr } | undefined {
  if (expr.kind === 'let') {
    const name = `${expr.name}_${suffix}`;
    return { lets: [{ name, value: expr.value, of: name }], value: mapLocals(expr.body, expr.name, name) };
  }
  if (expr.kind === 'unary') {
    const inner = withNames(expr.x, suffix, reads);
    return inner && { ...inner, value: { ...expr, x: inner.value } };
  }
  if (expr.kind !== 'binary' && expr.kind !== 'select') return undefined;
  const operand = (x: Expr, side: string): { lets: Let[]; value: Expr } => {
    const name = `${side}_${suffix}`;
    return reads(x) > 1 ? { lets: [{ name, value: x, of: name }], value: { kind: 'local', name } } : { lets: [], value: x };
  };
  if (expr.kind === 'select') {
    // Where the test fails, what it guards has no place to be loaded from.
    const guarded = (side: 'then' | 'otherwise', { lets, value }: { lets: Let[]; value: Expr }) => ({
      lets: guardsLoads(expr) ? lets.map((each) => ({ ...each, value: { ...expr, then: number(0), otherwise: number(0), [side]: each.value } })) : lets,
      value,
    });
    const only = reads(expr.otherwise) === 0 ? 'then' : reads(expr.then) === 0 ? 'otherwise' : undefined;
    if (only) {
      const inner = withNames(expr[only], suffix, reads);
      return inner && { lets: guarded(only, inner).lets, value: { ...expr, [only]: inner.value } };
    }
    const [then, otherwise] = [guarded('then', operand(expr.then, 'left')), guarded('otherwise', operand(expr.otherwise, 'right'))];
    return { lets: [...then.lets, ...otherwise.lets], value: { ...expr, then: then.value, otherwise: otherwise.value } };
  }
  const [a, b] = [operand(expr.a, 'left'), operand(expr.b, 'right')];
  return { lets: [...a.lets, ...b.lets], value: { ...expr, a: a.value, b: b.value } };
}

const mapLocals = (expr: Expr, from: string, to: string): Expr =>
  expr.kind === 'local' ? (expr.name === from ? { kind: 'local', name: to } : expr) : mapExpr(expr, (index) => index, (inner) => mapLocals(inner, from, to));

/** The task with its indices replaced by name. */
export function moved<T extends Pick<Task, 'lets' | 'stores'>>(task: T, by: ReadonlyMap<string, Index>): T {
  const onIndex = (index: Index): Index => replace(index, by);
  const onExpr = (expr: Expr): Expr => mapExpr(expr, onIndex);
  return {
    ...task,
    lets: task.lets.map((each) => ({ ...each, value: onExpr(each.value) })),
    stores: task.stores.map((store) => ({ ...store, index: onIndex(store.index), value: onExpr(store.value), ...(store.guard && { guard: mapTest(store.guard, onIndex) }) })),
  };
}
