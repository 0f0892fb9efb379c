// Fused graphs on the wasm backend, against the evaluator of the graphs before all optimising passes.

import { describe, expect, test } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Builder } from '../../compiler/2-graph/builder.ts';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { optimizer } from '../../compiler/3-passes/optimizer.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import { hasRelaxedSimd, wasmBackend } from '../../runtime/backends/wasm.ts';
import { exampleGraph, exampleValues } from '../gradients/examples.ts';
import { feedLeaf, graphOf, relativeError } from '../kernels/cases.ts';
import type { Feeds } from '../kernels/cases.ts';
import { fused } from '../kernels/fused-run.ts';

type Values = ReadonlyMap<ValueId, ArrayLike<number>>;
const isKept = (kind: string): boolean => kind === 'weight' || kind === 'state';

/** The outputs of a fused graph's program, and what its weights and states are after one run. */
async function runFused(graph: Graph, values: Values, threads: number): Promise<Map<ValueId, Float32Array>> {
  const program = emitWasm(graph, { relaxed: hasRelaxedSimd() }, 1);
  const session = await wasmBackend({ threads }).open({ net: graph.name, train: graph.train, programs: { main: program } });
  try {
    const kept = graph.nodes.filter(({ kind }) => isKept(kind)).map(({ id }) => id);
    for (const id of kept) await session.write(id, Float32Array.from(values.get(id) ?? []));
    const feeds = new Map(graph.nodes.filter(({ kind, inputs }) => inputs.length === 0 && kind !== 'constant' && !isKept(kind)).map(({ id, kind }) => [id, kind === 'labels' ? Int32Array.from(values.get(id) ?? []) : Float32Array.from(values.get(id) ?? [])]));
    const wanted = [...new Set([...graph.outputs.map(({ value }) => value), ...(graph.loss === undefined ? [] : [graph.loss])])];
    const results = new Map(await session.run('main', feeds, wanted));
    for (const id of kept) results.set(id, await session.read(id));
    return results;
  } finally {
    await session.dispose();
  }
}

/** The largest error of the results against the evaluator's for the graph as it is. */
async function errorOf(graph: Graph, values: Values, optimised = fused(graph), threads = 2): Promise<number> {
  const found = await runFused(optimised, values, threads);
  const pairs = [
    ...graph.outputs.map(({ value }, i) => ({ id: value, now: optimised.outputs[i]?.value ?? '' })),
    ...(graph.loss === undefined ? [] : [{ id: graph.loss, now: optimised.loss ?? '' }]),
    ...graph.updates.map(({ target, value }) => ({ id: value, now: target })),
  ];
  const expected = evaluate(graph, values, { precision: 'f32', wanted: pairs.map(({ id }) => id) });
  return Math.max(...pairs.map(({ id, now }) => relativeError(found.get(now) ?? [], expected.get(id) ?? [])));
}

test.each(['case-b:', 'case-d:', 'case-e-crossed:', 'residual:Residual', 'three-streams:'])('a training step of %s', async (example) => {
  const net = exampleGraph(example, 0.1, 3);
  const step = optimizer.run(autodiff.run(net));
  expect(await errorOf(step, exampleValues(step, 5), fused(simplify.run(step)))).toBeLessThan(2e-5);
});

const WINDOW = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;

/** The error of a graph made by hand, and the kernels that its program calls. */
async function check(make: (b: Builder, leaf: (id: ValueId, ...shape: number[]) => ValueId) => readonly ValueId[]): Promise<{ error: number; kernels: string[] }> {
  const builder = createBuilder();
  const feeds: Feeds = new Map();
  const graph = graphOf(builder, make(builder, (id, ...shape) => feedLeaf(builder, feeds, id, { shape })));
  const optimised = fused(graph);
  const kernels = emitWasm(optimised, { relaxed: false }, 1).steps.map(({ kernel }) => kernel.replace(/_\d+$/, ''));
  return { error: await errorOf(graph, feeds, optimised), kernels };
}

