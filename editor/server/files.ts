// Paths and URIs, and the .zz files of a folder tree.

import { readdirSync, type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The name by which the compiler knows a document: the path of a file, or the URI of a text that is none. */
export function fileOf(uri: string): string {
  if (!uri.startsWith('file:')) return uri;
  try {
    return fileURLToPath(uri);
  } catch {
    return uri;
  }
}

export const uriOf = (file: string): string => (isAbsolute(file) ? pathToFileURL(file).href : file);

const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'dist', 'runs']);
const MOST_ENTRIES = 50_000;
/** Folders that are read at the same time. */
const AT_ONCE = 32;

const entered = (entry: Dirent): boolean => entry.isDirectory() && !entry.name.startsWith('.') && !SKIPPED.has(entry.name);

/** The .zz files below some folders, as far as they can be read. */
export async function findSources(folders: readonly string[]): Promise<string[]> {
  const [found, pending] = [new Set<string>(), [...folders]];
  let entries = 0;
  while (pending.length > 0 && entries < MOST_ENTRIES) {
    const listed = await Promise.all(pending.splice(0, AT_ONCE).map(async (folder) => ({ folder, all: await readdir(folder, { withFileTypes: true }).catch(() => []) })));
    for (const { folder, all } of listed) {
      entries += all.length;
      for (const entry of all) {
        if (entry.isFile() && entry.name.endsWith('.zz')) found.add(join(folder, entry.name));
        else if (entered(entry)) pending.push(join(folder, entry.name));
      }
    }
  }
  return [...found].sort();
}

/** The .zz files and the folders in a folder, for paths that are being typed. */
export function listFolder(folder: string): string[] {
  try {
    const all = readdirSync(folder, { withFileTypes: true });
    return all.flatMap((entry) => (entered(entry) ? [`${entry.name}/`] : entry.isFile() && entry.name.endsWith('.zz') ? [entry.name] : [])).sort();
  } catch {
    return [];
  }
}
