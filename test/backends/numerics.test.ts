// Checked runs: every backend names the first step that made a value which is not finite, what it read, and how much of it.

import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import type { Program } from '../../compiler/5-emit/model.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import type { Backend, Tensor } from '../../runtime/backend.ts';
import { gpujsBackend } from '../../runtime/backends/gpujs.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { hasRelaxedSimd, wasmBackend } from '../../runtime/backends/wasm.ts';
import { NumericsError, showSummary, summaryOf } from '../../runtime/numerics.ts';
import type { Finding } from '../../runtime/numerics.ts';
import { graphOf } from '../kernels/cases.ts';
import { backend as webgpu, missing, skipped } from '../webgpu/harness.ts';

interface Target {
  readonly name: string;
  readonly backend: Backend<never>;
  readonly emit: (graph: Graph) => Program<unknown>;
}

const TARGETS: readonly Target[] = [
  { name: 'reference', backend: referenceBackend as Backend<never>, emit: (graph) => emitReference(graph, 1) },
  { name: 'gpujs', backend: gpujsBackend({ mode: 'cpu' }) as Backend<never>, emit: (graph) => emitGpuJs(graph, 1) },
  { name: 'wasm', backend: wasmBackend({ threads: 2 }) as Backend<never>, emit: (graph) => emitWasm(graph, { relaxed: hasRelaxedSimd() }, 1) },
  { name: 'webgpu', backend: webgpu as Backend<never>, emit: (graph) => emitWebGpu(graph, {}, 1) },
];

/** y = exp(1 / x * w) + w, and w takes w - rate * sum(y). */
function graph(rate: number): Graph {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [3, 2] }, { id: 'x' });
  builder.add('weight', [], { name: 'w', shape: [2], init: 'ones', std: 1, decay: false }, { id: 'w' });
  builder.add('constant', [], { shape: [], value: rate }, { id: 'rate' });
  builder.add('constant', [], { shape: [], value: 1 }, { id: 'one' });
  builder.add('div', ['one', 'x'], {}, { id: 'r' });
  builder.add('mul', ['r', 'w'], {}, { id: 'p' });
  builder.add('exp', ['p'], {}, { id: 'e' });
  builder.add('add', ['e', 'w'], {}, { id: 'y' });
  builder.add('reduce_sum', ['y'], { axes: [0], keep: false }, { id: 's' });
  builder.add('mul', ['s', 'rate'], {}, { id: 'd' });
  builder.add('sub', ['w', 'd'], {}, { id: 'next' });
  return graphOf(builder, ['y'], { updates: [{ target: 'w', value: 'next' }] });
}

const X = [1, 2, 3, 4, 5, 6];

const TRAIN = { dataset: 'synthetic', optimizer: { kind: 'sgd', lr: 0, momentum: 0, nesterov: false }, schedule: { kind: 'constant' }, batch: 1, epochs: 0, seed: 0, normalize: 'none', weightDecay: 0, clipNorm: 0 } as const;

async function run({ backend, emit }: Target, x: readonly number[], w: readonly number[], { checkNumerics = true, rate = 1 } = {}): Promise<Finding | Float32Array | undefined> {
  const session = await backend.open({ net: 'Test', train: TRAIN, programs: { run: emit(graph(rate)) as Program<never> } }, { checkNumerics });
  try {
    await session.write('w', Float32Array.from(w));
    const results = await session.run('run', new Map<string, Tensor>([['x', Float32Array.from(x)]]), ['y']);
    return results.get('y');
  } catch (error) {
    if (error instanceof NumericsError) return error.finding;
    throw error;
  } finally {
    await session.dispose();
  }
}

