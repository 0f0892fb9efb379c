// Parts of a text that can be folded: blocks, long lists and chains, runs of comments and imports.

import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import type { Located } from './tree.ts';

export interface Fold {
  /** From the end of the line that stays to the end of the last line that goes. */
  readonly span: Span;
  readonly kind?: 'comment' | 'imports';
}

export function folds(analysis: Analysis): Fold[] {
  const all = [...brackets(analysis), ...chains(analysis), ...runs(analysis, 'comment'), ...runs(analysis, 'imports')];
  // A client takes one fold a line: the longest.
  const lines = new Map<number, Fold>();
  for (const fold of all.filter(({ span }) => analysis.source.text.slice(span.start, span.end).includes('\n'))) {
    const line = analysis.source.text.lastIndexOf('\n', fold.span.start - 1);
    const known = lines.get(line);
    if (!known || known.span.end < fold.span.end) lines.set(line, fold);
  }
  return [...lines.values()].sort((a, b) => a.span.start - b.span.start);
}

const CLOSERS: ReadonlyMap<string, string> = new Map([['RBrace', 'LBrace'], ['RParen', 'LParen'], ['RSquare', 'LSquare']]);
const OPENERS: ReadonlySet<string> = new Set(CLOSERS.values());

/** From behind each bracket to before the one that closes it. */
function brackets({ tokens }: Analysis): Fold[] {
  const open: { readonly type: string; readonly end: number }[] = [];
  const found: Fold[] = [];
  for (const [i, type] of tokens.types.entries()) {
    if (OPENERS.has(type)) open.push({ type, end: tokens.ends[i] ?? 0 });
    const opener = CLOSERS.get(type);
    const at = opener === undefined ? -1 : open.findLastIndex((each) => each.type === opener);
    const [closed] = at < 0 ? [] : open.splice(at);
    if (closed) found.push({ span: { start: closed.end, end: tokens.starts[i] ?? 0 } });
  }
  return found;
}

/** Statements that run over several lines without brackets. */
const chains = ({ ast }: Analysis): Fold[] => ast.nets.flatMap(({ items }) => items.filter(({ kind }) => kind === 'let' || kind === 'view' || kind === 'output' || kind === 'loss').map(({ loc }) => ({ span: loc.span })));

/** Comments, or imports, on lines one below the other. */
function runs({ ast, comments, source }: Analysis, kind: 'comment' | 'imports'): Fold[] {
  const parts: readonly Located[] = kind === 'comment' ? comments.filter(({ loc }) => source.text.slice(loc.span.start - loc.column + 1, loc.span.start).trim() === '') : ast.imports;
  const found: { first: Located; last: Located }[] = [];
  for (const part of parts) {
    const run = found.at(-1);
    if (run && run.last.loc.line + 1 === part.loc.line) run.last = part;
    else found.push({ first: part, last: part });
  }
  return found.map(({ first, last }) => ({ span: { start: first.loc.span.start, end: last.loc.span.end }, kind }));
}
