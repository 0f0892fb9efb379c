// Selections that grow from an offset: the word, its expression, its statement, its block.

import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { tokensAt } from './token-list.ts';
import { pathAt } from './tree.ts';

/** The parts of the text around an offset, innermost first, each within the next. */
export function selectionsAt({ ast, tokens, source: { text } }: Analysis, offset: number): Span[] {
  const [token] = tokensAt(tokens, text, offset);
  const spans = [...(token ? [token.span] : []), ...pathAt(ast, offset).reverse().map(({ loc }) => loc.span), { start: 0, end: text.length }];
  return spans.filter((span, i) => spans.slice(0, i).every((inner) => span.start <= inner.start && inner.end <= span.end && (span.start < inner.start || inner.end < span.end)));
}
