// The documentation as a site: every link leads somewhere, code is coloured and unchanged, the search finds, and pages can be read at 400 pixels, light and dark.
// What needs a browser is skipped where there is none: `apt-get install chromium`, or set CHROMIUM to one.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSite } from '../../scripts/site/build.ts';
import { highlight } from '../../scripts/site/highlight.ts';
import { search, type Entry } from '../../scripts/site/search.ts';
import { chromium } from '../browser/page.ts';
import { ROOT } from './errors.ts';
import { blocksOf } from './markdown.ts';
import { PAGES, readPage } from './pages.ts';

const parent = mkdtempSync(join(tmpdir(), 'zz-site-'));
const out = join(parent, 'site');
const pages = await buildSite(ROOT, out);
afterAll(() => { rmSync(parent, { recursive: true }); });

const read = (name: string): string => readFileSync(join(out, name), 'utf8');

it('has a page for each of docs/, the README and the examples', () => {
  expect(pages).toHaveLength(PAGES.length + 1);
  expect(readdirSync(out).filter((name) => name.endsWith('.html')).sort()).toEqual([...pages].sort());
  expect(pages.slice(0, 3)).toEqual(['index.html', 'pages.html', 'quickstart.html']);
});

it.each(['docs', 'playground'])('npm run build:%s replaces no folder that it did not write', (script) => {
  const folder = join(parent, script);
  mkdirSync(folder);
  writeFileSync(join(folder, 'precious.txt'), 'kept');
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, `scripts/${script}.js`), folder], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^error: .* was not written by this script, which would replace all of it\n {2}Name a new or an empty folder\.$/m);
  expect(readdirSync(folder)).toEqual(['precious.txt']);
});

