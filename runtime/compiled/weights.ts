// The weights and states that a compiled model begins with: drawn from a seed, or those of a file.

import type { BufferId, BufferSpec } from '../../compiler/5-emit/model.ts';
import { asCheckpoint, isCheckpoint, START, type Progress } from '../checkpoint.ts';
import type { InputStatistics } from '../data/normalize.ts';
import { RunError } from '../errors.ts';
import { initialValues } from '../init.ts';
import { decodeSafetensors } from '../safetensors.ts';
import { checkSeal } from '../seal.ts';

export interface Weights {
  readonly values: ReadonlyMap<BufferId, Float32Array>;
  readonly progress: Progress;
  readonly statistics: InputStatistics;
}

/** What the weights must fit. */
export interface Wanted {
  readonly net: string;
  readonly specs: readonly BufferSpec[];
  /** What predictions depend on; of the others, those of the optimiser, a file may lack some. */
  readonly needed: ReadonlySet<BufferId>;
  readonly seed: number;
}

export const freshWeights = ({ specs, seed }: Wanted): Weights => ({ values: initialValues(specs, seed), progress: START, statistics: {} });

/** The weights in the bytes of a checkpoint, or of any safetensors file with their names. Throws RunError where the file is damaged or of another net. */
export function weightsIn(bytes: Uint8Array, { net, specs, needed, seed }: Wanted): Weights {
  const name = 'the weights file';
  const file = decodeSafetensors(name, bytes);
  checkSeal(name, file);
  const found = isCheckpoint(file) ? asCheckpoint(name, file) : { net, tensors: file.tensors, progress: START, statistics: {} };
  const advice = `Give weights that were trained with the net ${net}.`;
  if (found.net !== net) throw new RunError(`the weights are of the net ${JSON.stringify(found.net)}, not of ${net}`, advice);
  const initial = initialValues(specs, seed);
  const values = new Map<BufferId, Float32Array>();
  for (const { id, shape } of specs) {
    const stored = found.tensors.get(id);
    if (!stored && needed.has(id)) throw new RunError(`the weights file has no tensor "${id}"`, advice);
    if (stored && stored.shape.join() !== shape.join()) throw new RunError(`"${id}" is [${stored.shape.join(',')}] in the weights file and [${shape.join(',')}] in the net`, advice);
    values.set(id, stored?.data ?? initial.get(id) ?? new Float32Array());
  }
  return { values, progress: found.progress, statistics: found.statistics };
}
