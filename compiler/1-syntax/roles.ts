// Which words are keywords where. The language has no separators and hardly any reserved words, so a word's role follows from what stands
// around it. With roles given, the grammar needs little lookahead, and after an error the parser knows where the next statement begins.

import type { IToken, TokenType } from 'chevrotain';
import { nearest } from '../diagnostics.ts';
import {
  Arrow, BackArrow, Backward, BinaryOp, Both, Cell, Colon, Comma, CONTEXTUAL, Cross, Equal, Grad, Import, Init, Input, is, Key, Layer, LBrace, LetName, LetWord,
  Loss, LParen, LSquare, Net, Num, PlusEqual, RBrace, Repeat, RESERVED, RParen, RSquare, Shared, StageName, STARTERS, Step, Str, Streams, Train, Twin, View, Word, wordOf,
} from './tokens.ts';

/** A word taken for the keyword it nearly is. */
export interface Misspelling {
  readonly token: IToken;
  readonly keyword: string;
}

type Kind = 'file' | 'net' | 'cell' | 'streams' | 'twin' | 'backward' | 'train' | 'other';

interface Block {
  readonly kind: Kind;
  /** Open parentheses and square brackets. */
  nesting: number;
  /** The streams of a twin: in its stages these are names whatever else they could be. */
  readonly names: ReadonlySet<string>;
}

const BLOCK_OF: ReadonlyMap<TokenType, Kind> = new Map<TokenType, Kind>([
  [Net, 'net'], [Cell, 'cell'], [Streams, 'streams'], [Twin, 'twin'], [Backward, 'backward'], [Train, 'train'],
]);
/** What may stand at the end of an expression or a block, or begin one. */
const ENDS = [LBrace, RBrace, RParen, RSquare, Num, Str, Word];
const OPERATORS = [Equal, PlusEqual, Arrow, BackArrow, BinaryOp, Colon];
const BEFORE_EXPR: ReadonlySet<TokenType> = new Set([Loss, Step, Init]);

