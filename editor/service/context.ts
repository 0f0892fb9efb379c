// Where in the grammar an offset stands, told from the tokens before it, so that it can be said of text that is not finished.

import type { Token } from '../../compiler/1-syntax/parse.ts';
import { STARTERS } from '../../compiler/1-syntax/tokens.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { countBelow, tokensAt, tokensBetween } from './token-list.ts';
import type { TokenList } from './token-list.ts';

export type BlockKind = 'file' | 'net' | 'cell' | 'streams' | 'twin' | 'backward' | 'train';

/** A call whose brackets are open. */
export interface OpenCall {
  readonly callee: string;
  /** Where the name of the callee ends. */
  readonly end: number;
  /** Whether a value is piped in before its arguments. */
  readonly piped: boolean;
  /** Commas before the offset, inside these brackets. */
  readonly commas: number;
  /** Arguments that have been named so far. */
  readonly named: readonly string[];
  /** The name that stands before the value at the offset. */
  readonly current?: string;
}

/** What may come next. */
export type Place =
  | 'nothing'
  /** A statement of the block. */
  | 'statement'
  | 'expression'
  /** After an arrow. */
  | 'target'
  | 'argument'
  /** After the name of an argument. */
  | 'argument value'
  | 'shape'
  | 'route'
  | 'arm'
  | 'cross'
  /** A cell, after `of`. */
  | 'cell'
  /** A value's name, after `output` or in `grad(...)`. */
  | 'value name'
  | 'setting value'
  | 'import path'
  | 'dataset path'
  /** A word of the header of a streams or twin block, such as `of`. */
  | 'header';

export interface Context {
  readonly place: Place;
  readonly block: BlockKind;
  /** The word, or the text in quotes, that the offset stands in or after. */
  readonly typed: Span;
  /** The calls that are open, innermost last. */
  readonly calls: readonly OpenCall[];
  /** Inside a view's definition. */
  readonly view: boolean;
  /** The key of the setting whose value it is. */
  readonly setting?: string;
  /** What has been written of the header: its keyword and the last word. */
  readonly header?: { readonly keyword: string; readonly has: readonly string[] };
  /** Words that begin the statements of this block so far: keys of train, or streams with an arm. */
  readonly given: readonly string[];
  /** The names of the streams of the block around it. */
  readonly streams: readonly string[];
  /** Whether those names stand for values here: in arms, and everywhere in the stages of a twin. */
  readonly inStreams: boolean;
  /** Where the statement begins. */
  readonly statement?: number;
  /** Whether a stage of a twin has just ended, after which `shared` may stand. */
  readonly stageEnded: boolean;
}

interface Frame {
  readonly kind: BlockKind | 'call' | 'group' | 'arms' | 'list' | 'shape' | 'params';
  readonly callee?: Token;
  readonly piped: boolean;
  commas: number;
  readonly named: string[];
  current: string | undefined;
  readonly given: string[];
  readonly streams: readonly string[];
}

const STARTER_WORDS: ReadonlySet<string> = new Set([...STARTERS].map(({ name }) => name));
const BLOCKS: Readonly<Record<string, BlockKind>> = { Net: 'net', Cell: 'cell', Streams: 'streams', Twin: 'twin', Backward: 'backward', Train: 'train' };
const BLOCK_KINDS: ReadonlySet<string> = new Set(['file', ...Object.values(BLOCKS)]);
const NOT_IN_CELLS: ReadonlySet<string> = new Set(['Input', 'View', 'Layer', 'Cell', 'Streams', 'Twin', 'Backward', 'Output', 'Loss', 'Train']);
const OPERATORS: ReadonlySet<string> = new Set(['Equal', 'PlusEqual', 'Plus', 'Minus', 'Star', 'Slash', 'BackArrow']);
/** After these keywords a new name is given. */
const NAMING: ReadonlySet<string> = new Set(['Net', 'Input', 'View', 'Let', 'Layer', 'Cell', 'Streams', 'Twin', 'Repeat', 'Grad']);
const AFTER_KEYWORD: Readonly<Record<string, Place>> = {
  Import: 'import path', Output: 'value name', Loss: 'expression', Step: 'expression', Init: 'expression', Both: 'target', StageName: 'target', Cross: 'cross', Of: 'cell', From: 'expression', Key: 'setting value',
};

const frame = (kind: Frame['kind'], streams: readonly string[] = [], callee?: Token, piped = false): Frame => ({ kind, piped, commas: 0, named: [], current: undefined, given: [], streams, ...(callee && { callee }) });

