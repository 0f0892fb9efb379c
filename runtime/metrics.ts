// metrics.jsonl: one line for every finished epoch.

import { appendFile, readFile } from 'node:fs/promises';
import { writeWhole, isSystemError } from './files.ts';

/** Means over a split. `accuracy` is null for a net without a classifier. */
export interface Score {
  readonly loss: number;
  readonly accuracy: number | null;
}

export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  /** Steps taken since the run began. */
  readonly step: number;
  readonly train: Score;
  readonly test: Score;
  /** Training time of the epoch, without evaluation. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

/** The finished epochs. A torn or foreign line, and what follows it, is left out: a kill may leave one at the end. */
export async function readMetrics(path: string): Promise<EpochMetrics[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return '';
    throw error;
  });
  const epochs: EpochMetrics[] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    const metrics = parseLine(line);
    if (metrics?.epoch !== epochs.length + 1) break;
    epochs.push(metrics);
  }
  return epochs;
}

function parseLine(line: string): EpochMetrics | undefined {
  try {
    return JSON.parse(line) as EpochMetrics;
  } catch {
    return undefined;
  }
}

/** One write of one line. */
export const appendMetrics = (path: string, metrics: EpochMetrics): Promise<void> => appendFile(path, `${JSON.stringify(metrics)}\n`);

/** Drops what lies beyond the first `epochs` epochs and returns those. */
export async function rewindMetrics(path: string, epochs: number): Promise<EpochMetrics[]> {
  const kept = (await readMetrics(path)).slice(0, epochs);
  await writeWhole(path, kept.map((metrics) => `${JSON.stringify(metrics)}\n`).join(''));
  return kept;
}

/** Running sums of an epoch; in a checkpoint they let a restart continue in the middle of it. */
export interface Sums {
  readonly steps: number;
  /** Rows scored: images, or readings where each image enters several times. */
  readonly rows: number;
  readonly loss: number;
  readonly correct: number;
  readonly seconds: number;
}

export const NO_SUMS: Sums = { steps: 0, rows: 0, loss: 0, correct: 0, seconds: 0 };

/** Adds one step: the mean loss of its `rows`, and how many of them were right. */
export const addStep = (sums: Sums, step: { readonly rows: number; readonly loss: number; readonly correct: number; readonly seconds: number }): Sums => ({
  steps: sums.steps + 1,
  rows: sums.rows + step.rows,
  loss: sums.loss + step.loss * step.rows,
  correct: sums.correct + step.correct,
  seconds: sums.seconds + step.seconds,
});

export const score = (sums: Sums, classifies: boolean): Score => ({
  loss: sums.loss / Math.max(sums.rows, 1),
  accuracy: classifies ? sums.correct / Math.max(sums.rows, 1) : null,
});
