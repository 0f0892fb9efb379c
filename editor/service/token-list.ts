// The tokens of a text in columns: a text of a thousand lines has ten thousand, and an edit moves half of them.

import type { Token } from '../../compiler/1-syntax/parse.ts';

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

/** The tokens from one place in the list up to another, each moved by an offset. */
export const movedTokens = ({ types, starts, ends }: TokenList, from: number, to: number, offset: number): TokenList => ({
  types: types.slice(from, to),
  starts: starts.slice(from, to).map((start) => start + offset),
  ends: ends.slice(from, to).map((end) => end + offset),
});

export const joinedTokens = (lists: readonly TokenList[]): TokenList => ({
  types: lists.reduce<readonly string[]>((all, { types }) => all.concat(types), []),
  starts: joined(lists.map(({ starts }) => starts)),
  ends: joined(lists.map(({ ends }) => ends)),
});

function joined(columns: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(columns.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const column of columns) {
    all.set(column, at);
    at += column.length;
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

/** The tokens from one place in the list up to another: all, if none is given. */
export const tokensBetween = ({ types, starts, ends }: TokenList, text: string, from = 0, to = types.length): Token[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i): Token => {
    const span = { start: starts[from + i] ?? 0, end: ends[from + i] ?? 0 };
    return { type: types[from + i] ?? '', text: text.slice(span.start, span.end), span };
  });

/** The tokens that an offset lies in or touches: two at most, as they do not overlap. */
export function tokensAt(list: TokenList, text: string, offset: number): Token[] {
  const first = countBelow(list.ends, offset);
  return tokensBetween(list, text, first, countBelow(list.starts, offset + 1));
}
