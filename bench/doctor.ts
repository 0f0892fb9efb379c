// What zz doctor finds, as a record.
// node scripts/bench.js doctor [--json FILE]

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { jsonLines } from './python.ts';
import { commandLine, openRecord, ownVersions, thisMachine } from './record.ts';

const { values: options } = parseArgs({ options: { json: { type: 'string' } } });
interface Finding {
  readonly what: string;
  readonly state: string;
  readonly detail: string;
  readonly advice?: string;
}

const record = await openRecord<Finding>(options.json, { benchmark: 'doctor', command: commandLine('doctor'), machine: await thisMachine(), versions: ownVersions(), options: {} }, ({ what }) => what);
for await (const line of jsonLines(process.execPath, [fileURLToPath(new URL('../cli/main.js', import.meta.url)), 'doctor', '--json'])) {
  const finding = line as Finding;
  if (['node', 'cache'].includes(finding.what)) continue; // of this user's system
  await record.add(finding);
  console.log(`${finding.state.padEnd(8)} ${finding.what.padEnd(18)} ${finding.detail}`);
  if (finding.advice !== undefined) console.log(`${' '.repeat(28)}${finding.advice}`);
}
