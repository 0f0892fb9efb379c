// The language server in a process of its own, as editors start it: scripted sessions on each of the five networks as files of so many lines, and on one net of as many, every request timed.
// node scripts/bench.js editor [--sessions N] [--lines N] [--rounds N] [--json FILE]

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { longTexts, median, work, type Times } from '../test/lsp/script.ts';
import { sessionOf } from '../test/lsp/session.ts';
import { commandLine, openRecord, ownVersions, thisMachine } from './record.ts';
import type { EditorRow } from './rows.ts';

const { values: options } = parseArgs({ options: { sessions: { type: 'string', default: '5' }, lines: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '10' }, json: { type: 'string' } } });
const [sessions, lines, rounds] = [Number(options.sessions), Number(options.lines), Number(options.rounds)];
const record = await openRecord<EditorRow>(
  options.json,
  { benchmark: 'editor', command: commandLine('editor'), machine: await thisMachine(), versions: ownVersions(), options: { sessions, lines, rounds } },
  ({ request }) => request,
);

/** What answers are held to, in milliseconds. */
const LIMIT = 50;

const times: Times = new Map();
let told = true;
for (let i = 0; i < sessions; i++) {
  const session = await sessionOf(fileURLToPath(new URL('../cli/main.js', import.meta.url)), process.cwd());
  told &&= session.busy() !== undefined;
  for (const [name, text] of longTexts(lines, (file) => readFileSync(file, 'utf8'))) {
    const uri = session.open(`/tmp/${name}.zz`, text);
    await session.diagnostics(uri);
    await work(session, uri, times, rounds);
    session.notify('textDocument/didClose', { textDocument: { uri } });
  }
  await session.end();
}

const summary = (all: readonly number[]): EditorRow['waited'] => ({ median: median(all), most: Math.max(...all), late: all.filter((ms) => ms > LIMIT).length });

const shown = (ms: number): string => ms.toFixed(1).padStart(6);
for (const [request, all] of times) {
  const row: EditorRow = { request, asked: all.length, waited: summary(all.map(({ waited }) => waited)), thread: told ? summary(all.map(({ busy }) => busy)) : null };
  const { waited, thread } = row;
  console.log(`${request.padEnd(20)} median ${shown(waited.median)} ms, at most ${shown(waited.most)} ms, ${waited.late} of ${row.asked} over ${LIMIT}${thread ? `; the server's thread ${shown(thread.median)} and ${shown(thread.most)} ms` : ''}`);
  await record.add(row);
}
