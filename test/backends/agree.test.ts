// Every example net trains on gpu.js and on the reference to the same losses, and random wide ones on wasm and WebGPU.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { loadProgram, memoryReader, type Program } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import type { Program as ModelProgram } from '../../compiler/5-emit/model.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { compileModel } from '../../compiler/compile.ts';
import type { Backend } from '../../runtime/backend.ts';
import { gpujsBackend } from '../../runtime/backends/gpujs.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { makePlan, trainBatch } from '../../runtime/data/loader.ts';
import { syntheticDataset } from '../../runtime/data/synthetic.ts';
import { feedsOf } from '../../runtime/feeds.ts';
import { initialValues } from '../../runtime/init.ts';
import { persistent } from '../../runtime/checkpoint.ts';
import { hasRelaxedSimd, wasmBackend } from '../../runtime/backends/wasm.ts';
import { randomNet, widened } from '../passes/random-nets.ts';
import { backend as webgpu, missing, skipped } from '../webgpu/harness.ts';

const STEPS = 5;
const BATCH = 4;

const folder = new URL('../../dsl-examples/', import.meta.url);
const nets = readdirSync(folder)
  .filter((file) => file.endsWith('.zz'))
  .flatMap((file) => {
    const program = loadProgram(file, memoryReader({ [file]: readFileSync(new URL(file, folder), 'utf8') }));
    return (program.main?.ast.nets ?? []).filter((net) => net.items.some((item) => item.kind === 'loss')).map((net) => ({ name: `${file}:${net.name.name}`, net: net.name.name, program }));
  });

/** The losses of the first steps, from the run's own first weights and batches. */
async function losses<Step>(program: Program, net: string, emit: (graph: Graph, batch: number) => ModelProgram<Step>, backend: Backend<Step>, { width = 0.1, shape = [32, 32, 3] }: { readonly width?: number; readonly shape?: readonly [height: number, width: number, channels: number] } = {}): Promise<number[]> {
  const compiled = compileModel(program, net, { train: { mode: 'train', batch: BATCH } }, { emit }, { width });
  if ('diagnostics' in compiled) throw new Error(compiled.diagnostics.map((each) => each.message).join('\n'));
  const { model } = compiled;
  const { train } = model.programs;
  if (!train || train.loss === undefined) throw new Error('no training program');
  const session = await backend.open(model);
  try {
    for (const [id, values] of initialValues(persistent(model), model.train.seed)) await session.write(id, values);
    const dataset = syntheticDataset({ shape, seed: 1, train: 100, test: 10 });
    const plan = makePlan(dataset, { batch: BATCH, seed: model.train.seed, normalize: model.train.normalize, views: train.views });
    const found: number[] = [];
    for (let step = 0; step < STEPS; step++) {
      const clock = { step, stepsPerEpoch: 25, totalSteps: 25 * model.train.epochs };
      const results = await session.run('train', feedsOf(train, trainBatch(dataset, plan, step), clock, model.train.seed), [train.loss]);
      found.push(results.get(train.loss)?.[0] ?? NaN);
    }
    return found;
  } finally {
    await session.dispose();
  }
}

describe('five training steps on gpu.js and on the reference', () => {
  it('covers the example nets', () => expect(nets.length).toBeGreaterThanOrEqual(11));

  it.each(nets)('$name', { timeout: 300_000 }, async ({ program, net }) => {
    const wanted = await losses(program, net, (graph, batch) => emitReference(bindBatch(graph, batch), batch), referenceBackend);
    const found = await losses(program, net, emitGpuJs, gpujsBackend());
    expect(wanted).toHaveLength(STEPS);
    expect(new Set(wanted).size).toBe(STEPS);
    wanted.forEach((loss, step) => expect(Math.abs((found[step] ?? NaN) - loss) / Math.abs(loss), `step ${step}: ${found[step]} against ${loss}`).toBeLessThan(1e-4));
  });
});

describe(`random nets of many channels on wasm and WebGPU, and on the reference${skipped}`, () => {
  it.each([[2, 8, 8, 8], [4, 12, 6, 6], [5, 8, 12, 8], [18, 8, 10, 10], [24, 8, 10, 10]])('seed %i, %i times the channels', { timeout: 120_000 }, async (seed, times, height, width) => {
    const text = widened(randomNet(seed), times, [height, width]).replaceAll('dense(4)', 'dense(10)').replace('lr: 0.1', 'lr: 1e-3');
    const program = loadProgram('random.zz', memoryReader({ 'random.zz': text }));
    const at = { width: 1, shape: [height, width, 3] as const };
    const wanted = await losses(program, 'Random', (graph, batch) => emitReference(bindBatch(graph, batch), batch), referenceBackend, at);
    const found = [
      await losses(program, 'Random', (graph, batch) => emitWasm(bindBatch(graph, batch), { relaxed: hasRelaxedSimd() }, batch), wasmBackend({ threads: 2 }), at),
      ...(missing === undefined ? [await losses(program, 'Random', (graph, batch) => emitWebGpu(optimise(graph, { batch }), {}, batch), webgpu, at)] : []),
    ];
    for (const all of found) wanted.forEach((loss, step) => expect(Math.abs((all[step] ?? NaN) - loss) / Math.abs(loss), `step ${step}: ${all[step]} against ${loss}\n${text}`).toBeLessThan(1e-3));
  });
});
