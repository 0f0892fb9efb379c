// What the optimising passes make of the five networks, at full width and a batch of 50: the tables of docs/optimiser.md.

import type { Graph } from '../../compiler/2-graph/graph.ts';
import { kernelsOf, phaseOf } from '../../compiler/3-passes/cost.ts';
import { memoryPlan } from '../../compiler/3-passes/memory-plan.ts';
import { kernelName } from '../../compiler/3-passes/memory-picture.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { statsOf, type Stats } from '../../compiler/3-passes/stats.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { compileNet } from '../../compiler/compile.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { example, run, trainingGraph } from '../passes/nets.ts';
import { code, table } from './markdown.ts';

export const BATCH = 50;
export const NETS = ['case-a', 'case-b', 'case-c', 'case-d', 'case-e'] as const;

export interface Optimised {
  readonly name: (typeof NETS)[number];
  readonly before: Stats;
  readonly after: Stats;
  readonly peak: number;
  readonly graph: Graph;
  /** Floating-point operations that the net can do without, counted by hand. */
  readonly saved: number;
}

/** Multiplications and additions of a convolution of one 32 x 32 image. */
const convolution = (k: number, inputs: number, outputs: number): number => 2 * 32 * 32 * k * k * inputs * outputs;

/**
 * Of the nets a to c, for each image and each of both streams: the 1 x 1 convolution of the first step's zero state and its filter gradient; and, as
 * four steps see two images, two of the four 3 x 3 convolutions of an image and two of their filter gradients.
 */
const recurrent = 2 * (2 * convolution(1, 96, 96) + (2 + 2) * convolution(3, 3, 96));

const SAVED: { readonly [N in (typeof NETS)[number]]: number } = { 'case-a': recurrent, 'case-b': recurrent, 'case-c': recurrent, 'case-d': 0, 'case-e': 0 };

export const optimised = (): Optimised[] =>
  NETS.map((name) => {
    const first = trainingGraph(example(name), { batch: BATCH });
    const graph = optimise(run(first, simplify), { batch: BATCH });
    const stats = (of: Graph): Stats => statsOf(name, of, BATCH).parts.step;
    return { name, before: stats(first), after: stats(graph), peak: memoryPlan(graph).peak, graph, saved: BATCH * SAVED[name] };
  });

const giga = (flops: number): string => (flops / 1e9).toFixed(3);
const mega = (bytes: number): string => (bytes / 1e6).toFixed(0);
const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(0)} %`;

export function costTable(): string {
  const all = optimised();
  const marks = table(
    ['net', 'kernels, before', 'after', 'MB moved, before', 'after', '', 'MB of all buffers, before', 'peak MB after', ''],
    all.map(({ name, before, after, peak }) => [code(name), ...[before.kernels, after.kernels].map(String), mega(before.bytes), mega(after.bytes), share(after.bytes, before.bytes), mega(before.buffers), mega(peak), share(peak, before.buffers)]),
  );
  const flops = table(
    ['net', 'GFLOP of contractions, before', 'can be saved', 'after', 'other GFLOP, before', 'after'],
    all.map(({ name, before, after, saved }) => [code(name), giga(before.contractions), giga(saved), giga(after.contractions), giga(before.elementwise), giga(after.elementwise)]),
  );
  return `${marks}\n\n${flops}`;
}

/** Kernels of each net and dispatches of its training step on WebGPU, in both precisions. */
export function dispatchTable(): string {
  const rows = NETS.map((name) => {
    const program = loadProgram('net.zz', memoryReader({ 'net.zz': example(name) }));
    const counts = (['f32', 'f16'] as const).flatMap((precision) => {
      const { graph } = compileNet(program, undefined, { mode: 'train', batch: BATCH, precision });
      if (!graph) throw new Error(`${name} does not compile`);
      const { feed = [], steps } = emitWebGpu(graph, { device: { ...EVERY_DEVICE, features: ['shader-f16'] } }, BATCH);
      return [kernelsOf(graph).length, feed.length + steps.length].map(String);
    });
    return [code(name), ...counts];
  });
  return table(['net', 'kernels, f32', 'dispatches', 'kernels, f16', 'dispatches'], rows);
}

/** Every kernel of each net: its phase, and the operations it does, data movement left out. */
export const kernelLists = (): string =>
  optimised().map(({ name, graph }) => {
    const rows = kernelsOf(graph).map((members, i) => {
      const phase = phaseOf(members);
      const streams = members.flatMap((node) => node.tags.stream ?? []).sort((a, b) => b.length - a.length);
      return phase === 'update' ? [String(i), phase, '', 'all updates of weights and moments'] : [String(i), phase, streams[0] ?? '', code(kernelName(members, 9))];
    });
    return `**${name}**\n\n${table(['kernel', 'phase', 'streams', 'operations'], rows)}`;
  }).join('\n\n');
