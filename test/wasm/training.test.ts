// Whole training steps of the example nets: five of them, against the evaluator.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { concreteShape, elementCount } from '../../compiler/2-graph/types.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { compileNet } from '../../compiler/compile.ts';
import type { Model } from '../../compiler/5-emit/model.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import type { Backend, Tensor } from '../../runtime/backend.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { hasRelaxedSimd, wasmBackend } from '../../runtime/backends/wasm.ts';
import { wasmOn } from '../../runtime/backends/wasm/backend.ts';
import { pageEngine } from '../../runtime/backends/wasm/browser.ts';
import { normals, textKey, uniforms } from '../../runtime/random.ts';

const STEPS = 5;
const BATCH = 4;

/** A net of dsl-examples/, `FILE` or `FILE:NetName`, for any batch. */
function trainingGraph(example: string, width: number): Graph {
  const [file, net] = example.split(':');
  const path = `${file}.zz`;
  const program = loadProgram(path, memoryReader({ [path]: readFileSync(new URL(`../../dsl-examples/${path}`, import.meta.url), 'utf8') }));
  const { graph, diagnostics } = compileNet(program, net, { mode: 'train', width });
  if (!graph) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return graph;
}

/** Weights like those of a net in mid-training, and what a step is fed. */
function values(graph: Graph, seed: number): Map<string, Tensor> {
  return new Map(
    graph.nodes.flatMap((node): [string, Tensor][] => {
      const count = node.inputs.length === 0 ? elementCount(concreteShape(node.type.shape)) : 0;
      const uniform = uniforms(seed, textKey(node.id));
      const normal = normals(seed, textKey(node.id));
      switch (node.kind) {
        case 'weight': {
          const spread = Math.sqrt(2 / Math.max(1, count / (concreteShape(node.type.shape).at(-1) ?? 1)));
          return [[node.id, Float32Array.from({ length: count }, () => (node.attrs.init === 'ones' ? 1 : spread * normal()))]];
        }
        case 'state':
          return [[node.id, new Float32Array(count).fill(node.attrs.value)]];
        case 'input':
          return [[node.id, Float32Array.from({ length: count }, normal)]];
        case 'random':
          return [[node.id, Float32Array.from({ length: count }, uniform)]];
        case 'labels':
          return [[node.id, Int32Array.from({ length: count }, () => Math.floor(uniform() * 10))]];
        case 'scalar':
          return [[node.id, Float32Array.of(node.attrs.name === 'step' ? seed : 100)]];
        default:
          return [];
      }
    }),
  );
}

/** The loss of each step, and the weights after the last. */
async function train<Step>(backend: Backend<Step>, model: Model<Step>, graph: Graph): Promise<{ losses: number[]; weights: Map<string, Float32Array> }> {
  const session = await backend.open(model);
  const loss = model.programs['train']?.loss ?? '';
  const kept = graph.nodes.filter((node) => node.kind === 'weight' || node.kind === 'state').map((node) => node.id);
  try {
    const first = values(graph, 0);
    for (const id of kept) await session.write(id, first.get(id) as Float32Array);
    const losses: number[] = [];
    for (let step = 0; step < STEPS; step++) losses.push((await session.run('train', values(graph, step), [loss])).get(loss)?.[0] ?? NaN);
    const weights = new Map<string, Float32Array>();
    for (const id of kept) weights.set(id, await session.read(id));
    return { losses, weights };
  } finally {
    await session.dispose();
  }
}

const modelOf = <Step>(graph: Graph, program: Model<Step>['programs'][string]): Model<Step> => ({ net: graph.name, train: graph.train, programs: { train: program } });

const NETS = ['case-a', 'case-b', 'case-c', 'case-d', 'case-e', 'case-e-crossed', 'case-e-manual', 'mlp', 'residual:Residual', 'siamese', 'three-streams'];

for (const net of NETS) {
  it(`trains ${net} as the evaluator does, on any number of threads, and on a page's one without shared memory`, async () => {
    const anyBatch = trainingGraph(net, 0.1);
    const graph = bindBatch(anyBatch, BATCH);
    const expected = await train(referenceBackend, modelOf(graph, emitReference(graph, BATCH)), graph);
    const program = emitWasm(optimise(anyBatch, { batch: BATCH }), { relaxed: hasRelaxedSimd() }, BATCH);
    const [one, ...more] = await Promise.all([...[1, 2, 3].map((threads) => wasmBackend({ threads })), wasmOn(pageEngine)].map((backend) => train(backend, modelOf(graph, program), graph)));
    if (!one) throw new Error('nothing ran');
    one.losses.forEach((loss, step) => expect(Math.abs(loss / (expected.losses[step] as number) - 1), `step ${step}`).toBeLessThan(1e-4));
    for (const other of more) expect(other).toEqual(one);
  });
}
