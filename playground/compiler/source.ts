// What is edited, as the workers are given it: a file, and the files that it may import.

import { memoryReader } from '../../compiler/2-graph/build.ts';
import type { Reader } from '../../compiler/2-graph/build.ts';

export interface Edited {
  readonly file: string;
  readonly text: string;
  /** Other files, by their paths as seen from this one. */
  readonly beside: Readonly<Record<string, string>>;
}

export function readerOf({ file, text, beside }: Edited): Reader {
  const { read, resolve } = memoryReader({ ...beside, [file]: text });
  return { read, resolve: (from, path) => shortest(resolve(from, path)) };
}

/** A path without steps into folders and out again. */
function shortest(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
