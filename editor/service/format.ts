// The canonical form as an edit.

import { formatFile } from '../../compiler/1-syntax/print.ts';
import { hasErrors } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { changeOf } from './change.ts';
import type { Edit } from './rename.ts';

/** The edit that brings a text into the canonical form, without what stays the same at both ends. None for a text with syntax errors, or that has it already. */
export function formatEdit({ ast, source, parses }: Analysis): Edit | undefined {
  if (hasErrors(parses.get(source.file)?.reading.diagnostics ?? [])) return undefined;
  const [old, text] = [source.text, formatFile(ast, source)];
  if (text === old) return undefined;
  const span = changeOf(old, text);
  return { span, text: text.slice(span.start, span.end + text.length - old.length) };
}
