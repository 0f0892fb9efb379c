// The best that a backend reaches here: operations a second in plain matrix products, bytes a second in copies, both compiled by the same compiler.

import { createBuilder } from '../../compiler/2-graph/builder.ts';
import { DEFAULT_SETTINGS, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import type { Program } from '../../compiler/5-emit/model.ts';
import { BackendError, type Session } from '../../runtime/backend.ts';
import { persistent } from '../../runtime/checkpoint.ts';
import { programOf } from '../../runtime/feeds.ts';
import { backendsFor, openFirst } from '../backends.ts';
import { elements, openNet, randomFeeds, type Where } from './open.ts';
import { worksOf } from './work.ts';

export interface Peak {
  readonly flopsPerSecond: number;
  /** Rows and columns of the matrices. */
  readonly size: number;
}

const RUN = 'run';
const PRODUCTS = 8;
const SIZES = [128, 256, 512, 1024, 2048, 4096];
/** Larger sizes are not tried once a run takes so many milliseconds. */
const ENOUGH = 250;

/** The best rate of a chain of square matrix products; null where the backend runs none. */
export async function measurePeak(where: Where): Promise<Peak | null> {
  let best: Peak | null = null;
  for (const size of SIZES) {
    const products = ` -> dense(${size}, bias: false)`.repeat(PRODUCTS + 1);
    const program = loadProgram('products.zz', memoryReader({ 'products.zz': `net Products { input x: [1] y = x${products} output result = mean(y) }` }));
    const took = await unlessTooLarge(async () => {
      const { model, session } = await openNet(program, 'Products', { [RUN]: { mode: 'evaluate', batch: size } }, { settings: { ...DEFAULT_SETTINGS, batch: size } }, where);
      try {
        // Numbers of mixed signs that keep their size: products of zeros may run faster than others.
        for (const { id, shape } of persistent(model)) await session.write(id, Float32Array.from({ length: elements(shape) }, (_, i) => (((i * 40_503) % 65_536) / 32_768 - 1) / Math.sqrt(shape[0] ?? 1)));
        return await timed(session, RUN, programOf(model, RUN));
      } finally {
        await session.dispose();
      }
    });
    if (took === undefined) break;
    const flopsPerSecond = (1000 * PRODUCTS * 2 * size ** 3) / took;
    if (best === null || flopsPerSecond > best.flopsPerSecond) best = { flopsPerSecond, size };
    if (took > ENOUGH) break;
  }
  return best;
}

export interface Bandwidth {
  readonly bytesPerSecond: number;
  /** Read and written together. */
  readonly bytes: number;
}

/** Elements of what is copied: more than caches hold, as far as the backend has room and it does not take too long. */
const LENGTHS = [2 ** 22, 2 ** 24, 2 ** 26];

/** The rate at which the largest vector is read, doubled and written; null where there is no room for any. */
export async function measureBandwidth({ backend, ...options }: Where): Promise<Bandwidth | null> {
  let last: Bandwidth | null = null;
  for (const length of LENGTHS) {
    const graph = doubling(length);
    const found = await unlessTooLarge(async () => {
      const { model, session } = await openFirst(backendsFor(backend, options), ({ emit, fused = false }) => ({
        graphs: { [RUN]: graph },
        model: { net: 'Copy', train: DEFAULT_SETTINGS, programs: { [RUN]: emit(fused ? optimise(graph, { batch: 1 }) : graph, 1) } },
      }));
      const program = programOf(model, RUN);
      // A backend that does not write updates in place copies once more.
      const bytes = worksOf(program, graph).reduce((sum, each) => sum + each.bytes, 0) + program.updates.length * 2 * 4 * length;
      return { bytes, took: await timed(session, RUN, program).finally(() => session.dispose()) };
    });
    if (!found) break;
    last = { bytes: found.bytes, bytesPerSecond: (1000 * found.bytes) / found.took };
    if (found.took > ENOUGH) break;
  }
  return last;
}

/** y takes 2 x, both of them on the device. */
function doubling(length: number): Graph {
  const builder = createBuilder();
  for (const id of ['x', 'y']) builder.add('state', [], { name: id, shape: [length], value: 0 }, { id });
  builder.add('constant', [], { shape: [], value: 2 }, { id: 'two' });
  const value = builder.add('mul', ['x', 'two'], {}, { id: 'doubled' });
  return { name: 'Copy', mode: 'train', nodes: builder.nodes(), regions: [], outputs: [], routes: [], gradients: [], updates: [{ target: 'y', value }], views: [], train: DEFAULT_SETTINGS };
}

async function unlessTooLarge<T>(measure: () => Promise<T>): Promise<T | undefined> {
  try {
    return await measure();
  } catch (error) {
    if (error instanceof BackendError) return undefined;
    throw error;
  }
}

const RUNS = 4;

/**
 * Milliseconds of a program's kernels by the device's clock, or of a whole run by the host's: the best of a few runs after one that warms up. Closes the session.
 */
async function timed(session: Session, name: string, program: Program<unknown>): Promise<number> {
  const feeds = randomFeeds(program, 1);
  const wanted = program.outputs.map(({ buffer }) => buffer);
  const once = async (): Promise<number> => {
    if (session.profiler?.clock === 'device') {
      const [run] = await session.profiler.run(name, feeds, 1);
      return (run?.steps ?? []).reduce((sum, { begin, end }) => sum + end - begin, 0) / 1000;
    }
    const began = performance.now();
    await session.run(name, feeds, wanted);
    return performance.now() - began;
  };
  let best = await once();
  if (best > 4 * ENOUGH) return best;
  best = Infinity;
  for (let i = 0; i < RUNS; i++) best = Math.min(best, await once());
  return best;
}
