// How the parser recovers: an error ends the statement it is in, and parsing goes on at the next word that begins a statement, or at the brace
// that ends the block. Chevrotain's own recovery is off: it resumes inside expressions, and one mistake would be reported many times.
// Also the leaves of the tree, and the holes that stand for what could not be read.

import { EmbeddedActionsParser, isRecognitionException } from 'chevrotain';
import type { IParserErrorMessageProvider, IToken, MismatchedTokenException, TokenType } from 'chevrotain';
import { diagnostic, nearest, quote } from '../diagnostics.ts';
import type { Diagnostic, Loc } from '../diagnostics.ts';
import type { Expr, Ident, Item, Name, NumberLiteral } from './ast.ts';
import type { Misspelling } from './roles.ts';
import {
  Arrow, BackArrow, BadNumber, Colon, Comma, endOf, Equal, From, Import, is, LBrace, LetName, LParen, LSquare, Net, Num, Of, RBrace, RESERVED, RParen, RSquare, StageName, STARTERS, Str, Word, wordOf,
} from './tokens.ts';

/** A syntax error: what the grammar allows in place of a token. At the end of the file the token is chevrotain's EOF, without an offset. */
export interface Fault {
  readonly expected: string;
  readonly token: IToken;
  readonly previous: IToken | undefined;
}

export interface Report {
  readonly faults: readonly Fault[];
  readonly misspelt: readonly Misspelling[];
  /** What is wrong with parts that the grammar allows: numbers that must be whole, endless chains, misplaced imports. */
  readonly told: readonly Diagnostic[];
}

/** The place of a span. */
export type Place = (start: number, end: number) => Loc;

/** The name that stands for an expression, a cell or a function that could not be read. It has been reported; nothing more is to be said of it. */
export const HOLE = '';

/** After so many errors the rest of a file is not read. */
export const MAX_FAULTS = 1000;

/** What begins a statement of a file, and of a net. */
export const NETS: ReadonlySet<TokenType> = new Set([Net, Import]);
export const ITEMS: ReadonlySet<TokenType> = new Set([...RESERVED.values(), LetName]);

export const ITEM = "a statement (input, view, let, layer, cell, streams, twin, backward, output, loss, train) or '}'";

/** What the blocks consist of. */
export const BLOCKS = {
  cell: "an operator, '->' or '}' after the new state",
  streams: "'step', 'repeat' or '}'",
  twin: "'both', 'cross', 'repeat', the name of a stream or '}'",
  backward: "'grad(name) = ...' or '}'",
  train: "a setting or '}'",
} as const;

const TOKEN_NAMES: ReadonlyMap<TokenType, string> = new Map([
  [Word, 'a name'], [LetName, 'a name'], [StageName, 'a name'], [Num, 'a number'], [Str, 'a path in double quotes'], [Arrow, "'->'"], [BackArrow, "'<-'"],
  [Equal, "'='"], [Colon, "':'"], [LBrace, "'{'"], [RBrace, "'}'"], [LParen, "'('"], [RParen, "')'"], [LSquare, "'['"], [RSquare, "']'"], [Of, "'of'"], [From, "'from'"],
  [Comma, "','"],
]);

/** What a token is called in one rule: what else could stand there, or what it is for. */
const IN_RULE: Readonly<Record<string, string>> = {
  'args RParen': "',' or ')'",
  'arms RParen': "an operator, '->', ',' or ')'",
  'arms Word': 'the name of a stream',
  'arm Word': 'the name of a stream',
  'operand RParen': "an operator, '->' or ')'",
  'params Comma': "',' and the name of the hidden state",
  'params RParen': "',' or ')'",
  'list RSquare': "',' or ']'",
  'shape RSquare': "',' or ']'",
  'shape Number': 'a whole number',
  'index Number': 'a whole number',
  'repeatSteps Number': 'a whole number',
  'repeatStages Number': 'a whole number',
  'target Word': 'an operation, a layer or a net',
  'call Word': 'an operation',
  'net RBrace': ITEM,
  'cell RBrace': BLOCKS.cell,
  'streams RBrace': BLOCKS.streams,
  'repeatSteps RBrace': BLOCKS.streams,
  'twin RBrace': BLOCKS.twin,
  'repeatStages RBrace': BLOCKS.twin,
  'backward RBrace': BLOCKS.backward,
  'train RBrace': BLOCKS.train,
};

/** What a rule that finds none of its alternatives wanted. */
const ALTERNATIVES: Readonly<Record<string, string>> = {
  operand: 'an expression',
  value: 'a value',
  route: "'straight', 'zigzag' or '(' with an arm for every stream",
  cross: "'swap', 'concat', 'add', 'mean' or '(' with an arm for every stream",
  gradRoute: "'=' or '+='",
  let: "a name and '='",
};

