// f16 in WebGPU shaders: products of 16-bit numbers with and without matrices of subgroups, run in f32 with their roundings, and as they are where the adapter has them; and the
// shaders of every example net at full width, checked by Dawn's device that computes nothing.

import { readFileSync } from 'node:fs';
import { create } from 'webgpu';
import { describe, expect, test } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import type { Precision } from '../../compiler/3-passes/precision.ts';
import { compileModel, type Emitter } from '../../compiler/compile.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { referenceEmitter, webgpuEmitter } from '../../compiler/emitters.ts';
import { emitWebGpu, variantsOf } from '../../compiler/5-emit/wgsl/emit.ts';
import { candidatesOf, isTiled, NEEDED, showTiling, subgroupOf, tilingsOf, type Sizes, type Tiling } from '../../compiler/5-emit/wgsl/tiles.ts';
import type { DeviceProfile, WebGpuStep } from '../../compiler/5-emit/model.ts';
import type { Backend } from '../../runtime/backend.ts';
import { findAdapter } from '../../runtime/backends/dawn.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { webgpuBackend } from '../../runtime/backends/webgpu.ts';
import { persistent } from '../../runtime/checkpoint.ts';
import { feedsOf, programOf } from '../../runtime/feeds.ts';
import { initialValues } from '../../runtime/init.ts';
import { uniforms } from '../../runtime/random.ts';
import { relativeError } from '../kernels/cases.ts';
import { describeCase, graphOf, op } from '../wasm/harness.ts';
import type { Case } from '../wasm/harness.ts';
import { emulated, HALF_DEVICE, MATRIX_DEVICE, multiplyingHalves } from './halves.ts';
import { backend, missing, modelOf, skipped } from './harness.ts';
import { convolution, PRODUCTS, SHAPES } from './products.ts';
import { NETS } from './steps.ts';

/** Of products on an adapter without 16-bit numbers, or on one that has them, as they are. */
async function wrongCases(cases: readonly Case[], tiling: Tiling | undefined, on?: DeviceProfile): Promise<string[]> {
  const { graph: full, feeds } = graphOf(cases);
  const graph = multiplyingHalves(full);
  const wanted = graph.outputs.map(({ value }) => value);
  const expected = evaluate(graph, feeds, { precision: 'f32', wanted });
  const program = emitWebGpu(graph, { device: on ?? MATRIX_DEVICE, tiling: () => tiling }, 2);
  expect(program.buffers.some(({ dtype }) => dtype === 'f16')).toBe(true);
  if (tiling) expect(program.steps.some(({ shader }) => shader.includes('array<vec4<f16>') && shader.includes('subgroupMatrixLoad') === (tiling.tile.subgroup !== undefined))).toBe(true);
  const session = await backend.open(modelOf({ run: on ? program : emulated(program) }, graph));
  try {
    const found = await session.run('run', feeds, wanted);
    // Matrix units drop digits as they add up; rounding to f16 in another way would be 1e-4 and more.
    return cases.filter((_, i) => !(relativeError(found.get(`y${i}`) ?? [], expected.get(`y${i}`) ?? []) < (on ? 5e-5 : 1e-5))).map(describeCase);
  } finally {
    await session.dispose();
  }
}

/** Matrices of every proportion. */
const MATRICES: readonly Tiling[] = [
  { tile: { rows: 16, columns: 16, depth: 8, threadRows: 8, threadColumns: 8, subgroup: { size: 1, matrix: { rows: 4, columns: 4, depth: 4 } } }, parts: 1, buffers: 2 },
  { tile: { rows: 16, columns: 16, depth: 12, threadRows: 8, threadColumns: 8, subgroup: { size: 1, matrix: { rows: 8, columns: 4, depth: 4 } } }, parts: 3, buffers: 1 },
  { tile: { rows: 8, columns: 32, depth: 8, threadRows: 4, threadColumns: 16, subgroup: { size: 1, matrix: { rows: 4, columns: 8, depth: 8 } } }, parts: 2, buffers: 2 },
];

describe.skipIf(missing !== undefined)(`products of 16-bit numbers, emulated${skipped}`, () => {
  test.each(SHAPES.map((tiling, i) => ({ tiling, i })))('by multiplications and additions, in tiles: $i', async ({ tiling, i }) => {
    expect(await wrongCases(PRODUCTS.filter((_, j) => j % 3 === i), tiling)).toEqual([]);
  });

  test.each(MATRICES.map((tiling, i) => ({ tiling, i })))('by matrices of subgroups, in tiles: $i', async ({ tiling, i }) => {
    expect(await wrongCases(PRODUCTS.filter((_, j) => j % 3 === i), tiling)).toEqual([]);
  });

  test('without tiles', async () => {
    expect(await wrongCases(PRODUCTS.filter((_, j) => j % 4 === 0), undefined)).toEqual([]);
  });
});

