// Loss scaling: the updates of a step in f32 for any scale, what happens where a gradient is not finite, and routes whose expressions are not linear.

import { describe, expect, test } from 'vitest';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { GOOD_STEPS, lossScale, SCALE, SKIPPED_STEPS } from '../../compiler/3-passes/loss-scale.ts';
import { optimizer } from '../../compiler/3-passes/optimizer.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { build, graphOf, weight } from '../gradients/numeric.ts';
import { example, expectSameResults, randomFeeds, resultsOf, run, trainingGraph } from './nets.ts';
import { randomNet } from './random-nets.ts';

const pass = lossScale('f16');

/** The results that a graph has without loss scaling, of both graphs. */
function sameUpdates(graph: Graph, scale: number): void {
  const after = run(graph, pass);
  const feeds = randomFeeds(graph);
  const scaled = new Map([...feeds, [SCALE, Float32Array.of(scale)], [GOOD_STEPS, Float32Array.of(7)], [SKIPPED_STEPS, Float32Array.of(3)]]);
  const results = resultsOf(after, scaled, 'f64');
  expectSameResults(resultsOf(graph, feeds, 'f64'), results.slice(0, -3));
  expect(results.slice(-3).map(({ data }) => data[0])).toEqual([scale, 8, 3]);
}

describe('the same step', () => {
  test.each(['case-b', 'case-d', 'case-e-manual', 'residual', 'siamese'])('%s', (name) => sameUpdates(trainingGraph(example(name), { batch: 2, width: 0.1 }), 2 ** 16));
  test.each(Array.from({ length: 30 }, (_, seed) => seed))('random net %i', (seed) => sameUpdates(trainingGraph(randomNet(seed), { batch: 2 }), 2 ** 10));

  test('after simplify', () => {
    const graph = trainingGraph(example('case-e-manual'), { batch: 2, width: 0.1 });
    const feeds = new Map([...randomFeeds(graph), [SCALE, Float32Array.of(1024)], [GOOD_STEPS, Float32Array.of(0)], [SKIPPED_STEPS, Float32Array.of(0)]]);
    const scaled = run(graph, pass);
    expectSameResults(resultsOf(scaled, feeds, 'f64'), resultsOf(run(scaled, simplify), feeds, 'f64'));
  });

  test('of a declared route that is no multiple of adjoints', () => {
    const route = (expression: string): string => `
      net Routed {
        input x: [6]
        a = x -> dense(5) -> tanh
        b = a -> dense(4) -> tanh
        output b
        loss mse(b, 0.5 * b)
        backward { ${expression} }
        train { optimizer adam(lr: 0.1)  weight_decay 0.01  clip_norm 1 }
      }`;
    for (const expression of ['grad(a) += 0.1 * a', 'grad(a) = grad(a) * grad(a) + a', 'grad(a) = tanh(grad(a))', 'grad(b) = min(grad(b), 0.01)', 'grad(a) = 0.3 * a', 'grad(a) = concat(slice(grad(a), start: 0, size: 2), slice(a, start: 2, size: 3))']) {
      sameUpdates(trainingGraph(route(expression), { batch: 3 }), 2 ** 12);
    }
  });
});

/** loss = mean(w * x), whose gradient is the mean of x; sgd with momentum. */
function linear(): Graph {
  const b = build();
  b.add('input', [], { name: 'x', shape: [4] }, { id: 'x' });
  weight(b, 'w', [4]);
  const loss = b.add('reduce_mean', [b.add('mul', ['x', 'w'], {})], { axes: [0], keep: false });
  const graph = graphOf(b, { loss, views: [{ name: 'x', parts: [{ source: 'x', steps: [] }] }] });
  const trained = { ...graph, train: { ...graph.train, optimizer: { kind: 'sgd', lr: 1, momentum: 0.5, nesterov: false } as const } };
  return run(trained, autodiff, optimizer, pass);
}

describe('the scale', () => {
  const graph = linear();
  const results: ValueId[] = graph.updates.map(({ value }) => value);
  /** What weight, momentum, scale, count and the number of steps left out take. */
  const step = (x: readonly number[], scale: number, count: number): number[][] => {
    const feeds = new Map([['x', x], ['w', [1, 1, 1, 1]], ['m.w', [2, 2, 2, 2]], [SCALE, [scale]], [GOOD_STEPS, [count]], [SKIPPED_STEPS, [4]]]);
    const values = evaluate(graph, feeds, { precision: 'f32', wanted: results });
    return results.map((id) => [...(values.get(id) ?? [])]);
  };

  test('begins at 65,536, as a state', () => {
    expect(graph.nodes.filter(({ kind, id }) => kind === 'state' && id.startsWith('loss.')).map(({ attrs }) => attrs)).toEqual([
      { name: SCALE, shape: [], value: 65536 },
      { name: GOOD_STEPS, shape: [], value: 0 },
      { name: SKIPPED_STEPS, shape: [], value: 0 },
    ]);
    expect(graph.updates.map(({ target }) => target)).toEqual(['w', 'm.w', SCALE, GOOD_STEPS, SKIPPED_STEPS]);
  });

  test('counts good steps, and doubles after 2,000 in a row', () => {
    expect(step([4, 8, 0, 0], 1024, 5)).toEqual([[-1, -2, 0, 0], [2, 3, 1, 1], [1024], [6], [4]]);
    expect(step([4, 8, 0, 0], 1024, 1998)).toEqual([[-1, -2, 0, 0], [2, 3, 1, 1], [1024], [1999], [4]]);
    expect(step([4, 8, 0, 0], 1024, 1999)).toEqual([[-1, -2, 0, 0], [2, 3, 1, 1], [2048], [0], [4]]);
  });

  test('does not grow beyond what has an inverse in f32', () => {
    expect(step([0, 0, 0, 0], 2 ** 125, 1999).slice(2)).toEqual([[2 ** 126], [0], [4]]);
    expect(step([0, 0, 0, 0], 2 ** 126, 1999).slice(2)).toEqual([[2 ** 126], [0], [4]]);
  });

  test.each([[Infinity], [-Infinity], [NaN], [3e38]])('a gradient with %d leaves all as it is, halves the scale and counts anew, and it as left out', (bad) => {
    expect(step([4, bad, 0, 0], 1024, 1999)).toEqual([[1, 1, 1, 1], [2, 2, 2, 2], [512], [0], [5]]);
  });
});

test('graphs in f32, and those without gradients, stay as they are', () => {
  const graph = trainingGraph(example('case-d'), { batch: 2, width: 0.1 });
  expect(lossScale('f32').run(graph)).toBe(graph);
  const evaluated = trainingGraph(example('case-d'), { batch: 2, width: 0.1, mode: 'evaluate' });
  expect(pass.run(evaluated)).toBe(evaluated);
  verify(run(graph, pass));
});
