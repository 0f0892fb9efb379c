// Comments as documentation: those that stand alone on the lines right above a statement.

import type { Comment } from '../../compiler/1-syntax/ast.ts';
import type { Loc } from '../../compiler/diagnostics.ts';

/** The remarks above a statement, without their `//`. */
export function remarksAbove(comments: readonly Comment[], text: string, statement: Loc): string | undefined {
  const lines: string[] = [];
  let line = statement.line - 1;
  for (let i = comments.findLastIndex(({ loc }) => loc.span.start < statement.span.start); i >= 0; i--, line--) {
    const comment = comments[i];
    if (comment?.loc.line !== line || text.slice(comment.loc.span.start - comment.loc.column + 1, comment.loc.span.start).trim() !== '') break;
    lines.unshift(comment.text.replace(/^(\/\/|#)\s?/, ''));
  }
  return lines.length === 0 ? undefined : lines.join('\n');
}
