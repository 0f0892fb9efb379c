// A graph as a program of gpu.js kernels.

import { bindBatch } from '../../2-graph/bind.ts';
import type { Graph, Node } from '../../2-graph/graph.ts';
import { isLeaf } from '../../2-graph/ops.ts';
import { concreteShape } from '../../2-graph/types.ts';
import { lower, resultsOf } from '../../4-kernels/lower.ts';
import type { Kernel } from '../../4-kernels/kernel.ts';
import type { BufferSpec, GpuJsStep, Program, Role } from '../model.ts';
import { gridOf, kernelSource } from './source.ts';

/** The program of a graph without structure nodes at a batch size: how many distinct images a run takes. */
export function emitGpuJs(symbolic: Graph, batch: number): Program<GpuJsStep> {
  const graph = bindBatch(symbolic, batch);
  const kernels = lower(graph);
  const read = kernels.flatMap((kernel) => kernel.params.map((param) => param.id));
  const used = new Set([...read, ...resultsOf(graph), ...graph.updates.map((update) => update.target)]);
  const leaves = graph.nodes.filter((node) => isLeaf(node.kind) && (used.has(node.id) || node.kind === 'weight' || node.kind === 'state'));
  return {
    batch,
    buffers: [...leaves.map(leafBuffer), ...kernels.map(({ output }): BufferSpec => ({ ...output, role: { kind: 'temporary' } }))],
    steps: kernels.map(step),
    outputs: graph.outputs.map(({ name, value }) => ({ name, buffer: value })),
    ...(graph.loss === undefined ? {} : { loss: graph.loss }),
    ...(graph.classifier ? { logits: graph.classifier.logits, correct: graph.classifier.correct } : {}),
    updates: graph.updates,
    views: graph.views,
  };
}

const step = (kernel: Kernel): GpuJsStep => ({
  source: kernelSource(kernel, 'grid'),
  grid: gridOf(kernel, 'grid'),
  flatSource: kernelSource(kernel, 'flat'),
  reads: kernel.params.map((param) => param.id),
  writes: kernel.output.id,
});

const leafBuffer = (node: Node): BufferSpec => ({ id: node.id, dtype: node.type.dtype, shape: concreteShape(node.type.shape), role: roleOf(node) });

function roleOf(node: Node): Role {
  switch (node.kind) {
    case 'input':
      return { kind: 'input', view: node.attrs.name };
    case 'labels':
      return { kind: 'labels' };
    case 'weight':
      return { kind: 'weight', init: node.attrs.init, std: node.attrs.std };
    case 'state':
      return { kind: 'state', value: node.attrs.value };
    case 'scalar':
      return { kind: 'scalar', name: node.attrs.name };
    case 'random':
      return { kind: 'random', salt: node.attrs.salt };
    case 'constant':
      return { kind: 'constant', value: node.attrs.value };
    default:
      throw new Error(`%${node.id}: ${node.kind} is not a leaf`);
  }
}
