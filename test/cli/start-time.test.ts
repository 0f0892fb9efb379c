// How long the built command line takes, in processor time and as a multiple of what Node itself takes to start, each the best of three. Skipped before the first `npm run build`.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const report = `data:text/javascript,${encodeURIComponent('process.on("exit", () => process.stderr.write("CPU " + JSON.stringify(process.cpuUsage())))')}`;

function seconds(...argv: readonly string[]): number {
  const { status, stderr } = spawnSync(process.execPath, ['--import', report, ...argv], { cwd: ROOT, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const { user, system } = JSON.parse(/CPU (.*)$/.exec(stderr)?.[1] ?? '') as NodeJS.CpuUsage;
  return (user + system) / 1e6;
}

const best = (...argv: readonly string[]): number => Math.min(...[0, 1, 2].map(() => seconds(...argv)));

// Where nothing else runs Node takes 0.05 s, zz check 0.16 and this zz ir 0.3.
test.skipIf(!existsSync(main)).each([
  [8, ['check', 'dsl-examples/case-b.zz']],
  [20, ['ir', 'dsl-examples/case-b.zz', '--stage', 'memory']],
] as const)('under %d times what Node takes to start: zz %j', (limit, argv) => {
  expect(best(main, ...argv) / best('-e', '0')).toBeLessThan(limit);
});
