// What a step costs after each pass: nodes, kernels, arithmetic, traffic and memory, in whole and by phase.

import { bindBatch } from '../2-graph/bind.ts';
import type { Graph } from '../2-graph/graph.ts';
import { costOf, kernelsOf, phaseOf, PHASES, type Cost, type Phase } from './cost.ts';
import { aliveBytes, lifetimesOf } from './lifetimes.ts';
import { extents, memoryPlan } from './memory-plan.ts';

export interface Stats extends Cost {
  /** The most bytes of computed values alive at once: each until its last reader has run, or where they lie, once that is planned. */
  readonly peak: number;
}

export const PARTS = ['step', ...PHASES] as const;
/** The whole step, or one phase of it. */
export type Part = (typeof PARTS)[number];

export interface PassStats {
  readonly pass: string;
  readonly parts: Readonly<Record<Part, Stats>>;
}

/** The costs of a flat graph (after `unroll`) at a batch size. */
export function statsOf(pass: string, graph: Graph, batch: number): PassStats {
  const bound = bindBatch(graph, batch);
  const { total, phases } = costOf(bound);
  const kernels = kernelsOf(bound);
  const planned = bound.nodes.some((node) => node.tags.at !== undefined);
  const alive = planned ? extents(memoryPlan(bound)) : aliveBytes(lifetimesOf(bound, kernels), kernels.length);
  const most = (of: Phase | undefined): number => kernels.reduce((peak, members, i) => (of === undefined || phaseOf(members) === of ? Math.max(peak, alive[i] ?? 0) : peak), 0);
  const part = (phase: Phase): Stats => ({ ...phases[phase], peak: most(phase) });
  return { pass, parts: { step: { ...total, peak: most(undefined) }, forward: part('forward'), backward: part('backward'), update: part('update') } };
}
