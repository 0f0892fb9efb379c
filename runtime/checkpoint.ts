// A run's state as the bytes of one safetensors file: weights, optimiser states, how far the run has come, and what normalising takes from the training images.

import type { BufferId, BufferSpec, Model, Program } from '../compiler/5-emit/model.ts';
import type { Session } from './backend.ts';
import { isKept } from './backends/buffers.ts';
import type { ChannelStatistics, Companions, InputStatistics } from './data/normalize.ts';
import { RunError } from './errors.ts';
import { NO_SUMS, type Sums } from './score.ts';
import { decodeSafetensors, encodeSafetensors, type StoredTensor, type TensorFile } from './safetensors.ts';
import { checkSeal, sealed } from './seal.ts';

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
  readonly statistics: InputStatistics;
}

/** The version of what is written here; what a later one wrote is refused. */
const VERSION = 2;
const FORMAT = /^zigzag-checkpoint-(\d{1,9})$/;

/** Tensors of the statistics: no buffer has a slash in its name. */
const [MEAN, STD] = ['normalize/mean', 'normalize/std'];

/** Weights and states of a model, each once. */
export function persistent({ programs }: { readonly programs: Readonly<Record<string, Pick<Program<unknown>, 'buffers'>>> }): BufferSpec[] {
  const byId = new Map<BufferId, BufferSpec>();
  for (const program of Object.values(programs)) {
    for (const buffer of program.buffers) {
      if (isKept(buffer)) byId.set(buffer.id, buffer);
    }
  }
  return [...byId.values()];
}

/** The checkpoint's file. */
export function encodeCheckpoint({ net, progress, tensors, statistics: { channels, companions } }: Checkpoint): Uint8Array {
  const metadata = {
    format: `zigzag-checkpoint-${VERSION}`,
    net,
    progress: JSON.stringify(progress),
    ...(channels && { channels: JSON.stringify(channels) }),
    ...(companions && { companions: String(companions.count) }),
  };
  const all = new Map(tensors);
  for (const [name, data] of [[MEAN, companions?.mean], [STD, companions?.std]] as const) if (data) all.set(name, { shape: [data.length], data });
  return encodeSafetensors(sealed({ tensors: all, metadata }));
}

/** Reads the bytes of a checkpoint; `name` says in errors what was read. Throws RunError where they are damaged, of a later version, or no checkpoint. */
export const decodeCheckpoint = (name: string, bytes: Uint8Array): Checkpoint => asCheckpoint(name, decodeSafetensors(name, bytes));

/** Whether a file of tensors was written as a checkpoint. */
export const isCheckpoint = ({ metadata }: TensorFile): boolean => FORMAT.test(metadata['format'] ?? '');

/** What a file of tensors says as a checkpoint. Throws RunError as `decodeCheckpoint` does. */
export function asCheckpoint(name: string, file: TensorFile): Checkpoint {
  const { tensors, metadata } = file;
  const version = Number(FORMAT.exec(metadata['format'] ?? '')?.[1] ?? NaN);
  if (version > VERSION) throw new RunError(`${name} was written by a later version of zz, in format ${version}; this one reads ${VERSION}`, 'Update zz, or train again.');
  if (version !== VERSION) throw new RunError(`${name} is not a checkpoint of zz train`, 'Name the run directory that zz train wrote.');
  checkSeal(name, file);
  const progress = parseProgress(metadata['progress']);
  const statistics = parseStatistics(file);
  if (!progress || !statistics) throw new RunError(`${name} is not a whole checkpoint`, 'Train again.');
  return { net: metadata['net'] ?? '', progress, statistics, tensors: new Map([...tensors].filter(([id]) => id !== MEAN && id !== STD)) };
}

function parseStatistics({ tensors, metadata }: TensorFile): InputStatistics | undefined {
  const channels = metadata['channels'] === undefined ? undefined : parseChannels(metadata['channels']);
  const companions = metadata['companions'] === undefined ? undefined : companionsIn(tensors, Number(metadata['companions']));
  if (channels === null || companions === null) return undefined;
  return { ...(channels && { channels }), ...(companions && { companions }) };
}

function parseChannels(text: string): ChannelStatistics | null {
  const isNumbers = (value: unknown): boolean => Array.isArray(value) && value.every(Number.isFinite);
  try {
    const { mean, std } = JSON.parse(text) as ChannelStatistics;
    return isNumbers(mean) && isNumbers(std) && mean.length === std.length ? { mean, std } : null;
  } catch {
    return null;
  }
}

function companionsIn(tensors: TensorFile['tensors'], count: number): Companions | null {
  const [mean, std] = [tensors.get(MEAN)?.data, tensors.get(STD)?.data];
  return mean && mean.length === std?.length && isNatural(count) ? { count, mean, std } : null;
}

const isNatural = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function parseProgress(text: string | undefined): Progress | undefined {
  try {
    const { epoch, step, sums } = JSON.parse(text ?? '') as Progress;
    const sound = isNatural(epoch) && isNatural(step) && isNatural(sums.steps) && isNatural(sums.rows) && [sums.loss, sums.correct, sums.seconds].every(Number.isFinite);
    return sound ? { epoch, step, sums } : undefined;
  } catch {
    return undefined;
  }
}

/** What the session holds now. */
export async function capture(model: Model, session: Session, progress: Progress, statistics: InputStatistics = {}): Promise<Checkpoint> {
  const tensors = new Map<BufferId, StoredTensor>();
  for (const { id, shape } of persistent(model)) tensors.set(id, { shape, data: await session.read(id) });
  return { net: model.net, progress, tensors, statistics };
}

/** Puts the model's weights and states on the device. Throws RunError where the checkpoint is of another net, lacks one, or has it in another shape. */
export async function restore(model: Model, session: Session, { net, tensors }: Pick<Checkpoint, 'net' | 'tensors'>): Promise<void> {
  if (net !== model.net) throw new RunError(`the checkpoint is of the net ${JSON.stringify(net)}, not of ${model.net}`, 'Use the file it was trained with, or train again.');
  await load(persistent(model), session, tensors);
}

/** Writes tensors into the buffers. Throws RunError, before anything is written, where one is missing or of another shape. */
async function load(buffers: readonly BufferSpec[], session: Session, tensors: ReadonlyMap<BufferId, StoredTensor>): Promise<void> {
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