describe.each(TARGETS)('a checked run on $name', (target) => {
  const title = target.name === 'webgpu' ? skipped : '';
  const test = it.skipIf(target.name === 'webgpu' && missing !== undefined);

  test(`of finite values computes what an unchecked one does${title}`, async () => {
    const checked = await run(target, X, [0.5, -1]);
    expect(checked).toEqual(await run(target, X, [0.5, -1], { checkNumerics: false }));
    expect((checked as Float32Array)[1]).toBeCloseTo(Math.exp(-1 / 2) - 1, 5);
  });

  test(`names a division by zero and what it read${title}`, async () => {
    const finding = await run(target, [1, 0, 3, 4, 0, 5], [1, 1]);
    expect(finding).toMatchObject({
      program: 'run', step: expect.stringMatching(/div|^r$/) as string,
      found: [{ buffer: 'r', elements: 6, nan: 0, infinite: 2, low: expect.closeTo(0.2, 6) as number, high: 1 }],
      inputs: expect.arrayContaining([{ buffer: 'x', elements: 6, low: 0, high: 5, nan: 0, infinite: 0 }]) as unknown,
    });
  });

  test(`names an exponential that overflows, not what follows${title}`, async () => {
    const finding = await run(target, X, [1, 1000]);
    expect(finding).toMatchObject({ step: expect.stringMatching(/exp|^e$/) as string, found: [{ buffer: 'e', infinite: 3, nan: 0 }], inputs: [{ buffer: 'p', high: 500 }] });
  });

  test(`names what overflows on the way to an update${title}`, async () => {
    const finding = await run(target, X, [1, 1], { rate: 4.4e37 });
    expect(finding).toMatchObject({ found: [{ buffer: 'd', elements: 2, infinite: 1, nan: 0 }], inputs: expect.arrayContaining([expect.objectContaining({ buffer: 's', nan: 0, infinite: 0 })]) as unknown });
  });

  test(`finds what comes in as it is${title}`, async () => {
    expect(await run(target, [1, NaN, 3, -Infinity, 5, 6], [1, 1])).toEqual({ program: 'run', found: [{ buffer: 'x', elements: 6, nan: 1, infinite: 1, low: 1, high: 6 }], inputs: [] });
    expect(await run(target, X, [NaN, NaN])).toMatchObject({ found: [{ buffer: 'w', elements: 2, nan: 2, infinite: 0 }], inputs: [] });
  });
});

describe.each(TARGETS)('a profile on $name', (target) => {
  it.skipIf(target.name === 'webgpu' && missing !== undefined)(`has the times of all steps, and runs the program${target.name === 'webgpu' ? skipped : ''}`, async () => {
    const program = target.emit(graph(0.25)) as Program<never>;
    const session = await target.backend.open({ net: 'Test', train: TRAIN, programs: { run: program } });
    try {
      await session.write('w', Float32Array.of(0.5, -1));
      const feeds = new Map([['x', Float32Array.from(X)]]);
      if (!session.profiler) return expect(target.name).toBe('gpujs');
      expect(session.profiler.clock).toBe(target.name === 'webgpu' ? 'device' : 'host');
      const runs = await session.profiler.run('run', feeds, 3);
      expect(runs.map(({ steps }) => steps.length)).toEqual([1, 1, 1].map(() => program.steps.length));
      for (const { steps } of runs) {
        expect(steps[0]?.begin).toBe(0);
        steps.forEach(({ begin, end }, i) => { expect([begin >= (steps[i - 1]?.end ?? 0), end >= begin]).toEqual([true, true]); });
        expect(steps.at(-1)?.end).toBeGreaterThan(0);
      }
      const after = await session.read('w');
      await session.write('w', Float32Array.of(0.5, -1));
      for (let i = 0; i < 3; i++) await session.run('run', feeds, []);
      expect(after).toEqual(await session.read('w'));
      expect(after).not.toEqual(Float32Array.of(0.5, -1));
    } finally {
      await session.dispose();
    }
  });
});

describe('what a finding says', () => {
  it.each<[readonly number[], string]>([
    [[1, 2.00049, -3], '%v: 3 values from -3 to 2'],
    [[7, 7], '%v: 2 values of 7'],
    [[NaN, 1, Infinity, -Infinity, 5], '%v: 1 NaN and 2 infinite of 5 values, the others from 1 to 5'],
    [[NaN], '%v: 1 NaN of 1 value'],
  ])('%j: %s', (values, text) => {
    expect(showSummary(summaryOf('v', values))).toBe(text);
  });
});
