// The gpu.js backend: every operation in every mode that works here against the reference evaluator, and the session's contract.

import { afterAll, describe, expect, test } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import type { ComputeKind } from '../../compiler/2-graph/ops.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import type { GpuJsStep, Model } from '../../compiler/5-emit/model.ts';
import { BackendError } from '../../runtime/backend.ts';
import { gpujsBackend } from '../../runtime/backends/gpujs.ts';
import type { GpuJsMode } from '../../runtime/backends/gpujs.ts';
import { casesGraph, feedLeaf, graphOf, KINDS, relativeError } from '../kernels/cases.ts';
import type { Feeds, Operand } from '../kernels/cases.ts';

const modelOf = (...graphs: readonly Graph[]): Model<GpuJsStep> => ({
  net: 'Test',
  train: (graphs[0] as Graph).train,
  programs: Object.fromEntries(graphs.map((graph, i) => [i === 0 ? 'run' : `run${i}`, emitGpuJs(graph, 2)])),
});

/** Whether WebGPU can be tried: Node needs a Vulkan driver; a software one is asked for by name. */
const webgpu = await gpujsBackend({ mode: 'webgpu' })
  .open({ net: 'Test', train: graphOf(createBuilder(), []).train, programs: {} })
  .then(
    (session) => session.dispose().then(() => true),
    () => false,
  );

/** SwiftShader's cosine is good to 1e-4, as WGSL allows; the other operations meet 1e-5 there too. */
const tolerance = (mode: GpuJsMode, kind: ComputeKind): number => (mode === 'webgpu' && kind === 'cos' ? 2e-4 : 1e-5);

const modes: readonly (readonly [GpuJsMode, boolean])[] = [
  ['webasm', true],
  ['cpu', true],
  ['webgpu', webgpu],
];

for (const [mode, works] of modes) {
  describe.skipIf(!works)(`mode ${mode}`, () => {
    test('every operation computes what the evaluator computes', async () => {
      const { graph, feeds, values } = casesGraph(KINDS, mode === 'webgpu' ? 2 : 5);
      const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
      const session = await gpujsBackend({ mode }).open(modelOf(graph));
      expect(session.backend).toBe('gpujs');
      expect(session.device).toMatch(new RegExp(`^gpu.js ${mode}`));
      const found = await session.run('run', feeds, values);
      await session.dispose();
      const errors = values.map((id) => [id, relativeError(found.get(id) ?? [], expected.get(id) ?? [])] as const);
      expect(errors.filter(([id, error]) => error >= tolerance(mode, id.split('.')[0] as ComputeKind))).toEqual([]);
    });

    test('large shapes: several threads, staged sums, loops of over a thousand turns, rows that are no multiple of four', async () => {
      const { graph, feeds, values } = largeGraph();
      const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
      const session = await gpujsBackend({ mode }).open(modelOf(graph));
      const found = await session.run('run', feeds, values);
      const again = await session.run('run', feeds, values);
      await session.dispose();
      for (const id of values) {
        expect(relativeError(found.get(id) ?? [], expected.get(id) ?? []), id).toBeLessThan(1e-5);
        expect(again.get(id), id).toEqual(found.get(id));
      }
    });

    test('weights and states persist, and all updates read the values from before', async () => {
      const session = await gpujsBackend({ mode }).open(modelOf(stepGraph()));
      await session.write('w', Float32Array.of(1, 2, 3));
      const feeds: Feeds = new Map([['x', Float32Array.of(10, 20, 30)]]);
      const first = await session.run('run', feeds, ['y']);
      expect(first.get('y')).toEqual(Float32Array.of(11, 22, 33));
      expect(await session.read('w')).toEqual(Float32Array.of(11, 22, 33));
      expect(await session.read('last')).toEqual(Float32Array.of(1, 2, 3));
      expect(await session.read('seen')).toEqual(Float32Array.of(10, 20, 30));
      const second = await session.run('run', feeds, ['y', 'w', 'last', 'x', 'half']);
      expect(second.get('y')).toEqual(Float32Array.of(21, 42, 63));
      expect(second.get('w')).toEqual(Float32Array.of(21, 42, 63));
      expect(second.get('last')).toEqual(Float32Array.of(11, 22, 33));
      expect(second.get('x')).toEqual(Float32Array.of(10, 20, 30));
      expect(second.get('half')).toEqual(Float32Array.of(0.5, 0.5));
      await session.dispose();
    });
  });
}

test.each(['webasm', 'cpu'] as const)('mode %s finds places above 2^24, which floats cannot tell apart', async (mode) => {
  const rows = 2 ** 22 + 101;
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [rows, 4] }, { id: 'x' });
  builder.add('slice', ['x'], { axis: 0, start: 2 ** 22, size: 101 }, { id: 'end' });
  builder.add('reduce_sum', ['x'], { axes: [1], keep: false }, { id: 'sums' });
  const values = Float32Array.from({ length: rows * 4 }, (_, i) => i % 251);
  const session = await gpujsBackend({ mode }).open(modelOf(graphOf(builder, ['end', 'sums'])));
  const found = await session.run('run', new Map([['x', values]]), ['end', 'sums']);
  await session.dispose();
  expect(found.get('end')).toEqual(values.slice(2 ** 24));
  const sums = found.get('sums') ?? new Float32Array();
  const wrong = sums.findIndex((sum, row) => sum !== values.subarray(4 * row, 4 * row + 4).reduce((a, b) => a + b));
  expect([sums.length, wrong]).toEqual([rows, -1]);
});

