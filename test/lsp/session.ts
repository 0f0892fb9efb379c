// A client of the language server, over its standard input and output or over streams in this process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { createProtocolConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver-protocol/node';
import type { ProtocolConnection, PublishDiagnosticsParams } from 'vscode-languageserver-protocol/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { Position } from 'vscode-languageserver-textdocument';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import { serve } from '../../editor/server/server.ts';
import type { Reader } from '../../compiler/2-graph/build.ts';

export interface Session {
  readonly connection: ProtocolConnection;
  readonly initialized: unknown;
  /** Opens a document and gives its URI. */
  readonly open: (file: string, text: string) => string;
  /** Replaces a part of an open document, by offsets in its text. */
  readonly change: (uri: string, start: number, end: number, text: string) => void;
  readonly textOf: (uri: string) => string;
  readonly position: (uri: string, offset: number) => Position;
  readonly request: <T>(method: string, params: unknown) => Promise<T>;
  readonly notify: (method: string, params: unknown) => void;
  /** The next diagnostics of a document, from now on. */
  readonly diagnostics: (uri: string) => Promise<PublishDiagnosticsParams>;
  /** Milliseconds that the server's thread has run so far; undefined where the system does not tell. */
  readonly busy: () => number | undefined;
  /** The number of the server's process, if it has one of its own. */
  readonly pid: number | undefined;
  /** What the server has said to people. */
  readonly log: readonly string[];
  /** Shuts the server down; gives its exit status. */
  readonly end: () => Promise<number | null>;
}

const CLIENT = {
  textDocument: { completion: { completionItem: { snippetSupport: true } }, definition: { linkSupport: true } },
  workspace: { workspaceFolders: true, didChangeWatchedFiles: { dynamicRegistration: true } },
};

async function begin(connection: ProtocolConnection, status: Promise<number | null>, folders: readonly string[], capabilities: object, pid?: number): Promise<Session> {
  const waiting = new Map<string, ((found: PublishDiagnosticsParams) => void)[]>();
  const documents = new Map<string, TextDocument>();
  const log: string[] = [];
  connection.onNotification('textDocument/publishDiagnostics', (found: PublishDiagnosticsParams) => {
    for (const take of waiting.get(found.uri) ?? []) take(found);
    waiting.delete(found.uri);
  });
  connection.onNotification('window/logMessage', ({ message }: { message: string }) => { log.push(message); });
  connection.onRequest('client/registerCapability', () => null);
  connection.listen();
  const request = <T>(method: string, params: unknown): Promise<T> => (params === undefined ? connection.sendRequest(method) : connection.sendRequest(method, params));
  const notify = (method: string, params: unknown): void => void (params === undefined ? connection.sendNotification(method) : connection.sendNotification(method, params as object));
  const [root, ...all] = folders.map((folder) => ({ uri: pathToFileURL(folder).href, name: folder }));
  // Clients that know no folders name one root.
  const where = 'workspace' in capabilities ? { rootUri: null, workspaceFolders: root ? [root, ...all] : [] } : { rootUri: root?.uri ?? null };
  const initialized = await request('initialize', { processId: process.pid, capabilities, ...where });
  notify('initialized', {});
  const documentOf = (uri: string): TextDocument => {
    const document = documents.get(uri);
    if (!document) throw new Error(`${uri} is not open`);
    return document;
  };
  return {
    connection,
    initialized,
    busy: () => threadTime(pid),
    pid,
    log,
    request,
    notify,
    open(file, text) {
      const uri = file.includes(':') ? file : pathToFileURL(file).href;
      documents.set(uri, TextDocument.create(uri, 'zz', 1, text));
      notify('textDocument/didOpen', { textDocument: { uri, languageId: 'zz', version: 1, text } });
      return uri;
    },
    change(uri, start, end, text) {
      const document = documentOf(uri);
      const range = { start: document.positionAt(start), end: document.positionAt(end) };
      const version = document.version + 1;
      documents.set(uri, TextDocument.update(document, [{ range, text }], version));
      notify('textDocument/didChange', { textDocument: { uri, version }, contentChanges: [{ range, text }] });
    },
    textOf: (uri) => documentOf(uri).getText(),
    position: (uri, offset) => documentOf(uri).positionAt(offset),
    diagnostics: (uri) => new Promise((resolve) => { waiting.set(uri, [...(waiting.get(uri) ?? []), resolve]); }),
    async end() {
      await request('shutdown', undefined);
      notify('exit', undefined);
      const ended = await status;
      connection.dispose();
      return ended;
    },
  };
}

/** A server in this process. */
export function sessionHere(folders: readonly string[] = [], disk: Reader = memoryReader({}), capabilities: object = CLIENT): Promise<Session> {
  const [toServer, toClient] = [new PassThrough(), new PassThrough()];
  const status = serve({ input: toServer, output: toClient, disk, version: 'test', delay: 5 });
  return begin(createProtocolConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer)), status, folders, capabilities);
}

/** A server in a process of its own, started as an editor does. */
export function sessionOf(main: string, cwd: string): Promise<Session> {
  const child = spawn(process.execPath, [main, 'lsp', '--stdio'], { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  const status = once(child, 'exit').then(([code]) => code as number | null);
  return begin(createProtocolConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin)), status, [cwd], CLIENT, child.pid);
}

/** From Linux's scheduler: the time that a process's main thread has run, in milliseconds. */
function threadTime(pid: number | undefined): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid ?? ''}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}
