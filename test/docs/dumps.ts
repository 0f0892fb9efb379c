// Dumps of one small net, for the IR reference.

import { stagesOf } from '../../cli/stages.ts';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph, Node } from '../../compiler/2-graph/graph.ts';
import { graphToJson } from '../../compiler/2-graph/json.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { runPasses } from '../../compiler/3-passes/pipeline.ts';
import { printKernel } from '../../compiler/4-kernels/kernel.ts';
import type { Kernel } from '../../compiler/4-kernels/kernel.ts';
import { lower } from '../../compiler/4-kernels/lower.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import { fenced } from './markdown.ts';

export const PAIR = `net Pair {
  input image: [8, 8, 3]
  cell Recurrent(x, h) { elu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) }
  streams L, R of Recurrent {
    step image: straight
    step image: zigzag
  }
  logits = concat(L, R) -> globalavgpool -> dense(3)
  output logits
  loss softmax_cross_entropy(logits)
  train { optimizer sgd(lr: 0.1) }
}
`;

const graphAt = (until?: string): Graph => {
  const { graph } = buildNet(loadProgram('pair.zz', memoryReader({ 'pair.zz': PAIR })), undefined, { mode: 'train' });
  if (!graph) throw new Error('the net of the IR reference does not build');
  return until === undefined ? graph : runPasses(graph, { until });
};

/** Lines of the text form that a test accepts, with what is left out shown. */
function excerpt(graph: Graph, wanted: (line: string) => boolean): string {
  const lines = printGraph(graph).trimEnd().split('\n');
  return lines.flatMap((line, i) => (wanted(line) ? [line] : i > 0 && wanted(lines[i - 1] ?? '') ? ['…'] : [])).join('\n');
}

const isBackward = (line: string): boolean => line.includes('phase=backward');

/** The first kernel of a value that satisfies a test. */
function kernelOf(test: (node: Node) => boolean): Kernel {
  const graph = bindBatch(graphAt('autodiff'), 2);
  const ids = new Set(graph.nodes.filter(test).map(({ id }) => id));
  const kernel = lower(graph).find(({ from }) => from.some((id) => ids.has(id)));
  if (!kernel) throw new Error('no such kernel');
  return kernel;
}

const jsonNode = (): string => {
  const { nodes } = graphToJson(graphAt()) as unknown as { nodes: readonly { kind: string }[] };
  return JSON.stringify(nodes.find(({ kind }) => kind === 'call'), null, 2);
};

/** The first lines of a stage as `zz ir` prints it. */
function firstLines(stage: string, count: number): string {
  const program = loadProgram('pair.zz', memoryReader({ 'pair.zz': PAIR }));
  const graph = graphAt();
  const stages = stagesOf(program, graph.name, { mode: 'train', width: 1, batch: 2, settings: graph.train, target: { emit: emitGpuJs } });
  const lines = (stages.find(({ name }) => name === stage)?.text() ?? '').split('\n');
  return [...lines.slice(0, count), '…'].join('\n');
}

export const DUMPS: Readonly<Record<string, () => string>> = {
  'ir-source': () => fenced('zz', PAIR),
  'ir-tokens': () => fenced('text', firstLines('tokens', 12)),
  'ir-ast': () => fenced('text', firstLines('ast', 16)),
  'ir-graph': () => fenced('text', printGraph(graphAt())),
  'ir-unroll': () => fenced('text', excerpt(graphAt('unroll'), (line) => /stream=[LR] step=/.test(line))),
  'ir-autodiff': () => fenced('text', excerpt(graphAt('autodiff'), (line) => isBackward(line) || line.startsWith('gradient'))),
  'ir-optimizer': () => fenced('text', excerpt(graphAt('optimizer'), (line) => line.includes('phase=update') || line.startsWith('update'))),
  'ir-json': () => fenced('json', jsonNode()),
  'ir-kernels': () => fenced('text', [kernelOf(({ kind }) => kind === 'conv2d'), kernelOf(({ kind }) => kind === 'elu_grad')].map(printKernel).join('\n')),
};
