// What a pass is.

import type { Graph } from '../2-graph/graph.ts';

export interface Pass {
  readonly name: string;
  /** One line for the docs and for `zz ir --help`. */
  readonly summary: string;
  /** A new graph; the argument is left as it is. */
  readonly run: (graph: Graph) => Graph;
}
