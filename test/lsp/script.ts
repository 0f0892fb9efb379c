// A scripted session: what an editor asks while someone reads and writes a file, each request timed. Throws AssertionError at a wrong answer.

import assert from 'node:assert/strict';
import type { CompletionItem, DocumentSymbol, Hover, InlayHint, Location, SelectionRange, SemanticTokens, SignatureHelp, TextEdit, WorkspaceEdit } from 'vscode-languageserver-protocol';
import type { Session } from './session.ts';

/** A text of at least so many lines: the nets of one file again and again, under other names. */
function longText(text: string, lines: number): string {
  const names = [...text.matchAll(/^net (\w+)/gm)].map(([, name = '']) => name);
  const copy = (i: number): string => (i === 0 ? text : names.reduce((all, name) => all.replace(new RegExp(`\\b${name}\\b`, 'g'), `${name}${i}`), text));
  const copies = [text];
  while (copies.join('\n').split('\n').length < lines) copies.push(copy(copies.length));
  return copies.join('\n');
}

/** One net of so many lines, a residual block in every four of them. */
function longNet(lines: number): string {
  const layer = (i: number): string => (i % 4 === 3 ? `  x${i + 1} = x${i} + x${i - 2}` : `  x${i + 1} = x${i} -> conv(8, k: 3) -> relu`);
  const last = lines - 12;
  return [
    'net Long {', '  input image: [32, 32, 3]', '  x0 = image -> conv(8, k: 3)', ...Array.from({ length: last }, (_, i) => layer(i)),
    `  logits = x${last} -> globalavgpool -> dense(10)`, '  output logits', '  loss softmax_cross_entropy(logits)', '  train {', '    optimizer adam(lr: 1e-3)', '    batch 32', '    epochs 2', '  }', '}', '',
  ].join('\n');
}

/** The texts of the scripted sessions, by name: the five networks as files of so many lines, and one net of as many. `read` gives an example's text. */
export const longTexts = (lines: number, read: (file: string) => string): (readonly [name: string, text: string])[] => [
  ...['case-a', 'case-b', 'case-c', 'case-d', 'case-e-manual'].map((name) => [name, longText(read(`dsl-examples/${name}.zz`), lines)] as const),
  ['one-net', longNet(lines)],
];

/** Of each kind of request, in milliseconds: how long the answer took, and how long the server's thread ran for it. */
export type Times = Map<string, { readonly waited: number; readonly busy: number }[]>;

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** The medians of each kind of request. */
export const medians = (times: Times): Map<string, { readonly waited: number; readonly busy: number; readonly most: number }> =>
  new Map([...times].map(([method, all]) => [method, { waited: median(all.map(({ waited }) => waited)), busy: median(all.map(({ busy }) => busy)), most: Math.max(...all.map(({ waited }) => waited)) }]));

/** Asks for everything at many places of an open document, and again right after each of some edits. */
export async function work(session: Session, uri: string, times: Times, rounds: number): Promise<void> {
  const ask = async <T>(method: string, params: object): Promise<T> => {
    const [start, ran] = [performance.now(), session.busy()];
    const answer = await session.request<T>(`textDocument/${method}`, { textDocument: { uri }, ...params });
    const waited = performance.now() - start;
    const busy = ran === undefined ? undefined : (session.busy() ?? NaN) - ran;
    times.set(method, [...(times.get(method) ?? []), { waited, busy: busy ?? waited }]);
    return answer;
  };
  const word = (pattern: RegExp, i: number): number => {
    const all = [...session.textOf(uri).matchAll(pattern)];
    return all[Math.floor((all.length * i) / rounds)]?.index ?? 0;
  };
  const at = (offset: number) => ({ position: session.position(uri, offset) });
  const whole = { range: { start: { line: 0, character: 0 }, end: session.position(uri, Infinity) } };

  for (let i = 0; i < rounds; i++) {
    const conv = word(/\bconv\(/g, i);
    const hover = await ask<Hover>('hover', at(conv + 1));
    assert.match(JSON.stringify(hover.contents), /Gives `f32\[/);
    const name = word(/\bimage ->/g, i);
    const input = await ask<Location | null>('definition', at(name + 1));
    assert.notEqual(input, null);
    const places = await ask<Location[]>('references', { ...at(name + 1), context: { includeDeclaration: true } });
    assert.ok(places.length > 1);
    await ask('documentHighlight', at(name + 1));
    await ask('prepareRename', at(name + 1));
    const renaming = await ask<WorkspaceEdit>('rename', { ...at(name + 1), newName: 'picture' });
    assert.equal(renaming.changes?.[uri]?.length, places.length);
    const signature = await ask<SignatureHelp>('signatureHelp', at(conv + 'conv('.length));
    assert.match(signature.signatures[0]?.label ?? '', /conv\(x, channels/);
    await ask('selectionRange', { positions: [session.position(uri, conv)] });

    // Someone types: every key is an edit, and a completion is asked for.
    const end = session.textOf(uri).lastIndexOf('\n', word(/^ {2}output /gm, i));
    const typed = '\n  extra = image -> co';
    session.change(uri, end, end, typed.slice(0, -1));
    session.change(uri, end + typed.length - 1, end + typed.length - 1, typed.slice(-1));
    const offered = await ask<CompletionItem[]>('completion', at(end + typed.length));
    assert.ok(offered.some(({ label }) => label === 'conv'));
    const shown = await ask<Hover>('hover', at(end + '\n  extra = ima'.length));
    assert.match(JSON.stringify(shown.contents), /input image/);
    await ask('semanticTokens/full', {});
    session.change(uri, end, end + typed.length, '');

    const tokens = await ask<SemanticTokens>('semanticTokens/full', {});
    assert.equal(tokens.data.length % 5, 0);
    assert.ok(tokens.data.length > 500);
    assert.ok((await ask<InlayHint[]>('inlayHint', { range: { start: { line: 0, character: 0 }, end: { line: 60, character: 0 } } })).length > 0);
    assert.ok((await ask<DocumentSymbol[]>('documentSymbol', {})).length > 0);
    await ask('foldingRange', {});
    await ask('documentLink', {});
    await ask('codeAction', { ...whole, context: { diagnostics: [] } });
    session.change(uri, 0, 0, '\n');
    assert.ok((await ask<TextEdit[]>('formatting', { options: { tabSize: 2, insertSpaces: true } })).length > 0);
    session.change(uri, 0, 1, '');
    assert.equal((await ask<SelectionRange[]>('selectionRange', { positions: [session.position(uri, conv)] })).length, 1);
  }
}
