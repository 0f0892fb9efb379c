// How the threads of workgroups share a task.

import type { ValueId } from '../../2-graph/graph.ts';
import type { Var } from '../../4-kernels/indexing.ts';
import type { Helpers } from './functions.ts';
import type { Task } from './nest.ts';
import type { Bound } from './writer.ts';

/** What a form is written into: its own dispatch, one of the branches of a dispatch, or a single workgroup that does all of it. In the first two `block` is the number of the workgroup. */
export type Setting = 'alone' | 'branch' | 'single';

export interface Form {
  /** The tasks, over the numbers of their elements: more than one where they are written as if they were one. */
  readonly tasks: readonly [Task, ...Task[]];
  readonly element: Var;
  readonly reads: readonly ValueId[];
  readonly writes: readonly ValueId[];
  /** The buffers that it binds as vectors of four; all that it writes, or none of them. */
  readonly wide: ReadonlySet<ValueId>;
  /** Whether threads join what they have in workgroup memory. */
  readonly isTree: boolean;
  /** Threads of a workgroup, if nothing else decides: more do no harm. */
  readonly threads: number;
  /** Workgroups of so many threads. */
  readonly blocks: (threads: number) => number;
  /** About how many operations a thread does one after the other, if a single workgroup of so many threads does all of it. */
  readonly turns: (threads: number) => number;
  readonly write: (shader: { readonly bound: (id: ValueId) => Bound; readonly helpers: Helpers }, threads: number, setting: Setting) => string[];
}

export const valuesIn = ({ reads, writes }: Form): ValueId[] => [...reads, ...writes];
