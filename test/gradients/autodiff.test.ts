// What autodiff does beyond the single rules: kinks, sums over several uses, symbolic batches, what is left out, depth.

import { describe, expect, test } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import type { Builder } from '../../compiler/2-graph/builder.ts';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { slowness, timed } from '../pace.ts';
import { build, draws, entrySlope, gradientsOf, graphOf, relativeError, seeded, weight } from './numeric.ts';
import type { Values } from './numeric.ts';

const sumAll = (b: Builder, x: ValueId): ValueId => b.add('reduce_sum', [x], { axes: b.type(x).shape.map((_, axis) => axis), keep: false });

/** The gradients of sum(f(weights)). */
function gradient(f: (b: Builder) => ValueId, weights: Readonly<Record<string, readonly number[]>>): Record<string, number[]> {
  const b = build();
  for (const [id, values] of Object.entries(weights)) weight(b, id, [values.length]);
  const graph = autodiff.run(graphOf(b, { loss: sumAll(b, f(b)) }));
  const values: Values = new Map(Object.entries(weights).map(([id, data]) => [id, Float64Array.from(data)]));
  return Object.fromEntries([...gradientsOf(graph, values)].map(([id, data]) => [id, [...data]]));
}

describe('at kinks', () => {
  test('operands of maximum and minimum that tie get half each', () => {
    const operands = { a: [1, 2, 3], b: [2, 2, 2] };
    expect(gradient((b) => b.add('maximum', ['a', 'b'], {}), operands)).toEqual({ a: [0, 0.5, 1], b: [1, 0.5, 0] });
    expect(gradient((b) => b.add('minimum', ['a', 'b'], {}), operands)).toEqual({ a: [1, 0.5, 0], b: [0, 0.5, 1] });
  });

  test('largest elements that tie share the gradient of reduce_max equally', () => {
    expect(gradient((b) => b.add('reduce_max', ['a'], { axes: [0], keep: false }), { a: [7, 1, 7, 7, -2] })).toEqual({ a: [1 / 3, 0, 1 / 3, 1 / 3, 0] });
  });

  test('a pooling window that ties gives all to its first largest element', () => {
    const pool = (b: Builder): ValueId => b.add('maxpool', [b.add('reshape', ['a'], { shape: [1, 2, 2, 1] })], { k: 2 });
    expect(gradient(pool, { a: [1, 5, 5, 5] })).toEqual({ a: [0, 1, 0, 0] });
  });

  test('relu and abs have slope 0 at 0, elu has alpha', () => {
    expect(gradient((b) => b.add('relu', ['a'], {}), { a: [0] })).toEqual({ a: [0] });
    expect(gradient((b) => b.add('abs', ['a'], {}), { a: [0, -3] })).toEqual({ a: [0, -1] });
    expect(gradient((b) => b.add('elu', ['a'], { alpha: 0.5 }), { a: [0] })).toEqual({ a: [0.5] });
  });
});

describe('what reaches the loss', () => {
  test('an operand used twice, and a value with several users, get the sum', () => {
    expect(gradient((b) => b.add('mul', ['a', 'a'], {}), { a: [3] })).toEqual({ a: [6] });
    const f = (b: Builder): ValueId => b.add('sub', [b.add('square', ['a'], {}), b.add('exp', ['a'], {})], {});
    expect(gradient(f, { a: [2] })['a']?.[0]).toBeCloseTo(4 - Math.exp(2), 12);
  });

  test('a weight that the loss does not depend on has no gradient', () => {
    expect(gradient((b) => b.add('square', ['a'], {}), { a: [3], unused: [1, 2] })).toEqual({ a: [6] });
  });

  test('nothing flows through stop_gradient, nor to the condition of select', () => {
    expect(gradient((b) => b.add('mul', ['a', b.add('stop_gradient', ['a'], {})], {}), { a: [3] })).toEqual({ a: [3] });
    expect(gradient((b) => b.add('select', ['c', 'a', 'b'], {}), { c: [1, 0], a: [5, 6], b: [7, 8] })).toEqual({ a: [1, 0], b: [0, 1] });
  });

  test('an operation without an adjoint is refused only where a gradient must flow through it', () => {
    expect(() => gradient((b) => b.add('floor', ['a'], {}), { a: [1.5] })).toThrow(/no gradient flows through floor: its slope is zero/);
    expect(() => gradient((b) => b.add('relu_grad', ['a', 'b'], {}), { a: [1], b: [2] })).toThrow(/second derivatives are not taken/);
    const mask = (b: Builder): ValueId => {
      b.add('random', [], { shape: [1], salt: 1 }, { id: 'r' });
      return b.add('mul', ['a', b.add('greater', ['r', 'half'], {})], {});
    };
    const b = build();
    weight(b, 'a', [1]);
    b.add('constant', [], { shape: [], value: 0.5 }, { id: 'half' });
    const graph = autodiff.run(graphOf(b, { loss: sumAll(b, mask(b)) }));
    expect(gradientsOf(graph, new Map([['a', Float64Array.of(2)], ['r', Float64Array.of(0.7)]])).get('a')).toEqual(Float64Array.of(1));
  });

  test('no node is made that no gradient needs', () => {
    const b = build();
    b.add('input', [], { name: 'image', shape: ['B', 5, 5, 2] }, { id: 'image' });
    weight(b, 'w', [3, 3, 2, 1]);
    const loss = sumAll(b, b.add('conv2d', ['image', 'w'], { stride: 1, pad: 'same', dilation: 1, groups: 1 }));
    const graph = autodiff.run(graphOf(b, { loss }));
    const made = graph.nodes.filter((node) => node.tags.phase === 'backward').map((node) => node.kind);
    expect(made).toEqual(['constant', 'reshape', 'broadcast', 'conv2d_filter_grad']);
  });
});

