// The weights of a net as they are, or as training begins with them; and the target safetensors, which is no more than that.

import type { Node } from '../../compiler/2-graph/graph.ts';
import { concreteShape } from '../../compiler/2-graph/types.ts';
import { initialWeight } from '../../runtime/init.ts';
import type { StoredTensor } from '../../runtime/safetensors.ts';
import { refuseBackends } from './refusals.ts';
import type { Compiler, CompileRequest } from './target.ts';
import { weightsFile } from './weights.ts';

/** The first values of a weight or a running statistic. */
function fresh(node: Node<'weight' | 'state'>, seed: number): StoredTensor {
  const shape = concreteShape(node.type.shape);
  const data = node.kind === 'weight' ? initialWeight(node.id, shape, node.attrs, seed) : new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(node.attrs.value);
  return { shape, data };
}

/** The net's weights and running statistics: trained ones, or those of the seed. */
export const tensorsOf = ({ net, weights }: Pick<CompileRequest, 'net' | 'weights'>): ReadonlyMap<string, StoredTensor> =>
  weights?.tensors ?? new Map(net.graph.nodes.flatMap((node) => (node.kind === 'weight' || node.kind === 'state' ? [[node.id, fresh(node, net.settings.seed)] as const] : [])));

export const compileTensors: Compiler = async (request) => {
  refuseBackends(request, 'safetensors');
  const { net, weights, out } = request;
  return [{ path: out, contents: weightsFile(net, { tensors: tensorsOf(request), statistics: weights?.statistics ?? {} }) }];
};
