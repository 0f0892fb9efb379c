// Runs single operations on the wasm backend and on the evaluator.

import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph, TrainSettings } from '../../compiler/2-graph/graph.ts';
import type { Attrs, OpKind } from '../../compiler/2-graph/ops.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import type { Tensor } from '../../runtime/backend.ts';
import { hasRelaxedSimd, wasmBackend } from '../../runtime/backends/wasm.ts';
import { uniforms } from '../../runtime/random.ts';

export interface Operand {
  readonly shape: readonly number[];
  /** Numbers from -1 to 1, or from `low` to `high`; or class labels below `classes`. */
  readonly low?: number;
  readonly high?: number;
  readonly classes?: number;
}

export interface Case<K extends OpKind = OpKind> {
  readonly kind: K;
  readonly attrs: Attrs<K>;
  readonly operands: readonly Operand[];
}

export const op = <K extends OpKind>(kind: K, attrs: Attrs<K>, ...operands: readonly (Operand | readonly number[])[]): Case => ({ kind, attrs, operands: operands.map((each) => (isShape(each) ? { shape: each } : each)) }) as Case;
const isShape = (each: Operand | readonly number[]): each is readonly number[] => Array.isArray(each);

const TRAIN: TrainSettings = {
  dataset: 'synthetic',
  optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false },
  schedule: { kind: 'constant' },
  batch: 1,
  epochs: 1,
  seed: 1,
  normalize: 'none',
  weightDecay: 0,
  clipNorm: 0,
};

/** All cases in one graph, each result an output named by its place. */
export function graphOf(cases: readonly Case[], seed = 1): { graph: Graph; feeds: Map<string, Tensor> } {
  const builder = createBuilder();
  const feeds = new Map<string, Tensor>();
  const outputs = cases.map(({ kind, attrs, operands }, i) => {
    const inputs = operands.map(({ shape, low = -1, high = 1, classes }, j) => {
      const id = `x${i}.${j}`;
      const next = uniforms(seed, i, j);
      const count = elementCount(shape);
      const values = Array.from({ length: count }, () => (classes === undefined ? low + (high - low) * next() : Math.floor(next() * classes)));
      feeds.set(id, classes === undefined ? Float32Array.from(values) : Int32Array.from(values));
      return classes === undefined ? builder.add('input', [], { name: id, shape }, { id }) : builder.add('labels', [], { shape }, { id });
    });
    return { name: String(i), value: builder.add(kind, inputs, attrs as never, { id: `y${i}` }) };
  });
  const graph: Graph = { name: 'Ops', mode: 'train', nodes: builder.nodes(), regions: [], outputs, routes: [], gradients: [], updates: [], views: [], train: TRAIN };
  return { graph, feeds };
}

export async function runWasm(graph: Graph, feeds: ReadonlyMap<string, Tensor>, { threads = 1, relaxed = hasRelaxedSimd() } = {}): Promise<Map<string, Float32Array>> {
  const session = await wasmBackend({ threads }).open({ net: graph.name, train: graph.train, programs: { main: emitWasm(graph, { relaxed }, 1) } });
  try {
    return await session.run('main', feeds, graph.outputs.map((output) => output.value));
  } finally {
    await session.dispose();
  }
}

/** The largest difference of each case, relative to the largest number of its result (at least 1e-3). */
export async function errorsOf(cases: readonly Case[], options: { readonly threads?: number; readonly relaxed?: boolean; readonly seed?: number } = {}): Promise<number[]> {
  const { graph, feeds } = graphOf(cases, options.seed);
  const wanted = graph.outputs.map((output) => output.value);
  const expected = evaluate(graph, feeds, { precision: 'f64', wanted });
  const actual = await runWasm(graph, feeds, options);
  return wanted.map((id) => {
    const [a, b] = [actual.get(id), expected.get(id)];
    if (!a || !b || a.length !== b.length) return NaN;
    const size = Array.from(b).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number)) / size), 0);
  });
}

export const describeCase = ({ kind, attrs, operands }: Case): string => `${kind} ${JSON.stringify(attrs)} of ${operands.map(({ shape }) => `[${shape.join(',')}]`).join(' ')}`;
