// The token types of .zz and the lexer. The lexer knows words, not keywords: roles.ts says which words are keywords where.

import { createToken, Lexer } from 'chevrotain';
import type { CustomPatternMatcherFunc, IToken, TokenType } from 'chevrotain';

/** A string without its closing quote ends before the brackets that close its line, so that they still count. */
const unterminated: CustomPatternMatcherFunc = (text, offset) => {
  if (text[offset] !== '"') return null;
  const line = /[^\r\n]*/y;
  line.lastIndex = offset;
  const rest = line.exec(text)?.[0] ?? '"';
  let end = rest.length;
  while (end > 1 && ' \t)]}'.includes(rest[end - 1] ?? '')) end--;
  return [rest.slice(0, end)];
};

/** A run of characters that begin no token. A token of its own, as the lexer's own way to skip such characters is slow on megabytes of them. */
const unknownRun: CustomPatternMatcherFunc = (text, offset) => {
  const run = /[^][^\s\w"+\-*/=:,{}()[\]<>.#\ufeff]*/y;
  run.lastIndex = offset;
  return run.exec(text);
};
/** The lexer looks at the first character: all but the ASCII ones that can begin nothing else, beyond Latin-1 one for each of its buckets of 255. */
const unknownStarts = Array.from({ length: 514 }, (_, i) => (i < 256 ? i : Math.min((i - 255) * 255 + 1, 0xffff))).filter((code) => !/[\w\s]/.test(String.fromCharCode(code)) || code > 127);

// What the lexer makes.
export const Word = createToken({ name: 'Word', pattern: /[A-Za-z_][A-Za-z0-9_]*/ });
/** `0..5` is a range, so a dot belongs to a number only when one dot stands alone. */
export const Num = createToken({ name: 'Number', pattern: /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w|\.(?!\.))/ });
export const BadNumber = createToken({ name: 'BadNumber', pattern: /(?:\d|\.\d)(?:[eE][+-]|\w|\.(?!\.))*/, categories: Num });
export const Str = createToken({ name: 'String', pattern: /"[^"\r\n]*"/ });
export const BadString = createToken({ name: 'BadString', pattern: unterminated, start_chars_hint: ['"'], line_breaks: false, categories: Str });
export const BinaryOp = createToken({ name: 'BinaryOp', pattern: Lexer.NA });
export const Arrow = createToken({ name: 'Arrow', pattern: '->' });
export const BackArrow = createToken({ name: 'BackArrow', pattern: '<-' });
export const PlusEqual = createToken({ name: 'PlusEqual', pattern: '+=' });
export const DotDot = createToken({ name: 'DotDot', pattern: '..' });
const Plus = createToken({ name: 'Plus', pattern: '+', categories: BinaryOp });
export const Minus = createToken({ name: 'Minus', pattern: '-', categories: BinaryOp });
const Star = createToken({ name: 'Star', pattern: '*', categories: BinaryOp });
const Slash = createToken({ name: 'Slash', pattern: '/', categories: BinaryOp });
export const Equal = createToken({ name: 'Equal', pattern: '=' });
export const Colon = createToken({ name: 'Colon', pattern: ':' });
export const Comma = createToken({ name: 'Comma', pattern: ',' });
export const LBrace = createToken({ name: 'LBrace', pattern: '{' });
export const RBrace = createToken({ name: 'RBrace', pattern: '}' });
export const LParen = createToken({ name: 'LParen', pattern: '(' });
export const RParen = createToken({ name: 'RParen', pattern: ')' });
export const LSquare = createToken({ name: 'LSquare', pattern: '[' });
export const RSquare = createToken({ name: 'RSquare', pattern: ']' });
const Space = createToken({ name: 'Space', pattern: /[ \t\r\n\v\f\ufeff]+/, group: Lexer.SKIPPED, line_breaks: true });
const CommentToken = createToken({ name: 'Comment', pattern: /(?:\/\/|#)[^\r\n]*/, group: 'comments' });
const Unknown = createToken({ name: 'Unknown', pattern: unknownRun, start_chars_hint: unknownStarts, line_breaks: false, group: 'unknown' });

// Words that roles.ts turns into keywords. A word of this first kind begins a statement, and is then no name: recovery resumes there.
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
const starter = (word: string): TokenType => createToken({ name: capital(word), label: word, pattern: Lexer.NA });
export const Import = starter('import');
export const Net = starter('net');
export const Input = starter('input');
export const View = starter('view');
export const LetWord = starter('let');
export const Layer = starter('layer');
export const Cell = starter('cell');
export const Streams = starter('streams');
export const Twin = starter('twin');
export const Backward = starter('backward');
export const Output = starter('output');
export const Loss = starter('loss');
export const Train = starter('train');
export const Init = starter('init');
export const Step = starter('step');
export const Repeat = starter('repeat');
export const Both = starter('both');
export const Cross = starter('cross');
export const Grad = starter('grad');
/** The first name of a let, of a twin stage, the key of a setting: known by what stands around them. */
export const LetName = starter('LetName');
export const StageName = starter('StageName');
export const Key = starter('Key');

// A word of this second kind is a keyword only where the grammar asks for it, and a name everywhere else.
const contextual = (word: string): TokenType => createToken({ name: capital(word), label: word, pattern: Lexer.NA, categories: Word });
export const Of = contextual('of');
export const From = contextual('from');
export const Shared = contextual('shared');
export const Straight = contextual('straight');
export const Zigzag = contextual('zigzag');
export const Swap = contextual('swap');
export const Concat = contextual('concat');
export const Add = contextual('add');
export const Mean = contextual('mean');
export const True = contextual('true');
export const False = contextual('false');

/** The word of a keyword's type. */
export const wordOf = (type: TokenType): string => type.LABEL ?? type.name;

/** Reserved at the start of a statement. */
export const RESERVED: ReadonlyMap<string, TokenType> = new Map(
  [Import, Net, Input, View, LetWord, Layer, Cell, Streams, Twin, Backward, Output, Loss, Train].map((type) => [wordOf(type), type]),
);
export const CONTEXTUAL: ReadonlyMap<string, TokenType> = new Map(
  [Of, From, Shared, Straight, Zigzag, Swap, Concat, Add, Mean, True, False].map((type) => [wordOf(type), type]),
);
/** Every type that begins a statement somewhere. */
export const STARTERS: ReadonlySet<TokenType> = new Set([...RESERVED.values(), Init, Step, Repeat, Both, Cross, Grad, LetName, StageName, Key]);

/** What the lexer makes of a text, in the order in which it tries: the longer of two patterns with a common beginning first. */
export const LEXED: readonly TokenType[] = [
  Space, CommentToken, Word, Num, BadNumber, Str, BadString, Arrow, BackArrow, PlusEqual, DotDot, Plus, Minus, Star, Slash,
  Equal, Colon, Comma, LBrace, RBrace, LParen, RParen, LSquare, RSquare, Unknown,
];

/** Every token type, for the parser. */
export const VOCABULARY = [...LEXED, BinaryOp, ...STARTERS, ...CONTEXTUAL.values()];

const lexer = new Lexer([...LEXED], { positionTracking: 'onlyOffset', ensureOptimizations: true, skipValidations: true });

export interface Lexed {
  readonly tokens: IToken[];
  readonly comments: readonly IToken[];
  /** Runs of characters that begin no token. */
  readonly unknown: readonly IToken[];
}

/** Cuts a text into tokens. The numbers of lines and columns are left to `locator`. */
export function lex(text: string): Lexed {
  const { tokens, groups } = lexer.tokenize(text);
  return { tokens, comments: groups['comments'] ?? [], unknown: groups['unknown'] ?? [] };
}

export const startOf = (token: IToken): number => token.startOffset;
export const endOf = (token: IToken): number => token.startOffset + token.image.length;

/** Whether a token is of a type, or of a category. */
export function is(token: IToken | undefined, type: TokenType): boolean {
  return token !== undefined && (token.tokenType === type || (token.tokenType.CATEGORIES ?? []).includes(type));
}
