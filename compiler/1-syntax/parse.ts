// From bytes to a syntax tree: decoding, tokens, roles and grammar, with a diagnostic for everything that is wrong. Never throws.

import type { IToken, TokenType } from 'chevrotain';
import { diagnostic, locator, quote } from '../diagnostics.ts';
import type { Code, Diagnostic, Loc, Source, Span } from '../diagnostics.ts';
import type { Comment, File } from './ast.ts';
import { ZigZagParser } from './grammar.ts';
import { isEnd, MAX_FAULTS } from './recovery.ts';
import type { Fault } from './recovery.ts';
import { assignRoles } from './roles.ts';
import { BadNumber, BadString, endOf, is, Key, LBrace, lex, LParen, LSquare, Minus, Num, RBrace, RParen, RSquare, startOf, STARTERS, Word } from './tokens.ts';
import type { Lexed } from './tokens.ts';

export const MAX_BYTES = 2 * 1024 * 1024;
export const MAX_TOKENS = 300_000;
const MAX_IDENTIFIER = 255;
/** Brackets and blocks one inside the other, and minuses in a row. */
export const MAX_NESTING = 100;

export interface Token {
  /** Its role: a keyword by its word, `Word` for a name, `Number`, `Arrow` and so on. */
  readonly type: string;
  readonly text: string;
  readonly span: Span;
}

export interface ParseResult {
  /** What could be read. Where an error left a part out, its name is the empty string: that has been reported already. */
  readonly file: File;
  readonly tokens: readonly Token[];
  readonly diagnostics: readonly Diagnostic[];
}

let parser: ZigZagParser | undefined;
/** Made at the first use: the grammar's analysis takes some milliseconds. Parsing leaves nothing behind in it. */
const theParser = (): ZigZagParser => (parser ??= new ZigZagParser());

/** The text of a file's bytes, without a byte order mark; or why it is none (ZZ1006, ZZ1007). */
export function decodeSource(file: string, bytes: Uint8Array): { readonly source?: Source; readonly diagnostics: readonly Diagnostic[] } {
  const refuse = (code: Code, text: string, start: number, message: string) => ({
    diagnostics: [diagnostic(code, locator({ file, text })({ start, end: start + 1 }), message)],
  });
  if (bytes.length > MAX_BYTES) return refuse('ZZ1007', '', 0, `the file has ${bytes.length} bytes, at most ${MAX_BYTES} are read`);
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) return refuse('ZZ1006', '', 0, 'the file is UTF-16, not UTF-8');
  const bad = firstInvalid(bytes);
  if (bad !== undefined) {
    const text = new TextDecoder().decode(bytes.subarray(0, bad));
    return refuse('ZZ1006', text, text.length, `byte 0x${(bytes[bad] ?? 0).toString(16).padStart(2, '0')} is not UTF-8`);
  }
  const text = new TextDecoder().decode(bytes);
  const nul = text.indexOf('\0');
  return nul >= 0 ? refuse('ZZ1006', text, nul, 'the file has a NUL byte') : { source: { file, text }, diagnostics: [] };
}

/** The offset of the first byte that is not part of a UTF-8 character. */
function firstInvalid(bytes: Uint8Array): number | undefined {
  const valid = (end: number, whole: boolean): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end), { stream: !whole });
      return true;
    } catch {
      return false;
    }
  };
  if (valid(bytes.length, true)) return undefined;
  // The longest prefix that could still become valid ends before the first bad byte.
  let [low, high] = [0, bytes.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (valid(middle, false)) low = middle;
    else high = middle - 1;
  }
  // Back to the first byte of a character cut short.
  let start = low;
  while (start > 0 && low - start < 3 && !valid(start, true)) start--;
  return start;
}

