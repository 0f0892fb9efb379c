// The server's answers: each a function of the workspace and a request's parameters.

import { CodeActionKind, SemanticTokensBuilder } from 'vscode-languageserver';
import type {
  CodeAction, CodeActionParams, CompletionItem, CompletionParams, DocumentHighlight, DocumentLink, DocumentSymbol, FoldingRange, Hover, InlayHint, InlayHintParams, Location, LocationLink, Position, Range,
  ReferenceParams, RenameParams, SelectionRange, SelectionRangeParams, SemanticTokens, SignatureHelp, TextDocumentPositionParams, TextEdit, WorkspaceEdit, WorkspaceSymbol,
} from 'vscode-languageserver';
import { ResponseError } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import { dirname, isAbsolute, join } from 'node:path';
import type { Span } from '../../compiler/diagnostics.ts';
import {
  completionsAt, definitionAt, fixesAt, folds, formatEdit, hintsIn, hoverAt, outline, referencesAt, renamable, renameAt, selectionsAt, semanticTokens, sharedAt, signatureAt,
} from '../service/index.ts';
import type { Analysis, Edit } from '../service/index.ts';
import { fileOf, listFolder } from './files.ts';
import { completionOf, diagnosticOf, FOLDS, locationOf, markdown, modifierBit, rangeOf, spanOf, symbolOf, TOKEN_TYPES, TOKENS } from './protocol.ts';
import type { Workspace } from './workspace.ts';

interface InDocument {
  readonly textDocument: { readonly uri: string };
}

/** The code of a request that cannot be done, and whose message is for the user. */
const REQUEST_FAILED = -32803;

interface At {
  readonly analysis: Analysis;
  readonly document: TextDocument;
}

const at = (workspace: Workspace, { textDocument }: InDocument): At => {
  const file = fileOf(textDocument.uri);
  return { analysis: workspace.analysisOf(file), document: workspace.documentOf(file) };
};

const offsetOf = (document: TextDocument, position: Position): number => document.offsetAt(position);
const textEdit = (document: TextDocument, { span, text }: Edit): TextEdit => ({ range: rangeOf(document, span), newText: text });

export function hover(workspace: Workspace, params: TextDocumentPositionParams): Hover | null {
  const { analysis, document } = at(workspace, params);
  const found = hoverAt(analysis, offsetOf(document, params.position));
  return found ? { range: rangeOf(document, found.span), contents: markdown(found.text) } : null;
}

export function definition(workspace: Workspace, params: TextDocumentPositionParams, links: boolean): LocationLink[] | Location | null {
  const { analysis, document } = at(workspace, params);
  const found = definitionAt(analysis, offsetOf(document, params.position));
  if (!found) return null;
  const { uri, range } = locationOf(workspace, found.to);
  return links ? [{ originSelectionRange: rangeOf(document, found.from), targetUri: uri, targetRange: range, targetSelectionRange: range }] : { uri, range };
}

/** The files that may name what is at an offset: the one that defines it, and those that import. */
async function elsewhere(workspace: Workspace, analysis: Analysis, offset: number): Promise<readonly Analysis[]> {
  const definition = sharedAt(analysis, offset);
  return definition ? [workspace.analysisOf(definition.loc.file), ...(await workspace.importing(definition.name))] : [];
}

export async function references(workspace: Workspace, params: ReferenceParams): Promise<Location[]> {
  const { analysis, document } = at(workspace, params);
  const offset = offsetOf(document, params.position);
  const all = referencesAt(analysis, offset, await elsewhere(workspace, analysis, offset));
  return all.filter(({ defines }) => params.context.includeDeclaration || !defines).map(({ loc }) => locationOf(workspace, loc));
}

export function highlights(workspace: Workspace, params: TextDocumentPositionParams): DocumentHighlight[] {
  const { analysis, document } = at(workspace, params);
  return referencesAt(analysis, offsetOf(document, params.position)).map(({ loc, defines }) => ({ range: rangeOf(document, loc.span), kind: defines ? 3 : 2 }));
}

export function prepareRename(workspace: Workspace, params: TextDocumentPositionParams): { range: Range; placeholder: string } {
  const { analysis, document } = at(workspace, params);
  const found = renamable(analysis, offsetOf(document, params.position));
  if ('refused' in found) throw new ResponseError(REQUEST_FAILED, found.refused);
  return { range: rangeOf(document, found.span), placeholder: found.name };
}

export async function rename(workspace: Workspace, params: RenameParams): Promise<WorkspaceEdit> {
  const { analysis, document } = at(workspace, params);
  const offset = offsetOf(document, params.position);
  const found = renameAt(analysis, offset, params.newName, await elsewhere(workspace, analysis, offset), workspace.reader);
  if ('refused' in found) throw new ResponseError(REQUEST_FAILED, found.refused);
  return { changes: Object.fromEntries([...found.edits].map(([file, edits]) => [workspace.uriOf(file), edits.map((edit) => textEdit(workspace.documentOf(file), edit))])) };
}

export function completion(workspace: Workspace, params: CompletionParams, snippets: boolean): CompletionItem[] {
  const { analysis, document } = at(workspace, params);
  const { file } = analysis.source;
  const { span, items } = completionsAt(analysis, offsetOf(document, params.position), (folder) => (isAbsolute(file) ? listFolder(join(dirname(file), folder)) : []));
  const range = rangeOf(document, span);
  return items.map((item, i) => completionOf(item, range, snippets, i));
}

