// All passes, one after the other, keep the meaning: of every example net, in training and in evaluation, and of random small ones.

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { costOf } from '../../compiler/3-passes/cost.ts';
import { fuse } from '../../compiler/3-passes/fuse.ts';
import { hoist } from '../../compiler/3-passes/hoist.ts';
import { memory } from '../../compiler/3-passes/memory.ts';
import { memoryPlan, planProblems } from '../../compiler/3-passes/memory-plan.ts';
import { schedule } from '../../compiler/3-passes/schedule.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { twinFuse } from '../../compiler/3-passes/twin-fuse.ts';
import { example, expectSameResults, randomFeeds, resultsOf, run, trainingGraph, type Precision } from './nets.ts';
import { randomNet } from './random-nets.ts';

const PASSES = [simplify, hoist, twinFuse, fuse(), schedule, memory] as const;
const EXAMPLES = readdirSync(new URL('../../dsl-examples/', import.meta.url)).filter((file) => file.endsWith('.zz')).map((file) => file.replace('.zz', ''));

/** The graph after all passes, each of which must give what the graph gave at first. */
function optimised(graph: Graph, precision: Precision): Graph {
  const feeds = randomFeeds(graph);
  const wanted = resultsOf(graph, feeds, precision);
  const last = PASSES.reduce((before, pass) => {
    const after = run(before, pass);
    expectSameResults(wanted, resultsOf(after, feeds, precision));
    return after;
  }, graph);
  expect(planProblems(memoryPlan(last))).toEqual([]);
  return last;
}

describe('example nets', () => {
  test.each(EXAMPLES)('%s', (name) => {
    const graph = trainingGraph(example(name), { batch: 2, width: 0.1 });
    const result = optimised(graph, 'f32');
    const [before, after] = [costOf(graph).total, costOf(result).total];
    expect(after.contractions).toBeLessThanOrEqual(before.contractions);
    expect(after.bytes).toBeLessThan(before.bytes * 0.6);
    expect(after.kernels).toBeLessThan(before.kernels / 3);
  });

  test.each(EXAMPLES)('%s, evaluated', (name) => {
    optimised(trainingGraph(example(name), { batch: 3, width: 0.1, mode: 'evaluate' }), 'f32');
  });
});

describe('random nets', () => {
  // In float64, so that a difference is one of meaning and not of rounding.
  test.each(Array.from({ length: 60 }, (_, seed) => seed))('seed %i', (seed) => {
    const source = randomNet(seed);
    try {
      optimised(trainingGraph(source, { batch: 2 }), 'f64');
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${source}`, { cause: error });
    }
  });
});
