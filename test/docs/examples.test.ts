// Every example of the pages: the zz blocks compile clean or give the codes that their comments name, and whole files are in the canonical form (UPDATE=1 writes it).

import { expect, it } from 'vitest';
import { formatSource } from '../../compiler/1-syntax/print.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { checkNets } from '../../compiler/check.ts';
import { blocksOf } from './markdown.ts';
import { PAGES, readPage, update } from './pages.ts';

/** What a part of a net may lack: its outputs and its loss stand elsewhere, and so do the users of its values. */
const PART = /^ZZ(2015|21\d\d)$/;

/** Items outside a net are put into one, with an image as its input, on the same lines. */
const asNet = (text: string): string => (/^\s*(net|import)\b/m.test(text) ? text : `net Part { ${/^\s*input\b/m.test(text) ? '' : 'input image: [32, 32, 3] '}${text}}`);

const marked = (text: string): string[] => text.split('\n').flatMap((line, i) => [...(/\/\/ (ZZ\d{4}.*)$/.exec(line)?.[1] ?? '').matchAll(/ZZ\d{4}/g)].map(([code]) => `${code} at ${i + 1}`));

const examples = PAGES.flatMap((page) =>
  blocksOf(readPage(page)).filter(({ language }) => language === 'zz').map(({ line, text }) => [`${page}:${line}`, text] as const),
);

it.each(examples)('%s', (_, text) => {
  const source = asNet(text);
  const found = checkNets(loadProgram('example.zz', memoryReader({ 'example.zz': source })));
  const part = source !== text;
  const kept = found.filter(({ code }) => !(part && PART.test(code)));
  expect(kept.map(({ code, loc }) => `${code} at ${loc.line}`)).toEqual(marked(text));
});

it.each(PAGES)('%s: whole files are in the canonical form', (page) => {
  const text = readPage(page);
  const whole = blocksOf(text).filter((block) => block.language === 'zz' && asNet(block.text) === block.text);
  const wanted = whole.reduce((all, block) => all.replace(block.text, () => formatSource({ file: 'example.zz', text: block.text }).text ?? ''), text);
  update(page, wanted);
  expect(readPage(page)).toBe(wanted);
});

it('the language reference has examples of both sorts', () => {
  const texts = blocksOf(readPage('docs/language.md')).filter(({ language }) => language === 'zz').map(({ text }) => text);
  expect(texts.filter((text) => marked(text).length > 0).length).toBeGreaterThan(4);
  expect(texts.filter((text) => marked(text).length === 0).length).toBeGreaterThan(4);
});
