// Texts with a cursor in them, and the sound nets of the repository, for tests of the language service.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Token } from '../../compiler/1-syntax/parse.ts';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import type { Reader } from '../../compiler/2-graph/build.ts';
import { analyze } from '../../editor/service/index.ts';
import type { Analysis, Edit } from '../../editor/service/index.ts';
import { tokensBetween } from '../../editor/service/token-list.ts';

export const ROOT = join(import.meta.dirname, '../..');

/** An analysis of a text whose one `|` is the cursor. Other files may be given. */
export function cursor(marked: string, others: Readonly<Record<string, string>> = {}): { readonly analysis: Analysis; readonly offset: number; readonly reader: Reader } {
  const offset = marked.indexOf('|');
  if (offset < 0 || marked.includes('|', offset + 1)) throw new Error('one cursor, please');
  const reader = memoryReader({ ...others, 'main.zz': marked.replace('|', '') });
  return { analysis: analyze('main.zz', reader), offset, reader };
}

export const analysisOf = (text: string): Analysis => analyze('main.zz', memoryReader({ 'main.zz': text }));

/** All tokens of a text. */
export const tokensOf = ({ tokens, source: { text } }: Analysis): readonly Token[] => tokensBetween(tokens, text);

/** A net around some items that are marked with a cursor. */
export const inNet = (items: string): string => `net Test {\n  input image: [8, 8, 3]\n  ${items}\n}\n`;

const namesIn = (folder: string): string[] => readdirSync(join(ROOT, folder)).filter((file) => file.endsWith('.zz')).map((file) => `${folder}/${file}`);

/** Files of the repository without errors. */
export const SOUND: readonly string[] = [...namesIn('dsl-examples'), ...readdirSync(join(ROOT, 'test/samples')).map((name) => `test/samples/${name}/input.zz`)];
export const BROKEN: readonly string[] = namesIn('dsl-examples/errors');

export const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

export const analysisAt = (file: string): Analysis => analyze(file, memoryReader({ [file]: textOf(file) }));

/** A text after edits that do not overlap. */
export const edited = (text: string, edits: readonly Edit[]): string =>
  [...edits].sort((a, b) => b.span.start - a.span.start).reduce((all, { span, text: by }) => all.slice(0, span.start) + by + all.slice(span.end), text);
