// What a program is fed: each leaf buffer by its id, from a batch of images and the run's counters.

import type { BufferId, BufferSpec, Model, Program } from '../compiler/5-emit/model.ts';
import type { Clock, Tensor } from './backend.ts';
import { hash, toUnit } from './random.ts';

/** What feeding needs of a batch of the data pipeline. */
export interface Images {
  /** The readings, NHWC, by view name. */
  readonly inputs: ReadonlyMap<string, Float32Array>;
  /** One label for each distinct image. */
  readonly labels: Int32Array;
}

const elements = (buffer: BufferSpec): number => buffer.shape.reduce((a, b) => a * b, 1);

/** The program of this name. Throws RangeError where the model was compiled without it. */
export function programOf(model: Model, name: string): Program<unknown> {
  const program = model.programs[name];
  if (!program) throw new RangeError(`the model has no program "${name}"`);
  return program;
}

/** Feeds by buffer id. Throws RangeError where the batch lacks a view that the program reads. */
export function feedsOf(program: Program<unknown>, batch: Images, clock: Clock, seed: number): Map<BufferId, Tensor> {
  const feeds = new Map<BufferId, Tensor>();
  for (const buffer of program.buffers) {
    const values = feedOf(buffer, batch, clock, seed);
    if (values) feeds.set(buffer.id, values);
  }
  return feeds;
}

function feedOf(buffer: BufferSpec, batch: Images, clock: Clock, seed: number): Tensor | undefined {
  const { role } = buffer;
  switch (role.kind) {
    case 'input': {
      const view = batch.inputs.get(role.view);
      if (!view) throw new RangeError(`the batch has no view "${role.view}"`);
      return view;
    }
    case 'labels':
      return repeatLabels(batch.labels, elements(buffer));
    case 'scalar':
      return Float32Array.of({ step: clock.step, steps_per_epoch: clock.stepsPerEpoch, total_steps: clock.totalSteps }[role.name]);
    case 'random':
      return Float32Array.from({ length: elements(buffer) }, (_, i) => toUnit(hash(seed, role.salt, clock.step, i)));
    default:
      return undefined;
  }
}

/** Where images enter several times, all of the first readings come first, then all of the second. */
function repeatLabels(labels: Int32Array, length: number): Int32Array {
  if (length === labels.length) return labels;
  return Int32Array.from({ length }, (_, i) => labels[i % labels.length] ?? 0);
}

/** Rows that the program scores: those of its class scores, or its batch where it has none. */
export function rowsOf(program: Program<unknown>): number {
  const logits = program.buffers.find((buffer) => buffer.id === program.logits);
  return logits?.shape[0] ?? program.batch;
}

/** The first `count` images of a batch of `size`. Where there are fewer of them than that, each image enters once. */
export function firstImages({ inputs, labels }: Images, count: number, size: number): Images {
  if (count === size) return { inputs, labels };
  return { inputs: new Map([...inputs].map(([name, values]) => [name, values.subarray(0, (values.length / size) * count)])), labels: labels.subarray(0, count) };
}
