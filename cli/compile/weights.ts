// Trained weights for a compiled net: read from a run or a file, checked against the net, and written for applications.

import { concreteShape } from '../../compiler/2-graph/types.ts';
import { asCheckpoint, encodeCheckpoint, isCheckpoint, START, type Checkpoint } from '../../runtime/checkpoint.ts';
import { RunError } from '../../runtime/errors.ts';
import type { TensorFile } from '../../runtime/safetensors.ts';
import { checkSeal } from '../../runtime/seal.ts';
import type { LoadedNet } from '../load.ts';

/** Weights and states by id, and what normalising takes from the training images. */
export type TrainedWeights = Pick<Checkpoint, 'tensors' | 'statistics'>;

/** What predictions depend on: the weights and states of the graph before training is added to it. */
const kept = ({ graph }: LoadedNet) => graph.nodes.flatMap((node) => (node.kind === 'weight' || node.kind === 'state' ? [{ id: node.id, shape: concreteShape(node.type.shape) }] : []));

/** The weights in a file. Throws RunError where they are damaged or do not fit the net. `from` is what the user named. */
export function trainedWeights(net: LoadedNet, file: TensorFile, from: string): TrainedWeights {
  const advice = `The weights in ${from} are of another net or width.`;
  checkSeal(from, file);
  const { net: trained, tensors, statistics } = isCheckpoint(file) ? asCheckpoint(from, file) : { net: net.name, tensors: file.tensors, statistics: {} };
  if (trained !== net.name) throw new RunError(`${from} has weights of the net ${JSON.stringify(trained)}, not of ${net.name}`, advice);
  for (const { id, shape } of kept(net)) {
    const found = tensors.get(id);
    if (!found) throw new RunError(`${from} has no tensor "${id}", which net ${net.name} needs`, advice);
    if (found.shape.join() !== shape.join()) throw new RunError(`"${id}" is [${found.shape.join(',')}] in ${from} and [${shape.join(',')}] in net ${net.name}`, advice);
  }
  return { tensors, statistics };
}

/** The bytes of a file that compiled models load: what predictions depend on, without the optimiser's state. */
export function weightsFile(net: LoadedNet, { tensors, statistics }: TrainedWeights): Uint8Array {
  const own = kept(net).flatMap(({ id }) => {
    const found = tensors.get(id);
    return found ? [[id, found] as const] : [];
  });
  return encodeCheckpoint({ net: net.name, progress: START, tensors: new Map(own), statistics });
}
