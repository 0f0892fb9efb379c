// The path of a newcomer: what docs/quickstart.md says to do, done in a fresh clone of the last commit, each command timed.
// node scripts/bench.js quickstart [--json FILE]

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stepsOf } from './page-steps.ts';
import { commandLine, openRecord, ownVersions, thisMachine } from './record.ts';
import type { QuickstartRow } from './rows.ts';

const { values: options } = parseArgs({ options: { json: { type: 'string' } } });
const folder = mkdtempSync(join(tmpdir(), 'zz-quickstart-'));
const clone = join(folder, 'zigzag');
const record = await openRecord<QuickstartRow>(
  options.json,
  { benchmark: 'quickstart', command: commandLine('quickstart'), machine: await thisMachine(), versions: ownVersions(), options: {} },
  ({ command }) => command,
);
try {
  execFileSync('git', ['clone', '--quiet', '.', clone]);
  for (const step of stepsOf(readFileSync(join(clone, 'docs/quickstart.md'), 'utf8'))) {
    if ('file' in step) {
      writeFileSync(join(clone, step.file), step.text);
      continue;
    }
    const began = performance.now();
    const { status, stdout, stderr } = spawnSync(step.command, { cwd: clone, shell: true, encoding: 'utf8' });
    const seconds = (performance.now() - began) / 1000;
    if (status !== 0) throw new Error(`${step.command} ended with ${status}\n${stdout}${stderr}`);
    const said = stdout.trim().split('\n').at(-1) ?? '';
    console.log(`${seconds.toFixed(1).padStart(6)} s  ${step.command}\n          ${said}`);
    await record.add({ command: step.command, seconds, said });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
