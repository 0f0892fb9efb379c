// The one ordered list of passes.

import type { Graph } from '../2-graph/graph.ts';
import { verify } from '../2-graph/verify.ts';
import { autodiff } from './autodiff.ts';
import { optimizer } from './optimizer.ts';
import type { Pass } from './pass.ts';
import { unroll } from './unroll.ts';

export const PASSES: readonly Pass[] = [
  unroll, // cells, steps and routes become plain edges, so that the passes below see one flat net
  autodiff, // the backward graph, where the net is trained and has a loss; declared routes go in any case
  optimizer, // the updates, where there are gradients: in graphs that are not trained it finds none
];

export interface PassOptions {
  /** The name of the last pass to run. */
  readonly until?: string;
  /** Called with each pass's name and result. */
  readonly observe?: (name: string, graph: Graph) => void;
}

/**
 * Runs the passes in order and verifies the graph after each. Throws PassError for mistakes in the source, VerifyError for a faulty pass,
 * RangeError where `until` names no pass.
 */
export function runPasses(graph: Graph, { until, observe }: PassOptions = {}): Graph {
  const last = until === undefined ? PASSES.length - 1 : PASSES.findIndex((pass) => pass.name === until);
  if (last < 0) throw new RangeError(`no pass ${until}; there are ${PASSES.map((pass) => pass.name).join(', ')}`);
  return PASSES.slice(0, last + 1).reduce((current, pass) => {
    const next = pass.run(current);
    verify(next);
    observe?.(pass.name, next);
    return next;
  }, graph);
}
