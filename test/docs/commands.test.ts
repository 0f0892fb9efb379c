// Commands on the pages. The tutorial from beginning to end: its files are written, its commands run in this process, and their output compared;
// UPDATE=1 writes outputs that differ. Elsewhere what is quick is run, and of the rest the options are looked up.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, expect, it } from 'vitest';
import { main } from '../../cli/program.ts';
import { ROOT } from './errors.ts';
import { blocksOf } from './markdown.ts';
import { PAGES, readPage, update } from './pages.ts';

const PAGE = 'docs/tutorial.md';
const folder = mkdtempSync(join(tmpdir(), 'zz-tutorial-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

symlinkSync(join(ROOT, 'dsl-examples'), join(folder, 'dsl-examples'));

/** Two classes of plain images, some of each. */
async function makePhotos(): Promise<void> {
  for (const [name, background] of [['cat', '#c08040'], ['dog', '#4060a0']] as const) {
    for (const [split, count] of [['train', 6], ['test', 2]] as const) {
      const place = join(folder, 'photos', split, name);
      mkdirSync(place, { recursive: true });
      for (let i = 0; i < count; i++) await sharp({ create: { width: 32, height: 32, channels: 3, background } }).png().toFile(join(place, `${i}.png`));
    }
  }
}

interface Line {
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
}

/** A line of a shell: settings of the environment, then words, `*.zz` with the files it stands for; comments are left out. */
function read(line: string): Line {
  const words = [...line.replace(/\s#.*/, '').matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const start = words.findIndex((word) => !/^ZZ_\w+=/.test(word));
  const files = (word: string): string[] => {
    const [, place = ''] = /^(.+)\/\*\.zz$/.exec(word) ?? [];
    return place === '' ? [word] : readdirSync(join(folder, place)).filter((name) => name.endsWith('.zz')).sort().map((name) => `${place}/${name}`);
  };
  return { env: Object.fromEntries(words.slice(0, start).map((word) => word.split('=', 2))), argv: words.slice(start).flatMap(files) };
}

/** Runs `npx zz ...` or `ls FOLDER`; gives what it wrote, both streams in order. */
async function run(line: string): Promise<string> {
  const { env, argv: [program, ...argv] } = read(line);
  if (program === 'ls') return readdirSync(join(folder, argv[0] ?? '')).sort().map((name) => `${name}\n`).join('');
  if (program !== 'npx' || argv[0] !== 'zz') throw new Error(`the pages run npx zz and ls, not ${line}`);
  let written = '';
  const output = { write: (text: string) => { written += text; } };
  const stdin = (async function* () { yield ''; })();
  const status = await main(argv.slice(1), { stdin, stdout: output, stderr: output, env: { NO_COLOR: '1', ZZ_CACHE: join(folder, 'cache'), ...env }, cwd: folder, onInterrupt: () => () => undefined });
  expect(status, `${line}\n${written}`).toBe(argv[1] === 'check' && / error ZZ/.test(written) ? 1 : 0);
  return written;
}

/** Whether a text is as shown: `…` is any part of a line, and on a line of its own any lines. */
function matches(shown: string, text: string): boolean {
  const lines = (all: string): string => all.split('\n').map((line) => line.trimEnd()).join('\n').trim();
  const pattern = lines(shown).split(/(?<=^|\n)…(?:\n|$)/).map((part) => part.split('…').map((piece) => piece.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('[^\\n]*')).join('(?:[^\\n]*\\n)*');
  return new RegExp(`^${pattern}$`).test(`${lines(text)}${shown.trimEnd().endsWith('\n…') || shown.trim() === '…' ? '\n' : ''}`);
}

interface Step {
  readonly command: string;
  readonly shown: string;
}

/** A console block as its commands, each with the lines below it. */
const stepsOf = (text: string): Step[] =>
  text.split(/^\$ /m).slice(1).map((part) => {
    const [command = '', ...shown] = part.split('\n');
    return { command, shown: shown.join('\n') };
  });

it('what it shows is what happens', async () => {
  await makePhotos();
  const page = readPage(PAGE);
  let rewritten = page;
  for (const { language, text } of blocksOf(page)) {
    const [, file] = /^\/\/ (\w+\.zz)\n/.exec(text) ?? [];
    if (language.startsWith('zz') && file !== undefined) writeFileSync(join(folder, file), text);
    if (language !== 'console') continue;
    const done: string[] = [];
    for (const { command, shown } of stepsOf(text)) {
      const written = await run(command);
      const fits = matches(shown, written);
      const kept = fits ? shown.trimEnd() : written.trim();
      done.push(`$ ${command}\n${kept === '' ? '' : `${kept}\n`}`);
    }
    rewritten = rewritten.replace(text, () => done.join(''));
  }
  update(PAGE, rewritten);
  expect(readPage(PAGE)).toBe(rewritten);
}, 120_000);

it('the comparison can fail', () => {
  expect(matches('a …\n…\nz\n', 'a 12\nb\nc\nz\n')).toBe(true);
  expect(matches('a …\nz\n', 'a 12\nb\nz\n')).toBe(false);
  expect(matches('…\nz', 'z\n')).toBe(true);
  expect(matches('…\n', 'b\nc\n')).toBe(true);
  expect(matches('a.c\n…\n', 'abc\nd\n')).toBe(false);
  expect(matches('', 'b\n')).toBe(false);
});

const shell = PAGES.flatMap((page) =>
  blocksOf(readPage(page)).filter(({ language }) => language === 'sh').flatMap(({ text }) => text.split('\n').filter((line) => /\bnpx zz\b/.test(line)).map((line) => [page, line] as const)),
);

it.each(shell)('%s: %s', async (_, line) => {
  const { argv: [, , command = '', ...rest] } = read(line);
  if (['check', 'ir'].includes(command)) return expect(await run(line)).not.toBe('');
  const help = await run(`npx zz ${command} --help`);
  const options = rest.filter((word) => word.startsWith('--'));
  return expect(options.filter((option) => !help.includes(`${option} `))).toEqual([]);
});
