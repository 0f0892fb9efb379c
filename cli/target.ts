// A backend of the command line: what writes programs for it, and what runs them.

import type { Graph } from '../compiler/2-graph/graph.ts';
import type { Emitter } from '../compiler/compile.ts';
import type { Model } from '../compiler/5-emit/model.ts';
import type { Backend } from '../runtime/backend.ts';

export interface Target extends Emitter<unknown> {
  readonly backend: Backend<unknown>;
  /** The same target, better fitted to what it is to run by measurements; undefined where there is nothing to better. */
  readonly tuned?: (compiled: CompiledFor) => Promise<Target | undefined>;
}

export interface CompiledFor {
  readonly model: Model;
  /** What each program was made of. */
  readonly graphs: Readonly<Record<string, Graph>>;
}
