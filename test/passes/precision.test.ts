// What is stored in f16, what is not, and that a step means the same within its digits.

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Graph, Node, ValueId } from '../../compiler/2-graph/graph.ts';
import { groupOf, isLeaf } from '../../compiler/2-graph/ops.ts';
import { nodesById } from '../../compiler/2-graph/queries.ts';
import { kernelsOf, namedValues, outputsOf, usersOf } from '../../compiler/3-passes/cost.ts';
import { fuse } from '../../compiler/3-passes/fuse.ts';
import { hoist } from '../../compiler/3-passes/hoist.ts';
import { GOOD_STEPS, lossScale, SCALE, SKIPPED_STEPS } from '../../compiler/3-passes/loss-scale.ts';
import { memory } from '../../compiler/3-passes/memory.ts';
import { memoryPlan, planProblems } from '../../compiler/3-passes/memory-plan.ts';
import { precision } from '../../compiler/3-passes/precision.ts';
import { schedule } from '../../compiler/3-passes/schedule.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { twinFuse } from '../../compiler/3-passes/twin-fuse.ts';
import { relativeError } from '../kernels/cases.ts';
import { example, randomFeeds, resultsOf, run, trainingGraph } from './nets.ts';
import { randomNet } from './random-nets.ts';

const EXAMPLES = readdirSync(new URL('../../dsl-examples/', import.meta.url)).filter((file) => file.endsWith('.zz')).map((file) => file.replace('.zz', ''));

/** The net without kinks: where an activation is next to one, rounding decides on which side it is, and so whether a gradient flows at all. */
const smooth = (source: string): string => source.replaceAll('leaky_relu', 'elu').replaceAll('relu', 'elu').replaceAll('maxpool', 'avgpool');
const fused = (source: string, mode: Graph['mode'] = 'train'): Graph => run(trainingGraph(smooth(source), { batch: 2, width: 0.1, mode }), lossScale('f16'), simplify, hoist, twinFuse, fuse());
const halved = (graph: Graph): Graph => run(graph, precision('f16'));

/** The values that kernels leave in memory. */
function storedValues(graph: Graph): Node[] {
  const [users, named] = [usersOf(graph), namedValues(graph)];
  return kernelsOf(graph).flatMap((members) => outputsOf(members, users, named));
}

const feedsOf = (graph: Graph) => new Map([...randomFeeds(graph), [SCALE, Float32Array.of(256)], [GOOD_STEPS, Float32Array.of(0)], [SKIPPED_STEPS, Float32Array.of(0)]]);

/** Of all gradients together: single ones can be what is left of sums that cancel. */
function gradientError(before: Graph, after: Graph): number {
  const gradients = new Set(before.gradients.map(({ value }) => value));
  const [wanted, found] = [resultsOf(before, feedsOf(before)), resultsOf(after, feedsOf(before))];
  const joined = (results: typeof found): number[] => wanted.flatMap(({ id }, i) => (gradients.has(id) ? Array.from(results[i]?.data ?? []) : []));
  return relativeError(joined(found), joined(wanted));
}

/** What differs between the results before and after, by more than f16's digits explain. */
function differences(before: Graph, after: Graph): string[] {
  const feeds = feedsOf(before);
  const found = resultsOf(after, feeds);
  const gradients = new Set(before.gradients.map(({ value }) => value));
  return resultsOf(before, feeds).flatMap(({ id, data }, i) => {
    const error = relativeError(found[i]?.data ?? [], data);
    return error < (gradients.has(id) ? 3e-2 : 1e-2) ? [] : [`%${id}: ${error}`];
  });
}

