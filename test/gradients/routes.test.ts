// Declared backward routes: what replaces, adds to and reads adjoints, in which order, and what is refused.

import { describe, expect, test } from 'vitest';
import type { Builder } from '../../compiler/2-graph/builder.ts';
import type { Graph, Route, ValueId } from '../../compiler/2-graph/graph.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { PassError } from '../../compiler/3-passes/pass.ts';
import { build, gradientsOf, graphOf, weight } from './numeric.ts';

const BACKWARD = { tags: { phase: 'backward' } } as const;
const grad = (b: Builder, x: ValueId): ValueId => b.add('adjoint', [x], {}, BACKWARD);
const times = (b: Builder, x: ValueId, factor: number): ValueId => b.add('mul', [x, b.add('constant', [], { shape: [], value: factor }, BACKWARD)], {}, BACKWARD);

/** A chain y1 = w1 x, y2 = w2 y1, y3 = w3 y2, with the loss 5 y3: numbers that no two paths share. */
function chain(routesOf: (b: Builder) => Route[]): Graph {
  const b = build();
  b.add('constant', [], { shape: [], value: 7 }, { id: 'x' });
  for (const i of [1, 2, 3]) {
    weight(b, `w${i}`, []);
    b.add('mul', [i === 1 ? 'x' : `y${i - 1}`, `w${i}`], {}, { id: `y${i}`, tags: { name: `y${i}` } });
  }
  const loss = b.add('mul', ['y3', b.add('constant', [], { shape: [], value: 5 })], {});
  return graphOf(b, { loss, routes: routesOf(b) });
}

const WEIGHTS = new Map([['w1', Float64Array.of(2)], ['w2', Float64Array.of(3)], ['w3', Float64Array.of(11)]]);
// x = 7, y1 = 14, y2 = 42, y3 = 462; the true adjoints are dy3 = 5, dy2 = 55, dy1 = 165.

function learnt(routesOf: (b: Builder) => Route[]): Record<string, number | undefined> {
  const graph = autodiff.run(chain(routesOf));
  verify(graph);
  expect(graph.routes).toEqual([]);
  expect(graph.nodes.some((node) => node.kind === 'adjoint')).toBe(false);
  return Object.fromEntries([...gradientsOf(graph, WEIGHTS)].map(([id, data]) => [id, data[0]]));
}

const route = (target: ValueId, mode: Route['mode'], value: ValueId): Route => ({ target, mode, value });

describe('what a weight learns from', () => {
  test('without routes, the true gradient', () => {
    expect(learnt(() => [])).toEqual({ w1: 165 * 7, w2: 55 * 14, w3: 5 * 42 });
  });

  test('= replaces, and everything upstream follows', () => {
    expect(learnt((b) => [route('y2', '=', times(b, grad(b, 'y3'), 4))])).toEqual({ w1: 20 * 3 * 7, w2: 20 * 14, w3: 5 * 42 });
  });

  test('+= adds to what differentiation found', () => {
    expect(learnt((b) => [route('y2', '+=', times(b, grad(b, 'y3'), 4))])).toEqual({ w1: 75 * 3 * 7, w2: 75 * 14, w3: 5 * 42 });
  });

  test('the adjoint of the target itself is the one that was found, however many routes it has', () => {
    const routes = (b: Builder): Route[] => [route('y2', '+=', grad(b, 'y2')), route('y2', '=', times(b, grad(b, 'y2'), -1)), route('y2', '+=', times(b, grad(b, 'y2'), 10))];
    expect(learnt(routes)).toEqual({ w1: 550 * 3 * 7, w2: 550 * 14, w3: 5 * 42 }); // -55 + 55 + 550
  });

  test('the adjoint of another value is the one it ends up with, whichever comes first in the net', () => {
    const downstream = (b: Builder): Route[] => [route('y1', '=', grad(b, 'y2')), route('y2', '=', times(b, grad(b, 'y2'), 2))];
    expect(learnt(downstream)).toEqual({ w1: 110 * 7, w2: 110 * 14, w3: 5 * 42 });
    const upstream = (b: Builder): Route[] => [route('y1', '=', times(b, grad(b, 'y3'), 2)), route('y2', '=', times(b, grad(b, 'y1'), 3))];
    expect(learnt(upstream)).toEqual({ w1: 10 * 7, w2: 30 * 14, w3: 5 * 42 });
  });

  test('a route may read forward values, and be a forward value', () => {
    expect(learnt(() => [route('y2', '=', 'y1')])).toEqual({ w1: 14 * 3 * 7, w2: 14 * 14, w3: 5 * 42 });
    const product = (b: Builder): ValueId => b.add('mul', [grad(b, 'y3'), 'y1'], {}, BACKWARD);
    expect(learnt((b) => [route('y2', '=', product(b))])).toEqual({ w1: 70 * 3 * 7, w2: 70 * 14, w3: 5 * 42 });
  });

  test('a route for the loss, and one for a weight', () => {
    const b = chain(() => []);
    const loss = b.loss as ValueId;
    expect(learnt((g) => [route(loss, '=', times(g, grad(g, loss), 3))])).toEqual({ w1: 3 * 165 * 7, w2: 3 * 55 * 14, w3: 3 * 5 * 42 });
    expect(learnt((g) => [route('w2', '=', times(g, grad(g, 'w1'), 1))])).toEqual({ w1: 165 * 7, w2: 165 * 7, w3: 5 * 42 });
  });
});

