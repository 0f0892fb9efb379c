// Every operation's kernels, interpreted, against the reference evaluator; and that no kernel loads outside its buffers.

import { describe, expect, test } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { createKernel } from '../../compiler/4-kernels/kernel.ts';
import { number } from '../../compiler/4-kernels/expr.ts';
import { lower } from '../../compiler/4-kernels/lower.ts';
import { casesGraph, feedLeaf, graphOf, KINDS, relativeError } from './cases.ts';
import { interpret } from './interpret.ts';

describe('lowering', () => {
  test.each(KINDS)('%s computes what the evaluator computes', (kind) => {
    const { graph, feeds, values } = casesGraph([kind], 24);
    const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
    const found = interpret(lower(graph), feeds);
    for (const id of values) expect(relativeError(found.get(id) ?? [], expected.get(id) ?? []), id).toBeLessThan(1e-6);
  });

  test('constants become numbers, and reshapes vanish unless they are a result', () => {
    const builder = createBuilder();
    const feeds = new Map();
    const x = feedLeaf(builder, feeds, 'x', { shape: [2, 6] });
    const half = builder.add('constant', [], { shape: [6], value: 0.5 });
    const flat = builder.add('reshape', [x], { shape: [12] });
    const same = builder.add('identity', [builder.add('reshape', [flat], { shape: [3, 4] })], {});
    const turned = builder.add('transpose', [same], { perm: [1, 0] });
    const scaled = builder.add('mul', [x, half], {});
    const kernels = lower(graphOf(builder, [turned, scaled]));
    expect(kernels.map((kernel) => [kernel.output.id, kernel.params.map((param) => param.id)])).toEqual([
      [turned, ['x']],
      [scaled, ['x']],
    ]);
    const expected = evaluate({ nodes: builder.nodes() }, feeds, { precision: 'f32', wanted: [turned, scaled] });
    const found = interpret(kernels, feeds);
    for (const id of [turned, scaled]) expect(found.get(id)).toEqual(expected.get(id));
    expect(lower(graphOf(builder, [flat])).find((kernel) => kernel.output.id === flat)?.name).toBe(`reshape_${flat}`);
  });

  test('element-wise kernels loop over as few axes as the broadcasting allows', () => {
    const builder = createBuilder();
    const feeds = new Map();
    const shapes = { image: [2, 3, 4, 5], bias: [5], row: [3, 1, 1], column: [2, 1, 4, 1], one: [] };
    const [image, bias, row, column, one] = Object.entries(shapes).map(([id, shape]) => feedLeaf(builder, feeds, id, { shape }));
    const sums = [image, bias, row, column, one].map((other) => builder.add('add', [image ?? '', other ?? ''], {}));
    const extents = lower(graphOf(builder, sums)).map((kernel) => kernel.indices.map((index) => index.extent));
    expect(extents).toEqual([[120], [24, 5], [2, 3, 20], [2, 3, 4, 5], [120]]);
  });

  test('refuses structure nodes, an unbound batch and a loop nest that does not cover its output', () => {
    const builder = createBuilder();
    const x = builder.add('input', [], { name: 'x', shape: ['B', 3] });
    expect(() => lower(graphOf(builder, [builder.add('neg', [x], {})]))).toThrow(RangeError);
    const bound = createBuilder();
    const y = bound.add('route', [bound.add('input', [], { name: 'y', shape: [2, 3] })], { form: 'straight' });
    expect(() => lower(graphOf(bound, [y]))).toThrow('route is not lowered');
    const output = { id: 'o', dtype: 'f32' as const, shape: [2, 3] };
    const parts = { name: 'k', kind: 'map' as const, from: [], output, indices: [{ name: 'i', extent: 5 }], body: number(1) };
    expect(() => createKernel(parts, () => output)).toThrow('k: a loop nest of 5 for 6 elements');
  });
});
