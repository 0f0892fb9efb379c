// Graphs of a compilation, stage by stage, as what a drawing of each needs: a lane for each stream, rows for steps, and the kernels that each value ends in.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { isLeaf } from '../2-graph/ops.ts';
import { printNode } from '../2-graph/print.ts';
import type { Stage } from './stages.ts';

export interface DrawnNode {
  readonly id: ValueId;
  readonly kind: string;
  readonly type: string;
  /** Its line in the dump, without the locations. */
  readonly text: string;
  readonly phase: string;
  readonly place: string;
  /** File, start and end of each part of the source that it comes from. */
  readonly locs: readonly (readonly [file: string, start: number, end: number])[];
  readonly inputs: readonly ValueId[];
  /** The kernels it ended in. */
  readonly kernels: readonly number[];
  /** Column in its lane, and row. */
  readonly lane: number;
  readonly column: number;
  readonly row: number;
}

export interface DrawnStage {
  readonly name: string;
  readonly lanes: readonly { readonly name: string; readonly columns: number }[];
  readonly rows: number;
  /** Where each forward step or stage begins. */
  readonly steps: readonly { readonly name: string; readonly row: number }[];
  readonly nodes: readonly DrawnNode[];
}

/** The stages that are graphs. */
export function drawStages(stages: readonly Stage[]): DrawnStage[] {
  const graphs = stages.flatMap(({ name, graph }) => (graph ? [{ name, graph }] : []));
  const fused = graphs.findLast(({ graph }) => graph.nodes.some((node) => node.tags.kernel !== undefined))?.graph;
  const kernelsOf = kernelFinder(fused);
  return graphs.map(({ name, graph }) => drawStage(name, graph, kernelsOf));
}

/** Where a node ended: under its own name, or in what else comes of the same source, of the same step if there is any. */
function kernelFinder(fused: Graph | undefined): (node: Node) => number[] {
  const kernels = new Map<string, Set<number>>();
  for (const node of fused?.nodes ?? []) {
    const { kernel } = node.tags;
    if (kernel !== undefined) for (const key of traces(node).flat()) kernels.set(key, (kernels.get(key) ?? new Set()).add(kernel));
  }
  return (node) => {
    const found = traces(node).map((keys) => new Set(keys.flatMap((key) => [...(kernels.get(key) ?? [])])));
    return [...(found.find((each) => each.size > 0) ?? [])].sort((a, b) => a - b);
  };
}

/** What a node may be known by in another graph, the surest first. */
function traces({ id, kind, locs, tags: { phase, step } }: Node): string[][] {
  const origins = isLeaf(kind) ? [] : locs.map(({ file, span }) => [kind, phase, file, span.start, span.end]);
  return [[`${kind} %${id}`], origins.map((origin) => JSON.stringify([step ?? 'any', ...origin])), origins.map((origin) => JSON.stringify(origin)), [`%${id}`]];
}

/** Leaves that are numbers of the run or kept beside the weights would hide the net. */
const HIDDEN: ReadonlySet<string> = new Set(['constant', 'scalar', 'state']);
const MOST_COLUMNS = 4;

/** A lane for each stream, and one for updates; every node below its operands, and below the steps before its own. */
function drawStage(name: string, graph: Graph, kernelsOf: (node: Node) => readonly number[]): DrawnStage {
  const shown = graph.nodes.filter((node) => !HIDDEN.has(node.kind));
  const depth = depths(graph, shown);
  const laneNames = [...new Set(shown.map(laneOf))].sort((a, b) => laneRank(a) - laneRank(b) || (a < b ? -1 : 1));
  const bands = new Map<number, Node[]>();
  for (const node of shown) bands.set(depth.get(node.id) ?? 0, [...(bands.get(depth.get(node.id) ?? 0) ?? []), node]);

  const columns = laneNames.map(() => 1);
  const steps = new Map<string, number>();
  const nodes: DrawnNode[] = [];
  let row = 0;
  for (const band of [...bands.keys()].sort((a, b) => a - b)) {
    const filled = laneNames.map(() => 0);
    for (const node of bands.get(band) ?? []) {
      const lane = laneNames.indexOf(laneOf(node));
      const at = filled[lane] ?? 0;
      filled[lane] = at + 1;
      const step = stepOf(node);
      if (step !== undefined && !steps.has(step)) steps.set(step, row);
      columns[lane] = Math.max(columns[lane] ?? 1, Math.min(MOST_COLUMNS, at + 1));
      nodes.push({ ...describe(node), kernels: kernelsOf(node), lane, column: at % MOST_COLUMNS, row: row + Math.floor(at / MOST_COLUMNS) });
    }
    row += Math.ceil(Math.max(...filled) / MOST_COLUMNS);
  }
  return { name, lanes: laneNames.map((lane, i) => ({ name: lane, columns: columns[i] ?? 1 })), rows: row, steps: [...steps].map(([step, at]) => ({ name: step, row: at })), nodes };
}

const stepOf = ({ kind, tags: { phase, step, stage } }: Node): string | undefined =>
  phase !== undefined || isLeaf(kind) ? undefined : step !== undefined ? `step ${step}` : stage !== undefined ? `stage ${stage}` : undefined;

const laneOf = (node: Node): string => (node.tags.phase === 'update' ? 'update' : (node.tags.stream ?? ''));
const laneRank = (lane: string): number => (lane === 'update' ? 3 : lane === '' ? 0 : lane.includes('+') ? 2 : 1);

function describe(node: Node): Omit<DrawnNode, 'kernels' | 'lane' | 'column' | 'row'> {
  const { id, kind, type, inputs, tags, locs } = node;
  const place = [tags.stream, tags.step === undefined ? undefined : `step ${tags.step}`, tags.stage === undefined ? undefined : `stage ${tags.stage}`, tags.at].filter((each) => each !== undefined).join(', ');
  return { id, kind, type: `${type.dtype}[${type.shape.join(',')}]`, text: printNode({ ...node, locs: [], tags: {} }), phase: tags.phase ?? 'forward', place, locs: locs.map(({ file, span }) => [file, span.start, span.end] as const), inputs };
}

/** Rows from the top: the longest path from the leaves, a forward step beginning after the one before it. Leaves stand just above their first reader. */
function depths(graph: Graph, shown: readonly Node[]): Map<ValueId, number> {
  const depth = new Map<ValueId, number>();
  const ends: number[] = [];
  for (const node of graph.nodes) {
    const { step, phase } = node.tags;
    const below = node.inputs.reduce((most, input) => Math.max(most, (depth.get(input) ?? -1) + 1), isLeaf(node.kind) ? 0 : 1);
    const begins = phase === undefined && step !== undefined && step > 0 ? (ends[step - 1] ?? 0) + 1 : 0;
    const own = isLeaf(node.kind) ? 0 : Math.max(below, begins);
    depth.set(node.id, own);
    if (phase === undefined && step !== undefined) ends[step] = Math.max(ends[step] ?? 0, own);
  }
  const firstReader = new Map<ValueId, number>();
  for (const node of graph.nodes) for (const input of node.inputs) firstReader.set(input, Math.min(firstReader.get(input) ?? Infinity, depth.get(node.id) ?? 0));
  for (const node of shown) if (isLeaf(node.kind)) depth.set(node.id, Math.max(0, (firstReader.get(node.id) ?? 1) - 1));
  return depth;
}
