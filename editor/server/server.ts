// The language server: what it can do, how a session begins and ends, and when diagnostics are sent.

import { setImmediate } from 'node:timers/promises';
import { createConnection, DidChangeWatchedFilesNotification, TextDocuments, TextDocumentSyncKind } from 'vscode-languageserver';
import type { Connection, InitializeParams, InitializeResult } from 'vscode-languageserver';
import { createProtocolConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver-protocol/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { Reader } from '../../compiler/2-graph/build.ts';
import type { Diagnostic } from '../../compiler/diagnostics.ts';
import { groupBy } from '../../compiler/2-graph/group-by.ts';
import * as answers from './answers.ts';
import { fileOf } from './files.ts';
import { diagnosticOf, diagnosticOfImport, TOKEN_MODIFIERS, TOKEN_TYPES } from './protocol.ts';
import { createWorkspace } from './workspace.ts';
import type { Workspace } from './workspace.ts';

export interface ServerOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Reads files that are not open. */
  readonly disk: Reader;
  readonly version: string;
  /** Called when the client has begun the session. */
  readonly begun?: () => void;
  /** Milliseconds without an edit before diagnostics are made. A document that is opened is checked at once. */
  readonly delay?: number;
}

/** Milliseconds between the end of the input and that of the server. */
const GRACE = 100;

/** Serves one client until it leaves; gives the exit status, which is 1 where it left without a word. */
export function serve({ input, output, disk, version, begun = () => undefined, delay = 120 }: ServerOptions): Promise<number> {
  return new Promise((resolve) => {
    const watchDog = { shutdownReceived: false, initialize: () => undefined, exit: resolve };
    const connection = createConnection((logger) => createProtocolConnection(new StreamMessageReader(input), new StreamMessageWriter(output), logger), watchDog);
    // What came before the end is answered first.
    const ended = (): void => { setTimeout(() => { resolve(watchDog.shutdownReceived ? 0 : 1); }, GRACE); };
    input.on('end', ended);
    input.on('close', ended);
    attach(connection, { disk, version, begun, delay });
    connection.listen();
  });
}

interface Client {
  readonly snippets: boolean;
  readonly links: boolean;
  readonly watches: boolean;
  readonly folders: boolean;
}

const clientOf = ({ capabilities: { textDocument, workspace } }: InitializeParams): Client => ({
  snippets: textDocument?.completion?.completionItem?.snippetSupport ?? false,
  links: textDocument?.definition?.linkSupport ?? false,
  watches: workspace?.didChangeWatchedFiles?.dynamicRegistration ?? false,
  folders: workspace?.workspaceFolders ?? false,
});

/** Clients that know no folders name one root. */
const foldersOf = ({ workspaceFolders, rootUri }: InitializeParams): readonly string[] => workspaceFolders?.map(({ uri }) => uri) ?? (rootUri === null ? [] : [rootUri]);

const CAPABILITIES: InitializeResult['capabilities'] = {
  textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: false },
  hoverProvider: true,
  definitionProvider: true,
  referencesProvider: true,
  documentHighlightProvider: true,
  renameProvider: { prepareProvider: true },
  completionProvider: { triggerCharacters: ['"', '/', '(', ':', '>'] },
  signatureHelpProvider: { triggerCharacters: ['(', ','], retriggerCharacters: [':'] },
  documentFormattingProvider: true,
  documentSymbolProvider: true,
  workspaceSymbolProvider: true,
  foldingRangeProvider: true,
  selectionRangeProvider: true,
  codeActionProvider: { codeActionKinds: ['quickfix'] },
  inlayHintProvider: true,
  documentLinkProvider: {},
  semanticTokensProvider: { legend: { tokenTypes: [...TOKEN_TYPES], tokenModifiers: [...TOKEN_MODIFIERS] }, full: true },
  workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
};

