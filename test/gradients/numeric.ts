// Central differences, and small graphs to take them of.

import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Builder } from '../../compiler/2-graph/builder.ts';
import type { Graph, TrainSettings, ValueId } from '../../compiler/2-graph/graph.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { uniforms } from '../../runtime/random.ts';

export type Values = Map<ValueId, Float64Array>;
export type Random = () => number;

export const TRAIN: TrainSettings = {
  dataset: 'synthetic',
  optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false },
  schedule: { kind: 'constant' },
  batch: 2,
  epochs: 1,
  seed: 1,
  normalize: 'none',
  weightDecay: 0,
  clipNorm: 0,
};

export const graphOf = (builder: Builder, more: Partial<Graph> = {}): Graph => ({
  name: 'Test', mode: 'train', nodes: builder.nodes(), regions: [], outputs: [], routes: [], gradients: [], updates: [], views: [], train: TRAIN, ...more,
});

export const weight = (b: Builder, name: string, shape: readonly number[]): ValueId => b.add('weight', [], { name, shape, init: 'zeros', std: 0, decay: true }, { id: name });

export const build = createBuilder;

export const draws = (count: number, random: Random, low = -1, high = 1): Float64Array => Float64Array.from({ length: count }, () => low + (high - low) * random());

/** A whole number from `low` to `high`, both included. */
export const pick = (random: Random, low: number, high: number): number => low + Math.floor(random() * (high - low + 1));

export const oneOf = <T>(random: Random, ...choices: readonly T[]): T => choices[pick(random, 0, choices.length - 1)] as T;

/**
 * The five-point central difference (f(x-2h) - 8 f(x-h) + 8 f(x+h) - f(x+2h)) / 12h of a function along a line: its error is of order h^4.
 */
export function slope(f: (at: number) => number, h = 1e-3): number {
  return (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h);
}

/** The derivative of a graph's value along one entry of a leaf, by differences in float64. */
export function entrySlope(graph: Graph, loss: ValueId, values: Values, leaf: ValueId, entry: number, h?: number): number {
  return slope((at) => lossAt(graph, loss, moved(values, [[leaf, (data) => (data[entry] = (data[entry] as number) + at)]])), h);
}

/** The derivative along a direction in several leaves at once. */
export function directionSlope(graph: Graph, loss: ValueId, values: Values, direction: Values, h?: number): number {
  const shift = (at: number): Values =>
    moved(values, [...direction].map(([leaf, along]) => [leaf, (data) => data.forEach((value, i) => (data[i] = value + at * (along[i] as number)))]));
  return slope((at) => lossAt(graph, loss, shift(at)), h);
}

function moved(values: Values, changes: readonly (readonly [ValueId, (data: Float64Array) => void])[]): Values {
  const copy = new Map(values);
  for (const [leaf, change] of changes) {
    const data = Float64Array.from(copy.get(leaf) ?? []);
    change(data);
    copy.set(leaf, data);
  }
  return copy;
}

export const lossAt = (graph: Graph, loss: ValueId, values: Values): number => evaluate(graph, values, { precision: 'f64', wanted: [loss] }).get(loss)?.[0] ?? NaN;

/** The gradients of a graph that autodiff has been through. */
export function gradientsOf(graph: Graph, values: Values): Map<ValueId, Float64Array> {
  const results = evaluate(graph, values, { precision: 'f64', wanted: graph.gradients.map((gradient) => gradient.value) });
  return new Map(graph.gradients.map(({ weight: id, value }) => [id, Float64Array.from(results.get(value) ?? [])]));
}

/** The largest error of any entry, relative to the entry, to the root mean square of all, or to 1e-6 (gradients here are of order 1), whichever is largest. */
export function relativeError(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (found.length !== wanted.length) return Infinity;
  const rms = Math.sqrt(Array.from(wanted).reduce((sum, x) => sum + x * x, 0) / Math.max(wanted.length, 1));
  return Array.from(wanted).reduce((worst, x, i) => {
    const error = Math.abs((found[i] as number) - x) / Math.max(Math.abs(x), rms, 1e-6);
    return Number.isNaN(error) ? Infinity : Math.max(worst, error);
  }, 0);
}

export const seeded = (...key: readonly number[]): Random => uniforms(...key);