/** The adapter, where it has 16-bit numbers; elsewhere these tests are none that are left out, which bench/check.ts takes for a fault. */
const own = missing === undefined ? [await findAdapter()].filter(({ features }) => features.includes('shader-f16')) : [];

for (const adapter of own) {
  describe(`16-bit numbers on ${adapter.name}`, () => {
    const sizes: Sizes = { groups: 1, rows: 1024, columns: 256, depth: 2048, left: 'depth', right: 'own', factors: 'f16' };
    const shapes = [...SHAPES, ...tilingsOf(sizes, adapter)].map((tiling) => ({ tiling, text: showTiling(tiling) }));

    test.each(shapes)('products in $text', async ({ tiling }) => {
      for (const parts of [1, 3]) expect(await wrongCases(PRODUCTS, { ...tiling, parts }, adapter)).toEqual([]);
    });

    test('products without tiles', async () => {
      expect(await wrongCases(PRODUCTS, undefined, adapter)).toEqual([]);
    });

    // What loss scaling goes by.
    test.each([[65504, 1], [65519, 1], [65520, 0], [1e6, 0], [-1e30, 0], [NaN, 0], [Infinity, 0]])('%d in f16 is finite: %d', async (value, finite) => {
      const { graph: full, feeds } = graphOf([op('matmul', { transpose_a: false, transpose_b: false }, [2, 3], [3, 1])]);
      const halves = multiplyingHalves(full);
      const checked = createBuilder(halves.nodes);
      checked.add('all_finite', ['y0'], {}, { id: 'good' });
      const graph = { ...halves, nodes: checked.nodes(), outputs: [{ name: 'good', value: 'good' }, { name: 'y', value: 'y0' }] };
      const session = await backend.open(modelOf({ run: emitWebGpu(graph, { device: adapter }, 1) }, graph));
      try {
        const found = await session.run('run', new Map([...feeds, ['x0.0', Float32Array.of(0, 1, 0, 0, value, 0)], ['x0.1', Float32Array.of(1, 1, 1)]]), ['good', 'y0']);
        expect(found.get('good')).toEqual(Float32Array.of(finite));
        if (finite === 1) expect(found.get('y0')).toEqual(Float32Array.of(1, 65504));
      } finally {
        await session.dispose();
      }
    });
  });
}

describe.skipIf(missing !== undefined)(`a training step in f16, emulated${skipped}`, () => {
  const [, tiles] = MATRICES;
  const emitter: Emitter<WebGpuStep> = {
    fused: true,
    emit: (graph, batch, filledTo) => emulated(emitWebGpu(graph, { device: MATRIX_DEVICE, tiling: (sizes) => (!isTiled(sizes) ? undefined : sizes.factors === 'f16' ? tiles : SHAPES[0]), feed: false }, batch, filledTo)),
  };

  /** With SGD from momentum zero, a step leaves each weight's gradient in its velocity as it is. */
  async function gradientsOf<Step>(net: string, { emit, fused = false }: Emitter<Step>, on: Backend<Step>, precision: Precision): Promise<number[]> {
    const source = loadProgram('net.zz', memoryReader({ 'net.zz': readFileSync(new URL(`../../dsl-examples/${net}.zz`, import.meta.url), 'utf8') }));
    const settings = { dataset: 'synthetic', optimizer: { kind: 'sgd', lr: 0.01, momentum: 0.9, nesterov: false }, schedule: { kind: 'constant' }, batch: 4, epochs: 1, seed: 3, normalize: 'none', weightDecay: 0, clipNorm: 0 } as const;
    const result = compileModel(source, undefined, { train: { mode: 'train', batch: 4 } }, { emit, fused }, { width: 0.05, settings, precision });
    if ('diagnostics' in result) throw new Error(`${net} does not compile`);
    const program = programOf(result.model, 'train');
    const session = await on.open(result.model);
    try {
      for (const [id, values] of initialValues(persistent(result.model), 3)) await session.write(id, values);
      const next = uniforms(5);
      const inputs = new Map(program.buffers.flatMap(({ role, shape }) => (role.kind === 'input' ? [[role.view, Float32Array.from({ length: elementCount(shape) }, () => 2 * next() - 1)] as const] : [])));
      await session.run('train', feedsOf(program, { inputs, labels: Int32Array.from({ length: program.batch }, (_, i) => i) }, { step: 0, stepsPerEpoch: 1, totalSteps: 1 }, 3), []);
      if (program.scaling) expect([...(await session.read(program.scaling.skipped)), ...(await session.read(program.scaling.scale))]).toEqual([0, 65536]);
      const found: number[] = [];
      for (const { id, role } of program.buffers) if (role.kind === 'weight') found.push(...(await session.read(`m.${id}`)));
      return found;
    } finally {
      await session.dispose();
    }
  }

  test.each(['case-b', 'case-d'])('%s: its gradients are those of f32 within 2e-2, and those of the evaluator in f16', async (net) => {
    const reference = await referenceEmitter();
    const [full, half, found] = [await gradientsOf(net, reference, referenceBackend, 'f32'), await gradientsOf(net, reference, referenceBackend, 'f16'), await gradientsOf(net, emitter, backend, 'f16')];
    expect(relativeError(found, full)).toBeLessThan(2e-2);
    expect(relativeError(found, half)).toBeLessThan(1e-2);
    expect(relativeError(found, full)).toBeGreaterThan(1e-5);
  });
});