describe.each(pages)('%s', (page) => {
  const html = read(page);
  const targets = [...html.matchAll(/<(?:a|link|script|img)[^>]*? (?:href|src)="([^"]*)"/g)].map(([, target = '']) => target);

  it('leads only to what is there', () => {
    const broken = targets.filter((target) => !/^[a-z]+:/.test(target)).filter((target) => {
      const [file = '', anchor] = target.split('#');
      const found = file === '' ? page : file;
      const names = [...readdirSync(out), ...readdirSync(join(out, 'pictures')).map((name) => `pictures/${name}`)];
      return !names.includes(found) || (anchor !== undefined && !read(found).includes(` id="${anchor}"`));
    });
    expect(broken).toEqual([]);
  });

  it('asks for nothing from outside', () => {
    expect([...html.matchAll(/<(?:link|script|img)[^>]*? (?:href|src)="(\w+:[^"]*)"/g)].map(([, url]) => url)).toEqual([]);
  });

  it('has one title, a place for the content, and itself in the navigation', () => {
    expect(html.match(/<h1/g)).toHaveLength(1);
    expect(html).toContain('<main id="content">');
    expect(html.match(/aria-current="page"/g)).toHaveLength(2);
  });
});

const textOf = (html: string): string => html.replace(/<[^>]*>/g, '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

describe('code', () => {
  it.each(PAGES.flatMap((page) => blocksOf(readPage(page)).map((block) => [`${page}:${block.line}`, block] as const)))('%s stays what it is', (_, { text, language }) => {
    expect(textOf(highlight(text, language))).toBe(text);
  });

  it('words have the colours of what they mean', () => {
    const html = highlight('cell C(x, h) { x + h } // one\nstreams L, R of C { step image: zigzag }\ny = L -> conv(8, k: 3)\n', 'zz');
    for (const part of ['<span class="keyword">cell</span>', '<span class="cell">C</span>', '<span class="comment">// one</span>', '<span class="stream">L</span>', '<span class="keyword">zigzag</span>', '<span class="function">conv</span>', '<span class="argument">k</span>', '<span class="number">3</span>', '<span class="arrow">-&gt;</span>']) expect(html).toContain(part);
  });

  it('examples have their source, their weights and a drawing', () => {
    const html = read('examples.html');
    for (const file of readdirSync(join(ROOT, 'dsl-examples')).filter((name) => name.endsWith('.zz'))) expect(textOf(html)).toContain(readFileSync(join(ROOT, 'dsl-examples', file), 'utf8').trimEnd());
    expect(html).toMatch(/<strong>Plain<\/strong>: 1,\d{3},\d{3} weights\./);
    for (const [, picture = ''] of html.matchAll(/src="(pictures\/[^"]+)"/g)) expect(read(picture)).toMatch(/^<svg /);
    expect(html.match(/src="pictures\//g)?.length).toBeGreaterThan(8);
  });
});

describe('search', () => {
  let index: readonly Entry[] = [];
  // The file as a page reads it.
  new Function('zigzagIndex', read('search-index.js'))((entries: readonly Entry[]) => { index = entries; });

  it.each<[string, string]>([
    ['zigzag needs two streams', 'errors.html#zz4006-zigzag-needs-two-streams'],
    ['ZZ2010', 'errors.html#zz2010-import-not-found'],
    ['neovim', 'editor.html#neovim'],
    ['backward routes', 'language.html#backward-routes'],
    ['case-b', 'examples.html#case-bzz'],
  ])('%s', (query, href) => {
    expect(search(index, query).slice(0, 3).map(({ entry }) => entry.href)).toContain(href);
  });

  it('every word must be there, and none finds nothing', () => {
    expect(search(index, 'neovim xylophone')).toEqual([]);
    expect(search(index, '  ')).toEqual([]);
    expect(search(index, 'c++ (')).not.toBeUndefined();
    expect(search(index, 'eglot')[0]?.excerpt).toContain('which comes with Emacs');
  });
});

describe.skipIf(chromium === undefined)('in Chromium', () => {
  let browser: Browser | undefined;
  beforeAll(async () => {
    const { chromium: launcher } = await import('playwright-core');
    browser = await launcher.launch({ ...(chromium !== undefined && { executablePath: chromium }), args: ['--no-sandbox'] });
  }, 60_000);
  afterAll(async () => { await browser?.close(); });

  async function open(name: string, width: number, colorScheme: 'light' | 'dark' = 'light'): Promise<{ page: Page; noise: string[] }> {
    if (!browser) throw new Error('there is no Chromium');
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const noise: string[] = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    page.on('request', (request) => { if (!request.url().startsWith(pathToFileURL(out).href)) noise.push(request.url()); });
    await page.goto(pathToFileURL(join(out, name)).href);
    return { page, noise };
  }

  it.each(pages)('%s needs no sideways scrolling at 400 pixels', async (name) => {
    const { page, noise } = await open(name, 400);
    expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBeLessThanOrEqual(400);
    if (process.env['ZZ_SCREENSHOTS'] !== undefined) await page.screenshot({ path: join(process.env['ZZ_SCREENSHOTS'], `${name}-400.png`) });
    expect(noise).toEqual([]);
    await page.close();
  });

  it('the search works from the keyboard, on a page that was opened from the disk', async () => {
    const { page, noise } = await open('index.html', 1200);
    await page.keyboard.press('/');
    await page.keyboard.type('unused layer');
    await page.locator('#found a').first().waitFor();
    expect(await page.locator('#found a').first().textContent()).toContain('ZZ2102');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/errors\.html#zz2102-unused-layer$/);
    await page.keyboard.press('/');
    await page.keyboard.type('xylophone');
    await page.getByText('Nothing was found.').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.locator('#found').isHidden()).toBe(true);
    expect(noise).toEqual([]);
  });

  it('text stands out from its background, light and dark', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      const { page } = await open('language.html', 1200, scheme);
      if (process.env['ZZ_SCREENSHOTS'] !== undefined) await page.screenshot({ path: join(process.env['ZZ_SCREENSHOTS'], `language-${scheme}.png`) });
      const pairs = await page.evaluate<[string, number[], number[]][]>(`[...new Map([...document.querySelectorAll('main p, main a, pre span, nav a')].map((each) => {
        let around = each;
        while (getComputedStyle(around).backgroundColor === 'rgba(0, 0, 0, 0)') around = around.parentElement;
        const numbers = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
        return [each.className + each.tagName, [each.className || each.tagName, numbers(getComputedStyle(each).color), numbers(getComputedStyle(around).backgroundColor)]];
      })).values()]`);
      expect(pairs.length).toBeGreaterThan(8);
      expect(pairs.map(([name, text, back]) => [name, contrast(text, back)] as const).filter(([, ratio]) => ratio < 4.5)).toEqual([]);
      await page.close();
    }
  });
});

/** The contrast of two colours, 1 to 21 (WCAG 2.2). */
function contrast(a: readonly number[], b: readonly number[]): number {
  const luminance = (colour: readonly number[]): number => {
    const [red = 0, green = 0, blue = 0] = colour.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light = 1, dark = 1] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}
