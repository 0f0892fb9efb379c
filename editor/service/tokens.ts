// Semantic tokens: what each word of a text is, for colours that a grammar of patterns cannot tell.

import { CONTEXTUAL, STARTERS } from '../../compiler/1-syntax/tokens.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import type { Occurrence } from './names.ts';

export const TOKEN_KINDS = ['keyword', 'net', 'cell', 'layer', 'function', 'value', 'input', 'stream', 'parameter', 'argument', 'setting', 'choice'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

export interface SemanticToken {
  readonly span: Span;
  readonly kind: TokenKind;
  readonly defines: boolean;
  /** A word of the language, not of the program. */
  readonly builtin: boolean;
}

const KEYWORDS: ReadonlySet<string> = new Set([...STARTERS].filter((type) => !['LetName', 'StageName', 'Key'].includes(type.name)).map(({ name }) => name));
const CONTEXTUAL_TYPES: ReadonlySet<string> = new Set([...CONTEXTUAL.values()].map(({ name }) => name));

/** All words of a text in order. Words that mean nothing are left out. */
export function semanticTokens({ tokens, names }: Analysis): SemanticToken[] {
  const named = new Map(names.occurrences.map((occurrence) => [occurrence.loc.span.start, occurrence]));
  return tokens.flatMap(({ type, loc: { span } }): SemanticToken[] => {
    const occurrence = named.get(span.start);
    if (occurrence) return occurrence.meaning ? [{ span, defines: occurrence.defines, ...kindOf(occurrence.meaning) }] : [];
    return KEYWORDS.has(type) || CONTEXTUAL_TYPES.has(type) ? [{ span, kind: 'keyword', defines: false, builtin: true }] : [];
  });
}

function kindOf(meaning: NonNullable<Occurrence['meaning']>): Pick<SemanticToken, 'kind' | 'builtin'> {
  if ('definition' in meaning) return { kind: meaning.definition.kind === 'view' ? 'input' : meaning.definition.kind, builtin: false };
  const { kind } = meaning.builtin;
  return { kind: kind === 'augmentation' ? 'function' : kind, builtin: true };
}
