// Whole training steps of the example nets in WebGPU shaders, as optimised, against the evaluator on the graphs before.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { concreteShape, elementCount } from '../../compiler/2-graph/types.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { compileNet } from '../../compiler/compile.ts';
import type { Program } from '../../compiler/5-emit/model.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { isTiled } from '../../compiler/5-emit/wgsl/tiles.ts';
import type { Backend, Tensor } from '../../runtime/backend.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { normals, textKey, uniforms } from '../../runtime/random.ts';
import { relativeError } from '../kernels/cases.ts';
import { backend, missing, skipped } from './harness.ts';

const STEPS = 2;
const BATCH = 2;
const WIDTH = 0.05;

/** A net of dsl-examples/, `FILE` or `FILE:NetName`, for any batch. */
function trainingGraph(example: string): Graph {
  const [file, net] = example.split(':');
  const path = `${file}.zz`;
  const program = loadProgram(path, memoryReader({ [path]: readFileSync(new URL(`../../dsl-examples/${path}`, import.meta.url), 'utf8') }));
  const { graph, diagnostics } = compileNet(program, net, { mode: 'train', width: WIDTH });
  if (!graph) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return graph;
}

/** Weights like those of a net in mid-training, and what a step is fed, by id. */
function valuesFor(graph: Graph, seed: number, kinds: readonly string[]): Map<string, Tensor> {
  return new Map(
    graph.nodes.filter(({ kind }) => kinds.includes(kind)).map((node): [string, Tensor] => {
      const shape = concreteShape(node.type.shape);
      const length = elementCount(shape);
      const [uniform, normal] = [uniforms(seed, textKey(node.id)), normals(seed, textKey(node.id))];
      const spread = Math.sqrt(2 / Math.max(1, length / (shape.at(-1) ?? 1)));
      if (node.kind === 'weight') return [node.id, Float32Array.from({ length }, () => (node.attrs.init === 'ones' ? 1 : spread * normal()))];
      if (node.kind === 'state') return [node.id, new Float32Array(length).fill(node.attrs.value)];
      if (node.kind === 'labels') return [node.id, Int32Array.from({ length }, () => Math.floor(uniform() * 10))];
      if (node.kind === 'scalar') return [node.id, Float32Array.of(node.attrs.name === 'step' ? seed : 100)];
      return [node.id, Float32Array.from({ length }, node.kind === 'random' ? uniform : normal)];
    }),
  );
}

const KEPT = ['weight', 'state'];
const FED = ['input', 'labels', 'scalar', 'random'];

/** The loss of each step, and the weights and states after the last. */
async function train<Step>(on: Backend<Step>, plain: Graph, program: Program<Step>): Promise<{ losses: Float32Array; kept: Map<string, Float32Array> }> {
  const session = await on.open({ net: plain.name, train: plain.train, programs: { train: program } });
  const loss = program.loss ?? '';
  try {
    const first = valuesFor(plain, 0, KEPT);
    for (const [id, values] of first) await session.write(id, values as Float32Array);
    const losses: number[] = [];
    for (let step = 1; step <= STEPS; step++) losses.push((await session.run('train', valuesFor(plain, step, FED), [loss])).get(loss)?.[0] ?? NaN);
    const kept = new Map<string, Float32Array>();
    for (const id of first.keys()) kept.set(id, await session.read(id));
    return { losses: Float32Array.from(losses), kept };
  } finally {
    await session.dispose();
  }
}

const NETS = ['case-a', 'case-b', 'case-c', 'case-d', 'case-e', 'case-e-crossed', 'case-e-manual', 'mlp', 'residual:Residual', 'siamese', 'three-streams'];

/** Small tiles and workgroups: the processor compiles every thread's registers. */
const SMALL = { rows: 16, columns: 16, depth: 8, threadRows: 4, threadColumns: 4 };
const OPTIONS = { device: { ...EVERY_DEVICE, limits: { ...EVERY_DEVICE.limits, workgroupInvocations: 16 } }, tiling: (sizes: Parameters<typeof isTiled>[0]) => (isTiled(sizes) ? { tile: SMALL, parts: sizes.depth > 256 ? 3 : 1, buffers: 2 as const } : undefined) };

describe.skipIf(missing !== undefined)(`training on WebGPU${skipped}`, () => {
  for (const net of NETS) {
    it(`trains ${net} as the evaluator does`, async () => {
      const graph = trainingGraph(net);
      const plain = bindBatch(graph, BATCH);
      const expected = await train(referenceBackend, plain, emitReference(plain, BATCH));
      const found = await train(backend, plain, emitWebGpu(optimise(graph, { batch: BATCH }), OPTIONS, BATCH));
      expect(relativeError(found.losses, expected.losses)).toBeLessThan(1e-5);
      const wrong = [...expected.kept].map(([id, values]) => [id, relativeError(found.kept.get(id) ?? [], values)] as const).filter(([, error]) => !(error < 1e-4));
      expect(wrong).toEqual([]);
    });
  }
});
