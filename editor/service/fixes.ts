// Quick fixes: small edits that answer a diagnostic.

import type { Item, Net } from '../../compiler/1-syntax/ast.ts';
import type { Code, Diagnostic, Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { netAt } from './analysis.ts';
import type { Edit } from './rename.ts';
import { pathAt } from './tree.ts';
import type { Located } from './tree.ts';

export interface Fix {
  readonly title: string;
  readonly diagnostic: Diagnostic;
  readonly edits: readonly Edit[];
  /** Whether it is what the diagnostic itself proposes. */
  readonly preferred: boolean;
}

/** The fixes for the diagnostics of this file that touch a part of it. */
export function fixesAt(analysis: Analysis, { start, end }: Span): Fix[] {
  return analysis.diagnostics.filter(({ loc }) => loc.file === analysis.source.file && loc.span.start <= end && start <= loc.span.end).flatMap((each) => fixesOf(analysis, each));
}

type Maker = (analysis: Analysis, diagnostic: Diagnostic) => Omit<Fix, 'diagnostic' | 'preferred'> | undefined;

function fixesOf(analysis: Analysis, diagnostic: Diagnostic): Fix[] {
  const { suggestion, loc, code } = diagnostic;
  const named = suggestion === undefined ? [] : [{ title: `Change to '${suggestion}'`, diagnostic, preferred: true, edits: [{ span: loc.span, text: suggestion }] }];
  const made = MAKERS[code]?.(analysis, diagnostic);
  return [...named, ...(made ? [{ ...made, diagnostic, preferred: named.length === 0 }] : [])];
}

const MAKERS: Partial<Record<Code, Maker>> = {
  ZZ1003: ({ source }, { loc: { span }, expected, found }) => {
    // `k = 3` for `k: 3`, `batch = 25` for `batch 25`.
    if (found === "'='" && expected?.startsWith("':'")) return { title: "Change to ':'", edits: [colon(source.text, span)] };
    if (expected?.startsWith('a value, as in')) return { title: `Remove ${found ?? 'it'}`, edits: [{ span: { start: span.start, end: skipSpace(source.text, span.end) }, text: '' }] };
    return undefined;
  },
  ZZ2101: removal('Remove the unused input'),
  ZZ2102: removal('Remove the unused layer'),
  ZZ2103: removal('Remove the unused cell'),
  ZZ2104: removal('Remove the unused value'),
  ZZ2105: (analysis, { loc }) => {
    const net = netAt(analysis, loc.span.start);
    const output = net?.items.find((item) => item.kind === 'output');
    return output && 'name' in output ? insertion(analysis, net, `loss softmax_cross_entropy(${output.name.name})`) : undefined;
  },
  ZZ2015: (analysis, { loc }) => {
    const net = netAt(analysis, loc.span.start);
    const last = net?.items.findLast((item) => item.kind === 'let');
    const name = last && 'names' in last ? last.names[0]?.name : undefined;
    return name ? insertion(analysis, net, `output ${name}`) : undefined;
  },
  ZZ4002: (analysis, { loc }) => {
    const path = pathAt(analysis.ast, loc.span.start);
    const block = path.findLast((node): node is Located & Extract<Item, { kind: 'streams' | 'twin' }> => node.kind === 'streams' || node.kind === 'twin');
    const text = analysis.source.text.slice(loc.span.start, loc.span.end);
    const close = text.lastIndexOf(')');
    const missing = (block?.names ?? []).map(({ name }) => name).filter((name) => !new RegExp(`\\b${name}\\s*<-`).test(text));
    if (close < 0 || missing.length === 0) return undefined;
    const at = loc.span.start + close;
    return { title: `Add ${missing.length === 1 ? 'the arm' : 'arms'} of ${missing.join(', ')}`, edits: [{ span: { start: at, end: at }, text: missing.map((name) => `, ${name} <- ${name}`).join('') }] };
  },
  ZZ4006: ({ source }, { loc }) => (source.text.slice(loc.span.start, loc.span.end) === 'zigzag' ? { title: "Change to 'straight'", edits: [{ span: loc.span, text: 'straight' }] } : undefined),
  ZZ5003: (analysis, { loc }) => {
    const setting = pathAt(analysis.ast, loc.span.start).findLast((node) => 'key' in node);
    return setting && { title: 'Remove the second setting', edits: [removed(analysis, setting.loc.span)] };
  },
};

/** A colon as it is written: close to the name before it, a space after it. */
function colon(text: string, { start, end }: Span): Edit {
  let before = start;
  while (before > 0 && text[before - 1] === ' ') before--;
  return { span: { start: before, end }, text: text[end] === ' ' ? ':' : ': ' };
}

const skipSpace = (text: string, offset: number): number => offset + (/^[ \t]*/.exec(text.slice(offset, offset + 100))?.[0].length ?? 0);

/** Removes the statement that defines what a diagnostic names. Of several names that share a statement none is removed. */
function removal(title: string): Maker {
  return (analysis, { loc }) => {
    const path = pathAt(analysis.ast, loc.span.start);
    const statement = path.findLast((node) => ['input', 'view', 'let', 'layer', 'cell'].includes(node.kind ?? ''));
    if (!statement || ('names' in statement && (statement.names as readonly unknown[]).length > 1)) return undefined;
    return { title, edits: [removed(analysis, statement.loc.span)] };
  };
}

/** A statement that is taken out, with its line where it has one to itself. */
function removed({ source: { text } }: Analysis, { start, end }: Span): Edit {
  const [before, after] = [/(^|\n)[ \t]*$/.exec(text.slice(0, start)), /^[ \t]*(\r?\n|$)/.exec(text.slice(end))];
  const alone = before !== null && after !== null;
  return { span: alone ? { start: start - before[0].length + (before[1]?.length ?? 0), end: end + after[0].length } : { start, end: skipSpace(text, end) }, text: '' };
}

/** A statement at the end of a net, before its train block where that comes last. */
function insertion({ source: { text } }: Analysis, net: Net | undefined, statement: string): Omit<Fix, 'diagnostic' | 'preferred'> | undefined {
  const last = net?.items.findLast((item) => item.kind !== 'train');
  if (!last) return undefined;
  const line = text.slice(text.lastIndexOf('\n', last.loc.span.start - 1) + 1, last.loc.span.start);
  const indent = /^[ \t]*$/.test(line) ? `\n${line}` : ' ';
  return { title: `Add '${statement}'`, edits: [{ span: { start: last.loc.span.end, end: last.loc.span.end }, text: `${indent}${statement}` }] };
}
