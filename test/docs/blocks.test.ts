// Every block of code on the pages is run, compiled or read by a test. Here are those that no other has: nets are in examples.test.ts, the tutorial's
// commands in commands.test.ts, compiled models in compile.test.ts. What takes long is run on less: fewer and generated images, narrower nets.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import * as library from '../../index.ts';
import * as editor from '../../editor/service/index.ts';
import { LEXED, RESERVED, STARTERS, CONTEXTUAL, wordOf } from '../../compiler/1-syntax/tokens.ts';
import { ROOT } from './errors.ts';
import { pytorchFile } from './formats.ts';
import { blocksOf, type Block } from './markdown.ts';
import { PAGES, readPage } from './pages.ts';
import { createShell } from './shell.ts';

const { folder, read, run } = createShell();
afterAll(() => { rmSync(folder, { recursive: true }); });
// What the pages call the reader's own.
cpSync(join(ROOT, 'dsl-examples/mlp.zz'), join(folder, 'net.zz'));
await sharp({ create: { width: 32, height: 32, channels: 3, background: '#c08040' } }).jpeg().toFile(join(folder, 'photo.jpg'));

const blocks = PAGES.flatMap((page) => blocksOf(readPage(page)).map((block) => ({ page, ...block })));
/** Blocks that the tests of their pages have. */
const hasItsTest = ({ page, language, text }: (typeof blocks)[number]): boolean =>
  language === 'console' ? ['docs/tutorial.md', 'docs/quickstart.md', 'docs/compile.md'].includes(page) : /^import .* from '\.\/\w+\.\w+';$/m.test(text);
const of = (language: string): readonly (readonly [place: string, block: Block])[] => blocks.filter((block) => block.language === language && !hasItsTest(block)).map((block) => [`${block.page}:${block.line}`, block] as const);

it('every language of a block is one that a test reads', () => {
  const known = ['zz', 'zz-error', 'console', 'sh', 'json', 'ts', 'js', 'python', 'ebnf', 'lua', 'toml', 'elisp'];
  expect(blocks.filter(({ language }) => !known.includes(language)).map(({ page, line, language }) => `${page}:${line} ${language}`)).toEqual([]);
});

/** Less of the same: later options win. */
const SMALL = ['--width', '0.03', '--backend', 'wasm', '--threads', '1'];
const LESS: Readonly<Record<string, readonly string[]>> = {
  train: ['--data', 'synthetic', '--limit', '40', '--epochs', '1', '--batch', '4', ...SMALL],
  bench: ['--steps', '1', '--batch', '2', ...SMALL],
  eval: ['--backend', 'wasm', '--threads', '1'],
  predict: ['--backend', 'wasm', '--threads', '1'],
  import: ['--data', 'synthetic', '--width', '0.03'],
};

/** f16 has no processor's backend but the evaluator's. */
const lessOf = (command: string, line: string): readonly string[] => [...(LESS[command] ?? []), ...(line.includes('--precision f16') ? ['--backend', 'reference'] : [])];

const scripts = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts;

/** Runs a line of a shell block, or looks up what it names where running it is another test's work. */
async function runLine(line: string): Promise<void> {
  const { argv: [program = '', ...argv] } = read(line);
  if (line.includes(' && ')) for (const part of line.split(' && ')) await runLine(part);
  else if (program === 'npx' && argv[0] === 'zz') {
    // The runtime of pages is there after a build only: test/compile/page.test.ts.
    if (/ -o \S+\.html\b/.test(line)) return;
    // It serves until it is ended: test/browser/playground.test.ts.
    if (argv[1] === 'playground') return;
    // The download has tests of its own.
    const command = line.startsWith('npx zz data cifar10') ? 'npx zz data synthetic' : line;
    const written = await run(command, lessOf(argv[1] ?? '', line));
    const [, file] = /(?:--out|-o) (\S+)/.exec(line) ?? [];
    expect(file === undefined ? written !== '' : existsSync(join(folder, file)), line).toBe(true);
  } else if (program === 'npm') {
    const [verb = '', name = ''] = argv;
    const script = verb === 'run' ? name : verb;
    if (verb !== 'ci') expect(Object.keys(scripts)).toContain(script);
    else for (const [, place = ''] of line.matchAll(/--prefix (\S+)/g)) expect(existsSync(join(ROOT, place, 'package-lock.json'))).toBe(true);
  } else if (program === 'node') expect(existsSync(join(ROOT, argv[0] ?? '')) && (argv[0] !== 'scripts/bench.js' || existsSync(join(ROOT, `bench/${argv[1] ?? ''}.ts`)))).toBe(true);
  else if (program === 'python' || program === 'torchrun') runPython(argv);
  // The name under which the package is made.
  else if (program === 'code') expect(line).toBe(`code --install-extension editor/vscode/zigzag-nn-${(JSON.parse(readFileSync(join(ROOT, 'editor/vscode/package.json'), 'utf8')) as { version: string }).version}.vsix`);
  else expect(existsSync(join(ROOT, program)), `${program} of ${line}`).toBe(true);
}