describe('past an operation without a gradient', () => {
  /** The loss floor(w x): a straight-through estimate needs the route. */
  const rounded = (routesOf: (b: Builder) => Route[]): Graph => {
    const b = build();
    weight(b, 'w', []);
    b.add('square', ['w'], {}, { id: 'y' });
    b.add('floor', ['y'], {}, { id: 'q' });
    return graphOf(b, { loss: b.add('square', ['q'], {}), routes: routesOf(b) });
  };

  test('a declared route carries the gradient', () => {
    const graph = autodiff.run(rounded((b) => [route('y', '=', grad(b, 'q'))]));
    expect(gradientsOf(graph, new Map([['w', Float64Array.of(1.5)]])).get('w')?.[0]).toBe(2 * 2 * 2 * 1.5); // floor(2.25) = 2
  });

  test('+= does not, as it asks for what differentiation finds', () => {
    expect(() => autodiff.run(rounded((b) => [route('y', '+=', grad(b, 'q'))]))).toThrow(/no gradient flows through floor/);
  });
});

describe('refusals', () => {
  const loc = { file: 'x.zz', line: 9, column: 4, span: { start: 90, end: 98 } };
  const located = (b: Builder, x: ValueId): ValueId => b.add('adjoint', [x], {}, { ...BACKWARD, locs: [loc] });

  function refusal(routesOf: (b: Builder) => Route[]): unknown {
    try {
      autodiff.run(chain(routesOf));
    } catch (error) {
      if (error instanceof PassError) return error.diagnostics.map(({ code, message, loc: { line, column } }) => ({ code, message, line, column }));
      throw error;
    }
    return undefined;
  }

  test('adjoints that wait for each other in a circle', () => {
    expect(refusal((b) => [route('y2', '=', located(b, 'y1')), route('y1', '=', located(b, 'y2'))])).toEqual([
      { code: 'ZZ4009', message: expect.stringMatching(/^an adjoint needs itself: grad\(y[12]\) needs grad\(y[12]\) needs grad\(y[12]\)$/), line: 9, column: 4 },
    ]);
  });

  test('a value whose adjoint needs, by differentiation, the one that reads it', () => {
    expect(refusal((b) => [route('y3', '=', located(b, 'y1'))])).toEqual([
      { code: 'ZZ4009', message: 'an adjoint needs itself: grad(y3) needs grad(y3)', line: 9, column: 4 },
    ]);
  });

  test('the adjoint of a value that the loss does not depend on', () => {
    const aside = (b: Builder): Route[] => {
      b.add('square', ['y1'], {}, { id: 'aside', tags: { name: 'aside' } });
      return [route('y1', '+=', located(b, 'aside'))];
    };
    expect(refusal(aside)).toEqual([{ code: 'ZZ4010', message: 'the loss does not depend on aside, so grad(aside) does not exist', line: 9, column: 4 }]);
  });

  test('but a value that the loss does not depend on may be given an adjoint', () => {
    const graph = chain((b) => {
      weight(b, 'w4', []);
      b.add('mul', ['y3', 'w4'], {}, { id: 'side' });
      return [route('side', '=', times(b, grad(b, 'y3'), 1))];
    });
    // A circle through y3's own adjoint, which side now adds to.
    expect(() => autodiff.run(graph)).toThrow(/ZZ4009/);
    const free = chain((b) => {
      weight(b, 'w4', []);
      b.add('square', ['w4'], {}, { id: 'side' });
      return [route('side', '=', times(b, grad(b, 'y3'), 1))];
    });
    expect(gradientsOf(autodiff.run(free), new Map([...WEIGHTS, ['w4', Float64Array.of(6)]])).get('w4')?.[0]).toBe(5 * 12);
  });
});

test('an expression that two routes share is copied for each', () => {
  const graph = autodiff.run(chain((b) => {
    const doubled = times(b, grad(b, 'y3'), 2);
    return [route('y2', '=', doubled), route('y1', '=', doubled)];
  }));
  verify(graph);
  const results = evaluate(graph, WEIGHTS, { precision: 'f64', wanted: graph.gradients.map(({ value }) => value) });
  expect(graph.gradients.map(({ weight: id, value }) => [id, results.get(value)?.[0]])).toEqual([['w1', 70], ['w2', 140], ['w3', 210]]);
});

test('a norm, a dropout or an input inside a route leaves nothing behind that points nowhere', () => {
  const b = build();
  b.add('input', [], { name: 'image', shape: [2] }, { id: 'image', ...BACKWARD });
  weight(b, 'w', [2]);
  b.add('square', ['w'], {}, { id: 'y' });
  const loss = b.add('reduce_sum', ['y'], { axes: [0], keep: false });
  b.add('state', [], { name: 'mean.1', shape: [2], value: 0 }, { id: 'mean.1', ...BACKWARD });
  const drawn = b.add('random', [], { shape: [2], salt: 3 }, BACKWARD);
  const noisy = b.add('add', [grad(b, 'y'), b.add('mul', [drawn, 'image'], {}, BACKWARD)], {}, BACKWARD);
  const routes = [route('y', '=', noisy), route('y', '+=', noisy)];
  const views = [{ name: 'image', parts: [{ source: 'image', steps: [] }] }];
  const graph = graphOf(b, { loss, routes, views, updates: [{ target: 'mean.1', value: noisy }] });
  verify(graph);
  for (const mode of ['train', 'evaluate'] as const) {
    const result = autodiff.run({ ...graph, mode });
    verify(result);
    expect(result.updates).toEqual([]);
    expect(result.nodes.filter((node) => node.kind === 'random')).toHaveLength(mode === 'train' ? 2 : 0);
  }
});
