// The tokens of a text in columns: a text of a thousand lines has ten thousand, and an edit moves half of them.

import type { Token } from '../../compiler/1-syntax/parse.ts';
import type { Span } from '../../compiler/diagnostics.ts';

/** Tokens in the order of their text; each column has a place for each token. */
export interface TokenList {
  readonly types: readonly string[];
  /** Offsets in the text. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

export const tokenList = (tokens: readonly Token[]): TokenList => ({
  types: tokens.map(({ type }) => type),
  starts: Int32Array.from(tokens, ({ span }) => span.start),
  ends: Int32Array.from(tokens, ({ span }) => span.end),
});

/** The tokens from one place of a list up to another, and by how much their offsets are moved. */
interface MovedTokens {
  readonly list: TokenList;
  readonly from: number;
  readonly to: number;
  readonly offset: number;
}

export const joinedTokens = (parts: readonly MovedTokens[]): TokenList => ({
  types: parts.reduce<readonly string[]>((all, { list, from, to }) => all.concat(list.types.slice(from, to)), []),
  starts: joinedOffsets(parts, 'starts'),
  ends: joinedOffsets(parts, 'ends'),
});

function joinedOffsets(parts: readonly MovedTokens[], column: 'starts' | 'ends'): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { from, to }) => sum + to - from, 0));
  let at = 0;
  for (const { list, from, to, offset } of parts) {
    all.set(list[column].subarray(from, to), at);
    const end = at + to - from;
    if (offset === 0) at = end;
    else for (; at < end; at++) all[at] = (all[at] ?? 0) + offset;
  }
  return all;
}

/** How many numbers, which ascend, are below a limit. */
export function countBelow(ascending: Int32Array, limit: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? Infinity) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const spanAt = ({ starts, ends }: TokenList, i: number): Span => ({ start: starts[i] ?? 0, end: ends[i] ?? 0 });

/** The tokens from one place in the list up to another: all, if none is given. */
export const tokensBetween = (list: TokenList, text: string, from = 0, to = list.types.length): Token[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i): Token => {
    const span = spanAt(list, from + i);
    return { type: list.types[from + i] ?? '', text: text.slice(span.start, span.end), span };
  });

/** The tokens that an offset lies in or touches: two at most, as they do not overlap. */
export function tokensAt(list: TokenList, text: string, offset: number): Token[] {
  const first = countBelow(list.ends, offset);
  return tokensBetween(list, text, first, countBelow(list.starts, offset + 1));
}
