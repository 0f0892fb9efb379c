// zz ir --stats: what a step costs after each pass, as tables.

import type { Graph } from '../compiler/2-graph/graph.ts';
import { PARTS, statsOf, type PassStats, type Part } from '../compiler/3-passes/stats.ts';
import { UsageError } from './io.ts';
import type { Stage } from './stages.ts';
import { narrowTable } from './table.ts';

/** The costs after each pass up to a stage. Throws UsageError where the stage comes before the passes. */
export function passStats(stages: readonly Stage[], last: string, batch: number): PassStats[] {
  const flat = stages.flatMap(({ name, graph }) => (graph && name !== 'graph' && isFlat(graph) ? [{ name, graph }] : []));
  const end = flat.findIndex(({ name }) => name === last) + 1;
  if (end === 0) throw new UsageError(`stage ${last} has no costs`, `Stages with costs: ${flat.map(({ name }) => name).join(', ')}.`);
  return flat.slice(0, end).map(({ name, graph }) => statsOf(name, graph, batch));
}

/** Costs are of operations: regions, calls and declared routes have none yet. */
const isFlat = (graph: Graph): boolean => graph.regions.length === 0 && !graph.nodes.some(({ kind }) => kind === 'call' || kind === 'route' || kind === 'adjoint');

const TITLES: { readonly [P in Part]: string } = { step: 'whole step', forward: 'forward', backward: 'backward', update: 'update' };
const COLUMNS = ['nodes', 'kernels', 'GFLOP contractions', 'GFLOP other', 'MB moved', 'MB of buffers', 'MB at the peak'];

/** One table for the step and for each phase, a line a pass; in parts where `width` columns do not hold it. */
export function printStats(all: readonly PassStats[], batch: number, width: number): string {
  const row = ({ pass, parts }: PassStats, part: Part): string[] => {
    const { nodes, kernels, contractions, elementwise, bytes, buffers, peak } = parts[part];
    return [pass, String(nodes), String(kernels), (contractions / 1e9).toFixed(3), (elementwise / 1e9).toFixed(3), ...[bytes, buffers, peak].map((each) => (each / 1e6).toFixed(1))];
  };
  const parts = PARTS.filter((part) => all.some((each) => each.parts[part].nodes > 0));
  return [`One step of ${batch} images.`, ...parts.map((part) => narrowTable([[TITLES[part], ...COLUMNS], ...all.map((each) => row(each, part))], width))].join('\n\n');
}
