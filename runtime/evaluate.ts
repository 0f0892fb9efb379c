// Scores a split, and with it the confusion matrix.

import type { Model, Program } from '../compiler/5-emit/model.ts';
import type { Session } from './backend.ts';
import type { Batch } from './data/loader.ts';
import { feedsOf, firstImages, rowsOf, type Clock } from './feeds.ts';
import { addStep, NO_SUMS, score, type Score, type Sums } from './metrics.ts';

/** The program for full batches, and the one whose batch is what the last batch has left. */
export const EVALUATE = 'evaluate';
export const EVALUATE_REST = 'evaluate-rest';

export interface Evaluation {
  readonly score: Score;
  readonly images: number;
  /** Row: the true class, column: the predicted one. Empty for a net without a classifier. */
  readonly confusion: readonly (readonly number[])[];
}

const STILL: Clock = { step: 0, stepsPerEpoch: 1, totalSteps: 1 };

/** Gives the event loop a turn, so that signals and progress get through between steps that never wait. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The program of this name. Throws RangeError where the model was compiled without it. */
export function programOf(model: Model, name: string): Program<unknown> {
  const program = model.programs[name];
  if (!program) throw new RangeError(`the model has no program "${name}"`);
  return program;
}

/**
 * Runs every batch through the program of its size and adds up. The confusion matrix needs the class scores of every image: it is made when `classes` is given.
 * Returns undefined where `signal` stopped it.
 */
export async function evaluate(options: {
  readonly model: Model;
  readonly session: Session;
  readonly batches: Iterable<Batch>;
  readonly classes?: number;
  readonly signal?: AbortSignal | undefined;
}): Promise<Evaluation | undefined> {
  const { model, session, batches, classes = 0, signal } = options;
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let sums: Sums = NO_SUMS;
  let classifies = false;
  for (const batch of batches) {
    await breathe();
    if (signal?.aborted) return undefined;
    // The images that fill the last batch up have taken part in its normalisation; they are not scored.
    const whole = batch.count === batch.batch;
    const name = whole ? EVALUATE : EVALUATE_REST;
    const program = programOf(model, name);
    const images = whole ? batch : firstImages(batch, batch.count, batch.batch);
    const { loss, correct, logits } = program;
    const wanted = [loss, correct, classes > 0 ? logits : undefined].filter((id) => id !== undefined);
    const results = await session.run(name, feedsOf(program, images, STILL, model.train.seed), wanted);
    const number = (id: string | undefined): number => (id === undefined ? 0 : (results.get(id)?.[0] ?? NaN));
    sums = addStep(sums, { rows: rowsOf(program), loss: number(loss), correct: number(correct), seconds: 0 });
    classifies = correct !== undefined;
    const scores = logits === undefined ? undefined : results.get(logits);
    if (scores) countPairs(confusion, images.labels, scores);
  }
  return { score: score(sums, classifies), images: sums.rows, confusion: classifies ? confusion : [] };
}

/** Adds one to confusion[true][predicted] for every image. */
function countPairs(confusion: number[][], labels: Int32Array, scores: Float32Array): void {
  const classes = scores.length / labels.length;
  labels.forEach((label, i) => {
    const row = confusion[label];
    const predicted = argmax(scores.subarray(i * classes, (i + 1) * classes));
    if (row && predicted < row.length) row[predicted] = (row[predicted] ?? 0) + 1;
  });
}

/** The index of the first largest value. */
export const argmax = (values: Float32Array): number => values.reduce((best, value, i) => (value > (values[best] ?? -Infinity) ? i : best), 0);
