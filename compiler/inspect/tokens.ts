// Tokens as text, and as plain data for JSON.

import type { Token } from '../1-syntax/parse.ts';
import { locator, type Source } from '../diagnostics.ts';

/** A token a line: its place, its role, its text. */
export function printTokens(tokens: readonly Token[], source: Source): string {
  const place = locator(source);
  return tokens.map(({ type, text, span }) => `${place(span).line}:${place(span).column}\t${type}\t${text}\n`).join('');
}

/** Offsets count from 0 in UTF-16 units, lines and columns from 1. */
export function tokensToJson(tokens: readonly Token[], source: Source): unknown {
  const place = locator(source);
  return tokens.map(({ type, text, span }) => {
    const { line, column } = place(span);
    return { type, text, line, column, ...span };
  });
}
