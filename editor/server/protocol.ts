// From the language service's terms to those of the language server protocol.

import { CompletionItemKind, DiagnosticSeverity, DiagnosticTag, FoldingRangeKind, InsertTextFormat, MarkupKind, SymbolKind } from 'vscode-languageserver';
import type { CompletionItem, Diagnostic as LspDiagnostic, DocumentSymbol, Location, MarkupContent, Range } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { Diagnostic, Loc, Severity, Span } from '../../compiler/diagnostics.ts';
import type { Completion, CompletionKind, Entry, Fold, TokenKind } from '../service/index.ts';
import type { Workspace } from './workspace.ts';

export const rangeOf = (document: TextDocument, { start, end }: Span): Range => ({ start: document.positionAt(start), end: document.positionAt(end) });
export const spanOf = (document: TextDocument, { start, end }: Range): Span => ({ start: document.offsetAt(start), end: document.offsetAt(end) });
export const locationOf = (workspace: Workspace, { file, span }: Loc): Location => ({ uri: workspace.uriOf(file), range: rangeOf(workspace.documentOf(file), span) });
export const markdown = (value: string): MarkupContent => ({ kind: MarkupKind.Markdown, value });

const SEVERITIES: { readonly [S in Severity]: DiagnosticSeverity } = { error: DiagnosticSeverity.Error, warning: DiagnosticSeverity.Warning, note: DiagnosticSeverity.Information };
/** What leads nowhere is shown faded. */
const UNUSED: ReadonlySet<string> = new Set(['ZZ2101', 'ZZ2102', 'ZZ2103', 'ZZ2104']);

/** The message with all that stands below it in a terminal. */
const messageOf = ({ message, expected, found, suggestion }: Diagnostic): string => {
  const wanted = expected === undefined || message.includes(expected) ? [] : [`expected ${expected}`];
  const met = found === undefined || message.includes(found) ? [] : [`found ${found}`];
  const near = suggestion === undefined ? [] : [`did you mean '${suggestion}'?`];
  return [message, ...wanted, ...met, ...near].join('\n');
};

export function diagnosticOf(workspace: Workspace, document: TextDocument, each: Diagnostic): LspDiagnostic {
  const related = (each.related ?? []).map(({ message, loc }) => ({ message, location: locationOf(workspace, loc) }));
  return {
    range: rangeOf(document, each.loc.span),
    severity: SEVERITIES[each.severity],
    code: each.code,
    source: 'zz',
    message: messageOf(each),
    ...(related.length > 0 && { relatedInformation: related }),
    ...(UNUSED.has(each.code) && { tags: [DiagnosticTag.Unnecessary] }),
  };
}

/** What is wrong in another file stands at the import that leads there. */
export function diagnosticOfImport(workspace: Workspace, document: TextDocument, at: Span, path: string, found: readonly Diagnostic[]): LspDiagnostic {
  const errors = found.filter(({ severity }) => severity === 'error').length;
  const what = errors > 0 ? `${errors} error${errors === 1 ? '' : 's'}` : `${found.length} remark${found.length === 1 ? '' : 's'}`;
  return {
    range: rangeOf(document, at),
    severity: errors > 0 ? DiagnosticSeverity.Error : DiagnosticSeverity.Information,
    source: 'zz',
    message: `${path} has ${what}: ${found[0]?.message ?? ''}`,
    relatedInformation: found.slice(0, 20).map((each) => ({ message: messageOf(each), location: locationOf(workspace, each.loc) })),
  };
}

const COMPLETIONS: { readonly [K in CompletionKind]: CompletionItemKind } = {
  keyword: CompletionItemKind.Keyword,
  function: CompletionItemKind.Function,
  layer: CompletionItemKind.Method,
  net: CompletionItemKind.Class,
  cell: CompletionItemKind.Struct,
  value: CompletionItemKind.Variable,
  stream: CompletionItemKind.Variable,
  argument: CompletionItemKind.Property,
  setting: CompletionItemKind.Property,
  choice: CompletionItemKind.EnumMember,
  file: CompletionItemKind.File,
  folder: CompletionItemKind.Folder,
};

/** What a snippet comes to with its places as they are. */
const plain = (snippet: string): string => {
  const inner = snippet.replace(/\$\{\d+:([^${}]*)\}/g, '$1');
  return inner === snippet ? snippet.replace(/\$\d/g, '') : plain(inner);
};

export const completionOf = ({ label, kind, detail, about, snippet }: Completion, range: Range, snippets: boolean, order: number): CompletionItem => ({
  label,
  kind: COMPLETIONS[kind],
  ...(detail !== undefined && { detail }),
  ...(about !== undefined && { documentation: markdown(about) }),
  // What the service puts first stays first.
  sortText: String(order).padStart(4, '0'),
  insertTextFormat: snippets ? InsertTextFormat.Snippet : InsertTextFormat.PlainText,
  textEdit: { range, newText: snippets ? snippet : plain(snippet) },
});

const SYMBOLS: { readonly [K in Entry['kind']]: SymbolKind } = {
  net: SymbolKind.Class, input: SymbolKind.Interface, view: SymbolKind.Interface, let: SymbolKind.Variable, layer: SymbolKind.Method, cell: SymbolKind.Struct, streams: SymbolKind.Array,
  twin: SymbolKind.Array, backward: SymbolKind.Operator, output: SymbolKind.Constant, loss: SymbolKind.Function, train: SymbolKind.Object,
};

export const symbolOf = (document: TextDocument, { name, kind, detail, span, selection, children }: Entry): DocumentSymbol => ({
  name,
  kind: SYMBOLS[kind],
  ...(detail !== undefined && { detail }),
  range: rangeOf(document, span),
  selectionRange: rangeOf(document, selection),
  children: children.map((child) => symbolOf(document, child)),
});

export const FOLDS: { readonly [K in NonNullable<Fold['kind']>]: FoldingRangeKind } = { comment: FoldingRangeKind.Comment, imports: FoldingRangeKind.Imports };

/** Kinds of words as the protocol names them; what has no name there is told by a modifier. */
export const TOKEN_TYPES = ['keyword', 'class', 'struct', 'method', 'function', 'variable', 'parameter', 'property', 'enumMember'] as const;
export const TOKEN_MODIFIERS = ['declaration', 'defaultLibrary', 'stream', 'input'] as const;

export const modifierBit = (modifier: (typeof TOKEN_MODIFIERS)[number]): number => 1 << TOKEN_MODIFIERS.indexOf(modifier);

export const TOKENS: { readonly [K in TokenKind]: readonly [type: (typeof TOKEN_TYPES)[number], modifier?: (typeof TOKEN_MODIFIERS)[number]] } = {
  keyword: ['keyword'],
  net: ['class'],
  cell: ['struct'],
  layer: ['method'],
  function: ['function'],
  value: ['variable'],
  input: ['variable', 'input'],
  stream: ['variable', 'stream'],
  parameter: ['parameter'],
  argument: ['property'],
  setting: ['property'],
  choice: ['enumMember'],
};