describe('what follows a product is computed on its sums', () => {
  test.each([4, 7, 10, 16, 33])('over %d channels, with a bias and another tensor', async (channels) => {
    const { error, kernels } = await check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 2, 5, 5, 6), leaf('f', 3, 3, 6, channels)], WINDOW);
      const biased = b.add('add', [b.add('add', [conv, leaf('bias', channels)], {}), leaf('y', 2, 5, 5, channels)], {});
      return [b.add('elu', [biased], { alpha: 1 })];
    });
    expect(kernels).toEqual(['pack', 'product']);
    expect(error).toBeLessThan(1e-6);
  });

  test.each([8, 12, 6])('halves of %d channels change places where vectors do not cross them, and in a kernel of its own where they do', async (channels) => {
    const { error, kernels } = await check((b, leaf) => {
      const y = leaf('y', 2, 4, 4, channels);
      const half = (start: number): ValueId => b.add('slice', [y], { axis: 3, start, size: channels / 2 });
      const swapped = b.add('concat', [half(channels / 2), half(0)], { axis: 3 });
      return [b.add('mul', [swapped, b.add('conv2d', [leaf('x', 2, 4, 4, 6), leaf('f', 3, 3, 6, channels)], WINDOW)], {})];
    });
    expect(kernels).toHaveLength(channels === 8 ? 2 : 3);
    expect(error).toBeLessThan(1e-6);
  });

  test('rows are found again where the epilogue reads other pixels: an upsampled image, of groups', async () => {
    const { error, kernels } = await check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 2, 6, 6, 8), leaf('f', 3, 3, 4, 16)], { ...WINDOW, groups: 2 });
      return [b.add('tanh', [b.add('add', [conv, b.add('upsample', [leaf('y', 2, 3, 3, 16)], { k: 2 })], {})], {})];
    });
    expect(kernels).toEqual(['pack', 'product']);
    expect(error).toBeLessThan(1e-6);
  });

  test.each([20, 33])('over %d channels, transformed', async (channels) => {
    const { error, kernels } = await check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 4, 9, 8, 24), leaf('f', 3, 3, 24, channels)], WINDOW);
      return [b.add('elu', [b.add('add', [b.add('add', [conv, leaf('bias', channels)], {}), leaf('y', 4, 9, 8, channels)], {})], { alpha: 1 })];
    });
    expect(kernels).toEqual(['winograd_filter', 'winograd']);
    expect(error).toBeLessThan(5e-6);
  });

  test.each([20, 33])('of a filter of %d channels, transformed', async (channels) => {
    const { error, kernels } = await check((b, leaf) => {
      const gradient = b.add('conv2d_filter_grad', [leaf('x', 4, 9, 8, 24), leaf('dy', 4, 9, 8, channels)], { ...WINDOW, k: 3 });
      return [b.add('add', [b.add('tanh', [gradient], {}), leaf('w', 3, 3, 24, channels)], {})];
    });
    expect(kernels).toEqual(['winograd_tiles', 'winograd_tiles', 'winograd_product', 'winograd_sums']);
    expect(error).toBeLessThan(5e-6);
  });

  test('several values, a pool and a part of the batch', async () => {
    const { error } = await check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 4, 4, 4, 6), leaf('f', 3, 3, 6, 8)], WINDOW);
      const active = b.add('elu', [conv], { alpha: 1 });
      return [active, b.add('maxpool', [active], { k: 2 }), b.add('neg', [b.add('slice', [conv], { axis: 0, start: 1, size: 2 })], {}), b.add('square', [conv], {})];
    });
    expect(error).toBeLessThan(1e-6);
  });

  test('a deep product is packed a part at a time, and its epilogue waits for the last', async () => {
    const { error, kernels } = await check((b, leaf) => {
      const product = b.add('matmul', [leaf('a', 8, 20_000), leaf('b', 20_000, 64)], { transpose_a: false, transpose_b: false });
      return [b.add('tanh', [b.add('mul', [product, leaf('scale', 64)], {})], {})];
    });
    expect(kernels).toEqual(['pack', 'product', 'pack', 'product', 'pack', 'product']);
    expect(error).toBeLessThan(1e-5);
  });
});