function attach(connection: Connection, { disk, version, begun, delay }: Required<Omit<ServerOptions, 'input' | 'output'>>): void {
  const documents = new TextDocuments(TextDocument);
  const workspace = createWorkspace(() => documents.all(), disk);
  let client: Client = { snippets: false, links: false, watches: false, folders: false };
  let folders: readonly string[] = [];
  const setFolders = (uris: readonly string[]): void => {
    folders = uris;
    workspace.setFolders(uris.filter((uri) => uri.startsWith('file:')).map(fileOf));
  };

  connection.onInitialize((params) => {
    client = clientOf(params);
    setFolders(foldersOf(params));
    return { capabilities: CAPABILITIES, serverInfo: { name: 'zz', version } };
  });
  connection.onInitialized(() => {
    begun();
    if (client.watches) {
      void connection.client.register(DidChangeWatchedFilesNotification.type, { watchers: [{ globPattern: '**/*.zz' }] }).then(workspace.watched, () => undefined);
    }
    if (client.folders) connection.workspace.onDidChangeWorkspaceFolders(({ added, removed }) => {
      setFolders([...folders.filter((folder) => !removed.some(({ uri }) => uri === folder)), ...added.map(({ uri }) => uri)]);
    });
  });

  const checks = scheduler(async (outdated) => {
    for (const document of documents.all()) await publish(connection, workspace, document, outdated);
  });
  const changed = (wait = delay): void => {
    workspace.changed();
    checks.soon(wait);
  };
  /** Opened, which counts as a change that follows. */
  const fresh = new Set<string>();
  documents.onDidOpen(({ document: { uri } }) => { fresh.add(uri); });
  documents.onDidChangeContent(({ document: { uri } }) => { changed(fresh.delete(uri) ? 0 : delay); });
  documents.onDidClose(({ document }) => {
    workspace.closed(fileOf(document.uri));
    void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] });
    changed();
  });
  connection.onDidChangeWatchedFiles(() => {
    workspace.rescan();
    checks.soon(delay);
  });
  connection.onShutdown(() => { checks.stop(); });

  connection.onHover((params) => answers.hover(workspace, params));
  connection.onDefinition((params) => answers.definition(workspace, params, client.links));
  connection.onReferences((params) => answers.references(workspace, params));
  connection.onDocumentHighlight((params) => answers.highlights(workspace, params));
  connection.onPrepareRename((params) => answers.prepareRename(workspace, params));
  connection.onRenameRequest((params) => answers.rename(workspace, params));
  connection.onCompletion((params) => answers.completion(workspace, params, client.snippets));
  connection.onSignatureHelp((params) => answers.signature(workspace, params));
  connection.onDocumentFormatting((params) => answers.format(workspace, params));
  connection.onDocumentSymbol((params) => answers.symbols(workspace, params));
  connection.onWorkspaceSymbol(({ query }) => answers.workspaceSymbols(workspace, query));
  connection.onFoldingRanges((params) => answers.folding(workspace, params));
  connection.onSelectionRanges((params) => answers.selections(workspace, params));
  connection.onCodeAction((params) => answers.codeActions(workspace, params));
  connection.onDocumentLinks((params) => answers.links(workspace, params));
  connection.languages.inlayHint.on((params) => answers.hints(workspace, params));
  connection.languages.semanticTokens.on((params) => answers.tokens(workspace, params));
  documents.listen(connection);
}

/** Runs something a while after the last call; it is outdated when the next comes. */
function scheduler(run: (outdated: () => boolean) => Promise<void>): { readonly soon: (wait: number) => void; readonly stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let calls = 0;
  const stop = (): void => {
    calls++;
    clearTimeout(timer);
  };
  return {
    soon(wait) {
      stop();
      const call = calls;
      timer = setTimeout(() => void run(() => call !== calls), wait);
    },
    stop,
  };
}

/** Sends a document's diagnostics, unless they are outdated before; those of files that it imports stand at the imports. Requests that come in meanwhile wait for one net at most. */
async function publish(connection: Connection, workspace: Workspace, document: TextDocument, outdated: () => boolean): Promise<void> {
  const file = fileOf(document.uri);
  try {
    const analysis = workspace.analysisOf(file);
    for (const net of analysis.ast.nets) {
      await setImmediate();
      if (outdated()) return;
      analysis.prepare(net);
    }
    const { diagnostics, imports } = analysis;
    const own = diagnostics.filter(({ loc }) => loc.file === file).map((each) => diagnosticOf(workspace, document, each));
    const others = [...groupBy(diagnostics.filter(({ loc }) => loc.file !== file), ({ loc }: Diagnostic) => loc.file)].flatMap(([other, found]) => {
      const through = imports.find((each) => each.file === other) ?? imports[0];
      return through ? [diagnosticOfImport(workspace, document, through.span, through.path, found)] : [];
    });
    void connection.sendDiagnostics({ uri: document.uri, version: document.version, diagnostics: [...own, ...others] });
  } catch (error) {
    connection.console.error(`${document.uri} could not be checked: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}