/** Dawn's device that computes nothing; it checks everything. */
const nullSource = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

const compiled = async (net: string, device: typeof HALF_DEVICE) => {
  const [file = '', name] = net.split(':');
  const program = loadProgram('net.zz', memoryReader({ 'net.zz': readFileSync(new URL(`../../dsl-examples/${file}.zz`, import.meta.url), 'utf8') }));
  const result = compileModel(program, name, { train: { mode: 'train', batch: 8 }, evaluate: { mode: 'evaluate', batch: 8 } }, await webgpuEmitter({ device }), { precision: 'f16' });
  if ('diagnostics' in result) throw new Error(`${net} does not compile`);
  return result.model;
};

describe('the example nets at full width in f16', () => {
  test.each(NETS)('%s: Dawn takes every shader, with matrices and without', async (net) => {
    for (const device of [HALF_DEVICE, MATRIX_DEVICE]) {
      const model = await compiled(net, device);
      const steps = Object.values(model.programs).flatMap((program) => program.steps);
      expect(steps.some(({ tiling }) => tiling !== undefined)).toBe(true);
      expect(steps.some(({ shader }) => shader.includes('subgroupMatrixMultiplyAccumulate'))).toBe(device === MATRIX_DEVICE);
      const session = await webgpuBackend({ source: nullSource }).open(model);
      await session.dispose();
    }
  });
});

test('on a device with the limits of large GPUs Dawn takes every tiling that is worth measuring', async () => {
  const device = { ...MATRIX_DEVICE, limits: { ...MATRIX_DEVICE.limits, workgroupInvocations: 1024, workgroupBytes: 49152 } };
  const adapter = await nullSource.requestAdapter();
  const gpu = await adapter?.requestDevice({ requiredFeatures: [...NEEDED] as GPUFeatureName[] });
  if (!gpu) throw new Error('no device');
  const shapes = new Set<string>();
  const cases = [...convolution(2, 16, 16, 96, 192, 3), ...convolution(2, 16, 16, 3, 96, 3)];
  for (const { tiling, steps } of variantsOf(multiplyingHalves(graphOf(cases).graph), device, candidatesOf)) {
    if (tiling.tile.subgroup) shapes.add(`${tiling.tile.rows}x${tiling.tile.columns}`);
    for (const { shader, needs } of steps) {
      const { messages } = await gpu.createShaderModule({ code: shader }).getCompilationInfo();
      expect(messages.map(({ message }) => message)).toEqual([]);
      expect(needs.workgroupBytes).toBeLessThanOrEqual(device.limits.workgroupBytes);
      expect(needs.workgroupInvocations % 128).toBe(shader.includes('subgroup_matrix') ? 0 : needs.workgroupInvocations % 128);
    }
  }
  expect(shapes.size).toBe(11);
});

test('matrices are used where they multiply f16 into f32, the largest of them', () => {
  const [shape] = MATRIX_DEVICE.matrices;
  if (!shape) throw new Error('no matrices');
  const small = { ...shape, columns: 8 };
  expect(subgroupOf({ ...MATRIX_DEVICE, matrices: [small, shape, { ...shape, depth: 32, sums: 'f16' }, { ...shape, depth: 32, factors: 'f32' }] })).toEqual({ size: 32, matrix: { rows: 16, columns: 16, depth: 16 } });
  expect(subgroupOf({ ...MATRIX_DEVICE, matrices: [{ ...shape, sums: 'f16' }] })).toBeUndefined();
  expect(subgroupOf({ ...MATRIX_DEVICE, features: ['shader-f16', 'subgroups'] })).toBeUndefined();
  expect(subgroupOf(HALF_DEVICE)).toBeUndefined();
});
