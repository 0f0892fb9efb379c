// Diagnostics: what a stage reports about the user's input. Every code is a row of CODES, which the docs' error index is made from.

/** A half-open range of UTF-16 offsets in a source text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A place in a file. Lines and columns count from 1; columns count UTF-16 units. */
export interface Loc {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly span: Span;
}

export interface Source {
  /** The path as the user wrote it. */
  readonly file: string;
  readonly text: string;
}

export type Severity = 'error' | 'warning' | 'note';

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  readonly loc: Loc;
  /** What was expected and what was found, where that is not the message itself. */
  readonly expected?: string;
  readonly found?: string;
  /** The nearest known name. */
  readonly suggestion?: string;
  /** Other places that explain it: where a shape came from, where a name was first defined. */
  readonly related?: readonly { readonly message: string; readonly loc: Loc }[];
}

export interface CodeInfo {
  readonly severity: Severity;
  readonly title: string;
  /** One or two sentences: what it means and the way out. */
  readonly help: string;
}

const row = (severity: Severity) => (title: string, help: string): CodeInfo => ({ severity, title, help });
const error = row('error');
const warning = row('warning');
const note = row('note');

export const CODES = {
  // 1xxx: lexical and syntax
  ZZ1001: error('unexpected character', 'The language has no such character outside strings and comments.'),
  ZZ1002: error('unterminated string', 'A string ends with a double quote on the same line.'),
  ZZ1003: error('syntax error', 'The grammar allows something else here; the message names it.'),
  ZZ1004: error('malformed number', 'Numbers are written 12, 0.5 or 8e-5.'),
  ZZ1005: error('nested too deeply', 'Brackets and blocks nest at most 100 deep, and an expression has at most 1,000 operations one after the other or one inside the other; name parts of it with let.'),
  ZZ1006: error('not a text file', 'A .zz file is UTF-8 text without NUL bytes.'),
  ZZ1007: error('file too large', 'A .zz file has at most 2 MiB and 300,000 tokens, an identifier at most 255 characters.'),
  ZZ1008: error('cannot read the file', 'The path must name a readable file.'),
  // 2xxx: names and types
  ZZ2001: error('unknown name', 'A name is defined above its first use: an input, a view, a value, a stream or a layer.'),
  ZZ2002: error('name defined twice', 'A name is defined once in its scope.'),
  ZZ2003: error('unknown function', 'Neither an operation, a layer nor a net of this file or its imports has this name.'),
  ZZ2004: error('unknown argument', 'The operation has no argument of this name.'),
  ZZ2005: error('missing argument', 'The operation needs this argument.'),
  ZZ2006: error('wrong kind of argument', 'The argument takes another kind of value.'),
  ZZ2007: error('argument out of range', 'The value is outside what the operation can do.'),
  ZZ2008: error('argument given twice', 'An argument is given once, by place or by name.'),
  ZZ2009: error('not a value', 'A cell, a layer or a net is used where a tensor is needed.'),
  ZZ2010: error('import not found', 'The imported file cannot be read.'),
  ZZ2011: error('import cycle', 'Files import each other in a circle.'),
  ZZ2012: error('no net', 'A file that is trained or compiled defines at least one net.'),
  ZZ2013: error('which net', 'The file has several nets: choose one with FILE:NetName.'),
  ZZ2014: error('net without an input', 'A net has at least one input.'),
  ZZ2015: error('net without an output or a loss', 'A net gives at least one output; training needs a loss.'),
  ZZ2016: error('too many parts', 'The number of names on the left differs from the number of parts on the right.'),
  ZZ2017: error('net uses itself', 'A net cannot contain itself, directly or through others.'),
  ZZ2101: warning('unused input', 'The input reaches no output and no loss.'),
  ZZ2102: warning('unused layer', 'The layer is never used.'),
  ZZ2103: warning('unused cell', 'The cell is never used.'),
  ZZ2104: warning('unused value', 'The value reaches no output and no loss.'),
  ZZ2105: warning('net without a loss', 'The net can predict but not be trained.'),
  // 3xxx: shapes
  ZZ3001: error('shapes do not broadcast', 'Element-wise operands have equal dimensions, or 1, counted from the last.'),
  ZZ3002: error('wrong rank', 'The operation takes a tensor with another number of axes.'),
  ZZ3003: error('inner dimensions differ', 'The last axis of the left operand must equal the first of the right.'),
  ZZ3004: error('window does not fit', 'The kernel or pooling window is larger than the (padded) image.'),
  ZZ3005: error('channels do not divide', 'Groups and split parts must divide the channels.'),
  ZZ3006: error('shapes do not concatenate', 'All axes but the concatenated one must agree.'),
  ZZ3007: error('element counts differ', 'A reshape keeps the number of elements.'),
  ZZ3008: error('axis out of range', 'The tensor has no such axis.'),
  ZZ3009: error('loss is not a scalar', 'A loss is one number; softmax_cross_entropy and mse take the mean over the batch themselves.'),
  ZZ3010: error('shared weights of different shapes', 'A layer or cell used again must get inputs that fit the weights of its first use.'),
  ZZ3011: error('state changes its shape', 'A cell\'s new state has the shape of the state it was given.'),
  ZZ3012: error('logits are not [batch, classes]', 'The loss takes one row of class scores for every image.'),
  ZZ3013: error('shape out of range', 'Dimensions are whole numbers from 1, and a tensor has at most 2^31 elements for each image.'),
  // 4xxx: topology and routes
  ZZ4001: error('not a stream of this block', 'A route names the streams of its own block.'),
  ZZ4002: error('stream without an arm', 'An explicit route gives every stream its arm, once.'),
  ZZ4003: error('stream count out of range', 'A block has 1 to 16 streams.'),
  ZZ4004: error('no such step', 'The stream has fewer steps than the index asks for.'),
  ZZ4005: error('stream count does not match', 'A twin takes one value for every stream.'),
  ZZ4006: error('zigzag needs two streams', 'With one stream there is no other to take the state from.'),
  ZZ4007: error('not a named value', 'grad(...) takes the name of a value of this net.'),
  ZZ4008: error('route shape differs', 'A declared adjoint has the shape of its value.'),
  ZZ4009: error('backward routes form a cycle', 'An adjoint cannot depend on itself.'),
  ZZ4010: error('value has no adjoint', 'The loss does not depend on this value, so it has no adjoint.'),
  ZZ4011: error('too many steps', 'Repeats multiply out to at most 2,000 stages in a block and 100,000 nodes in a net.'),
  ZZ4012: error('adjoint set twice', 'A value\'s adjoint is replaced with = at most once.'),
  ZZ4013: error('not a step index', 'L[t] takes a stream of a streams block and a whole number.'),
  ZZ4101: note('weights off the true gradient', 'A declared backward route changes what these weights learn from.'),
  // 5xxx: training settings
  ZZ5001: error('unknown setting', 'train has no such key.'),
  ZZ5002: error('bad setting', 'The setting takes another kind of value.'),
  ZZ5003: error('setting given twice', 'Each key of train stands once.'),
  ZZ5004: error('unknown optimizer or schedule', 'Optimizers: adam, adamw, amsgrad, rmsprop, sgd. Schedules: constant, cosine, step, inverse.'),
  ZZ5005: error('unknown view operation', 'Views are made of hflip, crop, blur, sometimes, cutout, brightness, noise and each.'),
  ZZ5006: error('two train blocks', 'A net has at most one train block.'),
  ZZ5007: error('not a view', 'A view reads one input of the net, directly or through another view.'),
  // 6xxx: while it runs
  ZZ6001: error('value not finite', 'A training with --check-numerics made a number that is infinite or none at all. Lower the learning rate, clip the gradients (clip_norm), or keep the operand of log, sqrt, exp or a division away from where it has no value.'),
} as const satisfies Record<string, CodeInfo>;