export function signature(workspace: Workspace, params: TextDocumentPositionParams): SignatureHelp | null {
  const { analysis, document } = at(workspace, params);
  const found = signatureAt(analysis, offsetOf(document, params.position));
  if (!found) return null;
  const { label, about, parameters, active = parameters.length } = found;
  const shown = parameters.map(({ place, about: takes }) => ({ label: [place.start, place.end] as [number, number], documentation: markdown(takes) }));
  return { signatures: [{ label, parameters: shown, ...(about !== undefined && { documentation: markdown(about) }) }], activeSignature: 0, activeParameter: active };
}

export function format(workspace: Workspace, params: InDocument): TextEdit[] {
  const { analysis, document } = at(workspace, params);
  const edit = formatEdit(analysis);
  return edit ? [textEdit(document, edit)] : [];
}

export function tokens(workspace: Workspace, params: InDocument): SemanticTokens {
  const { analysis, document } = at(workspace, params);
  const builder = new SemanticTokensBuilder();
  for (const { span, kind, defines, builtin } of semanticTokens(analysis)) {
    const { line, character } = document.positionAt(span.start);
    const [type, modifier] = TOKENS[kind];
    const bits = (defines ? modifierBit('declaration') : 0) | (builtin && kind !== 'keyword' ? modifierBit('defaultLibrary') : 0) | (modifier ? modifierBit(modifier) : 0);
    builder.push(line, character, span.end - span.start, TOKEN_TYPES.indexOf(type), bits);
  }
  return builder.build();
}

export function folding(workspace: Workspace, params: InDocument): FoldingRange[] {
  const { analysis, document } = at(workspace, params);
  return folds(analysis).map(({ span, kind }) => {
    const { start, end } = rangeOf(document, span);
    return { startLine: start.line, startCharacter: start.character, endLine: end.line, endCharacter: end.character, ...(kind && { kind: FOLDS[kind] }) };
  });
}

export function symbols(workspace: Workspace, params: InDocument): DocumentSymbol[] {
  const { analysis, document } = at(workspace, params);
  return outline(analysis).map((entry) => symbolOf(document, entry));
}

/** Nets, cells and other named parts of all files whose name has the letters of the query, in order. */
export async function workspaceSymbols(workspace: Workspace, query: string): Promise<WorkspaceSymbol[]> {
  const pattern = new RegExp([...query].map((letter) => letter.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*'), 'i');
  return (await workspace.files()).flatMap((file) => {
    const document = workspace.documentOf(file);
    const symbol = ({ name, kind, selectionRange: range }: DocumentSymbol, net?: string): WorkspaceSymbol => ({ name, kind, location: { uri: workspace.uriOf(file), range }, ...(net !== undefined && { containerName: net }) });
    const all = outline(workspace.analysisOf(file)).map((entry) => symbolOf(document, entry));
    return all.flatMap((net) => [symbol(net), ...(net.children ?? []).map((child) => symbol(child, net.name))]).filter(({ name }) => pattern.test(name));
  });
}

export function selections(workspace: Workspace, params: SelectionRangeParams): SelectionRange[] {
  const { analysis, document } = at(workspace, params);
  return params.positions.map((position) => {
    const [innermost, ...outer] = selectionsAt(analysis, offsetOf(document, position)).reverse().reduce<SelectionRange[]>((around, span) => {
      const [parent] = around;
      return [{ range: rangeOf(document, span), ...(parent && { parent }) }, ...around];
    }, []);
    return innermost ?? outer[0] ?? { range: { start: position, end: position } };
  });
}

export function codeActions(workspace: Workspace, params: CodeActionParams): CodeAction[] {
  const { only } = params.context;
  if (only && !only.some((kind) => CodeActionKind.QuickFix.startsWith(kind))) return [];
  const { analysis, document } = at(workspace, params);
  return fixesAt(analysis, spanOf(document, params.range)).map(({ title, edits, preferred, diagnostic }) => ({
    title,
    kind: CodeActionKind.QuickFix,
    diagnostics: [diagnosticOf(workspace, document, diagnostic)],
    isPreferred: preferred,
    edit: { changes: { [params.textDocument.uri]: edits.map((edit) => textEdit(document, edit)) } },
  }));
}

export function hints(workspace: Workspace, params: InlayHintParams): InlayHint[] {
  const { analysis, document } = at(workspace, params);
  return hintsIn(analysis, spanOf(document, params.range)).map(({ offset, text }) => ({ position: document.positionAt(offset), label: text, kind: 1, paddingLeft: true }));
}

export function links(workspace: Workspace, params: InDocument): DocumentLink[] {
  const { analysis, document } = at(workspace, params);
  return analysis.imports.flatMap(({ span, path, file }) => {
    const text = analysis.source.text.slice(span.start, span.end);
    const start = span.start + text.lastIndexOf(`"${path}`) + 1;
    const inside: Span = { start, end: start + path.length };
    return isAbsolute(file) && path !== '' ? [{ range: rangeOf(document, inside), target: workspace.uriOf(file) }] : [];
  });
}
