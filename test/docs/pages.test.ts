// The pages of docs/ against the tables and dumps that they are made from. UPDATE=1 writes them anew.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BACKENDS } from '../../cli/backends.ts';
import { CODES } from '../../compiler/diagnostics.ts';
import { parameterCount, programAt, sound } from '../build/helpers.ts';
import { errorExamples, ROOT } from './errors.ts';
import { regionNames } from './markdown.ts';
import { COLUMNS, untested } from './matrix.ts';
import { generated, PAGES, readPage, REGION_NAMES, update } from './pages.ts';

describe.each(PAGES)('%s', (page) => {
  it('is what the generators write', async () => {
    const wanted = await generated(page);
    update(page, wanted);
    expect(readPage(page)).toBe(wanted);
  });

  it('links to files and headings that are there', () => {
    const links = [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '').filter((target) => !/^[a-z]+:/.test(target));
    const broken = links.filter((link) => {
      const [file = '', anchor] = link.split('#');
      const path = file === '' ? page : join(dirname(page), file);
      if (!existsSync(join(ROOT, path))) return true;
      return anchor !== undefined && !anchorsOf(readPage(path)).has(anchor);
    });
    expect(broken).toEqual([]);
  });
});

/** Headings as GitHub names them. */
const anchorsOf = (text: string): Set<string> =>
  new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-')));

it('every region stands in a page', () => {
  expect(PAGES.flatMap((page) => regionNames(readPage(page))).sort()).toEqual([...REGION_NAMES].sort());
});

describe('the five networks', () => {
  const rows = [...readPage('docs/article.md').matchAll(/\[(case-[\w-]+)\.zz\].*\| ([\d,]+) \|$/gm)];

  it('are all there', () => {
    expect(rows.map(([, name]) => `${name}.zz`).sort()).toEqual(readdirSync(join(ROOT, 'dsl-examples')).filter((file) => file.startsWith('case-')).sort());
  });

  it.each(rows.map(([, name = '', weights = '']) => [name, weights] as const))('%s has %s weights', (name, weights) => {
    expect(parameterCount(sound(programAt(`dsl-examples/${name}.zz`))).toLocaleString('en')).toBe(weights);
  });
});

describe('the error index', async () => {
  const examples = await errorExamples();

  it('has an example of every code', () => {
    expect([...new Set(examples.map(({ code }) => code))]).toEqual(Object.keys(CODES));
  });

  it.each(examples.map((example, i) => [`${i} ${example.code}`, example] as const))('example %s gives its code and no other', (_, { code, diagnostics }) => {
    expect(diagnostics.map((each) => each.code)).toEqual([code]);
  });
});

describe('the support matrix', () => {
  it('has a column for every backend', () => {
    expect([...new Set(COLUMNS.map(({ backend }) => backend))].sort()).toEqual(BACKENDS.map(({ name }) => name).sort());
  });

  it('stands below a line about every backend', () => {
    expect(BACKENDS.filter(({ name }) => !readPage('docs/backends.md').includes(`\n| \`${name}\` |`))).toEqual([]);
  });

  it('leaves out what no backend runs: leaves and structure', () => {
    expect(untested()).toEqual([
      'leaf input', 'leaf labels', 'leaf weight', 'leaf state', 'leaf scalar', 'leaf constant', 'leaf random', 'structure call', 'structure route', 'structure adjoint',
    ]);
  });
});