/** The syntax tree of a text. Errors are diagnostics, and the tree then holds what could be recovered. */
export function parse(source: Source): ParseResult {
  const place = locator(source);
  const found: Diagnostic[] = [];
  const report = (code: Code, span: Span, message: string, more: Parameters<typeof diagnostic>[3] = {}): void => {
    if (found.length < MAX_FAULTS) found.push(diagnostic(code, place(span), message, more));
  };
  const nothing = (message: string): ParseResult => {
    report('ZZ1007', { start: 0, end: 1 }, message);
    return { file: { imports: [], nets: [], comments: [], loc: place({ start: 0, end: source.text.length }) }, tokens: [], diagnostics: found };
  };
  if (source.text.length > MAX_BYTES) return nothing(`the file has ${source.text.length} characters, at most ${MAX_BYTES} are read`);
  const lexed = lex(source.text);
  if (lexed.tokens.length > MAX_TOKENS) return nothing(`the file has ${lexed.tokens.length} tokens, at most ${MAX_TOKENS} are read`);

  checkTokens(lexed, report);
  const tokens = boundNesting(lexed.tokens, report);
  const misspelt = assignRoles(tokens);
  const parsed = theParser().parse(tokens, (start, end) => place({ start, end }));
  for (const { token, keyword } of [...misspelt, ...parsed.misspelt]) {
    report('ZZ1003', spanOf(token), `unexpected ${quote(token.image)}`, { expected: `'${keyword}'`, found: quote(token.image), suggestion: keyword });
  }
  const follows = parsed.faults.length > 0 ? lexicalMistakes(lexed) : () => false;
  for (const fault of parsed.faults) if (!follows(fault)) reportFault(fault, tokens, source, place, report);
  found.push(...parsed.told.slice(0, MAX_FAULTS - found.length));
  found.sort((a, b) => a.loc.span.start - b.loc.span.start);
  const comments = lexed.comments.map((comment): Comment => ({ text: comment.image.trimEnd(), loc: place(spanOf(comment)) }));
  return {
    file: { imports: parsed.imports, nets: parsed.nets, comments, loc: place({ start: 0, end: source.text.length }) },
    get tokens() {
      return tokens.map((token) => ({ type: token.tokenType.name, text: token.image, span: spanOf(token) }));
    },
    diagnostics: found,
  };
}

type Reporter = (code: Code, span: Span, message: string, more?: Parameters<typeof diagnostic>[3]) => void;

const spanOf = (token: IToken): Span => ({ start: startOf(token), end: endOf(token) });

function checkTokens({ tokens, unknown }: Lexed, report: Reporter): void {
  for (const token of unknown) {
    if (token.image.includes('\0')) report('ZZ1006', spanOf(token), 'the file has a NUL byte');
    else report('ZZ1001', spanOf(token), `unexpected character${[...token.image].length > 1 ? 's' : ''} ${quote(token.image)}`);
  }
  for (const token of tokens) {
    const { tokenType: type, image } = token;
    if (type === BadString) report('ZZ1002', spanOf(token), 'the string has no closing quote on its line');
    else if (type === BadNumber) report('ZZ1004', spanOf(token), `${quote(image)} is not a number`, { expected: 'a number as in 12, 0.5 or 8e-5', found: quote(image) });
    else if (type === Num && !Number.isFinite(Number(image))) report('ZZ1004', spanOf(token), `${quote(image)} is too large for a number`);
    else if (type === Word && image.length > MAX_IDENTIFIER) report('ZZ1007', spanOf(token), `the name has ${image.length} characters, at most ${MAX_IDENTIFIER} are allowed`);
  }
}