export type Code = keyof typeof CODES;

/** A diagnostic of a code, with its severity from the table. */
export function diagnostic(code: Code, loc: Loc, message: string, more: Pick<Partial<Diagnostic>, 'expected' | 'found' | 'suggestion' | 'related'> = {}): Diagnostic {
  return { code, severity: CODES[code].severity, message, loc, ...more };
}

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean => diagnostics.some((d) => d.severity === 'error');

export const LINE_END = /\r\n|\n|\r/g;

/** A function from spans of `text` to places. It makes the table of line starts once; a place then costs a binary search. */
export function locator(source: Source): (span: Span) => Loc {
  const starts = [0];
  for (const end of source.text.matchAll(LINE_END)) starts.push(end.index + end[0].length);
  return (span) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= span.start) low = middle;
      else high = middle - 1;
    }
    return { file: source.file, line: low + 1, column: span.start - (starts[low] ?? 0) + 1, span };
  };
}

/** The place of one span. For many of the same source, keep a `locator`. */
export const locate = (source: Source, span: Span): Loc => locator(source)(span);

/** A character that would break a line of a terminal or reorder it: controls, lone surrogates, bidirectional marks. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** Text of the source for a message: in single quotes, escaped, and clipped to 40 characters. */
export function quote(text: string): string {
  const clipped = text.length > 40 ? `${text.slice(0, 39)}…` : text;
  return `'${clipped.replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}'`;
}

const ANSI = { error: '\u001b[31m', warning: '\u001b[33m', note: '\u001b[36m', bold: '\u001b[1m', dim: '\u001b[2m', off: '\u001b[0m' } as const;

/**
 * A diagnostic as text: `file:line:column: error ZZ1003: message`, the source line with a caret run under the span, what was expected
 * and found, the proposed name, and the related places. Without the source of a file (`undefined`) its lines are left out. Ends without a line end.
 */
