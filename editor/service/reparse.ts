// Incremental parsing: of a text that was edited only the statements around the edit are read, and put into the tree of the last text that was sound.

import type { File, Net } from '../../compiler/1-syntax/ast.ts';
import { MAX_TOKENS, parse } from '../../compiler/1-syntax/parse.ts';
import { LINE_END } from '../../compiler/diagnostics.ts';
import type { Diagnostic, Source, Span } from '../../compiler/diagnostics.ts';
import { changeOf } from './change.ts';
import { lazy } from './lazy.ts';
import { countBelow, joinedTokens, tokenList } from './token-list.ts';
import type { TokenList } from './token-list.ts';
import { movedLoc, withPlaces } from './tree.ts';
import type { Located } from './tree.ts';

/** What was read of a text. */
export interface Reading {
  /** Where an error left a part out there is a hole. */
  readonly file: File;
  readonly tokens: () => TokenList;
  readonly diagnostics: readonly Diagnostic[];
}

/** A text without syntax errors, and what was read of it. */
export interface Sound {
  readonly source: Source;
  readonly reading: Reading;
}

/**
 * Parses a text as `parse` does; of what is as it was in `before` nothing is read again. A line begins without a string or a comment that is still open,
 * and a file is one import or net after the other, a net one statement after the other: a run of whole lines with whole statements means the same by itself, if it has no errors.
 * With errors the whole text is read, as these reach beyond it.
 */
export function reparse(source: Source, before?: Sound): Reading {
  // A text that may have too many tokens is read as a whole, which tells of it.
  if (!before || source.text.length > MAX_TOKENS) return read(source);
  return spliced(source, before, changedRun(before, source.text)) ?? read(source);
}

function read(source: Source): Reading {
  const result = parse(source);
  const { file, diagnostics } = result;
  return { file, diagnostics, tokens: lazy(() => tokenList(result.tokens)) };
}

/** What is read again: whole lines, with whole statements of a net, or whole imports and nets of the file. */
interface Run {
  /** Which net of the file it lies in; -1 for a run of imports and nets. */
  readonly net: number;
  /** In the text of before. */
  readonly span: Span;
}

/** The smallest run around what a new text has in place of the old one's. */
function changedRun({ source: { text: old }, reading: { file } }: Sound, text: string): Run {
  const change = changeOf(old, text);
  const net = file.nets.findIndex(({ loc: { span } }) => span.start < change.start && change.end < span.end);
  const [around, next] = [file.nets[net], file.nets[net + 1]];
  if (around && startsLine(old, around) && nextLine(old, around) <= (next?.loc.span.start ?? Infinity)) {
    return { net, span: runIn(around.items, { start: lineStart(old, around), end: Math.min(nextLine(old, around), old.length) }, change, old, text) };
  }
  return { net: -1, span: runIn([...file.imports, ...file.nets], { start: 0, end: old.length }, change, old, text) };
}

/** From below the last node that ends on a line above a change to above the first that begins on a line below it. */
function runIn(nodes: readonly Located[], outer: Span, change: Span, old: string, text: string): Span {
  const first = nodes.findLastIndex((node, i) => nextLine(old, node) <= Math.min(change.start, nodes[i + 1]?.loc.span.start ?? Infinity));
  // A line that begins right where the change ends may have lost the line end above it.
  const least = isLineStart(text, change.end + text.length - old.length) ? change.end : change.end + 1;
  const last = nodes.find((node) => lineStart(old, node) >= least && startsLine(old, node));
  return { start: nodes[first] ? nextLine(old, nodes[first]) : outer.start, end: last ? lineStart(old, last) : outer.end };
}

// Lines that end in '\n', with or without a carriage return before it.
const isLineStart = (text: string, offset: number): boolean => offset === 0 || text[offset - 1] === '\n';
const lineStart = (text: string, { loc: { span } }: Located): number => (span.start === 0 ? 0 : text.lastIndexOf('\n', span.start - 1) + 1);
const startsLine = (text: string, node: Located): boolean => text.slice(lineStart(text, node), node.loc.span.start).trim() === '';
/** Where the line below a node begins; none where its line is the last. */
function nextLine(text: string, { loc: { span } }: Located): number {
  const end = text.indexOf('\n', span.end);
  return end < 0 ? Infinity : end + 1;
}

/** What a run of statements is read in: they need a net around them, and lines of its own leave their columns what they are. */
const [HEADER, FOOTER] = ['net _ {\n', '\n}'];
const HEADER_TOKENS = 3;

/** The tree of `before` with what stands in a run of the new text; none if that has errors, or if more than the run may have changed. */
function spliced(source: Source, before: Sound, run: Run): Reading | undefined {
  const { file } = before.reading;
  const grown = source.text.length - before.source.text.length;
  const around = file.nets[run.net];
  const header = around && around.loc.span.start < run.span.start ? HEADER : '';
  const footer = around && run.span.end < around.loc.span.end ? FOOTER : '';
  const text = source.text.slice(run.span.start, run.span.end + grown);
  const inRun = read({ file: source.file, text: header + text + footer });
  if (inRun.diagnostics.length > 0) return undefined;

  const [offset, line] = [run.span.start - header.length, countLines(source.text.slice(0, run.span.start)) - (header ? 1 : 0)];
  const lines = countLines(text) - countLines(before.source.text.slice(run.span.start, run.span.end));
  const below = <T extends Located>(node: T): T => moved(node, grown, lines);
  /** Of nodes in the order of the text: those above the run, what was read in their place, and those below. */
  const joined = <T extends Located>(all: readonly T[], own: readonly T[]): T[] => [
    ...all.filter(({ loc }) => loc.span.start < run.span.start),
    ...own.map((node) => moved(node, offset, line)),
    ...all.filter(({ loc }) => loc.span.start >= run.span.end).map(below),
  ];

  const [net, ...others] = inRun.file.nets;
  if (around && (!net || others.length > 0 || inRun.file.imports.length > 0)) return undefined;
  const parts = around && net
    ? {
        imports: file.imports,
        nets: file.nets.map((each, i): Net => (i < run.net ? each : i > run.net ? below(each) : {
          name: header ? around.name : moved(net.name, offset, line),
          items: joined(around.items, net.items),
          loc: { ...around.loc, span: { start: around.loc.span.start, end: around.loc.span.end + grown } },
        })),
      }
    : { imports: joined(file.imports, inRun.file.imports), nets: joined(file.nets, inRun.file.nets) };
  if ((parts.imports.at(-1)?.loc.span.start ?? 0) > (parts.nets[0]?.loc.span.start ?? Infinity)) return undefined;
  const [old, own] = [before.reading.tokens(), inRun.tokens()];
  const tokens = joinedTokens([
    { list: old, from: 0, to: countBelow(old.starts, run.span.start), offset: 0 },
    { list: own, from: header ? HEADER_TOKENS : 0, to: own.types.length - (footer ? 1 : 0), offset },
    { list: old, from: countBelow(old.starts, run.span.end), to: old.types.length, offset: grown },
  ]);
  return {
    file: { ...parts, comments: joined(file.comments, inRun.file.comments), loc: { ...file.loc, span: { start: 0, end: source.text.length } } },
    tokens: () => tokens,
    diagnostics: [],
  };
}

const countLines = (text: string): number => text.match(LINE_END)?.length ?? 0;
const moved = <T extends Located>(node: T, offset: number, lines: number): T => (offset === 0 && lines === 0 ? node : withPlaces(node, (loc) => movedLoc(loc, offset, lines)));
