// The canonical form as an edit.

import { formatFile } from '../../compiler/1-syntax/print.ts';
import { hasErrors } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import type { Edit } from './rename.ts';

/** The edit that brings a text into the canonical form, without what stays the same at both ends. None for a text with syntax errors, or that has it already. */
export function formatEdit({ ast, source, parses }: Analysis): Edit | undefined {
  if (hasErrors(parses.get(source.file)?.reading.diagnostics ?? [])) return undefined;
  const [old, text] = [source.text, formatFile(ast, source)];
  if (text === old) return undefined;
  const room = Math.min(old.length, text.length);
  let start = 0;
  while (start < room && old[start] === text[start]) start++;
  let end = 0;
  while (end < room - start && old[old.length - 1 - end] === text[text.length - 1 - end]) end++;
  return { span: { start, end: old.length - end }, text: text.slice(start, text.length - end) };
}
