// A folder of images on the disk.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { diskError } from './cache.ts';
import { DataError } from './dataset.ts';
import { isHidden, LAYOUT, SPLITS, type ImageSource } from './images.ts';

/** The files of a folder, folders without files included as `path/`. The digest changes when a name, a size or a time of change does. Throws DataError where one cannot be read. */
export function folderSource(folder: string): ImageSource & { readonly digest: string } {
  const paths: string[] = [];
  const digest = createHash('sha256');
  const walk = (relative: string): void => {
    const names = readdirSync(join(folder, relative)).filter((name) => !isHidden(name)).sort();
    if (names.length === 0) paths.push(`${relative}/`);
    for (const name of names) {
      const path = relative === '' ? name : `${relative}/${name}`;
      const entry = statSync(join(folder, path));
      if (entry.isDirectory()) walk(path);
      else {
        paths.push(path);
        digest.update(`${path}\0${entry.size}\0${entry.mtimeMs}\n`);
      }
    }
  };
  try {
    for (const split of SPLITS) if (existsSync(join(folder, split))) walk(split);
  } catch (error) {
    throw readError(error, folder);
  }
  const locate = (path: string): string => join(folder, path);
  return {
    name: basename(folder),
    paths,
    digest: digest.digest('hex'),
    locate,
    async *files() {
      for (const path of paths) yield { path, bytes: () => readFile(locate(path)).catch((error: unknown) => { throw readError(error, locate(path)); }) };
    },
  };
}

/** What the system said about a file that the user gave. */
const readError = (error: unknown, file: string): unknown =>
  error instanceof Error && 'syscall' in error ? new DataError('input', `${file} cannot be read: ${error.message}`, LAYOUT, { file, cause: error }) : diskError(error, file);