const messages: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected, previous, ruleName }) => {
    if (ruleName === 'args' && is(previous, LParen)) return "an argument or ')'";
    return IN_RULE[`${ruleName} ${expected.name}`] ?? TOKEN_NAMES.get(expected) ?? `'${wordOf(expected)}'`;
  },
  buildNoViableAltMessage: ({ ruleName }) => ALTERNATIVES[ruleName] ?? 'something else',
  buildEarlyExitMessage: ({ ruleName }) => (ruleName === 'arms' ? 'the name of a stream' : 'an expression'),
  buildNotAllInputParsedMessage: () => "'net'",
};

/** While chevrotain records the grammar, rules run without a text. */
const NOWHERE: Loc = { file: '', line: 1, column: 1, span: { start: 0, end: 0 } };

/** A parser whose grammar marks where it recovers. Errors are collected, not thrown. */
export abstract class RecoveringParser extends EmbeddedActionsParser {
  protected place: Place = () => NOWHERE;
  private faults: Fault[] = [];
  private misspelt: Misspelling[] = [];
  private told: Diagnostic[] = [];
  /** The first words of what was skipped between statements, or with the keyword that began one: they may have been meant as names. */
  private lost: IToken[] = [];
  /** Where the last recovery stopped: an error at that very token follows from the one before. */
  private resumed: IToken | undefined;
  /** The last token that was skipped, and where the one that was read before it ends. */
  private skipped: { readonly last: IToken; readonly end: number } | undefined;
  /** The last token of the last expression: more of it could follow. And all expressions that end there. */
  private exprEnd: { readonly token: IToken; readonly exprs: Expr[] } | undefined;
  /** Expressions that end where an error begins: they may lack their rest. */
  private cut = new Set<unknown>();

  protected constructor(vocabulary: TokenType[], options: { readonly skipValidations: boolean }) {
    super(vocabulary, { recoveryEnabled: false, maxLookahead: 2, errorMessageProvider: messages, ...options });
  }

  /** Begins a text. */
  protected begin(tokens: IToken[], place: Place): void {
    this.input = tokens;
    this.place = place;
    [this.faults, this.misspelt, this.told, this.lost, this.cut] = [[], [], [], [], new Set()];
    [this.resumed, this.skipped, this.exprEnd] = [undefined, undefined, undefined];
  }

  /** What was found since the beginning. */
  protected report(): Report {
    const { faults, misspelt, told } = this;
    return { faults, misspelt, told };
  }

  /** Where the next token starts. */
  protected start(): number {
    return this.LA(1).startOffset;
  }

  /** Where the last token ends that was read and not skipped. */
  protected end(): number {
    const last = this.LA(0);
    return last === this.skipped?.last ? this.skipped.end : endOf(last);
  }

  /** From an offset to the last token that was read. */
  protected placeFrom(start: number): Loc {
    return this.place(start, this.end());
  }

  /** The empty place right after it. */
  protected after(end = this.end()): Loc {
    return this.place(end, end);
  }

  protected hole(end?: number): Name {
    return { kind: 'name', name: HOLE, loc: this.after(end) };
  }

  protected ident(token: IToken): Ident {
    return { name: token.image.slice(0, 255), loc: this.place(token.startOffset, endOf(token)) };
  }

  protected number(token: IToken): NumberLiteral {
    return { kind: 'number', value: Number.parseFloat(token.image), text: token.image, loc: this.place(token.startOffset, endOf(token)) };
  }

  protected whole(token: IToken): NumberLiteral {
    if (!/^\d+$/.test(token.image) && !is(token, BadNumber)) this.wrong(token, 'a whole number');
    return this.number(token);
  }

  protected wrong(token: IToken, expected: string, message?: string): void {
    this.ACTION(() => {
      const found = quote(token.image);
      this.tell(diagnostic('ZZ1003', this.place(token.startOffset, endOf(token)), message ?? `unexpected ${found}`, { expected, found }));
    });
  }

  protected tell(each: Diagnostic): void {
    if (this.told.length < MAX_FAULTS) this.told.push(each);
  }

  /** Gives the words that were lost since this call. */
  protected lostFromHere(): () => readonly IToken[] {
    const { length } = this.lost;
    return () => this.lost.slice(length);
  }

  /** An expression has ended. */
  protected ended(value: Expr): void {
    const token = this.LA(0);
    if (this.exprEnd?.token === token) this.exprEnd.exprs.push(value);
    else this.exprEnd = { token, exprs: [value] };
  }

  /** Items with holes for the expressions that may lack their rest. */
  protected withoutCut(items: readonly Item[]): readonly Item[] {
    return this.cut.size === 0 ? items : (this.holed(items) as readonly Item[]);
  }