describe('example nets mean the same within 1e-2, their gradients within 3e-2, and their memory plans are sound', () => {
  test.each(EXAMPLES.flatMap((name) => (['train', 'evaluate'] as const).map((mode) => ({ name, mode }))))('$name, $mode', ({ name, mode }) => {
    const before = fused(example(name), mode);
    const after = run(halved(before), schedule, memory);
    expect(differences(before, after)).toEqual([]);
    expect(planProblems(memoryPlan(after))).toEqual([]);
    if (name.startsWith('case') && mode === 'train') expect(memoryPlan(after).peak).toBeLessThan(memoryPlan(run(before, schedule, memory)).peak * 0.75);
  });
});

test.each(['case-a', 'case-b', 'case-c', 'case-d', 'case-e'])('%s: all its gradients together are within 2e-2 of those in f32', (name) => {
  const before = fused(example(name));
  expect(gradientError(before, halved(before))).toBeLessThan(2e-2);
});

test.each(Array.from({ length: 40 }, (_, seed) => seed))('random net %i keeps its kernels and its meaning', (seed) => {
  const before = fused(randomNet(seed));
  const after = halved(before);
  expect(gradientError(before, after)).toBeLessThan(3e-2);
  const weights = before.nodes.filter(({ kind }) => kind === 'weight');
  expect(kernelsOf(after).length).toBeGreaterThanOrEqual(kernelsOf(before).length);
  expect(kernelsOf(after).length).toBeLessThanOrEqual(kernelsOf(before).length + weights.length);
});

describe('of case d', () => {
  const before = fused(example('case-d'));
  const after = halved(before);
  const nodes = nodesById(after);
  const typeOf = (id: ValueId): string => nodes.get(id)?.type.dtype ?? '';

  test('convolutions multiply f16 and add up in f32', () => {
    const contractions = after.nodes.filter(({ kind }) => groupOf(kind) === 'contraction');
    expect(contractions.length).toBe(29);
    for (const { id, inputs } of contractions) expect([...inputs, id].map(typeOf)).toEqual(['f16', 'f16', 'f32']);
  });

  test('activations, adjoints and copies of weights are stored in f16, all else in f32', () => {
    const stored = storedValues(after);
    const full = stored.filter(({ type }) => type.dtype === 'f32' && type.shape.length > 1);
    // Class scores and the adjoint of the loss; gradients; weights and moments.
    expect([...new Set(full.map(({ kind }) => kind))].sort()).toEqual(['conv2d_filter_grad', 'reduce_mean', 'select', 'softmax_cross_entropy_grad']);
    const halves = stored.filter(({ type }) => type.dtype === 'f16');
    expect(halves.every(({ kind }) => kind === 'cast')).toBe(true);
    expect(halves.filter(({ inputs }) => isLeaf(nodes.get(inputs[0] ?? '')?.kind ?? 'add')).map(({ inputs }) => inputs[0])).toEqual(after.nodes.filter(({ kind }) => kind === 'weight').map(({ id }) => id));
  });

  test('each result is in f32', () => {
    for (const id of namedValues(after)) expect(typeOf(id), id).toBe('f32');
  });

  test('in f32 it stays as it is', () => expect(precision('f32').run(before)).toBe(before));
});

test('statistics of norms stay in f32', () => {
  const source = `net Norms { input image: [8, 8, 3] y = image -> conv(8, k: 3) -> batchnorm -> relu -> conv(8, k: 3) -> layernorm -> gelu -> flatten -> dense(10) output y loss softmax_cross_entropy(y) train { optimizer adam(lr: 0.1) } }`;
  const before = fused(source);
  const after = halved(before);
  expect(differences(before, after)).toEqual([]);
  const small = storedValues(after).filter(({ type }) => type.shape.reduce<number>((count, dim) => count * Number(dim), 1) <= 2 * 64);
  expect(small.filter(({ type }) => type.dtype === 'f16').map(({ kind }) => kind).filter((kind) => kind !== 'cast')).toEqual([]);
  const reductions = after.nodes.filter(({ kind }) => groupOf(kind) === 'reduction');
  expect(reductions.length).toBeGreaterThan(6);
  expect(reductions.every(({ type }) => type.dtype === 'f32')).toBe(true);
});
