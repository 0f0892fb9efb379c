// Every kernel on this machine's GPU against the reference: the tests in test/webgpu, on whatever adapter WebGPU finds.
// node scripts/bench.js check [--json FILE]

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { findAdapter } from '../runtime/backends/dawn.ts';
import { commandLine, openRecord, timeLeft, ownVersions, thisMachine } from './record.ts';
import type { CheckRow } from './rows.ts';

const { values: options } = parseArgs({ options: { json: { type: 'string' } } });

interface Report {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly { readonly message: string; readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[] }[];
}

const { name: adapter } = await findAdapter();
const folder = mkdtempSync(join(tmpdir(), 'zz-check-'));
try {
  const report = join(folder, 'report.json');
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
  // Pages in a browser are another implementation of WebGPU; they are tested where a browser is.
  const args = ['run', 'test/webgpu', '--exclude', '**/browser.test.ts', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  spawnSync(process.execPath, [vitest, ...args], { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ZZ_TEST_ADAPTER: 'any' }, timeout: timeLeft() });
  if (!existsSync(report)) throw new Error('the tests did not come to their end');
  const { numPassedTests: passed, numPendingTests: skipped, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  const failed = testResults.flatMap(({ message, assertionResults }) => [
    ...(assertionResults.length === 0 ? [message] : []),
    ...assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  ]);
  const record = await openRecord<CheckRow>(options.json, { benchmark: 'check', command: commandLine('check'), machine: await thisMachine(), versions: ownVersions(), options: {} }, () => '');
  await record.add({ adapter, passed, skipped, failed });
  console.log(`${adapter}: ${passed} tests passed, ${failed.length} failed, ${skipped} skipped`);
  process.exitCode = failed.length > 0 || skipped > 0 || passed === 0 ? 1 : 0; // skipped: the adapter was found, but did not open
} finally {
  rmSync(folder, { recursive: true });
}
