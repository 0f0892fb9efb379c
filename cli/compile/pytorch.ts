// The target pytorch: a Python file, and one of weights beside it where they are trained.

import { basename, dirname, join } from 'node:path';
import { emitPyTorch } from '../../compiler/5-emit/pytorch/emit.ts';
import { isBuiltIn } from '../settings.ts';
import { VERSION } from '../version.ts';
import { emitted, refuseBackends } from './refusals.ts';
import type { Compiler, CompileRequest } from './target.ts';
import { weightsFile } from './weights.ts';

export const compilePyTorch: Compiler = async (request) => {
  refuseBackends(request, 'pytorch');
  const { net, weights, out } = request;
  const name = `${basename(out).replace(/\.\w+$/, '')}.weights.safetensors`;
  const text = emitted(() => pythonOf(request, weights && name));
  return [...(weights ? [{ path: join(dirname(out), name), contents: weightsFile(net, weights) }] : []), { path: out, contents: text }];
};

function pythonOf({ net, out, classes }: CompileRequest, weights: string | undefined): string {
  // A data set's path is the one in the source: that of this machine would tell others of it.
  const dataset = isBuiltIn(net.settings.dataset) ? net.settings.dataset : net.graph.train.dataset;
  const graph = { ...net.graph, train: { ...net.settings, dataset } };
  const texts = new Map(net.program.files.map(({ source }) => [source.file, source.text]));
  return emitPyTorch(graph, { version: VERSION, sources: { main: net.file, texts }, file: basename(out), ...(weights !== undefined && { weights }), ...(classes && net.graph.classifier && { names: classes }) });
}
