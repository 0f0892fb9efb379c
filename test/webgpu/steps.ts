// Training steps of a whole net: on the device, which makes its batches of a data set itself, against the evaluator, which the host feeds. Runs in Node and in browsers.

import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { compileModel, type Emitter } from '../../compiler/compile.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import type { WebGpuStep } from '../../compiler/5-emit/model.ts';
import { emitWebGpu, type WebGpuOptions } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { isTiled, type Sizes } from '../../compiler/5-emit/wgsl/tiles.ts';
import type { Backend } from '../../runtime/backend.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { persistent } from '../../runtime/checkpoint.ts';
import { batchesOf } from '../../runtime/data/batches.ts';
import { makePlan } from '../../runtime/data/loader.ts';
import { syntheticDataset } from '../../runtime/data/synthetic.ts';
import { programOf } from '../../runtime/feeds.ts';
import { initialValues } from '../../runtime/init.ts';
import { openRunner } from '../../runtime/runner.ts';
import { relativeError } from '../kernels/cases.ts';

const BATCH = 2;
const WIDTH = 0.05;

/** Files of dsl-examples/ and their nets. */
export const NETS = ['case-a', 'case-b', 'case-c', 'case-d', 'case-e', 'case-e-crossed', 'case-e-manual', 'mlp', 'residual:Residual', 'siamese', 'three-streams'] as const;

/** Small tiles and workgroups: the processor compiles every thread's registers. */
const SMALL = { rows: 16, columns: 16, depth: 8, threadRows: 4, threadColumns: 4 };
const OPTIONS: WebGpuOptions = {
  device: { ...EVERY_DEVICE, limits: { ...EVERY_DEVICE.limits, workgroupInvocations: 16 } },
  tiling: (sizes: Sizes) => (isTiled(sizes) ? { tile: SMALL, parts: sizes.depth > 256 ? 3 : 1, buffers: 2 } : undefined),
};

/** Streams, a twin, declared routes, batch normalisation, shared layers: a browser compiles shaders for minutes, and Node trains the others. */
export const IN_PAGES = ['case-b', 'case-d', 'case-e-manual', 'residual:Residual', 'siamese'] as const;

interface Trained {
  readonly fedBy: 'host' | 'device';
  readonly losses: readonly number[];
  readonly kept: ReadonlyMap<string, Float32Array>;
}

/** The losses of the first steps of a run, and its weights and states after them. */
async function train<Step>(text: string, net: string | undefined, steps: number, width: number, emitter: Emitter<Step>, backend: Backend<Step>): Promise<Trained> {
  const program = loadProgram('net.zz', memoryReader({ 'net.zz': text }));
  const compiled = compileModel(program, net, { train: { mode: 'train', batch: BATCH } }, emitter, { width });
  if ('diagnostics' in compiled) throw new Error(compiled.diagnostics.map(({ message }) => message).join('\n'));
  const { model } = compiled;
  const { batch, views, loss = '' } = { ...programOf(model, 'train') };
  const { seed, normalize } = model.train;
  const dataset = syntheticDataset({ train: 20, test: 10 });
  const plan = makePlan(dataset, { batch, seed, normalize, views });
  const batches = batchesOf(dataset, plan, views);
  const session = await backend.open(model);
  try {
    for (const [id, values] of initialValues(persistent(model), seed)) await session.write(id, values);
    const runner = await openRunner(model, session, batches, { splits: { train: dataset.train }, ...(plan.channels && { channels: plan.channels }) });
    const finished = [];
    for (let step = 0; step < steps; step++) {
      const clock = { step, stepsPerEpoch: batches.stepsPerEpoch, totalSteps: 100 };
      finished.push(...(await runner.begin({ program: 'train', selection: batches.train(step), clock, wanted: [loss] })));
    }
    finished.push(...(await runner.finish()));
    const kept = new Map<string, Float32Array>();
    for (const { id } of persistent(model)) kept.set(id, await session.read(id));
    return { fedBy: runner.fedBy, losses: finished.map(({ results }) => results.get(loss)?.[0] ?? NaN), kept };
  } finally {
    await session.dispose();
  }
}

interface Comparison {
  readonly options?: WebGpuOptions;
  readonly width?: number;
}

/** What differs after so many steps of a net, by name, with its relative error: losses by more than 1e-5, weights and states by more than 1e-4. */
export async function differences(backend: Backend<WebGpuStep>, text: string, net: string | undefined, steps: number, { options = OPTIONS, width = WIDTH }: Comparison = {}): Promise<Record<string, number>> {
  const expected = await train(text, net, steps, width, { emit: (graph, batch) => emitReference(bindBatch(graph, batch), batch) }, referenceBackend);
  const found = await train(text, net, steps, width, { fused: true, emit: (graph, batch, filledTo) => emitWebGpu(graph, options, batch, filledTo) }, backend);
  if (found.fedBy !== 'device') throw new Error('the host has fed the device');
  const errors = [
    ['losses', relativeError(found.losses, expected.losses), 1e-5] as const,
    ...[...expected.kept].map(([id, values]) => [id, relativeError(found.kept.get(id) ?? [], values), 1e-4] as const),
  ];
  return Object.fromEntries(errors.flatMap(([name, error, most]) => (error < most ? [] : [[name, error]])));
}
