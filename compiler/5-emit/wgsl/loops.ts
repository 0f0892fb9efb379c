// Loop nests with one invocation an element, or one for four neighbours.

import { elementCount } from '../../2-graph/types.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { showIndex, times, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import { unflatten } from '../../4-kernels/rule.ts';
import type { WebGpuStep } from '../model.ts';
import { moved, readsOf } from './nest.ts';
import type { Task } from './nest.ts';
import { isVector, LANES, testVectorises, vectorBuffers, vectorises } from './runs.ts';
import { bindingsOf, groupNumber, stepOf, workgroupsOf } from './shader.ts';
import type { Emission } from './shader.ts';
import type { Helpers } from './functions.ts';
import { createNames, createScope, createWriter } from './writer.ts';
import type { Scope, Writer } from './writer.ts';

const INVOCATIONS = 64;

/** The number of an element, in the order of the loop nest. */
export const elementOf = (task: Task): Var => ({ name: 'e', extent: elementCount(task.indices.map(({ extent }) => extent)) });

/** The nest's indices in terms of the element's number. */
export const byElement = (task: Task, element: Var): Map<string, Index> => {
  const places = unflatten(use(element), task.indices.map(({ extent }) => extent));
  return new Map(task.indices.map(({ name }, axis) => [name, places[axis] as Index]));
};

export function loopStep(task: Task, { buffer, home, device }: Emission): WebGpuStep {
  const element = elementOf(task);
  const flat = moved(task, byElement(task, element));
  const wide = isWide(flat, element);
  const bindings = bindingsOf({ reads: readsOf(flat), writes: flat.stores.map(({ output }) => output.id), wide: new Set(wide ? wideBuffers(flat, element.name) : []), buffer, home });
  const helpers: Helpers = new Map();
  /** What an invocation computes: an element, or a vector of four. */
  const own: Var = wide ? { name: 'q', extent: Math.ceil(element.extent / LANES) } : element;
  const writer = createWriter({ bound: bindings.bound, helpers, fresh: createNames(), ...(wide && { lane: element.name, places: new Map([[element.name, times(use(own), LANES)]]) }) });
  const scope = createScope([own.name]);
  writeElement(writer, flat, scope);
  const workgroups = workgroupsOf(Math.ceil(own.extent / INVOCATIONS), device.limits);
  const body = [groupNumber('block', workgroups), `let ${own.name} = block * ${INVOCATIONS} + i32(thread);`, `if ${own.name} >= ${own.extent} { return; }`, ...scope.lines];
  return stepOf({ name: task.name, bindings, workgroups, helpers, threads: INVOCATIONS, body });
}

/** The names and stores of an element. */
export function writeElement(writer: Writer, { lets, stores }: Pick<Task, 'lets' | 'stores'>, scope: Scope): void {
  const named = lets.reduce((inside, { name, value }) => writer.bind(name, value, inside), scope);
  for (const store of stores) writer.store(store, named);
}

/** The buffers that four neighbours read and write as vectors. */
export const wideBuffers = ({ lets, stores }: Pick<Task, 'lets' | 'stores'>, lane: string): string[] => [
  ...[...lets, ...stores].flatMap(({ value }) => vectorBuffers(value, lane)),
  ...stores.map(({ output }) => output.id),
];

/** Whether four neighbours along the variable can be computed at once. */
export function vectorisesAlong({ lets, stores }: Pick<Task, 'lets' | 'stores'>, lane: string): boolean {
  const values: Expr[] = [...lets, ...stores].map(({ value }) => value);
  return values.every((value) => vectorises(value, lane)) && stores.every(({ index, guard }) => isVector(index, lane) && (!guard || testVectorises(guard, lane)));
}

/**
 * Whether four elements of a nest can be computed at once. Where their number is no multiple of four, the last run goes beyond the end: buffers are as long as
 * whole vectors, so that this harms nothing if every place beyond is beyond its buffer, too.
 */
function isWide(flat: Task, element: Var): boolean {
  if (element.extent < LANES || !vectorisesAlong(flat, element.name)) return false;
  return element.extent % LANES === 0 || flat.stores.every(({ output, index }) => showIndex(index) === element.name && elementCount(output.shape) === element.extent);
}
