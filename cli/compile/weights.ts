// Trained weights for a net: read from a run or a file, checked against the net, and written for applications.

import { concreteShape } from '../../compiler/2-graph/types.ts';
import { GOOD_STEPS, SCALE, SKIPPED_STEPS } from '../../compiler/3-passes/loss-scale.ts';
import { asCheckpoint, encodeCheckpoint, isCheckpoint, START, type Checkpoint } from '../../runtime/checkpoint.ts';
import { RunError } from '../../runtime/errors.ts';
import type { StoredTensor, TensorFile } from '../../runtime/safetensors.ts';
import { checkSeal } from '../../runtime/seal.ts';
import { didYouMean } from '../io.ts';
import type { LoadedNet } from '../load.ts';

/** The weights and states that predictions depend on, by id, and what normalising takes from the training images. */
export type TrainedWeights = Pick<Checkpoint, 'tensors' | 'statistics'>;

/** What predictions depend on: the weights and states of the graph before training is added to it. */
const kept = ({ graph }: LoadedNet) => graph.nodes.flatMap((node) => (node.kind === 'weight' || node.kind === 'state' ? [{ id: node.id, shape: concreteShape(node.type.shape) }] : []));

/** The weights in a file. Throws RunError, with everything that is wrong, where they are damaged or do not fit the net. `from` is what the user named. */
export function trainedWeights(net: LoadedNet, file: TensorFile, from: string): TrainedWeights {
  checkSeal(from, file);
  const { net: trained, tensors, statistics } = isCheckpoint(file) ? asCheckpoint(from, file) : { net: file.metadata['net'] ?? net.name, tensors: file.tensors, statistics: {} };
  if (trained !== net.name) throw new RunError(`${from} has weights of the net ${JSON.stringify(trained)}, not of ${net.name}`, 'Name the net that they were trained in, FILE:NetName where its file has several.');
  const misfits = misfitsOf(net, tensors);
  const own = kept(net).flatMap(({ id }) => {
    const found = tensors.get(id);
    return found ? [[id, found] as const] : [];
  });
  if (misfits.length === 0) return { tensors: new Map(own), statistics };
  const shown = misfits.length > MOST_SHOWN ? [...misfits.slice(0, MOST_SHOWN), `and ${misfits.length - MOST_SHOWN} more`] : misfits;
  const advice = own.length > 0 ? 'They are of another net or width.' : 'Its tensors have other names: a PyTorch file that zz compile made writes these with its function save.';
  throw new RunError(`the weights in ${from} do not fit net ${net.name}:\n${shown.map((line) => `  ${line}`).join('\n')}`, advice);
}

const MOST_SHOWN = 20;

/** What a checkpoint has for training alone: moments of weights, and in f16 the scale of the loss and its counts. */
const isOfTraining = (name: string): boolean => /^(m|v|vmax)\./.test(name) || [SCALE, GOOD_STEPS, SKIPPED_STEPS].includes(name);

/** What is missing, of another shape, or of no use, a line each. */
function misfitsOf(net: LoadedNet, tensors: ReadonlyMap<string, StoredTensor>): string[] {
  const needed = kept(net);
  const known = new Set(needed.map(({ id }) => id));
  const spare = [...tensors.keys()].filter((name) => !known.has(name) && !isOfTraining(name));
  const absent = needed.filter(({ id }) => !tensors.has(id)).map(({ id }) => id);
  return [
    ...needed.flatMap(({ id, shape }) => {
      const found = tensors.get(id);
      if (!found) return [`"${id}" [${shape.join(',')}] is missing`];
      return found.shape.join() === shape.join() ? [] : [`"${id}" is [${found.shape.join(',')}] in the file and [${shape.join(',')}] in the net`];
    }),
    ...spare.map((name) => `"${name}" is no tensor of the net. ${didYouMean(name, absent)}`.trimEnd()),
  ];
}

/** The bytes of a file that compiled models load. */
export const weightsFile = ({ name }: LoadedNet, weights: TrainedWeights): Uint8Array => encodeCheckpoint({ net: name, progress: START, ...weights });
