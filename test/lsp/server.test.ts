// The language server in this process: imports, several folders, edits, bad requests, the end of a session.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { CodeAction, CompletionItem, Diagnostic, Location, PublishDiagnosticsParams, SemanticTokens, TextEdit, WorkspaceEdit, WorkspaceSymbol } from 'vscode-languageserver-protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { diskReader } from '../../cli/source.ts';
import { formatSource } from '../../compiler/1-syntax/print.ts';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import { serve } from '../../editor/server/server.ts';
import { uniforms } from '../../runtime/random.ts';
import { SOUND, textOf } from '../editor/helpers.ts';
import { zz } from '../cli/zz.ts';
import { sessionHere, type Session } from './session.ts';

const folder = mkdtempSync(join(tmpdir(), 'zz-lsp-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

const BLOCKS = 'net Block {\n  input x: [8, 8, 3]\n  output y = x -> conv(3)\n}\n';
const MAIN = 'import "blocks.zz"\n\nnet Main {\n  input image: [8, 8, 3]\n  output y = image -> Block\n}\n';

/** Two folders, each with a program of its own and the same file names. */
for (const name of ['one', 'two']) {
  mkdirSync(join(folder, name, 'deep'), { recursive: true });
  writeFileSync(join(folder, name, 'blocks.zz'), BLOCKS);
  writeFileSync(join(folder, name, 'main.zz'), MAIN);
  mkdirSync(join(folder, name, 'node_modules'), { recursive: true });
  writeFileSync(join(folder, name, 'node_modules/hidden.zz'), MAIN.replace('Main', 'Hidden'));
}
const disk = await diskReader({ stdin: (async function* () { yield ''; })(), stdout: { write: () => true }, stderr: { write: () => true }, env: {}, cwd: '/', onInterrupt: () => () => undefined });
const onDisk = (): Promise<Session> => sessionHere([join(folder, 'one'), join(folder, 'two')], disk);
const path = (...parts: string[]): string => join(folder, ...parts);
const uriOf = (...parts: string[]): string => pathToFileURL(path(...parts)).href;

const at = (session: Session, uri: string, word: string, more = 0) => ({ textDocument: { uri }, position: session.position(uri, session.textOf(uri).indexOf(word) + more) });
const codes = ({ diagnostics }: { readonly diagnostics: readonly Diagnostic[] }) => diagnostics.map(({ code }) => code);

describe('imports', () => {
  it('what an open file becomes is seen by those that import it', async () => {
    const session = await onDisk();
    const main = session.open(path('one', 'main.zz'), MAIN);
    expect(codes(await session.diagnostics(main))).toEqual(['ZZ2105']);
    const blocks = session.open(path('one', 'blocks.zz'), BLOCKS);
    await session.diagnostics(main);
    session.change(blocks, BLOCKS.indexOf('Block'), BLOCKS.indexOf('Block') + 5, 'Other');
    const found = await session.diagnostics(main);
    expect(codes(found)).toEqual(['ZZ2105', 'ZZ2003']);
    // An error in it stands at the import, with its own place.
    session.change(blocks, 0, 0, '@ ');
    const first = (await session.diagnostics(main)).diagnostics.find(({ code }) => code === undefined);
    expect(first).toMatchObject({ range: { start: { line: 0 } }, severity: 1, relatedInformation: [{ location: { uri: blocks } }] });
    expect(first?.message).toMatch(/^blocks\.zz has 1 error: unexpected character/);
    // Closed without being saved, it is again what lies on the disk.
    session.notify('textDocument/didClose', { textDocument: { uri: blocks } });
    expect(codes(await session.diagnostics(main))).toEqual(['ZZ2105']);
    expect(await session.end()).toBe(0);
  });

  it('what changes on the disk is seen', async () => {
    const session = await onDisk();
    const main = session.open(path('two', 'main.zz'), MAIN);
    await session.diagnostics(main);
    writeFileSync(path('two', 'blocks.zz'), 'net Nothing { input x: [8, 8, 3] output y = x }');
    session.notify('workspace/didChangeWatchedFiles', { changes: [{ uri: uriOf('two', 'blocks.zz'), type: 2 }] });
    expect(codes(await session.diagnostics(main))).toContain('ZZ2003');
    writeFileSync(path('two', 'blocks.zz'), BLOCKS);
    session.notify('workspace/didChangeWatchedFiles', { changes: [{ uri: uriOf('two', 'blocks.zz'), type: 2 }] });
    expect(codes(await session.diagnostics(main))).toEqual(['ZZ2105']);
    await session.end();
  });

  it('definitions, links and paths lead to the file', async () => {
    const session = await onDisk();
    const main = session.open(path('one', 'main.zz'), MAIN);
    expect(await session.request('textDocument/definition', at(session, main, '-> Block', 4))).toMatchObject([{ targetUri: uriOf('one', 'blocks.zz'), targetRange: { start: { line: 0, character: 4 } } }]);
    expect(await session.request('textDocument/definition', at(session, main, 'blocks.zz', 2))).toMatchObject([{ targetUri: uriOf('one', 'blocks.zz'), targetRange: { start: { line: 0, character: 0 } } }]);
    expect(await session.request('textDocument/documentLink', { textDocument: { uri: main } })).toMatchObject([{ target: uriOf('one', 'blocks.zz'), range: { start: { line: 0, character: 8 }, end: { line: 0, character: 17 } } }]);
    const offered = await session.request<CompletionItem[]>('textDocument/completion', at(session, main, 'blocks.zz', 0));
    expect(offered.map(({ label }) => label)).toEqual(['blocks.zz', 'deep/', 'main.zz']);
    await session.end();
  });
});

describe('what is not on the disk', () => {
  it('a name is changed in open texts as they stand, in files, and in texts that were never saved', async () => {
    const session = await onDisk();
    const main = session.open(path('one', 'main.zz'), MAIN);
    const blocks = session.open(path('one', 'blocks.zz'), `# not saved 😀\n${BLOCKS}`);
    const fresh = session.open(path('one', 'deep', 'fresh.zz'), MAIN.replace('"', '"../').replace('Main', 'Fresh'));
    const edit = await session.request<WorkspaceEdit>('textDocument/rename', { ...at(session, main, '-> Block', 4), newName: 'Unit' });
    expect(Object.fromEntries(Object.entries(edit.changes ?? {}).map(([uri, edits]) => [uri, edits.map(({ range: { start } }) => [start.line, start.character])]))).toEqual({ [main]: [[4, 22]], [blocks]: [[1, 4]], [fresh]: [[4, 22]] });
    await session.end();
  });

  it('a file that is deleted while others import it, and while it is open itself', async () => {
    const session = await onDisk();
    const gone = path('one', 'gone.zz');
    writeFileSync(gone, BLOCKS);
    const main = session.open(path('one', 'main.zz'), MAIN.replace('blocks', 'gone'));
    expect(codes(await session.diagnostics(main))).toEqual(['ZZ2105']);
    rmSync(gone);
    session.notify('workspace/didChangeWatchedFiles', { changes: [{ uri: uriOf('one', 'gone.zz'), type: 3 }] });
    expect(codes(await session.diagnostics(main))).toEqual(['ZZ2010', 'ZZ2003']);
    expect(await session.request('textDocument/definition', at(session, main, '-> Block', 4))).toBeNull();
    // Its text is still in the editor: it counts.
    const open = session.open(gone, BLOCKS);
    expect(codes(await session.diagnostics(main))).toEqual(['ZZ2105']);
    expect(await session.request('textDocument/definition', at(session, main, '-> Block', 4))).toMatchObject([{ targetUri: open }]);
    session.notify('textDocument/didClose', { textDocument: { uri: open } });
    expect(codes(await session.diagnostics(main))).toContain('ZZ2003');
    expect(session.log).toEqual([]);
    await session.end();
  });
});

describe('several folders', () => {
  it('a client that knows no folders names its root', async () => {
    const session = await sessionHere([path('one')], disk, {});
    const blocks = session.open(path('one', 'blocks.zz'), BLOCKS);
    const found = await session.request<Location[]>('textDocument/references', { ...at(session, blocks, 'Block'), context: { includeDeclaration: false } });
    expect(found.map(({ uri }) => uri)).toEqual([uriOf('one', 'main.zz')]);
    await session.end();
  });

  it.each([
    ['a client that tells of new files', undefined],
    ['one that does not', {}],
  ])('a file that appears, and then names something, is found: %s', async (_, capabilities) => {
    const added = path('one', 'added.zz');
    const session = await sessionHere([path('one')], disk, capabilities);
    const blocks = session.open(path('one', 'blocks.zz'), BLOCKS);
    const users = async (): Promise<string[]> => (await session.request<Location[]>('textDocument/references', { ...at(session, blocks, 'Block'), context: { includeDeclaration: false } })).map(({ uri }) => uri).sort();
    expect(await users()).toEqual([uriOf('one', 'main.zz')]);
    const write = (text: string, type: number): void => {
      writeFileSync(added, text);
      if (capabilities) session.change(blocks, 0, 0, '\n');
      else session.notify('workspace/didChangeWatchedFiles', { changes: [{ uri: uriOf('one', 'added.zz'), type }] });
    };
    write('// Nothing yet.\n', 1);
    expect(await users()).toEqual([uriOf('one', 'main.zz')]);
    write(MAIN.replace('Main', 'Added'), 2);
    expect(await users()).toEqual([uriOf('one', 'added.zz'), uriOf('one', 'main.zz')]);
    rmSync(added);
    await session.end();
  });

  it('references and renaming stay in the program', async () => {
    const session = await onDisk();
    const blocks = session.open(path('one', 'blocks.zz'), BLOCKS);
    const found = await session.request<Location[]>('textDocument/references', { ...at(session, blocks, 'Block'), context: { includeDeclaration: true } });
    expect(found.map(({ uri, range }) => `${uri}:${range.start.line}`).sort()).toEqual([`${blocks}:0`, `${uriOf('one', 'main.zz')}:4`]);
    const uses = await session.request<Location[]>('textDocument/references', { ...at(session, blocks, 'Block'), context: { includeDeclaration: false } });
    expect(uses.map(({ uri }) => uri)).toEqual([uriOf('one', 'main.zz')]);
    const edit = await session.request<WorkspaceEdit>('textDocument/rename', { ...at(session, blocks, 'Block'), newName: 'Unit' });
    expect(edit.changes).toEqual({
      [blocks]: [{ range: { start: { line: 0, character: 4 }, end: { line: 0, character: 9 } }, newText: 'Unit' }],
      [uriOf('one', 'main.zz')]: [{ range: { start: { line: 4, character: 22 }, end: { line: 4, character: 27 } }, newText: 'Unit' }],
    });
    await session.end();
  });

  it('symbols of all folders, and of those that come and go', async () => {
    const session = await onDisk();
    const names = async (query: string): Promise<string[]> => (await session.request<WorkspaceSymbol[]>('workspace/symbol', { query })).map(({ name, location }) => `${name} ${location.uri.slice(uriOf('').length + 1)}`).sort();
    expect(await names('Blo')).toEqual(['Block one/blocks.zz', 'Block two/blocks.zz']);
    expect(await names('mn')).toEqual(['Main one/main.zz', 'Main two/main.zz']);
    expect(await names('(')).toEqual([]);
    expect(await names('Hidden')).toEqual([]);
    session.notify('workspace/didChangeWorkspaceFolders', { event: { added: [], removed: [{ uri: uriOf('two'), name: 'two' }] } });
    expect(await names('Blo')).toEqual(['Block one/blocks.zz']);
    await session.end();
  });
});

describe('documents', () => {
  it('many small edits leave the server with the text that the editor has', async () => {
    const session = await sessionHere();
    const random = uniforms(3, 5);
    for (const file of SOUND.slice(0, 6)) {
      const uri = session.open(`/tmp/${file}`, textOf(file));
      for (let i = 0; i < 30; i++) {
        const { length } = session.textOf(uri);
        const start = Math.floor(random() * length);
        session.change(uri, start, Math.min(length, start + Math.floor(random() * 6)), ['x', '\n', '→', '😀 ', '{', '', 'conv(8)'][Math.floor(random() * 7)] ?? '');
      }
      const fresh = session.open(`/tmp/fresh-${file}`, session.textOf(uri));
      const tokens = (of: string) => session.request<SemanticTokens>('textDocument/semanticTokens/full', { textDocument: { uri: of } });
      expect((await tokens(uri)).data).toEqual((await tokens(fresh)).data);
    }
    await session.end();
  });

  it('what is wrong is told of the last text, and a check that an edit overtakes is given up', async () => {
    const session = await sessionHere();
    const nets = Array.from({ length: 200 }, (_, i) => BLOCKS.replace('Block', `Block${i}`)).join('');
    const versions: (number | undefined)[] = [];
    const uri = session.open('/nets.zz', nets);
    session.connection.onNotification('textDocument/publishDiagnostics', ({ version, diagnostics }: PublishDiagnosticsParams) => {
      versions.push(version);
      if (version === 6) resolve(diagnostics);
    });
    let resolve: (found: Diagnostic[]) => void = () => undefined;
    const last = new Promise<Diagnostic[]>((done) => { resolve = done; });
    // Each edit comes while the 200 nets of the text before are checked.
    for (let i = 0; i < 5; i++) {
      await new Promise((done) => { setTimeout(done, 10); });
      session.change(uri, 0, 0, i < 4 ? ' ' : '@');
    }
    expect((await last).filter(({ severity }) => severity === 1).map(({ code }) => code)).toEqual(['ZZ1001']);
    expect(versions).toEqual([6]);
    await session.end();
  });

  it('places are counted in UTF-16, as the protocol has it: a character beyond its first plane is two', async () => {
    const session = await sessionHere();
    const text = 'net A { input image: [8, 8, 3] train { dataset "😀😀" } output y = image -> conv(3, k: nothing) }';
    const uri = session.open('/tmp/utf16.zz', text);
    const { diagnostics } = await session.diagnostics(uri);
    const wrong = diagnostics.find(({ code }) => code === 'ZZ2001');
    expect(text.slice(wrong?.range.start.character, wrong?.range.end.character)).toBe('nothing');
    const edit = await session.request<WorkspaceEdit>('textDocument/rename', { textDocument: { uri }, position: { line: 0, character: text.lastIndexOf('image') }, newName: 'picture' });
    expect(edit.changes?.[uri]?.map(({ range: { start, end } }) => text.slice(start.character, end.character))).toEqual(['image', 'image']);
    await session.end();
  });

  it('the canonical form, fixes and plain completions', async () => {
    const session = await sessionHere([], memoryReader({}), {});
    const text = 'net A {\n  input image: [8,8,3]\n  output y = imag -> conv( 4 )\n}\n';
    const uri = session.open('/tmp/a.zz', text);
    const found = await session.diagnostics(uri);
    const wrong = found.diagnostics.find(({ code }) => code === 'ZZ2001');
    expect(wrong?.message).toBe("nothing is called 'imag' here\ndid you mean 'image'?");
    const edits = await session.request<TextEdit[]>('textDocument/formatting', { textDocument: { uri }, options: {} });
    const [edit] = edits;
    session.change(uri, 0, text.length, text);
    const offset = (position: { line: number; character: number } | undefined): number => text.split('\n').slice(0, position?.line ?? 0).join('\n').length + 1 + (position?.character ?? 0);
    expect(text.slice(0, offset(edit?.range.start)) + (edit?.newText ?? '') + text.slice(offset(edit?.range.end))).toBe(formatSource({ file: 'a.zz', text }).text);
    const actions = await session.request<CodeAction[]>('textDocument/codeAction', { textDocument: { uri }, range: wrong?.range, context: { diagnostics: [] } });
    expect(actions.map(({ title, kind, isPreferred }) => `${title} ${kind ?? ''} ${isPreferred ?? ''}`)).toContain("Change to 'image' quickfix true");
    expect(await session.request('textDocument/codeAction', { textDocument: { uri }, range: wrong?.range, context: { diagnostics: [], only: ['refactor'] } })).toEqual([]);
    const offered = await session.request<CompletionItem[]>('textDocument/completion', at(session, uri, 'conv('));
    expect(offered.find(({ label }) => label === 'conv')?.textEdit?.newText).toBe('conv(channels)');
    // Without link support a definition is a location.
    expect(await session.request('textDocument/definition', at(session, uri, 'image'))).toMatchObject({ uri });
    await session.end();
  });

  it('texts that are no files', async () => {
    const session = await sessionHere();
    const uri = session.open('untitled:Untitled-1', `import "blocks.zz"\n${MAIN.slice(MAIN.indexOf('net'))}`);
    expect(codes(await session.diagnostics(uri))).toEqual(['ZZ2010', 'ZZ2003']);
    expect(await session.request('textDocument/hover', at(session, uri, 'image'))).toMatchObject({ contents: { kind: 'markdown' } });
    expect(await session.request('textDocument/documentLink', { textDocument: { uri } })).toEqual([]);
    await session.end();
  });
});

describe('bad requests', () => {
  it('are refused or answered with nothing, and the next one is answered', async () => {
    const session = await sessionHere();
    const uri = session.open('/tmp/a.zz', BLOCKS);
    const beyond = { textDocument: { uri }, position: { line: 99999, character: 99999 } };
    expect(await session.request('textDocument/hover', beyond)).toBeNull();
    expect(await session.request('textDocument/hover', { textDocument: { uri }, position: { line: -1, character: -5 } })).toBeTruthy();
    expect(await session.request('textDocument/hover', { textDocument: { uri: 'file:///nowhere/at/all.zz' }, position: { line: 0, character: 0 } })).toBeNull();
    expect(await session.request('textDocument/completion', { textDocument: { uri: 'http://[' }, position: { line: 0, character: 0 } })).not.toEqual([]);
    for (const params of [null, {}, { textDocument: null }, { textDocument: { uri: 7 }, position: 'here' }]) await expect(session.request('textDocument/hover', params)).rejects.toThrow();
    await expect(session.request('textDocument/nonsense', {})).rejects.toThrow(/nonsense/);
    session.notify('textDocument/didChange', { textDocument: { uri: 'file:///never/opened.zz', version: 3 }, contentChanges: [{ text: 'x' }] });
    session.notify('$/nonsense', {});
    await expect(session.request('textDocument/rename', { ...at(session, uri, 'Block'), newName: 'net' })).rejects.toThrow("'net' is a word of the language.");
    await expect(session.request('textDocument/prepareRename', at(session, uri, 'conv'))).rejects.toThrow('Only names that a program defines');
    expect(await session.request('textDocument/hover', at(session, uri, 'Block'))).toBeTruthy();
    expect(await session.end()).toBe(0);
  });
});

describe('the end of a session', () => {
  const frame = (message: object): string => {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  };
  const initialize = frame({ id: 1, method: 'initialize', params: { processId: null, rootUri: null, capabilities: {} } });

  it.each([
    ['a client that says goodbye', initialize + frame({ id: 2, method: 'shutdown' }) + frame({ method: 'exit' }), 0],
    ['one that only leaves', initialize + frame({ method: 'exit' }), 1],
    ['one that breaks off', initialize, 1],
    ['nothing at all', '', 1],
    ['no protocol', 'hello\n\nworld\n', 1],
  ])('%s', async (_, sent, status) => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    output.resume();
    const ended = serve({ input, output, disk: memoryReader({}), version: 'test' });
    input.end(sent);
    expect(await ended).toBe(status);
  });

  it('zz lsp', async () => {
    const ran = await zz(['lsp', '--stdio'], { stdin: initialize + frame({ id: 2, method: 'shutdown' }) + frame({ method: 'exit' }) });
    expect(ran.stdout).toContain('"serverInfo":{"name":"zz"');
    expect(ran).toMatchObject({ status: 0, stderr: '' });
  });
});
