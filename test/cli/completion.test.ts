// zz completion: bash answers as it would at the Tab key; every script knows every command and option.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { zz } from './zz.ts';

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'zz-completion-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

/** A folder with a net, another file, and a folder of runs. */
const place = join(folder, 'place');
mkdirSync(join(place, 'runs'), { recursive: true });
for (const name of ['net.zz', 'notes.txt']) writeFileSync(join(place, name), '');

const script = async (shell: string): Promise<string> => (await zz(['completion', shell])).stdout;

/** What bash offers for the last word. */
async function offers(...words: string[]): Promise<string[]> {
  const file = join(folder, 'zz.bash');
  writeFileSync(file, await script('bash'));
  const ask = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _zz; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', ask, file, 'zz', ...words], { encoding: 'utf8', cwd: place });
  expect(stderr).toBe('');
  return stdout.trim() === '' ? [] : stdout.trim().split('\n');
}

describe.skipIf(!has('bash'))('bash', () => {
  test('commands', async () => {
    expect(await offers('tr')).toEqual(['train']);
    expect(await offers('')).toEqual(expect.arrayContaining(['check', 'train', 'eval', 'completion', '--version']));
  });
  test('the options of the command, and no others', async () => {
    expect(await offers('train', 'net.zz', '--ep')).toEqual(['--epochs']);
    expect(await offers('check', '--')).toEqual(['--format', '--help']);
  });
  test('words that an option or argument may be', async () => {
    expect(await offers('check', '--format', 'j')).toEqual(['json']);
    expect(await offers('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await offers('ir', 'net.zz', '--stage', 'f')).toEqual(['fuse']);
    expect(await offers('train', '--optimizer', 'ad')).toEqual(['adam', 'adamw']);
    expect(await offers('eval', 'runs', '--backend', 'w')).toEqual(['webgpu', 'wasm']);
    expect(await offers('help', 'comp')).toEqual(['compile', 'compare', 'completion']);
    expect(await offers('train', '--batch', '')).toEqual([]);
  });
  test('paths of the kind that is asked for, beside words', async () => {
    expect(await offers('train', '')).toEqual(['net.zz', 'runs']);
    expect(await offers('eval', '')).toEqual(['runs']);
    expect((await offers('predict', 'runs', '')).sort()).toEqual(['net.zz', 'notes.txt', 'runs']);
    expect(await offers('data', '')).toEqual(['cifar10', 'synthetic', 'runs']);
    expect((await offers('train', '--data', '')).sort()).toEqual(['cifar10', 'net.zz', 'notes.txt', 'runs', 'synthetic']);
    expect(await offers('train', '--out', '')).toEqual(['runs']);
    expect(await offers('nonsense', '--')).toEqual([]);
  });
});

describe.skipIf(!has('fish'))('fish', () => {
  const fish = async (line: string): Promise<string[]> => {
    const file = join(folder, 'zz.fish');
    writeFileSync(file, await script('fish'));
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`], { encoding: 'utf8', cwd: place });
    expect(stderr).toBe('');
    return stdout.split('\n').filter(Boolean).map((offered) => offered.split('\t')[0] ?? '');
  };

  test.each([
    ['zz tr', ['train']],
    ['zz train --ep', ['--epochs']],
    ['zz check --format j', ['json']],
    ['zz ir net.zz --stage tw', ['twin-fuse']],
    ['zz eval ', ['runs/']],
    ['zz data ', ['cifar10', 'runs/', 'synthetic']],
    ['zz train --batch ', []],
  ])('%s', async (line, wanted) => {
    expect((await fish(line)).sort()).toEqual(wanted);
  });
});

test.each(['bash', 'zsh', 'fish'])('the %s script is sound, and knows every command and option', async (shell) => {
  const text = await script(shell);
  const help = (await zz(['--help'])).stdout;
  const commands = [...help.matchAll(/^ {2}(\w+) .*$/gm)].map(([, name = '']) => name).filter((name) => name !== 'zz' && name !== 'help');
  for (const name of commands) {
    expect(text).toMatch(new RegExp(`\\b${name}\\b`));
    const options = [...(await zz([name, '--help'])).stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, option = '']) => option).filter((option) => option !== 'help');
    for (const option of options) expect(text).toContain(shell === 'fish' ? `-l ${option} ` : `--${option}`);
  }
  if (has(shell)) {
    const file = join(folder, `check.${shell}`);
    writeFileSync(file, text);
    expect(spawnSync(shell, ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  }
});

test('another shell is refused by name', async () => {
  const ran = await zz(['completion', 'tcsh']);
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain('bash, zsh, fish');
});
