// The example nets as training graphs, and whether two graphs mean the same.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { optimizer } from '../../compiler/3-passes/optimizer.ts';
import type { Pass } from '../../compiler/3-passes/pass.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { concreteShape, elementCount } from '../../compiler/2-graph/types.ts';
import { uniforms } from '../../runtime/random.ts';

/** The graph of a file's net before optimisation, bound to a batch. */
export function trainingGraph(source: string, { batch, width = 1, mode = 'train' }: { batch: number; width?: number; mode?: Graph['mode'] }): Graph {
  const program = loadProgram('net.zz', memoryReader({ 'net.zz': source }));
  const main = program.main?.ast.nets.find((net) => net.items.some((item) => item.kind === 'loss'));
  const { graph, diagnostics } = buildNet(program, main?.name.name, { mode, width });
  if (!graph) throw new Error(diagnostics.map((each) => each.message).join('\n'));
  return bindBatch(run(graph, unroll, autodiff, optimizer), batch);
}

export const example = (name: string): string => readFileSync(new URL(`../../dsl-examples/${name}.zz`, import.meta.url), 'utf8');

/** Runs passes, verifying after each. */
export const run = (graph: Graph, ...passes: readonly Pass[]): Graph =>
  passes.reduce((current, pass) => {
    const next = pass.run(current);
    verify(next);
    return next;
  }, graph);

export function randomFeeds(graph: Graph, seed = 1): Map<ValueId, Float32Array> {
  const random = uniforms(seed);
  const feeds = new Map<ValueId, Float32Array>();
  const scored = graph.nodes.find((node) => node.kind === 'softmax_cross_entropy')?.inputs[0];
  const classes = Number(graph.nodes.find((node) => node.id === scored)?.type.shape.at(-1) ?? 10);
  for (const node of graph.nodes) {
    const count = elementCount(concreteShape(node.type.shape));
    if (node.kind === 'labels') feeds.set(node.id, Float32Array.from({ length: count }, () => Math.floor(random() * classes)));
    else if (node.kind === 'scalar') feeds.set(node.id, Float32Array.of(node.attrs.name === 'step' ? 3 : 10));
    else if (node.kind === 'random') feeds.set(node.id, Float32Array.from({ length: count }, random));
    else if (node.kind === 'state') feeds.set(node.id, Float32Array.from({ length: count }, () => 0.01 * random()));
    else if (node.kind === 'weight') feeds.set(node.id, Float32Array.from({ length: count }, () => 0.3 * (random() - 0.5)));
    else if (node.kind === 'input') feeds.set(node.id, Float32Array.from({ length: count }, () => 2 * random() - 1));
  }
  return feeds;
}

/** What a graph gives, in the order that it names it: outputs, loss, gradients, updates. */
const results = (graph: Graph): ValueId[] => [
  ...graph.outputs.map((output) => output.value),
  ...(graph.loss === undefined ? [] : [graph.loss]),
  ...(graph.classifier ? [graph.classifier.logits, graph.classifier.correct] : []),
  ...graph.gradients.map((gradient) => gradient.value),
  ...graph.updates.map((update) => update.value),
];

export type Precision = 'f32' | 'f64';
export type Results = readonly { readonly id: ValueId; readonly data: ArrayLike<number> }[];

/** What a graph gives from the random feeds of a graph with the same leaves. */
export function resultsOf(graph: Graph, feeds = randomFeeds(graph), precision: Precision = 'f32'): Results {
  const wanted = results(graph);
  const values = evaluate(graph, feeds, { precision, wanted });
  return wanted.map((id) => ({ id, data: values.get(id) ?? [] }));
}

/** The same numbers, within 1e-5 of the largest of each result. */
export function expectSameResults(before: Results, after: Results): void {
  expect(after.length).toBe(before.length);
  before.forEach(({ id, data: a }, i) => {
    const { id: other, data: b } = after[i] ?? { id: '', data: [] };
    expect(b.length).toBe(a.length);
    const scale = Array.from(a).reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
    const error = Array.from(a).reduce((worst, x, j) => Math.max(worst, Math.abs(x - (b[j] ?? NaN))), 0) / scale;
    expect(error, `%${id} against %${other}`).toBeLessThan(1e-5);
  });
}

/** Both graphs give the same numbers from the same random feeds. */
export function expectSameMeaning(before: Graph, after: Graph, seed = 1): void {
  const feeds = randomFeeds(before, seed);
  expectSameResults(resultsOf(before, feeds), resultsOf(after, feeds));
}
