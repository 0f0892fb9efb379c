// metrics.jsonl: one line for every finished epoch.

import { appendFile } from 'node:fs/promises';
import { isSystemError, readText, writeWhole } from './files.ts';
import type { EpochMetrics, Score } from './score.ts';

export type { EpochMetrics } from './score.ts';

/** The finished epochs. A torn or foreign line, and what follows it, is left out: a kill may leave one at the end. */
export async function readMetrics(path: string): Promise<EpochMetrics[]> {
  const text = await readText(path).catch((error: unknown) => {
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
    const json: unknown = JSON.parse(line);
    return isEpoch(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function isEpoch(value: unknown): value is EpochMetrics {
  if (typeof value !== 'object' || value === null) return false;
  const { epoch, step, train, test, seconds, imagesPerSecond } = value as Record<string, unknown>;
  return [epoch, step, seconds, imagesPerSecond].every((each) => typeof each === 'number') && isScore(train) && isScore(test);
}

/** JSON has null for a loss that is no finite number. */
function isScore(value: unknown): value is Score {
  if (typeof value !== 'object' || value === null) return false;
  const { loss, accuracy } = value as Record<string, unknown>;
  return [loss, accuracy].every((each) => typeof each === 'number' || each === null);
}

/** One write of one line. */
export const appendMetrics = (path: string, metrics: EpochMetrics): Promise<void> => appendFile(path, `${JSON.stringify(metrics)}\n`);

/** Drops what lies beyond the first `epochs` epochs and returns those. */
export async function rewindMetrics(path: string, epochs: number): Promise<EpochMetrics[]> {
  const kept = (await readMetrics(path)).slice(0, epochs);
  await writeWhole(path, kept.map((metrics) => `${JSON.stringify(metrics)}\n`).join(''));
  return kept;
}
