// The language server as editors start it, in a process of its own: a scripted session on each of the five networks as files of 1,000 lines, on one net of as many, and on every file with an error.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import type { PublishDiagnosticsParams } from 'vscode-languageserver-protocol';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { analysisAt, BROKEN, ROOT, textOf } from '../editor/helpers.ts';
import { build } from '../cli/built.ts';
import { sessionOf } from './session.ts';
import { longTexts, median, medians, work, type Times } from './script.ts';

const LINES = 1000;
const ROUNDS = 3;

const built = build();
const session = await sessionOf(built.main, ROOT);
afterAll(async () => {
  expect(await session.end()).toBe(0);
  expect(session.log).toEqual([]);
  built.remove();
});

describe(`files of ${LINES} lines`, () => {
  const times: Times = new Map();
  /** Milliseconds that the server ran to check a text that it had not seen. */
  const checks: number[] = [];

  it.each(longTexts(LINES, textOf))('%s', async (name, text) => {
    expect(text.split('\n').length).toBeGreaterThanOrEqual(LINES);
    const uri = session.open(`/tmp/${name}.zz`, text);
    const { diagnostics } = await session.diagnostics(uri);
    expect(diagnostics.filter(({ severity }) => severity === 1)).toEqual([]);
    await work(session, uri, times, ROUNDS);
    expect(session.textOf(uri)).toBe(text);
    session.notify('textDocument/didClose', { textDocument: { uri } });
    const ran = session.busy();
    const again = session.open(`/tmp/again-${name}.zz`, text);
    const start = performance.now();
    await session.diagnostics(again);
    checks.push(ran === undefined ? performance.now() - start : (session.busy() ?? NaN) - ran);
    session.notify('textDocument/didClose', { textDocument: { uri: again } });
  });

  // A ratio within one run, as machines differ and are at times busy. Where nothing else runs a check takes about 20 ms, and users begin to wait at 50; ZZ_DEBUG shows what it is here.
  // Of each kind the median, as one request may clean up after others.
  it('every kind of request takes less than three times what a check from the start does', () => {
    const found = medians(times);
    const limit = 3 * median(checks);
    if (process.env['ZZ_DEBUG']) console.log(`limit ${limit.toFixed(1)} ms`, Object.fromEntries([...found].map(([method, { waited, busy, most }]) => [method, `busy ${busy.toFixed(1)}, waited ${waited.toFixed(1)}, at most ${most.toFixed(1)} ms`])));
    expect(found.size).toBeGreaterThan(14);
    expect([...found].filter(([, { busy }]) => !(busy < limit))).toEqual([]);
  });
});

const TASKS = `/proc/${session.pid ?? ''}/task`;
test.skipIf(!existsSync(TASKS))('the threads beside the one that answers give way to it', () => {
  // The 19th field of a thread's stat, by the manual page proc(5); the second is its name in parentheses.
  const nice = new Map(readdirSync(TASKS).map((thread) => [Number(thread), Number(readFileSync(`${TASKS}/${thread}/stat`, 'utf8').split(') ')[1]?.split(' ')[16])]));
  const own = nice.get(session.pid ?? NaN) ?? NaN;
  const others = [...nice].filter(([thread]) => thread !== session.pid).map(([, each]) => each);
  expect(own).toBe(getPriority());
  expect(others.filter((each) => each === Math.min(own + 5, 19)).length).toBeGreaterThanOrEqual(4);
});

describe('files with errors', () => {
  const opened = new Map<string, { readonly uri: string; readonly found: PublishDiagnosticsParams }>();
  beforeAll(async () => {
    // Opened at once, as the server waits for a pause before it checks.
    await Promise.all(BROKEN.map(async (file) => {
      const uri = session.open(`${ROOT}/${file}`, textOf(file));
      opened.set(file, { uri, found: await session.diagnostics(uri) });
    }));
  }, 60_000);

  it.each(BROKEN)('%s', async (file) => {
    const { uri = '', found } = opened.get(file) ?? {};
    const expected = analysisAt(file).diagnostics.filter(({ loc }) => loc.file === file).map(({ code }) => code);
    expect(found?.diagnostics.map(({ code }) => code)).toEqual(expected);
    const end = session.position(uri, Infinity);
    for (const part of [0, 0.5, 1]) {
      const position = session.position(uri, Math.floor(session.textOf(uri).length * part));
      for (const method of ['hover', 'definition', 'completion', 'signatureHelp', 'documentHighlight']) await session.request(`textDocument/${method}`, { textDocument: { uri }, position });
    }
    for (const method of ['semanticTokens/full', 'documentSymbol', 'foldingRange', 'documentLink']) expect(await session.request(`textDocument/${method}`, { textDocument: { uri } })).toBeTruthy();
    await session.request('textDocument/codeAction', { textDocument: { uri }, range: { start: { line: 0, character: 0 }, end }, context: { diagnostics: [] } });
  });
});
