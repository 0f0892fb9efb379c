// The one ordered list of passes.

import { bindBatch } from '../2-graph/bind.ts';
import type { Graph } from '../2-graph/graph.ts';
import { verify } from '../2-graph/verify.ts';
import { autodiff } from './autodiff.ts';
import { fuse } from './fuse.ts';
import { hoist } from './hoist.ts';
import { lossScale } from './loss-scale.ts';
import { memory } from './memory.ts';
import { optimizer } from './optimizer.ts';
import type { Pass } from './pass.ts';
import { precision as halves } from './precision.ts';
import type { Precision } from './precision.ts';
import { schedule } from './schedule.ts';
import { simplify } from './simplify.ts';
import { twinFuse } from './twin-fuse.ts';
import { unroll } from './unroll.ts';

export interface PassSettings {
  /** Distinct images a run takes. Without it the passes end where they would need to know it: before `bind`. */
  readonly batch?: number;
  /** Computes costlier values again instead of keeping them: less memory, more arithmetic. */
  readonly remat?: boolean;
  /** In which dtype activations and adjoints are stored; f32 where it is not given. */
  readonly precision?: Precision;
}

/** The passes in order. */
const passesFor = ({ batch, remat = false, precision = 'f32' }: PassSettings): readonly Pass[] => [
  unroll, // cells, steps and routes become plain edges, so that the passes below see one flat net
  autodiff, // the backward graph, where the net is trained and has a loss; declared routes go in any case
  optimizer, // the updates, where there are gradients: in graphs that are not trained it finds none
  lossScale(precision), // around what autodiff and optimizer made, before anything is put together
  simplify, // what is zero, equal or unused goes before anything is put together
  ...(batch === undefined
    ? []
    : [
        bind(batch), // from here on sizes are numbers: parts of batches can be joined, and costs counted
        hoist, // equal filters over steps, before twin-fuse makes one filter of several
        twinFuse, // equal operations of parallel streams
        fuse({ remat }), // kernels, once the operations are as few and as large as they get
        halves(precision), // once it is known what is stored at all
        schedule, // the kernels' order
        memory, // where their values lie
      ]),
];

const bind = (batch: number): Pass => ({ name: 'bind', summary: 'the batch axis gets its size', run: (graph) => bindBatch(graph, batch) });

/** All passes, for their names and summaries. */
export const PASSES: readonly Pass[] = passesFor({ batch: 1 });

export interface PassOptions extends PassSettings {
  /** The name of the last pass to run. */
  readonly until?: string;
  /** Called with each pass's name and result. */
  readonly observe?: (name: string, graph: Graph) => void;
}

/**
 * Runs the passes in order and verifies the graph after each. Throws PassError for mistakes in the source, VerifyError for a faulty pass,
 * RangeError where `until` names no pass or the batch is not a whole number from 1.
 */
export function runPasses(graph: Graph, { until, observe, ...settings }: PassOptions = {}): Graph {
  const passes = passesFor(settings);
  const last = until === undefined ? passes.length - 1 : passes.findIndex((pass) => pass.name === until);
  if (last < 0) throw new RangeError(`no pass ${until}; there are ${passes.map((pass) => pass.name).join(', ')}`);
  return apply(graph, passes.slice(0, last + 1), observe);
}

/** The passes that need a batch, on a graph that has been through those before. For backends that run fused kernels. */
export const optimise = (graph: Graph, { observe, ...settings }: PassSettings & { readonly batch: number } & Pick<PassOptions, 'observe'>): Graph =>
  apply(graph, passesFor(settings).slice(passesFor({}).length), observe);

const apply = (graph: Graph, passes: readonly Pass[], observe: PassOptions['observe']): Graph =>
  passes.reduce((current, pass) => {
    const next = pass.run(current);
    verify(next);
    pass.verify?.(next);
    observe?.(pass.name, next);
    return next;
  }, graph);
