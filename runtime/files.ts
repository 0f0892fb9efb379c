// Files that are whole or absent: written under a temporary name, flushed to the disk, then renamed.

import { randomBytes } from 'node:crypto';
import { mkdir, open, realpath, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RunError } from './errors.ts';

/**
 * Replaces a file at once: a reader, or a restart after a crash, sees the old contents or the new. Keeps its mode, and a link to it. A pipe or device
 * (`--out /dev/stdout`) cannot be replaced and is written to.
 */
export const writeWhole = (path: string, contents: string | Uint8Array): Promise<void> => writeTogether([{ path, contents }]);

/** Replaces each of some files as `writeWhole` does, once all of them are on the disk: where one finds no room there, the others stay as they are too. */
export async function writeTogether(files: readonly { readonly path: string; readonly contents: string | Uint8Array }[]): Promise<void> {
  const written: Written[] = [];
  try {
    for (const { path, contents } of files) written.push(await named(path, () => write(path, contents)));
    for (const { path, put } of written) await named(path, put);
  } catch (error) {
    for (const { drop } of written) await drop();
    throw error;
  }
}

/** Contents on the disk: put in their place, or dropped if they are not there yet. */
interface Written {
  readonly path: string;
  readonly put: () => Promise<void>;
  readonly drop: () => Promise<void>;
}

async function write(path: string, contents: string | Uint8Array): Promise<Written> {
  const there = await stat(path).catch(() => undefined);
  if (there && !there.isFile() && !there.isDirectory()) return { path, put: () => writeFile(path, contents), drop: () => Promise.resolve() };
  const place = there ? await realpath(path) : path;
  // A file's name may be as long as the system lets it be: this one has only its beginning.
  const temporary = join(dirname(place), `.${basename(place).slice(0, 32)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  const drop = (): Promise<void> => rm(temporary, { force: true });
  const mode = there?.isFile() ? there.mode & 0o777 : undefined;
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(contents);
    // Of the mode that a file is opened with, the process's mask takes its part.
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } catch (error) {
    await drop();
    throw error;
  } finally {
    await file.close();
  }
  return { path, put: () => rename(temporary, place), drop };
}

/** Errors of the system with the name that the user knows. */
async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isSystemError(error)) error.path = path;
    throw error;
  }
}

/** Characters that configurations, sources and metrics stay far below; of more, a string is not even made. */
const MAX_TEXT = 64 * 2 ** 20;

/**
 * Opens a regular file of at most `limit` bytes to be read by `use`. Throws RunError on a larger one, and on pipes and devices, which may never end;
 * system errors pass through.
 */
export async function withFile<T>(path: string, limit: number, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const found = await stat(path);
  if (!found.isFile() && !found.isDirectory()) throw new RunError(`${path} is not a regular file`, 'Name a file on the disk.');
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > limit) throw new RunError(`${path} has ${size.toLocaleString('en')} bytes; at most ${limit.toLocaleString('en')} are read`, 'Name a file that zz or one of its exports wrote.');
    return await use(file, size);
  } catch (error) {
    if (isSystemError(error)) error.path ??= path;
    throw error;
  } finally {
    await file.close();
  }
}

/** A text file's contents. Throws as `withFile` does, where it has more than 64 MiB. */
export const readText = (path: string): Promise<string> => withFile(path, MAX_TEXT, (file) => file.readFile('utf8'));

/**
 * Makes a folder and what is missing above it, level by level: Node's own recursive mkdir never ends where a parent that is there has no room for folders, as /proc.
 * Throws what the system says.
 */
export async function makeFolder(path: string): Promise<void> {
  const make = (): Promise<void> => mkdir(path).catch(async (error: unknown) => {
    if (!isSystemError(error, 'EEXIST') || !(await stat(path)).isDirectory()) throw error;
  });
  try {
    await make();
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  }
}

/** Makes a folder that nobody has: `base-1`, `base-2`, … Two processes never get the same one. */
export async function makeNumbered(base: string): Promise<string> {
  await makeFolder(dirname(base));
  for (let n = 1; ; n++) {
    const path = `${base}-${n}`;
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
  }
}

export const isSystemError = (error: unknown, code?: string): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && 'syscall' in error && (code === undefined || error.code === code);
