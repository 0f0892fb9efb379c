// Every operation in WebGPU shaders against the evaluator: random shapes, every way to tile a product, long reductions, and devices with less room.

import { describe, expect, test } from 'vitest';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import type { Program, WebGpuStep } from '../../compiler/5-emit/model.ts';
import type { WebGpuOptions } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { TILES, tilingsOf } from '../../compiler/5-emit/wgsl/tiles.ts';
import { casesGraph, KINDS, relativeError } from '../kernels/cases.ts';
import { describeCase, graphOf, op } from '../wasm/harness.ts';
import type { Case } from '../wasm/harness.ts';
import { backend, missing, modelOf, runWebGpu, skipped } from './harness.ts';
import { convolution, PRODUCTS, SHAPES } from './products.ts';

/** SwiftShader's cosine is good to 1e-4, as WGSL allows; the other operations are held to 1e-5. */
const limitOf = (id: string): number => (id.startsWith('cos.') ? 2e-4 : 1e-5);

/** The random cases that differ from the evaluator. */
async function wrongOf(repeats: number, options: WebGpuOptions): Promise<string[]> {
  const { graph, feeds, values } = casesGraph(KINDS, repeats);
  const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
  const found = await runWebGpu(graph, feeds, values, options);
  return values.filter((id) => !(relativeError(found.get(id) ?? [], expected.get(id) ?? []) < limitOf(id)));
}

/** Of cases on changed numbers, those that lose what is no finite number to the evaluator. */
async function lossesOf(change: (values: readonly number[]) => number[]): Promise<string[]> {
  const { graph, feeds: drawn, values } = casesGraph(KINDS, 2);
  const feeds = new Map([...drawn].map(([id, tensor]) => [id, tensor instanceof Float32Array ? Float32Array.from(change([...tensor])) : tensor]));
  const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
  const found = await runWebGpu(graph, feeds, values, {});
  // The sign of what is not a number is 0 on all backends but the evaluator.
  return values.filter((id) => !id.startsWith('sign.') && Array.from(expected.get(id) ?? []).some((value, i) => !Number.isFinite(value) && Number.isFinite(found.get(id)?.[i])));
}

/** A program for each case: those of one program would share dispatches. */
const programsOf = (cases: readonly Case[], options: WebGpuOptions = {}): Program<WebGpuStep>[] => cases.map((each) => emitWebGpu(graphOf([each]).graph, options, 2));

async function wrongCases(cases: readonly Case[], options: WebGpuOptions): Promise<string[]> {
  const session = await backend.open(modelOf(Object.fromEntries(programsOf(cases, options).entries()), graphOf(cases).graph));
  const wrong: string[] = [];
  try {
    for (const [i, each] of cases.entries()) {
      const { graph, feeds } = graphOf([each]);
      const found = await session.run(String(i), feeds, ['y0']);
      const expected = evaluate(graph, feeds, { precision: 'f32', wanted: ['y0'] });
      if (!(relativeError(found.get('y0') ?? [], expected.get('y0') ?? []) < 1e-5)) wrong.push(describeCase(each));
    }
  } finally {
    await session.dispose();
  }
  return wrong;
}

