// Measured tilings in the user's cache: a file for each adapter, driver and version of the shaders.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SHADERS } from '../../compiler/5-emit/wgsl/tiles.ts';
import type { Adapter } from '../../runtime/backends/adapter.ts';
import { makeFolder, writeWhole } from '../../runtime/files.ts';
import type { Choice, Choices } from './choices.ts';

const FORMAT = 'zigzag-tuning';

/** The file of an adapter below the cache folder: another driver, or shaders that are written otherwise, are measured anew. */
export function tuningFile(folder: string, { vendor, architecture, model, driver, limits, features, matrices }: Adapter): string {
  const digest = createHash('sha256').update(JSON.stringify([SHADERS, vendor, architecture, model, driver, limits, features, matrices])).digest('hex').slice(0, 16);
  const name = (model || driver || vendor || 'adapter').replace(/[^\w.-]+/g, '-').slice(0, 60);
  return join(folder, 'tuning', `${name}-${digest}.json`);
}

/** What is kept; nothing where there is no file, or none that is sound. */
export async function readChoices(file: string): Promise<Choices> {
  try {
    const { format, choices } = JSON.parse(await readFile(file, 'utf8')) as { readonly format?: unknown; readonly choices?: Readonly<Record<string, unknown>> };
    if (format !== FORMAT || typeof choices !== 'object' || choices === null) return new Map();
    return new Map(Object.entries(choices).filter((entry): entry is [string, Choice] => isChoice(entry[1])));
  } catch {
    return new Map();
  }
}

/** Whether it has the form of a choice; whether its tiling is one that the device has room for is seen when it is used. */
function isChoice(value: unknown): value is Choice {
  if (typeof value !== 'object' || value === null) return false;
  const { tiling, text, level, microseconds, usual } = value as Partial<Record<keyof Choice, unknown>>;
  return typeof tiling === 'object' && tiling !== null && typeof text === 'string' && (level === 'quick' || level === 'full') && [microseconds, usual].every((time) => typeof time === 'number' && time >= 0);
}

/** Adds choices to what is kept, in one piece; what others have kept meanwhile stays. */
export async function addChoices(file: string, choices: Choices): Promise<void> {
  const all = new Map([...(await readChoices(file)), ...choices]);
  await makeFolder(dirname(file));
  await writeWhole(file, `${JSON.stringify({ format: FORMAT, choices: Object.fromEntries(all) }, null, 1)}\n`);
}
