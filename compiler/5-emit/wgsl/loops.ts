// Loop nests with one invocation an element, or one for four neighbours.

import { elementCount } from '../../2-graph/types.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { showIndex, times, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import { unflatten } from '../../4-kernels/rule.ts';
import type { Form } from './form.ts';
import { moved, readsOf, writesOf } from './nest.ts';
import type { Task } from './nest.ts';
import { isVector, LANES, testVectorises, vectorBuffers, vectorises } from './runs.ts';
import { operationsAt } from './work.ts';
import { createNames, createScope, createWriter, indent } from './writer.ts';
import type { Scope, Writer } from './writer.ts';

const INVOCATIONS = 64;

/** The number of an element, in the order of the loop nest. */
export const elementOf = (task: Task): Var => ({ name: 'e', extent: elementCount(task.indices.map(({ extent }) => extent)) });

/** The nest's indices in terms of the element's number. */
export const byElement = (task: Task, element: Var): Map<string, Index> => {
  const places = unflatten(use(element), task.indices.map(({ extent }) => extent));
  return new Map(task.indices.map(({ name }, axis) => [name, places[axis] as Index]));
};

/** A thread for each element, or for each vector of four. */
export function loopForm(task: Task): Form {
  const element = elementOf(task);
  const flat = moved(task, byElement(task, element));
  return spanForm([flat], element, isWide(flat, element));
}

/** The first of tasks over the numbers of their elements, from its own elements on to those of the last. */
export function spanForm(tasks: Form['tasks'], element: Var, wide: boolean): Form {
  const own: Var = wide ? { name: 'q', extent: Math.ceil(element.extent / LANES) } : element;
  const [flat] = tasks;
  return {
    tasks,
    element,
    reads: [...new Set(tasks.flatMap(readsOf))],
    writes: tasks.flatMap(writesOf),
    wide: new Set(wide ? tasks.flatMap((each) => wideBuffers(each, element.name)) : []),
    isTree: false,
    threads: INVOCATIONS,
    blocks: (threads) => Math.ceil(own.extent / threads),
    turns: (threads) => Math.ceil(own.extent / threads) * (operationsAt(flat) + readsOf(flat).length),
    write(shader, threads, setting) {
      const writer = createWriter({ ...shader, fresh: createNames(), ...(wide && { lane: element.name, places: new Map([[element.name, times(use(own), LANES)]]) }) });
      const scope = createScope([own.name]);
      writeElement(writer, flat, scope);
      const { name, extent } = own;
      if (setting === 'single') return [`for (var ${name} = i32(thread); ${name} < ${extent}; ${name} += ${threads}) {`, ...indent(scope.lines), '}'];
      const number = `let ${name} = block * ${threads} + i32(thread);`;
      return setting === 'alone' ? [number, `if ${name} >= ${extent} { return; }`, ...scope.lines] : [number, `if ${name} < ${extent} {`, ...indent(scope.lines), '}'];
    },
  };
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
  if (element.extent === 1 || !vectorisesAlong(flat, element.name)) return false;
  return element.extent % LANES === 0 || flat.stores.every(({ output, index }) => showIndex(index) === element.name && elementCount(output.shape) === element.extent);
}
