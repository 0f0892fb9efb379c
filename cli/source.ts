// Names of files and nets as users write them, and the files' text.

import { readFileSync } from 'node:fs';
import { at, type Io } from './io.ts';

export interface Target {
  readonly file: string;
  readonly net?: string;
}

/** `FILE` or `FILE:NetName`. */
export function parseTarget(text: string): Target {
  const match = /^(.+):([A-Za-z_]\w*)$/s.exec(text);
  return match ? { file: match[1] ?? '', net: match[2] ?? '' } : { file: text };
}

/** Reads a file's bytes, relative to the working directory. */
export const reader = (io: Io) => (file: string): Uint8Array => readFileSync(at(io, file));
