// The canonical form as an edit.

import { formatSource } from '../../compiler/1-syntax/print.ts';
import type { Source } from '../../compiler/diagnostics.ts';
import type { Edit } from './rename.ts';

/** The edit that brings a text into the canonical form, without what stays the same at both ends. None for a text with syntax errors, or that has it already. */
export function formatEdit(source: Source): Edit | undefined {
  const { text } = formatSource(source);
  if (text === undefined || text === source.text) return undefined;
  const old = source.text;
  const room = Math.min(old.length, text.length);
  let start = 0;
  while (start < room && old[start] === text[start]) start++;
  let end = 0;
  while (end < room - start && old[old.length - 1 - end] === text[text.length - 1 - end]) end++;
  return { span: { start, end: old.length - end }, text: text.slice(start, text.length - end) };
}