  private holed(part: unknown): unknown {
    if (this.cut.has(part)) return this.hole((part as Expr).loc.span.end);
    if (Array.isArray(part)) return part.map((each) => this.holed(each));
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, key === 'loc' ? value : this.holed(value)]));
  }

  /** Parses a part; after an error in it, skips to where a statement begins. `whole`: the part is a statement, which then is lost with its names. */
  protected attempt<T>(part: () => T, stops: ReadonlySet<TokenType> = STARTERS, whole = false): T | undefined {
    const start = this.LA(1);
    const told = this.told.length;
    try {
      return part();
    } catch (error) {
      if (!(error instanceof Error) || !isRecognitionException(error)) throw error;
      const { token, previousToken } = error as MismatchedTokenException;
      this.fault(error.message, token, previousToken);
      // What else is wrong with the part may only follow from that.
      this.told.length = told;
      // Where nothing was consumed, what stands before belongs to other statements.
      const begun = whole && this.LA(1) !== start;
      for (let back = 0; begun && this.LA(back) !== start; back--) if (is(this.LA(back), Word)) this.lost.push(this.LA(back));
      this.skip(stops, whole);
      return undefined;
    }
  }

  /** Consumes a token; without it, goes on if what may follow is there. */
  protected need<T>(type: TokenType, consume: () => T, ...follow: readonly TokenType[]): T | undefined {
    const next = this.LA(1);
    const missing = !is(next, type) && follow.some((after) => is(next, after));
    if (this.RECORDING_PHASE || !missing) return consume();
    const ruleName = '';
    this.fault(messages.buildMismatchTokenMessage({ expected: type, actual: next, previous: this.LA(0), ruleName }), next, this.LA(0));
    this.resumed = next;
    return undefined;
  }

  /** Whether a separator was left out before a name: one of these comes after it. */
  protected forgotten(separator: TokenType, after: readonly TokenType[]): boolean {
    const next = this.LA(1);
    if (this.RECORDING_PHASE || next.tokenType !== Word || !after.some((type) => is(this.LA(2), type))) return false;
    this.fault(TOKEN_NAMES.get(separator) ?? wordOf(separator), next, this.LA(0));
    return true;
  }

  /** Between the statements of a block: reports and skips what begins none. False at the end of the block, or where an outer block goes on. */
  protected junk(expected: string, outer: ReadonlySet<TokenType>): boolean {
    if (this.RECORDING_PHASE) return false;
    const next = this.LA(1);
    const inFile = outer === NETS && expected.startsWith("'net'");
    if (isEnd(next) || (!inFile && (next.tokenType === RBrace || outer.has(next.tokenType)))) return false;
    const more = this.LA(0) === this.exprEnd?.token && !expected.startsWith('an operator');
    const inside = inFile && is(next, Word) && RESERVED.has(next.image) ? `; '${next.image}' stands inside a net` : '';
    this.fault(`${more ? "an operator, '->', " : ''}${expected}${inside}`, next, this.LA(0));
    if (is(next, Word)) this.lost.push(next);
    if (next.tokenType !== LBrace) this.drop();
    this.skip(inFile ? NETS : STARTERS, !inFile);
    return true;
  }

  /** Takes the next word for one of these keywords if it is nearly one. */
  protected spell(...types: readonly TokenType[]): void {
    if (this.RECORDING_PHASE) return;
    const token = this.LA(1);
    if (token.tokenType !== Word) return;
    const keyword = nearest(token.image, types.map(wordOf));
    const type = types.find((candidate) => wordOf(candidate) === keyword);
    if (type === undefined || keyword === undefined) return;
    this.misspelt.push({ token, keyword });
    token.tokenType = type;
    token.tokenTypeIdx = type.tokenTypeIdx ?? 0;
  }

  private fault(expected: string, token: IToken, previous: IToken): void {
    if (token === this.resumed) return;
    this.faults.push({ expected, token, previous: isEnd(previous) ? undefined : previous });
    if (previous === this.exprEnd?.token) for (const expr of this.exprEnd.exprs) this.cut.add(expr);
  }

  /** Skips a token. */
  private drop(): void {
    const end = this.end();
    this.skipped = { last: this.SKIP_TOKEN(), end };
  }

  /** Skips to a token of one of these types or the brace that closes the block, over blocks in braces. A net stops it anywhere. */
  private skip(stops: ReadonlySet<TokenType>, whole: boolean): void {
    const last = this.faults.length >= MAX_FAULTS;
    let depth = 0;
    for (let next = this.LA(1); !isEnd(next); next = this.LA(1)) {
      if (!last && (next.tokenType === Net || (depth === 0 && (stops.has(next.tokenType) || (next.tokenType === RBrace && stops !== NETS))))) break;
      if (whole && is(next, Word) && [Equal, Colon, Comma, Of, From].some((after) => is(this.LA(2), after))) this.lost.push(next);
      if (next.tokenType === LBrace) depth++;
      if (next.tokenType === RBrace) depth = Math.max(0, depth - 1);
      this.drop();
    }
    this.resumed = this.LA(1);
  }
}

/** Whether a token is the end of the file. */
export const isEnd = (token: IToken): boolean => Number.isNaN(token.startOffset);
