// One training at a time in a run directory: a file says which process is at it.

import { open, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RunError } from './errors.ts';
import { isSystemError, readText } from './files.ts';

/** Times that a process looks again at what another is just writing, and the milliseconds between. */
const LOOKS = 40;
const PAUSE = 50;

/**
 * Claims the run in `dir` for this process until what is returned is called. A claim whose process is gone, as after kill -9, counts no longer; of several
 * processes that find one, one gets the run. Throws RunError where another process of this machine trains there.
 */
export async function claimRun(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, '.training');
  while (!(await made(path))) {
    await refuseHeld(path, dir);
    // Who removes a dead claim does so alone, so that it is not a new one when it goes.
    const taking = `${path}.taking`;
    for (let look = 1; !(await made(taking)); look++) {
      if (look === LOOKS) throw new RunError(`another process takes over the run in ${dir}`, `Wait until it is done. If none does, remove ${taking}.`);
      await setTimeout(PAUSE);
    }
    try {
      await refuseHeld(path, dir);
      await rm(path, { force: true });
    } finally {
      await rm(taking, { force: true });
    }
  }
  return () => rm(path, { force: true });
}

/** Makes a file that names this process, unless it is there. */
async function made(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify({ process: process.pid, host: hostname() })).finally(() => file.close());
    return true;
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Throws RunError where the process of a claim lives. */
async function refuseHeld(path: string, dir: string): Promise<void> {
  while (await isBeingWritten(path)) await setTimeout(PAUSE);
  const holder = holderOf(await readText(path).catch(() => ''));
  if (holder !== undefined) throw new RunError(`${holder} is training the run in ${dir}`, `Wait until it is done. If nothing is, remove ${path}.`);
}

/** A claim that stays empty was cut short by a crash. */
async function isBeingWritten(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === 0 && Math.abs(Date.now() - found.mtimeMs) < LOOKS * PAUSE / 2;
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
