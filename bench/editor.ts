// The language server in a process of its own, as editors start it: a scripted session on each of the five networks as files of so many lines, and on one net of as many, every request timed.
// node scripts/bench.js editor [--lines N] [--rounds N] [--json FILE]

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { longTexts, median, work, type Times } from '../test/lsp/script.ts';
import { sessionOf } from '../test/lsp/session.ts';
import { commandLine, openRecord, ownVersions, thisMachine } from './record.ts';
import type { EditorRow } from './rows.ts';

const { values: options } = parseArgs({ options: { lines: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '10' }, json: { type: 'string' } } });
const [lines, rounds] = [Number(options.lines), Number(options.rounds)];
const record = await openRecord<EditorRow>(
  options.json,
  { benchmark: 'editor', command: commandLine('editor'), machine: await thisMachine(), versions: ownVersions(), options: { lines, rounds } },
  ({ request }) => request,
);

const session = await sessionOf(fileURLToPath(new URL('../cli/main.js', import.meta.url)), process.cwd());
const told = session.busy() !== undefined;
const times: Times = new Map();
for (const [name, text] of longTexts(lines, (file) => readFileSync(file, 'utf8'))) {
  const uri = session.open(`/tmp/${name}.zz`, text);
  await session.diagnostics(uri);
  await work(session, uri, times, rounds);
  session.notify('textDocument/didClose', { textDocument: { uri } });
}
await session.end();

const shown = (ms: number): string => ms.toFixed(1).padStart(6);
for (const [request, all] of times) {
  const [waited, busy] = [all.map((each) => each.waited), all.map((each) => each.busy)];
  const row: EditorRow = { request, asked: all.length, median: median(waited), most: Math.max(...waited), thread: told ? { median: median(busy), most: Math.max(...busy) } : null };
  console.log(`${request.padEnd(20)} median ${shown(row.median)} ms, at most ${shown(row.most)} ms${row.thread ? `; the server's thread ${shown(row.thread.median)} and ${shown(row.thread.most)} ms` : ''}`);
  await record.add(row);
}
