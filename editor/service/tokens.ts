// Semantic tokens: what each word of a text is, for colours that a grammar of patterns cannot tell.

import { CONTEXTUAL, STARTERS } from '../../compiler/1-syntax/tokens.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import type { Meaning } from './names.ts';
import { spanAt } from './token-list.ts';

export const TOKEN_KINDS = ['keyword', 'net', 'cell', 'layer', 'function', 'value', 'input', 'stream', 'parameter', 'argument', 'setting', 'choice'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

export interface SemanticToken {
  readonly span: Span;
  readonly kind: TokenKind;
  readonly defines: boolean;
  /** A word of the language, not of the program. */
  readonly builtin: boolean;
}

const KEYWORDS: ReadonlySet<string> = new Set([...[...STARTERS].filter((type) => !['LetName', 'StageName', 'Key'].includes(type.name)), ...CONTEXTUAL.values()].map(({ name }) => name));

/** All words of a text in order. Words that mean nothing are left out. */
export function semanticTokens({ tokens, names: { occurrences } }: Analysis): SemanticToken[] {
  const found: SemanticToken[] = [];
  const startOf = (i: number): number => occurrences[i]?.loc.span.start ?? Infinity;
  let next = 0;
  for (const [i, type] of tokens.types.entries()) {
    const span = spanAt(tokens, i);
    // Both are in order. Of several occurrences at one place the last counts.
    while (startOf(next) < span.start || startOf(next + 1) === span.start) next++;
    const occurrence = startOf(next) === span.start ? occurrences[next] : undefined;
    if (occurrence?.meaning) found.push({ span, defines: occurrence.defines, kind: kindOf(occurrence.meaning), builtin: 'builtin' in occurrence.meaning });
    else if (!occurrence && KEYWORDS.has(type)) found.push({ span, kind: 'keyword', defines: false, builtin: true });
  }
  return found;
}

function kindOf(meaning: Meaning): TokenKind {
  const { kind } = 'definition' in meaning ? meaning.definition : meaning.builtin;
  return kind === 'view' ? 'input' : kind === 'augmentation' ? 'function' : kind;
}