/** The context of an offset. Nothing may come in comments. */
export function contextAt(analysis: Analysis, offset: number): Context {
  const { tokens, source: { text } } = analysis;
  const within = tokensAt(tokens, text, offset).find(({ span, type }) => (type === 'String' || type === 'BadString') && span.start < offset && (offset < span.end || (offset === span.end && !isClosed(text, span))));
  const start = within ? within.span.start + 1 : offset - (/\w*$/.exec(text.slice(Math.max(0, offset - 255), offset))?.[0].length ?? 0);
  const before = tokensBefore(tokens, text, within ? within.span.start : start);
  const state = scan(before);
  const place = inComment(analysis, offset) ? 'nothing' : placeOf(state, before, within !== undefined);
  const { frames } = state;
  const block = [...frames].reverse().find(({ kind }) => BLOCK_KINDS.has(kind));
  const inner = frames.at(-1);
  const last = before.at(-1);
  return {
    place,
    block: (block?.kind ?? 'file') as BlockKind,
    typed: { start, end: offset },
    calls: frames.flatMap((each): OpenCall[] => (each.callee === undefined ? [] : [openCall(each, each.callee)])),
    view: state.statement?.type === 'View',
    ...(state.setting !== undefined && { setting: state.setting }),
    ...(state.header && { header: { keyword: state.header[0]?.text ?? '', has: state.header.map((token) => token.text) } }),
    given: inner?.given ?? [],
    streams: inner?.streams ?? [],
    inStreams: block?.kind === 'twin' || frames.some(({ kind }) => kind === 'arms'),
    ...(state.statement && place !== 'statement' && { statement: state.statement.span.start }),
    stageEnded: block?.kind === 'twin' && last !== undefined && last.type !== 'LBrace' && last.type !== 'RBrace',
  };
}

const isClosed = (text: string, { start, end }: Span): boolean => end - start > 1 && text[end - 1] === '"';

const openCall = ({ piped, commas, named, current }: Frame, callee: Token): OpenCall => ({
  callee: callee.text, end: callee.span.end, piped, commas, named, ...(current !== undefined && { current }),
});

const inComment = ({ comments }: Analysis, offset: number): boolean => comments.some(({ loc }) => loc.span.start < offset && offset <= loc.span.end);

/** The tokens up to an offset, from the last that begins a net or an import: what stands above does not count any more. */
function tokensBefore(tokens: TokenList, text: string, end: number): readonly Token[] {
  const last = countBelow(tokens.ends, end + 1);
  const first = Math.max(0, tokens.types.lastIndexOf('Net', last - 1), tokens.types.lastIndexOf('Import', last - 1));
  return tokensBetween(tokens, text, first, last);
}

interface State {
  readonly frames: readonly Frame[];
  /** The word that began the statement the offset is in. */
  readonly statement?: Token;
  /** The tokens of a header whose brace has not come. */
  readonly header?: readonly Token[];
  readonly setting?: string;
}

/** Reads tokens as far as brackets and statements go. */
function scan(tokens: readonly Token[]): State {
  const frames: Frame[] = [frame('file')];
  let statement: Token | undefined;
  let header: Token[] | undefined;
  let setting: string | undefined;
  const top = (): Frame => frames.at(-1) ?? frame('file');
  const inBlock = (): boolean => BLOCK_KINDS.has(top().kind);
  tokens.forEach((token, i) => {
    const { type, text } = token;
    const last = tokens[i - 1];
    if (header !== undefined && type !== 'LBrace') header.push(token);
    // The last expression of a cell begins without a sign of it.
    if (top().kind === 'cell' && last && endsExpression(last) && (isName(token) || type === 'Number' || type === 'LParen' && !isName(last))) statement = undefined;
    if (STARTER_WORDS.has(type)) {
      // A statement ends whatever brackets were left open; a net, all blocks; one that no cell has, a cell.
      while (!inBlock()) frames.pop();
      if (type === 'Net' || type === 'Import') frames.length = 1;
      else if (top().kind === 'cell' && NOT_IN_CELLS.has(type)) frames.pop();
      statement = token;
      if (type === 'Key') {
        top().given.push(text);
        setting = text;
      } else setting = undefined;
      header = BLOCKS[type] !== undefined || type === 'Repeat' ? [token] : undefined;
    } else if (type === 'LBrace') {
      const keyword = header?.[0];
      const kind = keyword?.type === 'Repeat' ? top().kind : BLOCKS[keyword?.type ?? ''];
      frames.push(frame(kind ?? top().kind, keyword?.type === 'Repeat' ? top().streams : kind === 'streams' || kind === 'twin' ? namesOf(header ?? []) : []));
      header = undefined;
      statement = undefined;
    } else if (type === 'RBrace') {
      while (frames.length > 1 && !inBlock()) frames.pop();
      if (frames.length > 1) frames.pop();
      [statement, setting] = [undefined, undefined];
    } else if (type === 'LParen') {
      const called = last && isName(last) && last.type !== 'Step' ? last : undefined;
      const kind = header?.[0]?.type === 'Cell' ? 'params' : last?.type === 'Cross' || (last?.type === 'Colon' && top().kind === 'streams') ? 'arms' : called ? 'call' : 'group';
      const piped = tokens[i - 2]?.type === 'Arrow' || top().kind === 'twin' || (statement?.type === 'Layer' && inBlock());
      frames.push(frame(kind, top().streams, kind === 'call' ? called : undefined, piped));
    } else if (type === 'LSquare') frames.push(frame(last?.type === 'Colon' && inBlock() ? 'shape' : 'list', top().streams));
    else if (type === 'RParen' || type === 'RSquare') {
      if (!inBlock()) frames.pop();
    } else if (type === 'Comma') {
      top().commas++;
      top().current = undefined;
    } else if (type === 'Colon' && top().kind === 'call' && last) {
      top().current = last.text;
      top().named.push(last.text);
    } else if (type === 'BackArrow' && top().kind === 'arms' && last) top().given.push(last.text);
  });
  return { frames, ...(statement && { statement }), ...(header && { header }), ...(setting !== undefined && { setting }) };
}