/** Sets the type of every word token, and returns the misspelt keywords that it corrected. The tokens are changed in place. */
export function assignRoles(tokens: readonly IToken[]): Misspelling[] {
  const misspelt: Misspelling[] = [];
  let blocks: Block[] = [{ kind: 'file', nesting: 0, names: new Set() }];
  /** What the next brace opens. */
  let header: { readonly kind: Kind; readonly names: ReadonlySet<string> } | undefined;

  const top = (): Block => blocks[blocks.length - 1] ?? { kind: 'file', nesting: 0, names: new Set() };
  const isWord = (i: number): boolean => is(tokens[i], Word);
  const text = (i: number): string => tokens[i]?.image ?? '';

  /** Before token i an expression or a block has ended, or a block has begun. */
  const ended = (i: number): boolean => {
    const before = tokens[i - 1];
    return before === undefined || ENDS.some((type) => is(before, type));
  };
  /** `name =` or `name, name =`. */
  const isLet = (i: number): boolean => {
    if (!isWord(i)) return false;
    let last = i;
    while (is(tokens[last + 1], Comma) && isWord(last + 2)) last += 2;
    return is(tokens[last + 1], Equal);
  };
  /** A let may also begin where an expression was expected, but in brackets only a single name can. */
  const startsLet = (i: number): boolean =>
    (top().nesting === 0 ? isLet(i) : is(tokens[i + 1], Equal)) && (ended(i) || OPERATORS.some((operator) => is(tokens[i - 1], operator)));
  /** `grad(name) =`, with any word for grad. */
  const isRoute = (i: number): boolean =>
    is(tokens[i + 1], LParen) && isWord(i + 2) && is(tokens[i + 3], RParen) && (is(tokens[i + 4], Equal) || is(tokens[i + 4], PlusEqual));
  const isStart = (i: number): boolean => isLet(i) || RESERVED.has(text(i)) || ['step', 'repeat', 'grad'].includes(text(i));

  /** Whether a statement of this type can go on after word i. Two words side by side are never inside an expression. */
  const fits = (type: TokenType, i: number): boolean => {
    if (type === Import) return is(tokens[i + 1], Str);
    if (type === Backward || type === Train) return is(tokens[i + 1], LBrace);
    return isWord(i + 1) || (type === Loss && is(tokens[i + 1], Num));
  };
  /** The same where the word could also be a name that ends an expression. */
  const fitsOnly = (type: TokenType, i: number): boolean =>
    ![View, Layer, LetWord, Cell].includes(type) && fits(type, i) && (type === Input ? is(tokens[i + 2], Colon) : !isStart(i + 1));

  const correct = (i: number, ...types: readonly TokenType[]): TokenType | undefined => {
    const token = tokens[i];
    const keyword = nearest(text(i), types.map(wordOf));
    if (token === undefined || keyword === undefined) return undefined;
    misspelt.push({ token, keyword });
    return types.find((type) => wordOf(type) === keyword);
  };

  const itemAt = (i: number): TokenType | undefined => {
    const { nesting } = top();
    const type = RESERVED.get(text(i));
    const free = ended(i) && nesting === 0;
    if (type !== undefined && type !== Net && type !== Import && (free || (ended(i) && fits(type, i)) || fitsOnly(type, i))) return type;
    if (type === undefined && startsLet(i)) return LetName;
    if (!free || type !== undefined) return undefined;
    return correct(i, ...[...RESERVED.values()].filter((candidate) => candidate !== Net && candidate !== Import && fits(candidate, i)));
  };

  /** A statement of the net inside one of its blocks: a brace is missing. */
  const itemInside = (i: number): TokenType | undefined => {
    const { kind, names } = top();
    const type = RESERVED.get(text(i));
    if (kind === 'twin' && names.has(text(i))) return undefined;
    if (type !== undefined && type !== Net && type !== Import) {
      if (ended(i) ? fits(type, i) || isLet(i) : (kind === 'streams' || kind === 'backward') && fitsOnly(type, i)) return type;
    }
    // In a backward block `name =` lacks its grad; elsewhere the brace before it is missing.
    return kind !== 'backward' && type === undefined && startsLet(i) ? LetName : undefined;
  };

  const stageWord = (i: number): TokenType | undefined => [Both, Cross, Repeat].find((candidate) => wordOf(candidate) === text(i));
  /** Whether the pipe of a stage ends with token i, so that `shared` may follow. */
  const endsPipe = (i: number): boolean => {
    const flag = is(tokens[i], Shared) && ![StageName, Both, Arrow].some((type) => is(tokens[i - 1], type));
    return !flag && ![LBrace, RBrace].some((type) => is(tokens[i], type));
  };

  const rules: { readonly [K in Kind]: (i: number) => TokenType | undefined } = {
    file: (i) => {
      if (!ended(i)) return undefined;
      if (text(i) === 'import') return Import;
      if (text(i) === 'net') return Net;
      if (is(tokens[i + 1], Str)) return correct(i, Import);
      return isWord(i + 1) && is(tokens[i + 2], LBrace) ? correct(i, Net) : undefined;
    },
    net: itemAt,
    other: itemAt,
    cell: itemInside,
    streams: (i) => {
      const type = [Step, Repeat].find((candidate) => wordOf(candidate) === text(i));
      const first = is(tokens[i - 1], LBrace);
      if (first && text(i) === 'init') return Init;
      if (type !== undefined && ended(i) && (top().nesting === 0 || isWord(i + 1))) return type;
      const item = itemInside(i);
      const between = ['straight', 'zigzag'].includes(text(i - 1)) || [RParen, LBrace, RBrace].some((end) => is(tokens[i - 1], end));
      if (item !== undefined || top().nesting > 0 || !between) return item;
      return correct(i, ...(is(tokens[i + 1], Num) ? [Repeat, Step] : first ? [Step, Init] : [Step]));
    },
    twin: (i) => {
      const item = itemInside(i);
      if (item !== undefined || top().nesting > 0) return item;
      const listed = is(tokens[i + 1], Comma);
      if (is(tokens[i - 1], Comma) && is(tokens[i - 2], StageName)) return StageName;
      if (!ended(i)) return undefined;
      const type = stageWord(i);
      if (type !== undefined && !listed) return type;
      if (top().names.has(text(i)) && text(i) !== 'shared') return StageName;
      if (text(i) === 'shared' && !listed && endsPipe(i - 1)) return undefined;
      return (listed ? undefined : correct(i, ...(is(tokens[i + 1], Num) ? [Repeat] : [Both, Cross]))) ?? StageName;
    },
    backward: (i) => {
      if (text(i) === 'grad' && (isRoute(i) || (ended(i) && top().nesting === 0))) return Grad;
      return itemInside(i) ?? (ended(i) && isRoute(i) ? correct(i, Grad) : undefined);
    },
    train: (i) => (top().nesting === 0 && ended(i) ? Key : undefined),
  };

  /** Between a keyword and its brace, words are names, unless a statement plainly begins there. */
  const inHeader = (i: number, kind: Kind): TokenType | undefined => {
    if (!ended(i) || ['of', 'from', 'shared'].some((word) => word === text(i + 1) || (word !== 'shared' && word === text(i - 1)))) return undefined;
    // The brace is missing.
    const inner = kind === 'streams' ? [Step, Init, Repeat].find((candidate) => wordOf(candidate) === text(i)) : kind === 'twin' ? stageWord(i) : undefined;
    if (inner !== undefined) return inner;
    const type = RESERVED.get(text(i));
    return type !== undefined && fits(type, i) ? type : undefined;
  };

  const roleOf = (i: number): TokenType | undefined => {
    // The brace of train or backward is missing.
    if (is(tokens[i - 1], Train) || is(tokens[i - 1], Backward)) blocks.push({ kind: header?.kind ?? 'other', names: new Set(), nesting: 0 });
    if (is(tokens[i - 1], Train)) return Key;
    if (is(tokens[i - 1], Backward)) return text(i) === 'grad' ? Grad : undefined;
    const before = tokens[i - 1]?.tokenType;
    if (before === Cross) return stageWord(i);
    if (before !== undefined && STARTERS.has(before) && !BEFORE_EXPR.has(before)) return undefined;
    if (text(i) === 'net' && isWord(i + 1) && is(tokens[i + 2], LBrace) && text(i + 1) !== 'shared') return Net;
    return header === undefined ? rules[top().kind](i) : inHeader(i, header.kind);
  };

  const enter = (type: TokenType, i: number): void => {
    if (header !== undefined && ([Step, Init, Repeat, Both, Cross].includes(type) || header.kind === 'net')) blocks.push({ ...header, nesting: 0 });
    if (type === Net || type === Import) blocks = blocks.slice(0, 1);
    else if (RESERVED.has(wordOf(type)) || type === LetName) {
      const inner = (kind: Kind): boolean => kind !== 'net' && kind !== 'other' && kind !== 'file';
      while (inner(top().kind) && !((type === LetName || type === LetWord) && top().kind === 'cell')) blocks.pop();
      top().nesting = 0;
    }
    const kind = type === Repeat ? top().kind : BLOCK_OF.get(type);
    header = kind === undefined ? undefined : { kind, names: type === Twin ? namesFrom(i + 1) : type === Repeat ? top().names : new Set() };
  };
  const namesFrom = (i: number): ReadonlySet<string> => {
    const names = new Set([text(i)]);
    for (let at = i + 1; is(tokens[at], Comma); at += 2) names.add(text(at + 1));
    return names;
  };

  tokens.forEach((token, i) => {
    const type = token.tokenType;
    if (type === Word) {
      const role = roleOf(i) ?? CONTEXTUAL.get(token.image) ?? Word;
      token.tokenType = role;
      token.tokenTypeIdx = role.tokenTypeIdx ?? 0;
      if (STARTERS.has(role)) enter(role, i);
    } else if (type === LBrace) {
      blocks.push({ kind: header?.kind ?? 'other', names: header?.names ?? new Set(), nesting: 0 });
      header = undefined;
    } else if (type === RBrace) {
      // Without its opening brace a block closes nothing else.
      if (header === undefined && blocks.length > 1) blocks.pop();
      header = undefined;
    } else if (type === LParen || type === LSquare) top().nesting++;
    else if (type === RParen || type === RSquare) top().nesting = Math.max(0, top().nesting - 1);
  });
  return misspelt;
}
