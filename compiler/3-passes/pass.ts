// What a pass is, and how it tells of a mistake in the source.

import type { Diagnostic } from '../diagnostics.ts';
import type { Graph } from '../2-graph/graph.ts';

export interface Pass {
  readonly name: string;
  /** One line for the docs and for `zz ir --help`. */
  readonly summary: string;
  /** A new graph; the argument is left as it is. Throws PassError where the source is at fault. */
  readonly run: (graph: Graph) => Graph;
  /** What must hold of its results besides what holds of every graph. Throws Error where it does not. */
  readonly verify?: (graph: Graph) => void;
}

/** Mistakes of the user's that only a pass can see. */
export class PassError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(({ code, message }) => `${code}: ${message}`).join('\n'));
    this.name = 'PassError';
    this.diagnostics = diagnostics;
  }
}
