// Files as users name them, read for the compiler.

import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Reader } from '../compiler/2-graph/imports.ts';
import { diagnostic, nearest, type Diagnostic, type Source } from '../compiler/diagnostics.ts';
import { at, type Io } from './io.ts';

export interface Target {
  readonly file: string;
  readonly net?: string;
}

/** Standard input, which users name `-`, as messages name it. */
const STDIN = '<stdin>';

/** `FILE` or `FILE:NetName`, where FILE may be `-`. */
export function parseTarget(text: string): Target {
  const [, file = text, net] = /^(.+):([A-Za-z_]\w*)$/s.exec(text) ?? [];
  return { file: file === '-' ? STDIN : file, ...(net !== undefined && { net }) };
}

/** All of standard input, for a reader of what these targets name; nothing where none of them is `-`. */
async function stdinFor(io: Io, targets: readonly Target[]): Promise<Uint8Array | undefined> {
  if (!targets.some(({ file }) => file === STDIN)) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of io.stdin) chunks.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
  return Buffer.concat(chunks);
}

/** A file with more is refused without reading it; a smaller one that is still too large is the decoder's to refuse. */
const FAR_TOO_LARGE = 64 * 2 ** 20;

const refusal = (code: 'ZZ1007' | 'ZZ1008', file: string, message: string): Diagnostic =>
  diagnostic(code, { file, line: 1, column: 1, span: { start: 0, end: 0 } }, message);

/** Reads .zz files from the disk, and standard input where one of the targets is `-`. */
export async function diskReader(io: Io, targets: readonly Target[] = []): Promise<Reader> {
  const { decodeSource } = await import('../compiler/1-syntax/parse.ts');
  const stdin = await stdinFor(io, targets);
  const decoded = (file: string, bytes: Uint8Array): Source | Diagnostic => {
    const { source, diagnostics } = decodeSource(file, bytes);
    return source ?? diagnostics[0] ?? refusal('ZZ1008', file, `${file} cannot be decoded`);
  };
  const read = (file: string): Source | Diagnostic => {
    if (file === STDIN && stdin) return decoded(file, stdin);
    if (file === '') return refusal('ZZ1008', file, 'the name of the file is empty');
    const handle = openSync(at(io, file), 'r');
    try {
      const stat = fstatSync(handle);
      if (stat.isDirectory()) return refusal('ZZ1008', file, `${file} is a folder`);
      if (stat.size > FAR_TOO_LARGE) return refusal('ZZ1007', file, `${file} has ${stat.size} bytes`);
      return decoded(file, readFileSync(handle));
    } finally {
      closeSync(handle);
    }
  };
  return {
    read(file) {
      try {
        return read(file);
      } catch (error) {
        return { ...refusal('ZZ1008', file, reason(file, error)), ...neighbour(io, file) };
      }
    },
    resolve: (from, path) => join(dirname(from), path),
  };
}

/** The file in the same folder whose name is nearest to one that is not there. */
function neighbour(io: Io, file: string): { readonly suggestion?: string } {
  const folder = dirname(file);
  try {
    const near = nearest(basename(file), readdirSync(at(io, folder)).filter((name) => name.endsWith('.zz')));
    return near === undefined ? {} : { suggestion: folder === '.' ? near : join(folder, near) };
  } catch {
    return {};
  }
}

const REASONS: Readonly<Record<string, (file: string) => string>> = {
  ENOENT: (file) => `there is no file ${file}`,
  ENOTDIR: (file) => `a part of the path ${file} is not a folder`,
  EACCES: (file) => `the permissions of ${file} do not let it be read`,
  ENAMETOOLONG: () => 'the name is too long for a file',
  ELOOP: (file) => `the links of ${file} go in a circle`,
};

function reason(file: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code]?.(file) ?? `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** Reads files from memory, under the paths they once had on the disk. */
export const storedReader = (texts: ReadonlyMap<string, string>): Reader => ({
  read(file) {
    const text = texts.get(file);
    return text === undefined ? refusal('ZZ1008', file, `the run has kept no copy of ${file}`) : { file, text };
  },
  resolve: (from, path) => join(dirname(from), path),
});
