// Command lines of the pages, run in this process, in a folder of their own that sees the examples.

import { mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { main } from '../../cli/program.ts';
import { ROOT } from './errors.ts';

export interface Line {
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
}

export interface Shell {
  readonly folder: string;
  /** The words of a line: settings of the environment, then the command, `*` with the files it stands for; comments are left out. */
  readonly read: (line: string) => Line;
  /** Runs `npx zz ...` or `ls FOLDER`, and fails where it ends otherwise than well; gives what it wrote, both streams in order. `more` words are added. */
  readonly run: (line: string, more?: readonly string[]) => Promise<string>;
}

export function createShell(): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'zz-pages-'));
  symlinkSync(join(ROOT, 'dsl-examples'), join(folder, 'dsl-examples'));

  const files = (word: string): string[] => {
    const [, place = '', ending = ''] = /^(.+)\/\*(\.\w+)?$/.exec(word) ?? [];
    return place === '' ? [word] : readdirSync(join(folder, place)).filter((name) => name.endsWith(ending) && !name.startsWith('.')).sort().map((name) => `${place}/${name}`);
  };
  const read = (line: string): Line => {
    const words = [...line.replace(/\s#.*/, '').matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
    const start = words.findIndex((word) => !/^ZZ_\w+=/.test(word));
    return { env: Object.fromEntries(words.slice(0, start).map((word) => word.split('=', 2))), argv: words.slice(start).flatMap(files) };
  };
  const run = async (line: string, more: readonly string[] = []): Promise<string> => {
    const { env, argv: [program, ...argv] } = read(line);
    if (program === 'ls') return readdirSync(join(folder, argv[0] ?? '')).sort().map((name) => `${name}\n`).join('');
    if (program !== 'npx' || argv[0] !== 'zz') throw new Error(`the pages run npx zz and ls, not ${line}`);
    let written = '';
    const output = { write: (text: string) => { written += text; } };
    const stdin = (async function* () { yield ''; })();
    const status = await main([...argv.slice(1), ...more], { stdin, stdout: output, stderr: output, env: { NO_COLOR: '1', ZZ_CACHE: join(folder, 'cache'), ...env }, cwd: folder, onInterrupt: () => () => undefined });
    expect(status, `${line}\n${written}`).toBe(argv[1] === 'check' && / error ZZ/.test(written) ? 1 : 0);
    return written;
  };
  return { folder, read, run };
}
