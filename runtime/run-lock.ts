// One training at a time in a run directory: a file says which process is at it.

import { open, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { RunError } from './errors.ts';
import { isSystemError, readText } from './files.ts';

/**
 * Claims the run in `dir` for this process until what is returned is called. A claim whose process is gone, as after kill -9, counts no longer.
 * Throws RunError where another process of this machine trains there.
 */
export async function claimRun(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, '.training');
  const claim = async (): Promise<void> => {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify({ process: process.pid, host: hostname() })).finally(() => file.close());
  };
  try {
    await claim();
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error;
    const holder = await holderOf(path);
    if (holder !== undefined) throw new RunError(`${holder} is training the run in ${dir}`, `Wait until it is done. If nothing is, remove ${path}.`);
    await rm(path, { force: true });
    await claim();
  }
  return () => rm(path, { force: true });
}

/** Who holds a claim, in words; undefined where nobody does any more. */
async function holderOf(path: string): Promise<string | undefined> {
  const { process: id, host } = parsed(await readText(path).catch(() => ''));
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
