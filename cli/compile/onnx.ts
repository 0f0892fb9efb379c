// The target onnx: what the net gives, with its weights inside.

import { concreteShape } from '../../compiler/2-graph/types.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { emitOnnx } from '../../compiler/5-emit/onnx/emit.ts';
import type { PixelStatistics } from '../../compiler/5-emit/onnx/pixels.ts';
import type { InputStatistics } from '../../runtime/data/normalize.ts';
import { VERSION } from '../version.ts';
import { classesOf, graphOf } from './artefact.ts';
import { emitted, refuseBackends } from './refusals.ts';
import type { Compiler } from './target.ts';
import { tensorsOf } from './tensors.ts';

export const compileOnnx: Compiler = async (request) => {
  refuseBackends(request, 'onnx');
  const { net, weights, classes, out } = request;
  const graph = graphOf(net, 'evaluate');
  const pixels = weights && statisticsOf(graph, weights.statistics);
  const contents = emitted(() => emitOnnx(graph, { tensors: tensorsOf(request), version: VERSION, classes: classesOf(net, graph, classes), ...(pixels && { pixels }) }));
  return [{ path: out, contents }];
};

/** What the training images tell of how others are normalised, where the net normalises and it is known. */
function statisticsOf({ nodes, train }: Graph, { channels, companions }: InputStatistics): PixelStatistics | undefined {
  const shape = concreteShape(nodes.find((node) => node.kind === 'input')?.type.shape.slice(1) ?? []);
  if (train.normalize === 'channel' && channels && channels.mean.length === shape.at(-1)) return { kind: 'channel', ...channels };
  if (train.normalize === 'per_batch' && companions && companions.mean.length === shape.reduce((a, b) => a * b, 1)) return { kind: 'among', shape, ...companions };
  return undefined;
}