export function renderDiagnostic(d: Diagnostic, sources: (file: string) => string | undefined, options: { readonly color?: boolean } = {}): string {
  const paint = (style: keyof typeof ANSI, text: string): string => (options.color === true ? ANSI[style] + text + ANSI.off : text);
  const place = (loc: Loc): string => paint('bold', `${plain(loc.file)}:${loc.line}:${loc.column}:`);
  const excerpt = (loc: Loc, style: Severity): string[] => {
    const text = sources(loc.file);
    if (text === undefined) return [];
    const { line, lead, width } = clip(text, loc);
    const gutter = String(loc.line);
    return [
      `${paint('dim', `  ${gutter} |`)} ${line}`.trimEnd(),
      `${paint('dim', `  ${' '.repeat(gutter.length)} |`)} ${' '.repeat(lead)}${paint(style, '^'.repeat(width))}`,
    ];
  };
  return [
    `${place(d.loc)} ${paint(d.severity, `${d.severity} ${d.code}:`)} ${plain(d.message)}`,
    ...excerpt(d.loc, d.severity),
    ...(d.expected === undefined ? [] : [`  expected ${plain(d.expected)}`]),
    ...(d.found === undefined ? [] : [`  found ${plain(d.found)}`]),
    ...(d.suggestion === undefined ? [] : [`  did you mean ${quote(d.suggestion)}?`]),
    ...(d.related ?? []).flatMap((r) => [`${place(r.loc)} ${paint('note', 'note:')} ${plain(r.message)}`, ...excerpt(r.loc, 'note')]),
  ].join('\n');
}

/** For terminals: unprintable characters as U+FFFD; line ends stay. */
const plain = (text: string): string => text.replace(UNPRINTABLE, (c) => (c === '\n' || c === '\t' ? c : '\ufffd'));

const WIDTH = 100;
const TAB = 4;

/** The line of a place with tabs as spaces, clipped to a window around the span; where the caret run begins and how long it is. */
function clip(text: string, loc: Loc): { line: string; lead: number; width: number } {
  const from = loc.span.start - loc.column + 1;
  // A line may be megabytes long: only what can be shown is looked at.
  const left = Math.max(from, loc.span.start - WIDTH);
  const window = text.slice(left, loc.span.start + 2 * WIDTH);
  const raw = /^[^\r\n]*/.exec(window)?.[0] ?? '';
  const at = loc.span.start - left;
  const columns: number[] = [0];
  let shown = '';
  for (const c of raw.split('')) {
    shown += c === '\t' ? ' '.repeat(TAB - (shown.length % TAB)) : c;
    columns.push(shown.length);
  }
  const column = (i: number): number => columns[Math.min(i, raw.length)] ?? shown.length;
  const [start, end] = [column(at), Math.max(column(at) + 1, column(at + loc.span.end - loc.span.start))];
  const first = left > from || shown.length > WIDTH ? Math.max(0, Math.min(start - WIDTH / 2, shown.length - WIDTH)) : 0;
  const [cutLeft, cutRight] = [left > from || first > 0, shown.length > first + WIDTH || (raw.length === window.length && left + raw.length < text.length)];
  const line = (cutLeft ? '…' : '') + shown.slice(first, first + WIDTH) + (cutRight ? '…' : '');
  return { line: line.replace(UNPRINTABLE, '\ufffd'), lead: start - first + (cutLeft ? 1 : 0), width: Math.min(end, first + WIDTH) - start || 1 };
}

/** A diagnostic as plain data for editors: one object, offsets in UTF-16 units from 0, lines and columns from 1. */
export function diagnosticToJson(d: Diagnostic): Record<string, unknown> {
  const place = ({ file, line, column, span }: Loc) => ({ file, line, column, start: span.start, end: span.end });
  return {
    code: d.code,
    severity: d.severity,
    message: d.message,
    ...place(d.loc),
    ...(d.expected === undefined ? {} : { expected: d.expected }),
    ...(d.found === undefined ? {} : { found: d.found }),
    ...(d.suggestion === undefined ? {} : { suggestion: d.suggestion }),
    ...(d.related === undefined ? {} : { related: d.related.map((r) => ({ message: r.message, ...place(r.loc) })) }),
  };
}

/** The candidate nearest to a misspelt name, or undefined if none is near: at most one edit for every three letters. The case of letters counts little. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length === 0 || name.length > 64) return undefined;
  const lower = name.toLowerCase();
  let best: { readonly candidate: string; readonly cost: number } | undefined;
  for (const candidate of candidates) {
    const limit = Math.max(1, Math.floor(Math.max(name.length, candidate.length) / 3));
    if (candidate === name || Math.abs(candidate.length - name.length) > limit) continue;
    const distance = editDistance(lower, candidate.toLowerCase());
    // One letter in place of another is a different name (`x` for `h`), not a misspelt one.
    if (distance > limit || distance >= Math.min(name.length, candidate.length)) continue;
    const cost = distance + (lower[0] === candidate[0]?.toLowerCase() ? 0 : 0.5);
    if (best === undefined || cost < best.cost) best = { candidate, cost };
  }
  return best?.candidate;
}

/** Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : Infinity;
      row.push(Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1), swap));
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
