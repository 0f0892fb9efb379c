// A run's state in one safetensors file: weights, optimiser states, and how far the run has come.

import type { BufferId, BufferSpec, Model } from '../compiler/5-emit/model.ts';
import type { Session } from './backend.ts';
import { isKept } from './backends/buffers.ts';
import { RunError } from './errors.ts';
import { writeWhole } from './files.ts';
import { NO_SUMS, type Sums } from './metrics.ts';
import { encodeSafetensors, readSafetensors, type StoredTensor } from './safetensors.ts';

/** How far a run has come. Batches, views and dropout follow from the seed and the step, so nothing else is random state. */
export interface Progress {
  /** Finished epochs. */
  readonly epoch: number;
  /** Steps taken since the run began. */
  readonly step: number;
  /** Of the unfinished epoch. */
  readonly sums: Sums;
}

export const START: Progress = { epoch: 0, step: 0, sums: NO_SUMS };

export interface Checkpoint {
  readonly net: string;
  readonly progress: Progress;
  readonly tensors: ReadonlyMap<BufferId, StoredTensor>;
}

const FORMAT = 'zigzag-checkpoint-1';

/** Weights and states of a model, each once. */
export function persistent(model: Model): BufferSpec[] {
  const byId = new Map<BufferId, BufferSpec>();
  for (const program of Object.values(model.programs)) {
    for (const buffer of program.buffers) {
      if (isKept(buffer)) byId.set(buffer.id, buffer);
    }
  }
  return [...byId.values()];
}

/** Replaces the file at `path`; a crash on the way leaves the old one. */
export async function writeCheckpoint(path: string, { net, progress, tensors }: Checkpoint): Promise<void> {
  await writeWhole(path, encodeSafetensors({ tensors, metadata: { format: FORMAT, net, progress: JSON.stringify(progress) } }));
}

/** Throws RunError where the file is damaged or is no checkpoint. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { tensors, metadata } = await readSafetensors(path);
  const progress = metadata['format'] === FORMAT ? parseProgress(metadata['progress']) : undefined;
  if (!progress) throw new RunError(`${path} is not a checkpoint of zz train`, 'Name the run directory that zz train wrote.');
  return { net: metadata['net'] ?? '', progress, tensors };
}

function parseProgress(text: string | undefined): Progress | undefined {
  const natural = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  try {
    const { epoch, step, sums } = JSON.parse(text ?? '') as Progress;
    const sound = natural(epoch) && natural(step) && natural(sums.steps) && natural(sums.rows) && [sums.loss, sums.correct, sums.seconds].every(Number.isFinite);
    return sound ? { epoch, step, sums } : undefined;
  } catch {
    return undefined;
  }
}

/** What the session holds now. */
export async function capture(model: Model, session: Session, progress: Progress): Promise<Checkpoint> {
  const tensors = new Map<BufferId, StoredTensor>();
  for (const { id, shape } of persistent(model)) tensors.set(id, { shape, data: await session.read(id) });
  return { net: model.net, progress, tensors };
}

/** Puts the model's weights and states on the device. Throws RunError where the checkpoint lacks one, or has it in another shape. */
export async function restore(model: Model, session: Session, { tensors }: Checkpoint): Promise<void> {
  const buffers = persistent(model);
  const advice = 'The checkpoint belongs to another net or width; train again, or use the file it was trained with.';
  for (const { id, shape } of buffers) {
    const stored = tensors.get(id);
    if (!stored) throw new RunError(`the checkpoint has no tensor "${id}"`, advice);
    if (stored.shape.join() !== shape.join()) throw new RunError(`"${id}" is [${stored.shape.join(',')}] in the checkpoint and [${shape.join(',')}] in the net`, advice);
  }
  for (const { id } of buffers) {
    const stored = tensors.get(id);
    if (stored) await session.write(id, stored.data);
  }
}
