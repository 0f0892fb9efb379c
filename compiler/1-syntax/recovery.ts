// How the parser recovers: an error ends the statement it is in, and parsing goes on at the next word that begins a statement, or at the brace
// that ends the block. Chevrotain's own recovery is off: it resumes inside expressions, and one mistake would be reported many times.

import { CstParser, isRecognitionException } from 'chevrotain';
import type { IParserErrorMessageProvider, IToken, MismatchedTokenException, TokenType } from 'chevrotain';
import { nearest } from '../diagnostics.ts';
import type { Misspelling } from './roles.ts';
import {
  Arrow, BackArrow, Colon, Comma, Equal, From, Import, is, LBrace, LetName, LParen, LSquare, Net, Num, Of, RBrace, RESERVED, RParen, RSquare, StageName, STARTERS, Str, Word, wordOf,
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
  /** The first words of what was skipped between statements, or with the keyword that began one: they may have been meant as names. */
  readonly lost: readonly IToken[];
}

/** Gives what was found since a place. */
export type Found = () => Pick<Report, 'faults' | 'lost'>;

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

/** A parser whose grammar marks where it recovers. Errors are collected, not thrown. */
export class RecoveringParser extends CstParser {
  private faults: Fault[] = [];
  private misspelt: Misspelling[] = [];
  private lost: IToken[] = [];
  /** Where the last recovery stopped: an error at that very token follows from the one before. */
  private resumed: IToken | undefined;
  /** The last token of the last expression: more of it could follow. */
  protected exprEnd: IToken | undefined;

  protected constructor(vocabulary: TokenType[], options: { readonly skipValidations: boolean }) {
    super(vocabulary, { recoveryEnabled: false, maxLookahead: 2, nodeLocationTracking: 'onlyOffset', errorMessageProvider: messages, ...options });
  }

  /** What was found since the last report. */
  protected report(): Report {
    const { faults, misspelt, lost } = this;
    [this.faults, this.misspelt, this.lost, this.resumed, this.exprEnd] = [[], [], [], undefined, undefined];
    return { faults, misspelt, lost };
  }

  protected mark(): Found {
    const [faults, lost] = [this.faults.length, this.lost.length];
    return () => ({ faults: this.faults.slice(faults), lost: this.lost.slice(lost) });
  }

  /** Parses a part; after an error in it, skips to where a statement begins. `whole`: the part is a statement, which then is lost with its names. */
  protected attempt(part: () => unknown, stops: ReadonlySet<TokenType> = STARTERS, whole = false): void {
    const start = this.LA(1);
    try {
      part();
    } catch (error) {
      if (!(error instanceof Error) || !isRecognitionException(error)) throw error;
      const { token, previousToken } = error as MismatchedTokenException;
      this.fault(error.message, token, previousToken);
      // Where nothing was consumed, what stands before belongs to other statements.
      const begun = whole && this.LA(1) !== start;
      for (let back = 0; begun && this.LA(back) !== start; back--) if (is(this.LA(back), Word)) this.lost.push(this.LA(back));
      this.skip(stops, whole);
    }
  }

  /** Consumes a token; without it, goes on if what may follow is there. */
  protected need(type: TokenType, consume: () => unknown, ...follow: readonly TokenType[]): void {
    const next = this.LA(1);
    const missing = !is(next, type) && follow.some((after) => is(next, after));
    if (this.RECORDING_PHASE || !missing) consume();
    else {
      const ruleName = '';
      this.fault(messages.buildMismatchTokenMessage({ expected: type, actual: next, previous: this.LA(0), ruleName }), next, this.LA(0));
      this.resumed = next;
    }
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
    const more = this.exprEnd !== undefined && this.LA(0) === this.exprEnd && !expected.startsWith('an operator');
    const inside = inFile && is(next, Word) && RESERVED.has(next.image) ? `; '${next.image}' stands inside a net` : '';
    this.fault(`${more ? "an operator, '->', " : ''}${expected}${inside}`, next, this.LA(0));
    if (is(next, Word)) this.lost.push(next);
    if (next.tokenType !== LBrace) this.SKIP_TOKEN();
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
    if (token !== this.resumed) this.faults.push({ expected, token, previous: Number.isNaN(previous.startOffset) ? undefined : previous });
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
      this.SKIP_TOKEN();
    }
    this.resumed = this.LA(1);
  }
}

/** Whether a token is the end of the file. */
export const isEnd = (token: IToken): boolean => Number.isNaN(token.startOffset);