/** w becomes x + w, last becomes w, seen becomes x. */
function stepGraph(): Graph {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [3] }, { id: 'x' });
  builder.add('weight', [], { name: 'w', shape: [3], init: 'zeros', std: 0, decay: false }, { id: 'w' });
  builder.add('state', [], { name: 'last', shape: [3], value: 0 }, { id: 'last' });
  builder.add('state', [], { name: 'seen', shape: [3], value: 0 }, { id: 'seen' });
  builder.add('constant', [], { shape: [2], value: 0.5 }, { id: 'half' });
  builder.add('add', ['x', 'w'], {}, { id: 'y' });
  const updates = [
    { target: 'w', value: 'y' },
    { target: 'last', value: 'w' },
    { target: 'seen', value: 'x' },
  ];
  return graphOf(builder, ['y', 'half'], { updates });
}

function largeGraph(): { graph: Graph; feeds: Feeds; values: string[] } {
  const builder = createBuilder();
  const feeds: Feeds = new Map();
  const leaf = (id: string, operand: Operand): string => feedLeaf(builder, feeds, id, operand);
  const x = leaf('x', { shape: [6, 12, 11, 16] });
  const odd = leaf('odd', { shape: [6, 12, 11, 13] });
  const filter = leaf('filter', { shape: [3, 3, 16, 16] });
  const toOdd = leaf('toOdd', { shape: [3, 3, 16, 13] });
  const long = leaf('long', { shape: [3, 2500] });
  const window = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
  const y = builder.add('elu', [builder.add('conv2d', [x, filter], window)], { alpha: 1 });
  const values = [
    y,
    builder.add('conv2d', [x, toOdd], window),
    builder.add('conv2d_input_grad', [y, filter], { ...window, size: [12, 11] }),
    builder.add('conv2d_filter_grad', [x, y], { ...window, k: 3 }),
    builder.add('conv2d_filter_grad', [x, odd], { ...window, k: 3 }),
    builder.add('reduce_sum', [x], { axes: [0, 1, 2], keep: false }),
    builder.add('reduce_mean', [builder.add('square', [odd], {})], { axes: [0, 1, 2, 3], keep: false }),
    builder.add('reduce_max', [x], { axes: [1, 2, 3], keep: true }),
    builder.add('matmul', [long, long], { transpose_a: false, transpose_b: true }),
    builder.add('softmax', [long], {}),
    builder.add('maxpool_grad', [x, builder.add('maxpool', [x], { k: 2 })], { k: 2 }),
  ];
  return { graph: graphOf(builder, values), feeds, values };
}

describe('the session', async () => {
  const session = await gpujsBackend({ mode: 'cpu' }).open(modelOf(stepGraph(), casesGraph(['matmul'], 1).graph));
  afterAll(() => session.dispose());

  test('refuses feeds and weights of the wrong length, and names that it does not have', async () => {
    await expect(session.run('run', new Map([['x', new Float32Array(4)]]), [])).rejects.toThrow(new RangeError('the feed for %x has 4 elements, not 3'));
    await expect(session.run('run', new Map(), [])).rejects.toThrow(new RangeError('no feed for %x'));
    await expect(session.run('walk', new Map(), [])).rejects.toThrow(RangeError);
    await expect(session.run('run', new Map([['x', new Float32Array(3)]]), ['nowhere'])).rejects.toThrow(RangeError);
    await expect(session.write('w', new Float32Array(2))).rejects.toThrow(new RangeError('%w has 3 elements, not 2'));
    await expect(session.read('y')).rejects.toThrow(RangeError);
  });

  test('hands out copies', async () => {
    const values = Float32Array.of(1, 2, 3);
    await session.write('w', values);
    values.fill(9);
    (await session.read('w')).fill(9);
    expect(await session.read('w')).toEqual(Float32Array.of(1, 2, 3));
    const feeds = new Map([['x', new Float32Array(3)]]);
    (await session.run('run', feeds, ['w', 'y'])).forEach((result) => result.fill(9));
    expect(await session.read('w')).toEqual(Float32Array.of(1, 2, 3));
  });

  test('ends once, and runs no more', async () => {
    const short = await gpujsBackend({ mode: 'cpu' }).open(modelOf(stepGraph()));
    await short.run('run', new Map([['x', new Float32Array(3)]]), []);
    await short.dispose();
    await short.dispose();
    await expect(short.run('run', new Map([['x', new Float32Array(3)]]), [])).rejects.toThrow('disposed');
  });
});

test('a mode that does not work here is an error with advice; without one asked for, another is taken', async () => {
  const model = modelOf(stepGraph());
  const failure = await gpujsBackend({ mode: 'webgl2' }).open(model).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(BackendError);
  expect((failure as BackendError).message).toBe('gpu.js cannot run in mode webgl2: there is no WebGL2 here');
  const session = await gpujsBackend().open(model);
  expect(session.device).toMatch(/^gpu.js (webgpu on (?!.*SwiftShader)|webasm$)/);
  await session.dispose();
});
