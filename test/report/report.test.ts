// A run's report, as training writes it: in Chromium without errors, requests or overflow, its charts with their points; text of users stays text.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromium } from '../browser/page.ts';
import { zz } from '../cli/zz.ts';

const NET = `net Small { // a comment with </script><script>document.title = "broken"</script>
  input image: [32, 32, 3]
  view seen = image -> hflip(p: 0.5)
  cell C(x, h) { elu(conv(x, 4, k: 3, stride: 2) + h) }
  small = seen -> avgpool(4)
  streams L, R of C { step small: straight  step small: zigzag }
  logits = concat(L, R) -> batchnorm -> flatten -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer adam(lr: 0.01)  schedule cosine(warmup: 3)  batch 20  epochs 3  seed 5 }
}
`;

let cwd: string;
let browser: Browser | undefined;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zz-report-'));
  await writeFile(join(cwd, 'small.zz'), NET);
  for (const [name, epochs] of [['first', '3'], ['second', '2']] as const) {
    const ran = await zz(['train', 'small.zz', '--backend', 'reference', '--limit', '60', '--epochs', epochs, '--seed', epochs, '--out', name, '--quiet'], { cwd });
    expect(ran).toMatchObject({ status: 0, stderr: '' });
  }
  if (chromium === undefined) return;
  const { chromium: launcher } = await import('playwright-core');
  browser = await launcher.launch({ executablePath: chromium, args: ['--no-sandbox'] });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await rm(cwd, { recursive: true });
});

interface Seen {
  readonly page: Page;
  /** Errors, console messages and requests beyond the file itself. */
  readonly noise: string[];
}

async function open(file: string, width: number, colorScheme: 'light' | 'dark' = 'light'): Promise<Seen> {
  if (!browser) throw new Error('there is no Chromium');
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  const noise: string[] = [];
  const url = pathToFileURL(file).href;
  page.on('console', (message) => noise.push(message.text()));
  page.on('pageerror', (error) => noise.push(error.message));
  page.on('request', (request) => { if (request.url() !== url && !request.url().startsWith('data:')) noise.push(request.url()); });
  await page.goto(url);
  return { page, noise };
}

/** Whether anything was drawn in each chart in the colour of its first series. */
const painted = (page: Page): Promise<boolean[]> =>
  page.evaluate(() =>
    Array.from(document.querySelectorAll('[data-chart] canvas'), (canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data = [] } = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height) ?? {};
      // Axes and grid are grey; curves are not.
      for (let i = 0; i < data.length; i += 4) if (Math.abs((data[i] ?? 0) - (data[i + 2] ?? 0)) > 90 && (data[i + 3] ?? 0) > 200) return true;
      return false;
    }),
  );

const report = (run: string): Promise<string> => readFile(join(cwd, run, 'report.html'), 'utf8');

