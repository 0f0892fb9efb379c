// A graph as a program of gpu.js kernels.

import { bindBatch } from '../../2-graph/bind.ts';
import type { Graph } from '../../2-graph/graph.ts';
import { isLeaf } from '../../2-graph/ops.ts';
import { lower, resultsOf } from '../../4-kernels/lower.ts';
import type { Kernel } from '../../4-kernels/kernel.ts';
import type { BufferSpec, GpuJsStep, Program } from '../model.ts';
import { bufferOf, programFrame } from '../program.ts';
import { gridOf, kernelSource } from './source.ts';

/** The program of a graph without structure nodes at a batch size: how many distinct images a run takes. */
export function emitGpuJs(symbolic: Graph, batch: number): Program<GpuJsStep> {
  const graph = bindBatch(symbolic, batch);
  const kernels = lower(graph);
  const read = kernels.flatMap((kernel) => kernel.params.map((param) => param.id));
  const used = new Set([...read, ...resultsOf(graph), ...graph.updates.map((update) => update.target)]);
  const leaves = graph.nodes.filter((node) => isLeaf(node.kind) && (used.has(node.id) || node.kind === 'weight' || node.kind === 'state'));
  return {
    ...programFrame(graph, batch),
    buffers: [...leaves.map(bufferOf), ...kernels.map(({ output }): BufferSpec => ({ ...output, role: { kind: 'temporary' } }))],
    steps: kernels.map(step),
  };
}

const step = (kernel: Kernel): GpuJsStep => ({
  source: kernelSource(kernel, 'grid'),
  grid: gridOf(kernel, 'grid'),
  flatSource: kernelSource(kernel, 'flat'),
  reads: kernel.params.map((param) => param.id),
  writes: kernel.output.id,
});