describe('places', () => {
  test('backward nodes carry the locations, stream and step of what they are adjoints of', () => {
    const loc = { file: 'x.zz', line: 3, column: 5, span: { start: 20, end: 30 } };
    const b = build();
    weight(b, 'w', [2]);
    const y = b.add('elu', ['w'], { alpha: 1 }, { locs: [loc], tags: { name: 'y', stream: 'L', step: 2 } });
    const graph = autodiff.run(graphOf(b, { loss: sumAll(b, y) }));
    const node = graph.nodes.find(({ kind }) => kind === 'elu_grad');
    expect(node?.locs).toEqual([loc]);
    expect(node?.tags).toEqual({ stream: 'L', step: 2, phase: 'backward' });
  });

  test('a graph that only evaluates, or has no loss, stays as it is but for its routes', () => {
    const b = build();
    weight(b, 'w', []);
    const y = b.add('square', ['w'], {});
    for (const more of [{ mode: 'evaluate', loss: y } as const, {}]) {
      const graph = graphOf(b, more);
      const g = build(graph.nodes);
      const adjoint = g.add('adjoint', [y], {}, { tags: { phase: 'backward' } });
      const routed = { ...graph, nodes: g.nodes(), routes: [{ target: y, mode: '=' as const, value: adjoint }] };
      expect(autodiff.run(routed)).toEqual(graph);
    }
  });
});

/** A net with the batch as a symbol: normalisation over the batch, a batch doubled and split, and a mean over it. */
function batched(): Graph {
  const b = build();
  b.add('input', [], { name: 'image', shape: ['B', 3, 3, 2] }, { id: 'image' });
  weight(b, 'w', [1, 1, 2, 3]);
  weight(b, 'u', [3]);
  const x = b.add('conv2d', ['image', 'w'], { stride: 1, pad: 'same', dilation: 1, groups: 1 });
  const mean = b.add('reduce_mean', [x], { axes: [0, 1, 2], keep: true });
  const centred = b.add('sub', [x, mean], {});
  const variance = b.add('reduce_mean', [b.add('square', [centred], {})], { axes: [0, 1, 2], keep: true });
  const normal = b.add('div', [centred, b.add('sqrt', [variance], {})], {});
  const twice = b.add('concat', [normal, x, b.add('mul', [x, 'u'], {})], { axis: 0 });
  const flat = b.add('reshape', [twice], { shape: ['3B', 27] });
  const loss = b.add('reduce_mean', [b.add('tanh', [flat], {})], { axes: [0, 1], keep: false });
  return graphOf(b, { loss, views: [{ name: 'image', parts: [{ source: 'image', steps: [] }] }] });
}

test('a graph whose batch is a symbol has the gradients of the same graph with a batch of any size', () => {
  const symbolic = autodiff.run(batched());
  for (const size of [1, 2, 5]) {
    const random = seeded(9, size);
    const values: Values = new Map([['image', draws(size * 18, random)], ['w', draws(6, random)], ['u', draws(3, random)]]);
    const graph = bindBatch(symbolic, size);
    const loss = graph.loss as ValueId;
    const found = gradientsOf(graph, values);
    expect([...found.keys()]).toEqual(['w', 'u']);
    for (const [id, gradientValues] of found) {
      const wanted = gradientValues.map((_, entry) => entrySlope(graph, loss, values, id, entry, 2e-4));
      expect(relativeError(gradientValues, wanted)).toBeLessThan(1e-6);
    }
    const boundFirst = gradientsOf(autodiff.run(bindBatch(batched(), size)), values);
    for (const [id, data] of found) expect(relativeError(boundFirst.get(id) ?? [], data)).toBeLessThan(1e-12);
  }
});

test('a net of 4,000 layers takes well under two seconds, and its gradient is right', () => {
  const layers = 4000;
  const c = build();
  weight(c, 'w', []);
  c.add('constant', [], { shape: [], value: 0.5 }, { id: 'half' });
  let x: ValueId = 'w';
  for (let i = 0; i < layers; i++) x = c.add('mul', [c.add('add', [x, x], {}), 'half'], {});
  const graph = graphOf(c, { loss: x });
  const { value: result, ms } = timed(() => autodiff.run(graph));
  expect(ms).toBeLessThan(2000 * slowness());
  verify(result);
  expect(gradientsOf(result, new Map([['w', Float64Array.of(0.3)]])).get('w')?.[0]).toBe(1);
});
