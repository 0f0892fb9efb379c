// docs/quickstart.md: its net does on less of the data what the page says, and its program runs with what was compiled. bench/quickstart.ts does all of it, in a fresh clone.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { stepsOf } from '../../bench/page-steps.ts';
import { createApp, ROOT } from '../compile/app.ts';
import { readPage } from './pages.ts';

const { folder, zz, remove } = await createApp();
afterAll(remove);

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

it('what it says works', async () => {
  const done: string[] = [];
  for (const step of stepsOf(readPage('docs/quickstart.md'))) {
    if ('file' in step) {
      writeFileSync(join(folder, step.file), step.text);
      continue;
    }
    const [program, ...argv] = step.command.split(' ');
    if (program === 'npx') {
      await zz(...argv.slice(1), ...(argv[1] === 'train' ? ['--limit', '500', '--backend', 'wasm'] : []));
    } else if (program === 'node') {
      const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/^[\w ]+ (0\.\d+|1)\n$/);
    } else expect(argv[0] === 'ci' || scripts[argv[0] ?? ''] !== undefined, step.command).toBe(true);
    done.push(`${program} ${argv.find((word) => !word.startsWith('-')) ?? ''}`);
  }
  expect(done).toEqual(['npm ci', 'npm start', 'npx zz', 'npx zz', 'npx zz', 'node try.js']);
}, 60_000);