describe('the file', () => {
  test('asks for nothing, and holds text as text', async () => {
    const text = await report('first');
    // Names of XML and of licences are no requests.
    const references = [...text.matchAll(/\b(?:src|href|url)\s*(?:=|\()\s*["']?([^"')\s>]*)/g)].map(([, target = '']) => target).filter((target) => !target.startsWith('data:'));
    expect(references).toEqual([]);
    expect(text).not.toContain('<script>document.title');
    expect(text).toContain('&lt;/script&gt;&lt;script&gt;document.title');
  });

  test('has the numbers of the metrics, and shows the run as far as it is', async () => {
    const last = (await readFile(join(cwd, 'first/metrics.jsonl'), 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as { test: { accuracy: number } }).at(-1);
    const text = await report('first');
    expect(text).toContain(`${(100 * (last?.test.accuracy ?? NaN)).toFixed(1)} %`);
    expect(text).toContain('3 of 3 epochs');
    expect(text.match(/<figure>/g)).toHaveLength(24);
  });

  test('is written anew when a run goes on', async () => {
    expect(await report('second')).toContain('2 of 2 epochs');
    expect((await zz(['train', '--resume', '--out', 'second', '--epochs', '3', '--quiet'], { cwd })).status).toBe(0);
    expect(await report('second')).toContain('3 of 3 epochs');
  });
});

describe.skipIf(chromium === undefined)('in Chromium', () => {
  test.each([[1200, 'light'], [1200, 'dark'], [400, 'light'], [400, 'dark']] as const)('%i pixels wide, %s: no errors, no requests, nothing wider than the page, all charts drawn', async (width, scheme) => {
    const { page, noise } = await open(join(cwd, 'first/report.html'), width, scheme);
    expect(await page.locator('html').getAttribute('data-drawn')).toBe('3 3 9 3');
    expect(await painted(page)).toEqual([true, true, true, true]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    // Without a pointer the legend has the last values.
    const accuracy = /training:?\s*([\d.]+) %/.exec((await page.locator('[data-chart="0"] .u-legend').textContent()) ?? '')?.[1];
    expect(await page.locator('.tile', { hasText: 'training accuracy' }).textContent()).toBe(`${Number(accuracy).toFixed(1)} %training accuracy`);
    expect(await page.title()).toBe('Small: 3 of 3 epochs');
    expect(await page.evaluate(() => Array.from(document.images).filter((image) => image.naturalWidth !== 32).length)).toBe(0);
    expect(noise).toEqual([]);
    await page.close();
  });

  test('charts follow the width of the window and the colour scheme', async () => {
    const { page, noise } = await open(join(cwd, 'first/report.html'), 1200);
    const wide = await page.locator('[data-chart="0"] .u-wrap').boundingBox();
    await page.setViewportSize({ width: 400, height: 800 });
    await expect.poll(async () => (await page.locator('[data-chart="0"] .u-wrap').boundingBox())?.width ?? 0).toBeLessThan(400);
    expect(wide?.width).toBeGreaterThan(400);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(() => page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(11, 17, 32)');
    expect(await page.locator('canvas').count()).toBe(4);
    expect(noise).toEqual([]);
    await page.close();
  });
});

describe('zz compare', () => {
  const compare = (argv: string[], env = {}) => zz(['compare', ...argv], { cwd, env });

  test('a table of what runs came to, and the settings that differ', async () => {
    const ran = await compare(['first', 'second/']);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    const lines = ran.stdout.split('\n');
    expect(lines[0]).toMatch(/^run +net +epochs +training +test +best +images\/s +time$/);
    expect(lines[1]).toMatch(/^first +Small +3 +[\d.]+ % +[\d.]+ % +[\d.]+ % \([123]\) +[\d.]+ +[\d.]+ s$/);
    expect(lines[2]).toMatch(/^second +Small +3 /);
    expect(ran.stdout).toMatch(/\nsetting that differs .*\nseed +3 +2\n/);
  });

  test('narrow terminals see the columns that matter', async () => {
    const { stdout } = await compare(['first', 'second'], { COLUMNS: '50' });
    expect(Math.max(...stdout.split('\n').slice(0, 3).map((line) => line.length))).toBeLessThanOrEqual(50);
    expect(stdout).toMatch(/^run .* test +best/);
  });

  test('JSON: the numbers of the metrics', async () => {
    const [first] = (await compare(['first', 'second', '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    const epochs = (await readFile(join(cwd, 'first/metrics.jsonl'), 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as { test: { loss: number; accuracy: number }; seconds: number; epoch: number });
    expect(first).toMatchObject({ event: 'run', run: 'first', net: 'Small', backend: 'reference', epochs: 3, test: epochs[2]?.test });
    expect(first?.['best']).toMatchObject({ accuracy: Math.max(...epochs.map(({ test: { accuracy } }) => accuracy)) });
    expect(first?.['seconds']).toBeCloseTo(epochs.reduce((sum, { seconds }) => sum + seconds, 0), 9);
  });

  test('what is no run is refused, and nothing is written', async () => {
    const ran = await compare(['first', 'nowhere', '--out', 'none.html']);
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('not a run directory');
    await expect(readFile(join(cwd, 'none.html'))).rejects.toThrow('ENOENT');
  });

  test.skipIf(chromium === undefined).each([[1200, 'light'], [400, 'dark']] as const)('the page in Chromium, %i pixels wide, %s', async (width, scheme) => {
    expect((await compare(['first', 'second', '--out', 'both.html'])).stderr).toBe('wrote both.html\n');
    const { page, noise } = await open(join(cwd, 'both.html'), width, scheme);
    expect(await page.locator('html').getAttribute('data-drawn')).toBe('3 3 3 3 3');
    expect(await painted(page)).toEqual([true, true, true, true, true]);
    expect(await page.locator('.u-legend').first().textContent()).toMatch(/first.*second/s);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    expect(noise).toEqual([]);
    await page.close();
  });
});