describe.skipIf(missing !== undefined)(`WebGPU shaders${skipped}`, () => {
  test('every operation on random shapes computes what the evaluator computes', async () => {
    expect(await wrongOf(4, {})).toEqual([]);
  });

  test('what is not a number stays none, and logarithms and roots of negative numbers and of zero give none', async () => {
    expect(await lossesOf((values) => values.map((value, i) => (i % 3 === 0 ? NaN : value)))).toEqual([]);
    expect(await lossesOf((values) => values.map((value, i) => (i % 3 === 0 ? 0 : -value)))).toEqual([]);
  });

  test('on devices that bind four buffers, start eight workgroups along a dimension and have 16 invocations in one', async () => {
    const device = { ...EVERY_DEVICE, limits: { ...EVERY_DEVICE.limits, storageBuffers: 4, workgroupsPerDimension: 8, workgroupInvocations: 16 } };
    expect(await wrongOf(2, { device, tiling: () => undefined })).toEqual([]);
  });

  /** One tile for all products, others for some. */
  SHAPES.forEach((shape, i) => {
    const { tile, parts } = shape;
    test(`products in tiles of ${tile.rows} by ${tile.columns} by ${tile.depth}, the summed axis in parts: ${parts}`, async () => {
      const cases = PRODUCTS.filter((_, j) => i === 0 || j % 3 === i);
      expect(await wrongCases(cases, { tiling: () => shape })).toEqual([]);
    });
  });

  test('products in every tile that a product may take, and in more columns of tiles than are walked at once', async () => {
    const cases = [...convolution(1, 10, 14, 12, 40, 3), op('matmul', { transpose_a: true, transpose_b: true }, [24, 140], [36, 24])];
    const wrong: string[] = [];
    let tiled = 0;
    for (const [i, { rows, columns }] of TILES.entries()) {
      const tiling: WebGpuOptions['tiling'] = (sizes, limits) => {
        const found = tilingsOf(sizes, limits).find(({ tile }) => tile.rows === rows && tile.columns === columns);
        if (found) tiled++;
        return found;
      };
      wrong.push(...(await wrongCases(cases.filter((_, j) => (i + j) % 2 === 0), { device: { ...EVERY_DEVICE, limits: { ...EVERY_DEVICE.limits, workgroupBytes: 32768 } }, tiling })));
    }
    const many = op('matmul', { transpose_a: false, transpose_b: false }, [40, 12], [12, 300]);
    wrong.push(...(await wrongCases([many], { tiling: () => ({ tile: { rows: 8, columns: 16, depth: 4, threadRows: 4, threadColumns: 4 }, parts: 1, buffers: 2 }) })));
    expect(wrong).toEqual([]);
    expect(tiled).toBeGreaterThanOrEqual((cases.length / 2) * TILES.length);
  });

  test('products without tiles', async () => {
    expect(await wrongCases(PRODUCTS.filter((_, i) => i % 3 === 0), { tiling: () => undefined })).toEqual([]);
  });

  test('a first layer of three channels and a filter gradient over many positions choose their own tiles and parts', async () => {
    const cases = [...convolution(2, 16, 16, 3, 32, 3), op('matmul', { transpose_a: true, transpose_b: false }, [700, 36], [700, 8])];
    const shaders = programsOf(cases).flatMap(({ steps }) => steps).map(({ name, shader }) => ({ name, tiled: shader.includes('tile_a'), parts: name.endsWith('_parts') }));
    expect(shaders.filter(({ tiled }) => tiled).length).toBe(3);
    expect(shaders.filter(({ parts }) => parts).length).toBe(2);
    expect(await wrongCases(cases, {})).toEqual([]);
  });

  test('reductions of many terms by trees, along the terms and across them', async () => {
    const cases = [
      ...(['reduce_sum', 'reduce_mean', 'reduce_max'] as const).flatMap((kind) => [
        op(kind, { axes: [0, 1, 2], keep: false }, [2, 9, 8, 13]),
        op(kind, { axes: [1], keep: true }, [5, 300]),
        op(kind, { axes: [0], keep: false }, [130, 33]),
        op(kind, { axes: [0, 1], keep: false }, [65, 70]),
      ]),
      op('softmax', {}, [3, 200]),
      op('log_softmax', {}, [3, 129]),
      op('softmax_cross_entropy', { label_smoothing: 0.1 }, [200, 100], { shape: [200], classes: 100 }),
      op('softmax_cross_entropy_grad', { label_smoothing: 0 }, [70, 100], { shape: [70], classes: 100 }, []),
      op('count_correct', {}, [200, 100], { shape: [200], classes: 100 }),
    ];
    const trees = programsOf(cases).flatMap(({ steps }) => steps).filter(({ shader }) => shader.includes('workgroupBarrier'));
    expect(trees.length).toBeGreaterThan(12);
    expect(await wrongCases(cases, {})).toEqual([]);
  });

  test('elements in fours: ends that are no multiple of four, pieces that are, and pieces that are not', async () => {
    const cases = [
      op('exp', {}, [7, 3]),
      op('add', {}, [5, 7], []),
      op('add', {}, [2, 3, 4, 8], [8]),
      op('add', {}, [2, 3, 4, 6], [6]),
      op('concat', { axis: 3 }, [2, 2, 2, 16], [2, 2, 2, 4]),
      op('concat', { axis: 3 }, [2, 2, 2, 6], [2, 2, 2, 2]),
      op('slice', { axis: 3, start: 4, size: 8 }, [2, 3, 2, 16]),
      op('slice', { axis: 3, start: 2, size: 8 }, [2, 3, 2, 16]),
      op('pad', { axis: 3, before: 4, after: 8 }, [2, 3, 2, 4]),
      op('transpose', { perm: [0, 2, 1, 3] }, [2, 3, 5, 8]),
      op('maxpool', { k: 2 }, [2, 6, 6, 8]),
      op('upsample', { k: 2 }, [1, 3, 3, 8]),
      op('tanh', {}, { shape: [2, 64], low: -30, high: 30 }),
      op('expm1', {}, { shape: [64], low: -1e-3, high: 1e-3 }),
      op('softplus', {}, { shape: [64], low: -90, high: 90 }),
    ];
    const vectors = programsOf(cases).flatMap(({ steps }, i) => (steps.some(({ shader }) => shader.includes('array<vec4f>')) ? [i] : []));
    expect(vectors).toEqual(expect.arrayContaining([0, 2, 4, 6, 8, 9, 10, 11]));
    expect(vectors).not.toContain(7);
    expect(await wrongCases(cases, {})).toEqual([]);
  });
});
