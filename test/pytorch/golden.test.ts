// What PyTorch files look like: all of case b's, and of each other sample what follows its net. UPDATE=1 rewrites the expected files: read the difference.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EXAMPLES } from '../gradients/examples.ts';
import { example } from '../passes/nets.ts';
import { netOf, textOf } from './harness.ts';

const SAMPLES = new URL('../samples/', import.meta.url);
const SETTINGS = /^NET = [\s\S]*?(?=\n\n\n)/m;
const NET = /^# -+\n# The net\.[\s\S]*?(?=\n\n\n# -+\n# Counter-based)/m;
const VIEWS = /^VIEWS = \{[\s\S]*?^\}$/m;

/** The parts of a file that differ between nets. */
const ownParts = (text: string): string => `${[SETTINGS, NET, VIEWS].flatMap((part) => part.exec(text)?.[0] ?? []).join('\n\n\n')}\n`;

describe.each(readdirSync(SAMPLES).sort())('%s', (name) => {
  test('pytorch.py', () => {
    const source = readFileSync(new URL(`${name}/input.zz`, SAMPLES), 'utf8');
    const whole = textOf(netOf(source, /^net (\w+)/m.exec(source)?.[1]));
    const text = name === 'case-b' ? whole : ownParts(whole);
    const file = new URL(`${name}/pytorch.py`, SAMPLES);
    if (process.env['UPDATE'] === '1') writeFileSync(file, text);
    expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(text);
  });
});

const python = ['/usr/bin/python3', 'python3'].find((each) => spawnSync(each, ['--version']).status === 0);

describe.skipIf(python === undefined)(`syntax${python === undefined ? ' (skipped: there is no python3)' : ''}`, () => {
  test('all example nets are Python 3.8', () => {
    const texts = EXAMPLES.map((name) => {
      const [file = '', net = ''] = name.split(':');
      return textOf(netOf(example(file), net === '' ? undefined : net));
    });
    const { stderr } = spawnSync(python ?? '', ['-c', 'import ast, json, sys\nfor text in json.load(sys.stdin): ast.parse(text, feature_version=(3, 8))'], { input: JSON.stringify(texts), encoding: 'utf8' });
    expect(stderr).toBe('');
  });
});
