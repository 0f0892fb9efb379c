// Which operation works on which backend: found by running the backend tests' own cases, never by hand.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { OP_KINDS, OPS } from '../../compiler/2-graph/ops.ts';
import type { ComputeKind, OpKind, OpSpec } from '../../compiler/2-graph/ops.ts';
import { ADJOINTS } from '../../compiler/3-passes/adjoints.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import type { Model, Program } from '../../compiler/5-emit/model.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import type { Backend } from '../../runtime/backend.ts';
import { gpujsBackend } from '../../runtime/backends/gpujs.ts';
import type { GpuJsMode } from '../../runtime/backends/gpujs.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { hasRelaxedSimd, wasmBackend } from '../../runtime/backends/wasm.ts';
import { backend as webgpu, missing } from '../webgpu/harness.ts';
import { casesGraph, KINDS, relativeError } from '../kernels/cases.ts';
import type { Feeds } from '../kernels/cases.ts';
import { ROOT } from './errors.ts';
import { code, table } from './markdown.ts';

export interface Column {
  readonly backend: string;
  readonly title: string;
  /** Whether it cannot be tried here: what the page says of it stays. */
  readonly missing?: boolean;
  /** The largest relative error, by operation. */
  readonly tolerance?: (kind: string) => number;
  readonly run: (graph: Graph, feeds: Feeds, wanted: readonly ValueId[]) => Promise<Map<ValueId, Float32Array>>;
}

/** Runs a graph once on a backend. */
const column = <Step>(title: string, backend: Backend<Step>, emit: (graph: Graph, batch: number) => Program<Step>): Column => ({
  backend: backend.name,
  title,
  async run(graph, feeds, wanted) {
    const model: Model<Step> = { net: graph.name, train: graph.train, programs: { run: emit(graph, 2) } };
    const session = await backend.open(model);
    try {
      return await session.run('run', feeds, wanted);
    } finally {
      await session.dispose();
    }
  },
});

const gpujs = (mode: GpuJsMode): Column => column(`gpujs ${mode}`, gpujsBackend({ mode }), emitGpuJs);

const TOLERANCE = 1e-5;

/** The modes of gpu.js that every machine has; the others run the same kernels. */
export const COLUMNS: readonly Column[] = [
  // SwiftShader's cosine is good to 1e-4; WGSL asks for no more.
  { ...column('webgpu', webgpu, (graph, batch) => emitWebGpu(graph, {}, batch)), missing: missing !== undefined, tolerance: (kind) => (kind === 'cos' ? 2e-4 : TOLERANCE) },
  column('reference', referenceBackend, emitReference),
  column('wasm', wasmBackend(), (graph, batch) => emitWasm(graph, { relaxed: hasRelaxedSimd() }, batch)),
  gpujs('webasm'),
  gpujs('cpu'),
];

const REPEATS = 2;

/** The kinds whose every case gives the evaluator's numbers. */
async function supported({ run, tolerance = () => TOLERANCE }: Column): Promise<ReadonlySet<OpKind>> {
  const { graph, feeds, values } = casesGraph(KINDS, REPEATS);
  const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
  const found = await run(graph, feeds, values);
  const wrong = values.filter((id) => relativeError(found.get(id) ?? [], expected.get(id) ?? []) >= tolerance(id.split('.')[0] ?? ''));
  return new Set(KINDS.filter((kind) => !wrong.some((id) => id.startsWith(`${kind}.`))));
}

const isTested = (kind: OpKind): kind is ComputeKind => (KINDS as readonly OpKind[]).includes(kind);

/** `yes`, `stops` where no gradient flows by definition, or why there is none. */
const gradient = (kind: ComputeKind): string => (typeof ADJOINTS[kind] === 'function' ? '✓' : '–');

/** The kinds that the page says work in the column. */
const claimed = ({ title }: Column): ReadonlySet<OpKind> => {
  const lines = readFileSync(join(ROOT, 'docs/backends.md'), 'utf8').split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  const place = lines.find((cells) => cells[1] === 'operation')?.indexOf(title) ?? -1;
  return new Set(KINDS.filter((kind) => lines.some((cells) => cells[1] === code(kind) && cells[place] === '✓')));
};

export async function supportMatrix(): Promise<string> {
  const works = await Promise.all(COLUMNS.map((each) => (each.missing ? claimed(each) : supported(each))));
  const rows = OP_KINDS.filter(isTested).map((kind) => [code(kind), gradient(kind), ...works.map((kinds) => (kinds.has(kind) ? '✓' : '✗'))]);
  return table(['operation', 'gradient', ...COLUMNS.map(({ title }) => title)], rows);
}

/** Operations without a gradient, by the reason that an error gives. */
export function withoutGradient(): string {
  const reasons = new Map<string, string[]>();
  for (const kind of KINDS) {
    const rule = ADJOINTS[kind];
    if (typeof rule !== 'function') reasons.set(rule.none, [...(reasons.get(rule.none) ?? []), code(kind)]);
  }
  return [...reasons].map(([reason, kinds]) => `- ${kinds.join(', ')}: ${reason}.`).join('\n');
}

/** Kinds of the operation table that no case covers, by group: leaves and structure. */
export const untested = (): string[] => OP_KINDS.filter((kind) => !isTested(kind)).map((kind) => `${(OPS as Record<OpKind, OpSpec>)[kind].group} ${kind}`);
