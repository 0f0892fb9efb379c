// One training at a time in a run directory: a file says which process is at it.

import { open, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RunError } from './errors.ts';
import { isSystemError, readText, writeWhole } from './files.ts';

/** Times that a process tries while another one claims, and the milliseconds between. */
const TRIES = 100;
const PAUSE = 50;

/**
 * Claims the run in `dir` for this process until what is returned is called. A claim whose process is gone, as after kill -9, counts no longer; of several
 * processes that find one, one gets the run. Throws RunError where another process of this machine trains there.
 */
export async function claimRun(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, '.training');
  // Who looks at a claim and replaces it does so alone.
  const turn = `${path}.turn`;
  for (let tries = 1; !(await made(turn)); tries++) {
    if (tries === TRIES) throw new RunError(`another process is about to train the run in ${dir}`, `Wait until it does. If none is, remove ${turn}.`);
    await setTimeout(PAUSE);
  }
  try {
    const holder = holderOf(await readText(path).catch(() => ''));
    if (holder !== undefined) throw new RunError(`${holder} is training the run in ${dir}`, `Wait until it is done. If nothing is, remove ${path}.`);
    await writeWhole(path, JSON.stringify({ process: process.pid, host: hostname() }));
  } finally {
    await rm(turn, { force: true });
  }
  return () => rm(path, { force: true });
}

/** Makes an empty file, unless it is there. */
async function made(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Who holds a claim, in words; undefined where nobody does any more. */
function holderOf(claimed: string): string | undefined {
  const { process: id, host } = parsed(claimed);
  // Of other machines nothing can be known; a container that is started anew after a crash is one, and may have our own number.
  return typeof id === 'number' && host === hostname() && id !== process.pid && isAlive(id) ? `process ${id}` : undefined;
}

function parsed(text: string): { readonly process?: unknown; readonly host?: unknown } {
  try {
    return (JSON.parse(text) as object | null) ?? {};
  } catch {
    return {}; // cut short by a crash
  }
}

function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch (error) {
    return isSystemError(error, 'EPERM'); // there, but another user's
  }
}
