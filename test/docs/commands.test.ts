// The tutorial from beginning to end: its files are written, its commands run in this process, and their output compared; UPDATE=1 writes outputs that differ.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, expect, it } from 'vitest';
import { blocksOf } from './markdown.ts';
import { readPage, update } from './pages.ts';
import { createShell } from './shell.ts';

const PAGE = 'docs/tutorial.md';
const { folder, run } = createShell();
afterAll(() => { rmSync(folder, { recursive: true }); });

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
