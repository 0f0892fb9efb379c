// The list of passes: order, where it stops, what is observed, and that every result is verified.

import { expect, test } from 'vitest';
import type { Graph, Region } from '../../compiler/2-graph/graph.ts';
import { VerifyError } from '../../compiler/2-graph/verify.ts';
import { optimise, PASSES, runPasses } from '../../compiler/3-passes/pipeline.ts';
import { build, graphOf, weight } from '../gradients/numeric.ts';

/** A cell called twice with one weight, as two steps of a stream are, and a route that doubles the adjoint of the first state. */
function recurrent(mode: Graph['mode'] = 'train'): Graph {
  const b = build();
  b.add('input', [], { name: 'x', shape: ['B'] }, { id: 'x' });
  weight(b, 'w', []);
  const type = { dtype: 'f32', shape: ['B'] } as const;
  const body = build();
  body.add('input', [], { name: 'h', shape: ['B'] }, { id: 'h' });
  weight(body, 'w', []);
  const result = body.add('tanh', [body.add('mul', ['h', 'w'], {})], {});
  const region: Region = { name: 'Cell.L', params: [{ id: 'h', type }], nodes: body.nodes().filter((node) => node.kind === 'mul' || node.kind === 'tanh'), result };
  const first = b.add('call', ['x'], { region: 'Cell.L' }, { type, tags: { stream: 'L', step: 0 } });
  const routed = b.add('route', [first], { form: 'straight' });
  const last = b.add('call', [routed], { region: 'Cell.L' }, { type, tags: { stream: 'L', step: 1 } });
  const loss = b.add('reduce_mean', [last], { axes: [0], keep: false });
  const adjoint = b.add('adjoint', [first], {}, { tags: { phase: 'backward' } });
  const doubled = b.add('add', [adjoint, adjoint], {}, { tags: { phase: 'backward' } });
  return graphOf(b, {
    mode, loss, regions: [region], outputs: [{ name: 'last', value: last }], routes: mode === 'train' ? [{ target: first, mode: '=', value: doubled }] : [],
    views: [{ name: 'x', parts: [{ source: 'x', steps: [] }] }],
  });
}

test('passes run in order, and each result is observed', () => {
  const seen: string[] = [];
  const graph = runPasses(recurrent(), { observe: (name, result) => seen.push(`${name} ${result.gradients.length} ${result.updates.length} ${result.regions.length}`) });
  expect(seen).toEqual(['unroll 0 0 0', 'autodiff 1 0 0', 'optimizer 1 1 0', 'loss-scale 1 1 0', 'simplify 1 1 0']);
  expect(PASSES.map((pass) => pass.name)).toEqual(['unroll', 'autodiff', 'optimizer', 'loss-scale', 'simplify', 'bind', 'hoist', 'twin-fuse', 'fuse', 'precision', 'schedule', 'memory']);
  expect(graph.nodes.some((node) => ['call', 'route', 'adjoint'].includes(node.kind))).toBe(false);
  expect(graph.nodes.filter((node) => node.kind === 'tanh_grad').map((node) => node.tags)).toEqual([
    { stream: 'L', step: 1, phase: 'backward' },
    { stream: 'L', step: 0, phase: 'backward' },
  ]);
});

test('a run may stop after any pass', () => {
  expect(runPasses(recurrent(), { until: 'unroll' }).gradients).toEqual([]);
  const differentiated = runPasses(recurrent(), { until: 'autodiff' });
  expect([differentiated.gradients.length, differentiated.updates.length]).toEqual([1, 0]);
  expect(() => runPasses(recurrent(), { until: 'nothing' })).toThrow(new RangeError('no pass nothing; there are unroll, autodiff, optimizer, loss-scale, simplify'));
});

test('with a batch the passes go on to the memory plan; without one they end before sizes are needed', () => {
  const seen: string[] = [];
  const graph = runPasses(recurrent(), { batch: 3, observe: (name) => seen.push(name) });
  expect(seen).toEqual(PASSES.map((pass) => pass.name));
  expect(graph.nodes.find((node) => node.id === 'x')?.type.shape).toEqual([3]);
  expect(graph.nodes.filter((node) => node.kind === 'tanh').every((node) => node.tags.kernel !== undefined)).toBe(true);
  expect(() => runPasses(recurrent(), { until: 'memory' })).toThrow('no pass memory; there are unroll, autodiff, optimizer, loss-scale, simplify');
  expect(() => runPasses(recurrent(), { batch: 0 })).toThrow(RangeError);
});

test('the passes from bind on give the same alone as with those before', () => {
  expect(optimise(runPasses(recurrent()), { batch: 3 })).toEqual(runPasses(recurrent(), { batch: 3 }));
});

test('a graph that is not trained, or has no loss, gets neither gradients nor updates', () => {
  const { loss: _, ...withoutLoss } = recurrent();
  for (const graph of [recurrent('evaluate'), { ...withoutLoss, routes: [] }]) {
    const result = runPasses(graph);
    expect([result.gradients, result.updates, result.routes]).toEqual([[], [], []]);
    expect(result.nodes.some((node) => node.tags.phase !== undefined)).toBe(false);
  }
});

test('the argument is left as it is', () => {
  const graph = recurrent();
  const before = structuredClone(graph);
  runPasses(graph);
  expect(graph).toEqual(before);
});

test('a malformed result is refused', () => {
  const graph = recurrent();
  expect(() => runPasses({ ...graph, outputs: [{ name: 'gone', value: '999' }] })).toThrow(VerifyError);
});
