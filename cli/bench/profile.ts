// The kernels of a step: how long each takes, what it does in that time, and how near that is to what the device reaches at best.

import type { Graph, Node } from '../../compiler/2-graph/graph.ts';
import { phaseOf, type Phase } from '../../compiler/3-passes/cost.ts';
import type { Program } from '../../compiler/5-emit/model.ts';
import type { ProfiledRun, Profiler, Tensor } from '../../runtime/backend.ts';
import type { Bandwidth, Peak } from './peak.ts';
import { worksOf } from './work.ts';

/** A step of the program, over all runs. */
export interface KernelProfile {
  readonly kernel: string;
  /** The operations of the graph that it computes, in order, each kind once. */
  readonly operations: readonly string[];
  readonly phase: Phase;
  /** `file:line:column` of the operation it is named after. */
  readonly at: string | null;
  /** Milliseconds, the median over the runs; and its share of all kernels. */
  readonly ms: number;
  readonly share: number;
  readonly flops: number;
  readonly bytes: number;
  /** Floating-point operations for each byte. */
  readonly intensity: number;
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Of the best rates that were measured; null where none was. */
  readonly ofPeak: number | null;
  readonly ofBandwidth: number | null;
}

export interface Profile {
  readonly clock: Profiler['clock'];
  readonly runs: number;
  /** The slowest first. */
  readonly kernels: readonly KernelProfile[];
  /** Milliseconds: of all kernels; between them, on the device; and what a step took without being profiled, less the kernels: negative where they overlap. */
  readonly kernelMs: number;
  readonly gapMs: number;
  readonly otherMs: number;
  readonly bandwidth: Bandwidth | null;
}

export interface Profiled {
  readonly profile: Profile;
  /** As measured, for a trace, with the kernels in the order they run. */
  readonly runs: readonly ProfiledRun[];
  readonly inOrder: readonly KernelProfile[];
}

const WARM_UP = 1;
const RUNS = 10;
/** Milliseconds that the runs may take together, as far as one step's time tells. */
const BUDGET = 10_000;

export interface Profiling {
  readonly name: string;
  readonly program: Program<unknown>;
  readonly graph: Graph;
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** Milliseconds of a step that is not profiled. */
  readonly step: number;
  readonly peak: Peak | null;
  readonly bandwidth: Bandwidth | null;
}

export async function profileOf(profiler: Profiler, { name, program, graph, feeds, step, peak, bandwidth }: Profiling): Promise<Profiled> {
  const count = Math.max(3, Math.min(RUNS, Math.floor(BUDGET / step)));
  await profiler.run(name, feeds, WARM_UP);
  const runs = await profiler.run(name, feeds, count);
  const works = worksOf(program, graph);
  const times = works.map((_, i) => median(runs.map(({ steps }) => ((steps[i]?.end ?? 0) - (steps[i]?.begin ?? 0)) / 1000)));
  const kernelMs = times.reduce((a, b) => a + b, 0);
  const inOrder = works.map(({ name: kernel, nodes, operations: flops, bytes }, i): KernelProfile => {
    const ms = times[i] ?? 0;
    const [flopsPerSecond, bytesPerSecond] = [perSecond(flops, ms), perSecond(bytes, ms)];
    return {
      kernel,
      operations: [...new Set(nodes.map(({ kind }) => kind))],
      phase: phaseOf(nodes),
      at: placeOf(nodes),
      ms,
      share: kernelMs > 0 ? ms / kernelMs : 0,
      flops,
      bytes,
      intensity: bytes > 0 ? flops / bytes : 0,
      flopsPerSecond,
      bytesPerSecond,
      ofPeak: peak && flopsPerSecond / peak.flopsPerSecond,
      ofBandwidth: bandwidth && bytesPerSecond / bandwidth.bytesPerSecond,
    };
  });
  const gapMs = median(runs.map(({ steps }) => gaps(steps) / 1000));
  const kernels = inOrder.toSorted((a, b) => b.ms - a.ms);
  return { profile: { clock: profiler.clock, runs: runs.length, kernels, kernelMs, gapMs, otherMs: step - kernelMs, bandwidth }, runs, inOrder };
}

const perSecond = (amount: number, ms: number): number => (ms > 0 ? (1000 * amount) / ms : 0);

/** Microseconds in which none of the steps ran. */
function gaps(steps: ProfiledRun['steps']): number {
  const last = steps.at(-1);
  return last ? last.end - steps.reduce((sum, { begin, end }) => sum + end - begin, 0) : 0;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The place of the costliest kind of operation: a product or a reduction before what is fused to it. */
function placeOf(nodes: readonly Node[]): string | null {
  const main = nodes.find(({ kind, locs }) => /^(conv|matmul|reduce|softmax|max|avg)/.test(kind) && locs.length > 0) ?? nodes.find(({ locs }) => locs.length > 0);
  const [loc] = main?.locs ?? [];
  return loc ? `${loc.file}:${loc.line}:${loc.column}` : null;
}
