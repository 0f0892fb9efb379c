// Whole training steps: gpu.js against the reference backend, from the same weights, on the same batches.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { compileNet } from '../../compiler/compile.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import type { BufferSpec, Model, Program } from '../../compiler/5-emit/model.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import type { Backend, Session, Tensor } from '../../runtime/backend.ts';
import { gpujsBackend } from '../../runtime/backends/gpujs.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { textKey, uniforms } from '../../runtime/random.ts';
import { relativeError } from '../kernels/cases.ts';

const BATCH = 4;
const STEPS = 5;

function trained(file: string): Graph {
  const path = `dsl-examples/${file}`;
  const { graph } = compileNet(loadProgram(path, memoryReader({ [path]: readFileSync(path, 'utf8') })), undefined, { mode: 'train', width: 0.1 });
  if (!graph) throw new Error(`${path} does not compile`);
  return graph;
}

const lengthOf = (buffer: BufferSpec): number => buffer.shape.reduce((a, b) => a * b, 1);

function feedsOf(program: Program<unknown>, step: number): Map<string, Tensor> {
  const fill = (buffer: BufferSpec): Tensor | undefined => {
    const next = uniforms(textKey(buffer.id), step);
    const length = lengthOf(buffer);
    switch (buffer.role.kind) {
      case 'input':
        return Float32Array.from({ length }, () => 2 * next() - 1);
      case 'random':
        return Float32Array.from({ length }, next);
      case 'labels':
        return Int32Array.from({ length }, () => Math.floor(10 * next()));
      case 'scalar':
        return Float32Array.of(buffer.role.name === 'step' ? step : 100);
      default:
        return undefined;
    }
  };
  return new Map(program.buffers.flatMap((buffer) => {
    const feed = fill(buffer);
    return feed ? [[buffer.id, feed] as const] : [];
  }));
}

/** The losses of some steps, and every weight after them. */
async function train<Step>(backend: Backend<Step>, graph: Graph, program: Program<Step>): Promise<{ losses: number[]; weights: Map<string, Float32Array> }> {
  const model: Model<Step> = { net: graph.name, train: graph.train, programs: { train: program } };
  const session: Session = await backend.open(model);
  const weights = program.buffers.filter((buffer) => buffer.role.kind === 'weight');
  for (const buffer of program.buffers) {
    const next = uniforms(textKey(buffer.id), 99);
    if (buffer.role.kind === 'weight') await session.write(buffer.id, Float32Array.from({ length: lengthOf(buffer) }, () => 0.4 * (next() - 0.5)));
    if (buffer.role.kind === 'state') await session.write(buffer.id, new Float32Array(lengthOf(buffer)).fill(buffer.role.value));
  }
  const loss = program.loss ?? '';
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) losses.push((await session.run('train', feedsOf(program, step), [loss])).get(loss)?.[0] ?? NaN);
  const after = new Map<string, Float32Array>();
  for (const { id } of weights) after.set(id, await session.read(id));
  await session.dispose();
  return { losses, weights: after };
}

test.each([
  ['case-b.zz', 'webasm'],
  ['mlp.zz', 'webasm'],
  ['siamese.zz', 'cpu'],
] as const)('%s in mode %s trains as the reference does', async (file, mode) => {
  const graph = trained(file);
  const expected = await train(referenceBackend, graph, emitReference(bindBatch(graph, BATCH)));
  const found = await train(gpujsBackend({ mode }), graph, emitGpuJs(graph, BATCH));
  expected.losses.forEach((loss, step) => expect(Math.abs((found.losses[step] ?? NaN) - loss) / loss, `step ${step}`).toBeLessThan(1e-4));
  for (const [id, values] of expected.weights) expect(relativeError(found.weights.get(id) ?? [], values), id).toBeLessThan(1e-4);
});