/** Looks up the options of an emitted PyTorch file, and puts trained weights where it would: test/pytorch runs such files. */
function runPython(argv: readonly string[]): void {
  const at = argv.findIndex((word) => word.endsWith('.py'));
  const options = argv.slice(at + 1).filter((word) => word.startsWith('--'));
  expect(options.filter((option) => !pytorchFile().includes(`"${option}"`))).toEqual([]);
  const out = argv[argv.indexOf('--out') + 1];
  if (options.includes('--out') && out !== undefined) cpSync(join(folder, argv[at]?.replace(/py$/, 'weights.safetensors') ?? ''), join(folder, out));
}

describe('shell', () => {
  it.each(of('sh'))('%s', async (_, { text }) => {
    const done = new Set<string>();
    for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
      // Of lines that differ in the file alone the first is run; of the others the file is checked.
      const [file] = /\S+\.zz\b/.exec(line) ?? [];
      const form = file === undefined ? line : line.replace(file, 'FILE');
      if (done.has(form) && file !== undefined) await run(`npx zz check ${file}`);
      else await runLine(line);
      done.add(form);
    }
  }, 300_000);

  it.each(of('console'))('%s', async (_, { text }) => {
    for (const [, line = ''] of text.matchAll(/^\$ (.*)$/gm)) await runLine(line);
  }, 300_000);
});

it.each(of('json'))('%s is JSON', (_, { text }) => {
  expect(() => JSON.parse(text) as unknown).not.toThrow();
});

/** Programs with another package, which the test of the format has. */
const isForeign = ([, { text }]: ReturnType<typeof of>[number]): boolean => /^import .* from '(?!zigzag-nn)/m.test(text);

it.each(of('js').filter(isForeign))('%s is a module', (_, { text }) => {
  expect(() => new Function(`return async () => {${text.replace(/^import .*$/gm, '')}}`)).not.toThrow();
});

const hasPython = spawnSync('python3', ['--version']).status === 0;

it.skipIf(!hasPython).each(of('python'))(`%s is Python${hasPython ? '' : ' (skipped: there is no python3)'}`, (_, { text }) => {
  expect(spawnSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: text, encoding: 'utf8' }).stderr).toBe('');
});

describe('configurations of editors start the server', () => {
  it.each([...of('lua'), ...of('toml'), ...of('elisp')])('%s', (_, { text }) => {
    const words = [...text.matchAll(/["']([^"'\n]+)["']/g)].map(([, word = '']) => word);
    const at = words.indexOf('npx');
    expect(words.slice(at, at + 4)).toEqual(['npx', 'zz', 'lsp', '--stdio']);
    const pairs = [['(', ')'], ['{', '}'], ['[', ']']] as const;
    const bare = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\?\\?./g, '');
    for (const [open, close] of pairs) expect(bare.split(open).length, open).toBe(bare.split(close).length);
  });
});

describe('programs', () => {
  /** Each line `expression; // value` gives that value; lines before it stay. */
  it.each([...of('ts'), ...of('js')].filter((block) => !isForeign(block)))('%s', (_, { text }) => {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const imported = lines.flatMap((line) => /^import \{ (.*) \} from '([\w/-]+)';$/.exec(line)?.slice(1) ?? []);
    const names = imported.flatMap((part, i) => (i % 2 === 0 ? part.split(', ').map((name) => [name, imported[i + 1] === 'zigzag-nn' ? library : editor] as const) : []));
    const values = names.map(([name, from]) => (from as Readonly<Record<string, unknown>>)[name]);
    expect(names.filter((_each, i) => values[i] === undefined).map(([name]) => name)).toEqual([]);
    const body = lines.filter((line) => !line.startsWith('import ')).map((line) => line.replace(/^(.*); \/\/ (.*)$/, 'results.push([$1, $2]);'));
    const results = new Function(...names.map(([name]) => name), `const results = [];\n${body.join('\n')}\nreturn results;`)(...values) as [unknown, unknown][];
    expect(results.length).toBeGreaterThan(0);
    for (const [found, shown] of results) expect(found).toEqual(shown);
  });
});

it.each(of('ebnf'))('%s has the words and signs of the lexer, and no others', (_, { text }) => {
  const quoted = new Set([...text.matchAll(/"([^"]+)"/g)].map(([, word = '']) => word));
  const words = [...RESERVED.keys(), ...CONTEXTUAL.keys(), ...[...STARTERS].map(wordOf).filter((word) => /^[a-z]/.test(word))];
  const signs = LEXED.flatMap(({ PATTERN }) => (typeof PATTERN === 'string' ? [PATTERN] : []));
  expect([...quoted].sort()).toEqual([...new Set([...words, ...signs])].sort());
});
