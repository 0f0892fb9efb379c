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

/** A net's training graph before optimisation, bound to a batch. */
export function trainingGraph(source: string, { batch, width = 1 }: { batch: number; width?: number }): Graph {
  const { graph, diagnostics } = buildNet(loadProgram('net.zz', memoryReader({ 'net.zz': source })), undefined, { mode: 'train', width });
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
  for (const node of graph.nodes) {
    const count = elementCount(concreteShape(node.type.shape));
    if (node.kind === 'labels') feeds.set(node.id, Float32Array.from({ length: count }, () => Math.floor(random() * 10)));
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

/** Both graphs give the same numbers from the same random feeds, within 1e-5 of the largest of each result. */
export function expectSameMeaning(before: Graph, after: Graph, seed = 1): void {
  const feeds = randomFeeds(before, seed);
  const [ids, otherIds] = [results(before), results(after)];
  expect(otherIds.length).toBe(ids.length);
  const old = evaluate(before, feeds, { precision: 'f32', wanted: ids });
  const now = evaluate(after, feeds, { precision: 'f32', wanted: otherIds });
  ids.forEach((id, i) => {
    const [a, b] = [old.get(id) ?? [], now.get(otherIds[i] ?? '') ?? []];
    expect(b.length).toBe(a.length);
    const scale = Array.from(a).reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
    const error = Array.from(a).reduce((worst, x, j) => Math.max(worst, Math.abs(x - (b[j] ?? NaN))), 0) / scale;
    expect(error, `%${id} against %${otherIds[i]}`).toBeLessThan(1e-5);
  });
}
