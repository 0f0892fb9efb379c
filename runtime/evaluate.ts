// Scores a split, and with it the confusion matrix.

import type { Model } from '../compiler/5-emit/model.ts';
import type { Clock, Finished, Runner } from './backend.ts';
import type { Batches } from './data/batches.ts';
import { programOf, rowsOf } from './feeds.ts';
import { addStep, NO_SUMS, score, type Score, type Sums } from './score.ts';
import { turn } from './turn.ts';

/** The program for full batches, and the one whose batch is what the last batch has left. */
export const EVALUATE = 'evaluate';
export const EVALUATE_REST = 'evaluate-rest';

export interface Evaluation {
  readonly score: Score;
  readonly images: number;
  /** Row: the true class, column: the predicted one. Empty for a net without a classifier. */
  readonly confusion: readonly (readonly number[])[];
  /** The most confident mistakes, the surest first. */
  readonly mistakes: readonly Mistake[];
}

/** An image taken for another class than its own. */
export interface Mistake {
  /** Where it stands in its split. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** Of the predicted class. */
  readonly probability: number;
}

/** So many mistakes are kept. */
const MISTAKES = 24;

export interface EvaluateJob {
  readonly model: Model;
  readonly runner: Runner;
  readonly batches: Batches;
  readonly classes?: number;
  readonly signal?: AbortSignal | undefined;
}

const STILL: Clock = { step: 0, stepsPerEpoch: 1, totalSteps: 1 };

/**
 * Runs every batch of the test split through the program of its size and adds up; gives the count of scored images as it grows.
 * The confusion matrix and the mistakes need the class scores of every image: they are made when `classes` is given.
 * Returns undefined where `signal` stopped it.
 */
export async function* evaluating({ model, runner, batches, classes = 0, signal }: EvaluateJob): AsyncGenerator<number, Evaluation | undefined> {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  const classifies = programOf(model, EVALUATE).correct !== undefined;
  let mistakes: readonly Mistake[] = [];
  let sums: Sums = NO_SUMS;
  const take = ({ run, results }: Finished): void => {
    const program = programOf(model, run.program);
    const number = (id: string | undefined): number => (id === undefined ? 0 : (results.get(id)?.[0] ?? NaN));
    sums = addStep(sums, { rows: rowsOf(program), loss: number(program.loss), correct: number(program.correct), seconds: 0 });
    const scores = program.logits === undefined ? undefined : results.get(program.logits);
    if (!scores) return;
    const { indices, labels } = batches.members(run.selection);
    const own = labels.subarray(0, run.selection.count);
    countPairs(confusion, own, scores);
    mistakes = surest([...mistakes, ...mistakesOf(own, scores, indices)]);
  };
  for (const selection of batches.test()) {
    await turn();
    if (signal?.aborted) break;
    // The images that fill the last batch up take part in its normalisation; they are not scored.
    const program = selection.count === selection.batch ? EVALUATE : EVALUATE_REST;
    const { loss, correct, logits } = programOf(model, program);
    const wanted = [loss, correct, classes > 0 ? logits : undefined].filter((id) => id !== undefined);
    const finished = await runner.begin({ program, selection, clock: STILL, wanted });
    finished.forEach(take);
    if (finished.length > 0) yield sums.rows;
  }
  (await runner.finish()).forEach(take);
  if (signal?.aborted) return undefined;
  yield sums.rows;
  return { score: score(sums, classifies), images: sums.rows, confusion: classifies ? confusion : [], mistakes: classifies ? mistakes : [] };
}

/** `evaluating` to its end. */
export async function evaluate(job: EvaluateJob): Promise<Evaluation | undefined> {
  const run = evaluating(job);
  let result = await run.next();
  while (result.done !== true) result = await run.next();
  return result.value;
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
const argmax = (values: Float32Array): number => values.reduce((best, value, i) => (value > (values[best] ?? -Infinity) ? i : best), 0);

/** The images of a batch whose best class is not their own. */
function mistakesOf(labels: Int32Array, scores: Float32Array, indices: Uint32Array): Mistake[] {
  const classes = scores.length / labels.length;
  return Array.from(labels).flatMap((label, i) => {
    const own = scores.subarray(i * classes, (i + 1) * classes);
    const predicted = argmax(own);
    return predicted === label ? [] : [{ index: indices[i] ?? 0, label, predicted, probability: softmax(own)[predicted] ?? 0 }];
  });
}

const surest = (mistakes: readonly Mistake[]): readonly Mistake[] => mistakes.toSorted((a, b) => b.probability - a.probability).slice(0, MISTAKES);

/** Class scores as probabilities. */
export function softmax(scores: Float32Array): Float64Array {
  const largest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(scores, (score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
