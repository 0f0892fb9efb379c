// The whole-graph gradient of every example net against central differences in float64.

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Graph, Node, ValueId } from '../../compiler/2-graph/graph.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { EXAMPLES, exampleGraph, exampleValues } from './examples.ts';
import { directionSlope, draws, gradientsOf, pick, relativeError, seeded } from './numeric.ts';
import type { Random, Values } from './numeric.ts';

const TOLERANCE = 1e-6;
/** Small, since the second derivative of elu jumps at 0, which thousands of activations are near; large enough for the loss's 16 digits. */
const STEP = 2e-5;

/** Operations whose slope jumps, with the operands that decide on which side they are. */
const isKinked = (node: Node): boolean => ['relu', 'leaky_relu', 'abs', 'maxpool', 'reduce_max', 'maximum', 'minimum'].includes(node.kind);

/** On which side of every kink the graph is: signs of operands, and which element of a pool is the largest. */
function sides(graph: Graph, kinks: readonly Node[], values: Values): string {
  if (kinks.length === 0) return '';
  const wanted = kinks.flatMap((node) => [...node.inputs, node.id]);
  const results = evaluate(graph, values, { precision: 'f64', wanted });
  return kinks
    .map((node) => {
      const [x, y] = [results.get(node.inputs[0] ?? '') ?? [], results.get(node.id) ?? []];
      if (node.kind !== 'maxpool') return Array.from(x, (value) => (value > 0 ? '+' : '-')).join('');
      const largest = new Set(y);
      return Array.from(x, (value) => (largest.has(value) ? '^' : '.')).join('');
    })
    .join(' ');
}

const moved = (values: Values, direction: Values, by: number): Values =>
  new Map([...values].map(([id, data]) => [id, direction.has(id) ? data.map((value, i) => value + by * (direction.get(id)?.[i] as number)) : data]));

/** A direction along which no kink is crossed within the differences' reach: others are drawn again. */
function smoothDirection(graph: Graph, values: Values, draw: () => Values): Values {
  const kinks = graph.nodes.filter((node) => node.tags.phase === undefined && isKinked(node));
  const here = sides(graph, kinks, values);
  for (let attempt = 0; attempt < 60; attempt++) {
    const direction = draw();
    if ([-2, 2, -1, 1].every((step) => sides(graph, kinks, moved(values, direction, step * STEP)) === here)) return direction;
  }
  throw new Error('every direction crosses a kink');
}

const dot = (gradients: Values, direction: Values): number =>
  [...direction].reduce((sum, [id, along]) => sum + along.reduce((total, value, i) => total + value * (gradients.get(id)?.[i] as number), 0), 0);

/** One entry of one weight. */
function unit(values: Values, id: ValueId, random: Random): Values {
  const along = new Float64Array(values.get(id)?.length ?? 0);
  along[pick(random, 0, along.length - 1)] = 1;
  return new Map([[id, along]]);
}

/** All weights together, each by a share of the size of its own values. */
const anywhere = (values: Values, ids: readonly ValueId[], random: Random): Values =>
  new Map(ids.map((id) => [id, draws(values.get(id)?.length ?? 0, random, -0.05, 0.05)]));

test('every file of dsl-examples/ is here', () => {
  const files = readdirSync(new URL('../../dsl-examples', import.meta.url)).filter((file) => file.endsWith('.zz'));
  expect(files.sort()).toEqual(EXAMPLES.map((example) => `${example.split(':')[0]}.zz`).sort());
});

describe('the gradient of every example net equals central differences', () => {
  for (const example of EXAMPLES) {
    test(example, () => {
      const plain = { ...exampleGraph(example, 0.08, 2), routes: [] }; // the true gradient, also of nets with declared routes
      const loss = plain.loss as ValueId;
      const graph = autodiff.run(plain);
      verify(graph);
      const weights = graph.nodes.filter((node) => node.kind === 'weight').map((node) => node.id);
      expect(graph.gradients.map((gradient) => gradient.weight)).toEqual(weights);

      const values = exampleValues(graph, 21);
      const gradients = gradientsOf(graph, values);
      const random = seeded(22);
      const entries = weights.map((id) => smoothDirection(graph, values, () => unit(values, id, random)));
      const directions = [1, 2].map(() => smoothDirection(graph, values, () => anywhere(values, weights, random)));
      for (const probes of [entries, directions]) {
        const found = probes.map((direction) => dot(gradients, direction));
        const wanted = probes.map((direction) => directionSlope(graph, loss, values, direction, STEP));
        expect(relativeError(found, wanted), `${found.join(' ')} against ${wanted.join(' ')}`).toBeLessThan(TOLERANCE);
      }
    });
  }
});