/** The names that a header lists. */
const namesOf = (header: readonly Token[]): string[] => {
  const end = header.findIndex(({ type }) => type === 'Of' || type === 'From');
  return header.slice(1, end < 0 ? undefined : end).flatMap(({ type, text }) => (type === 'Comma' ? [] : [text]));
};

const NAME_LIKE: ReadonlySet<string> = new Set(['Word', 'Grad', 'Of', 'From', 'Shared', 'Straight', 'Zigzag', 'Swap', 'Concat', 'Add', 'Mean', 'True', 'False']);
const isName = ({ type }: Token): boolean => NAME_LIKE.has(type);
const endsExpression = (token: Token): boolean => isName(token) || ['Number', 'RParen', 'RSquare'].includes(token.type);

function placeOf({ frames, header, statement }: State, before: readonly Token[], inString: boolean): Place {
  const inner = frames.at(-1) ?? frame('file');
  const last = before.at(-1);
  const type = last?.type ?? '';
  if (inString) return type === 'Import' ? 'import path' : type === 'Key' && last?.text === 'dataset' ? 'dataset path' : 'nothing';
  if (type === 'Arrow') return 'target';
  if (OPERATORS.has(type) || type === 'DotDot') return 'expression';
  if (inner.kind === 'call') {
    if (inner.callee?.text === 'grad') return type === 'LParen' ? 'value name' : 'nothing';
    return type === 'LParen' || type === 'Comma' ? 'argument' : type === 'Colon' ? 'argument value' : 'nothing';
  }
  if (inner.kind === 'arms') return type === 'LParen' || type === 'Comma' ? 'arm' : 'nothing';
  if (inner.kind === 'group') return type === 'LParen' ? 'expression' : 'nothing';
  if (inner.kind === 'list') return frames.at(-2)?.kind === 'call' && (type === 'LSquare' || type === 'Comma') ? 'argument value' : 'nothing';
  if (inner.kind === 'shape' || inner.kind === 'params') return 'nothing';
  if (header !== undefined) return headerPlace(header, type);
  if (NAMING.has(type)) return 'nothing';
  const next = AFTER_KEYWORD[type];
  if (next !== undefined && last === statement) return next;
  if (type === 'Colon') return inner.kind === 'streams' ? 'route' : statement?.type === 'Input' ? 'shape' : 'nothing';
  if (type === 'Comma') return statement?.type === 'StageName' ? 'arm' : 'nothing';
  return 'statement';
}

/** In the header of a block: between its keyword and its brace. */
function headerPlace(header: readonly Token[], type: string): Place {
  const keyword = header[0]?.type ?? '';
  if (type === 'Of') return 'cell';
  if (header.some((token) => token.type === 'From')) return type === 'From' || type === 'Comma' ? 'expression' : 'nothing';
  if (NAMING.has(type) || type === 'Comma') return 'nothing';
  return keyword === 'Streams' || keyword === 'Twin' ? 'header' : 'nothing';
}

