// zz ir --format html in Chromium: drawn without errors or requests, every pass, a click that shows the value, its source and its kernel; light, dark and narrow.
// Skipped where there is no Chromium: `apt-get install chromium`, or set CHROMIUM to one.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSES } from '../../compiler/3-passes/pipeline.ts';
import { zz } from '../cli/zz.ts';
import { chromium } from './page.ts';

const EXAMPLES = fileURLToPath(new URL('../../dsl-examples/', import.meta.url));

let folder: string;
let file: string;
let browser: Browser | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zz-graph-'));
  file = join(folder, 'graph.html');
  expect(await zz(['ir', 'case-b.zz', '--stage', 'twin-fuse', '--format', 'html', '--out', file], { cwd: EXAMPLES })).toEqual({ status: 0, stdout: '', stderr: '' });
  if (chromium === undefined) return;
  const { chromium: launcher } = await import('playwright-core');
  browser = await launcher.launch({ executablePath: chromium, args: ['--no-sandbox'] });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true });
});

test('the page is one file that names no other', async () => {
  const page = await readFile(file, 'utf8');
  expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|src=|<link|@import|url\(/);
});

describe.skipIf(chromium === undefined)('in Chromium', () => {
  async function open(width: number, colorScheme: 'light' | 'dark' = 'light'): Promise<{ page: Page; noise: string[] }> {
    if (!browser) throw new Error('there is no Chromium');
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const noise: string[] = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    page.on('request', (request) => { if (request.url() !== pathToFileURL(file).href) noise.push(request.url()); });
    await page.goto(pathToFileURL(file).href);
    return { page, noise };
  }

  test('every pass is drawn, streams side by side and steps below each other', async () => {
    const { page, noise } = await open(1400);
    expect(await page.locator('nav button').allTextContents()).toEqual(['graph', ...PASSES.map(({ name }) => name)]);
    expect(await page.locator('nav button[aria-pressed=true]').textContent()).toBe('twin-fuse');
    for (const { name } of PASSES) {
      await page.getByRole('button', { name, exact: true }).click();
      expect(await page.locator('svg g').count(), name).toBeGreaterThan(20);
    }
    expect(await page.locator('.lane').allTextContents()).toEqual(['no stream', 'stream L', 'stream R', 'stream L+R', 'update']);
    await page.getByRole('button', { name: 'unroll', exact: true }).click();
    expect(await page.locator('.step').allTextContents()).toEqual(['step 0', 'step 1', 'step 2', 'step 3']);
    const tops = await page.locator('.step').evaluateAll((labels) => labels.map((label) => label.getBoundingClientRect().top));
    expect(tops).toEqual(tops.toSorted((a, b) => a - b));
    expect(noise).toEqual([]);
  });

  test('nodes of a pass do not cover each other', async () => {
    const { page } = await open(1400);
    const boxes = await page.locator('rect.node').evaluateAll((rects) => rects.map((rect) => `${rect.getAttribute('x')} ${rect.getAttribute('y')}`));
    expect(new Set(boxes).size).toBe(boxes.length);
  });

  test.each([[1400, 'light'], [1400, 'dark'], [400, 'light']] as const)('a click shows what a value is: %i pixels, %s', async (width, scheme) => {
    const { page, noise } = await open(width, scheme);
    await page.locator('svg g[data-id]', { hasText: 'elu' }).filter({ hasNotText: 'grad' }).nth(1).click();
    const details = await page.locator('#details').innerText();
    expect(details).toMatch(/operation\s+elu\s+shape\s+f32\[25,32,32,192\]\s+phase\s+forward\s+place\s+L\+R, step 1\s+kernel\s+1\n/);
    expect(await page.locator('mark').allTextContents()).toEqual(['elu(conv(x, 96, k: 3) + conv(h, 96, k: 1))']);
    expect(await page.locator('g.same').count()).toBeGreaterThan(2);
    expect(await page.locator('g.chosen').count()).toBe(1);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
    const { channels } = await sharp(await page.screenshot()).stats();
    const brightness = channels.slice(0, 3).reduce((sum, { mean }) => sum + mean / 3, 0);
    expect(scheme === 'dark' ? brightness < 80 : brightness > 200, `brightness ${brightness}`).toBe(true);
    expect(channels.some(({ stdev }) => stdev > 10)).toBe(true);
    expect(noise).toEqual([]);
  });

  test('a value can be chosen with the keyboard, and stays chosen in the next pass', async () => {
    const { page } = await open(1400);
    const first = page.locator('svg g[data-id="22"]');
    await first.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'memory', exact: true }).click();
    expect(await page.locator('g.chosen').getAttribute('data-id')).toBe('22');
    expect(await page.locator('#details').innerText()).toMatch(/operation\s+conv2d/);
  });
});