/** The tokens without what nests too deeply: a bracket beyond the limit goes with all that is in it, and the rest of the file is read as it stands. */
function boundNesting(tokens: readonly IToken[], report: Reporter): IToken[] {
  const kept: IToken[] = [];
  let [depth, minuses] = [0, 0];
  for (const token of tokens) {
    const type = token.tokenType;
    minuses = type === Minus ? minuses + 1 : 0;
    if (minuses === MAX_NESTING + 1) report('ZZ1005', spanOf(token), `more than ${MAX_NESTING} minuses in a row`);
    if (minuses > MAX_NESTING) continue;
    if (isCloser(type)) depth = Math.max(0, depth - 1);
    if (isOpener(type) && depth === MAX_NESTING) {
      report('ZZ1005', spanOf(token), `more than ${MAX_NESTING} brackets inside each other`);
      if (type !== LBrace && !is(kept.at(-1), Word)) kept.push({ ...token, image: '', tokenType: Num, tokenTypeIdx: Num.tokenTypeIdx ?? 0 });
    }
    const brace = type === LBrace || type === RBrace;
    if (depth < MAX_NESTING || (depth === MAX_NESTING && (brace || !(isOpener(type) || isCloser(type))))) kept.push(token);
    if (isOpener(type)) depth++;
  }
  return kept;
}

const isOpener = (type: TokenType | undefined): boolean => type === LParen || type === LSquare || type === LBrace;
const isCloser = (type: TokenType | undefined): boolean => type === RParen || type === RSquare || type === RBrace;

/** Whether an error only follows from a character, a string or a number that is wrong by itself, earlier in the statement or right after. */
function lexicalMistakes({ tokens, unknown }: Lexed): (fault: Fault) => boolean {
  const badString = tokens.find((token) => token.tokenType === BadString)?.startOffset ?? NaN;
  /** Where the tokens start that this holds for; Infinity for the end of the file. */
  const tainted = new Set<number>();
  let [next, taint] = [0, false];
  const nextUnknown = (): number => unknown[next]?.startOffset ?? Infinity;
  tokens.forEach((token, i) => {
    for (; nextUnknown() < startOf(token); next++) taint = true;
    if (taint || nextUnknown() < (tokens[i + 1]?.startOffset ?? Infinity)) tainted.add(startOf(token));
    if (STARTERS.has(token.tokenType) && token.tokenType !== Key) taint = false;
  });
  if (taint || next < unknown.length) tainted.add(Infinity);
  return ({ token }) => {
    const start = isEnd(token) ? Infinity : startOf(token);
    // A string without an end may have swallowed anything.
    return badString <= start || token.tokenType === BadNumber || tainted.has(start);
  };
}

const OPENERS: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/** Reports a fault at its token, or after the last one at the end of the file, and the bracket that is still open there. */
function reportFault({ expected, token, previous }: Fault, tokens: readonly IToken[], source: Source, place: (span: Span) => Loc, report: Reporter): void {
  const end = isEnd(token);
  const last = previous === undefined ? source.text.length : endOf(previous);
  const span = end ? { start: last, end: last + 1 } : spanOf(token);
  const wanted = /'([)\]}])'/.exec(expected)?.[1];
  const opener = wanted === undefined || (wanted === '}' && !end) ? undefined : openBefore(tokens, end ? tokens.length : indexAt(tokens, startOf(token)), OPENERS[wanted] ?? '');
  report('ZZ1003', span, end ? 'unexpected end of the file' : `unexpected ${quote(token.image)}`, {
    expected,
    found: end ? 'the end of the file' : quote(token.image),
    ...(opener === undefined ? {} : { related: [{ message: `the ${quote(opener.image)} that is still open`, loc: place(spanOf(opener)) }] }),
  });
}

/** The index of the token that starts at an offset. */
function indexAt(tokens: readonly IToken[], start: number): number {
  let [low, high] = [0, tokens.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.startOffset ?? Infinity) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The innermost bracket of a kind that is open before token i. It is looked for among the last 10,000 tokens, or at the end of the file everywhere. */
function openBefore(tokens: readonly IToken[], i: number, opener: string): IToken | undefined {
  let depth = 0;
  const first = i === tokens.length ? 0 : Math.max(0, i - 10_000);
  for (let at = i - 1; at >= first; at--) {
    const token = tokens[at];
    if (isCloser(token?.tokenType)) depth++;
    else if (isOpener(token?.tokenType)) {
      if (depth === 0) return token?.image === opener ? token : undefined;
      depth--;
    }
  }
  return undefined;
}
