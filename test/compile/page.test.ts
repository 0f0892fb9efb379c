// zz compile --target html in Chromium, from a file: the classes that zz predict gives, on WebAssembly and WebGPU, without requests or errors; light, dark and narrow;
// by keyboard, dropped pictures, the camera. Skipped where there is no Chromium: `apt-get install chromium`, or set CHROMIUM to one.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRun, writeConfig } from '../../runtime/run-dir.ts';
import { chromium, SOFTWARE } from '../browser/page.ts';
import { start } from '../cli/built.ts';
import { zz } from '../cli/zz.ts';
import { createApp, type App } from './app.ts';

const NET = `net Tiny {
  input image: [32, 32, 3]
  logits = image -> conv(6, k: 3, stride: 4) -> elu -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset "images"  batch 5  epochs 3  normalize per_batch }
}
`;
const FAKE_CAMERA = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];

let app: App;
let url: string;
let browser: Browser | undefined;
beforeAll(async () => {
  app = await createApp({ page: true });
  await writeFile(join(app.folder, 'tiny.zz'), NET);
  await app.zz('train', 'tiny.zz', '--backend', 'wasm', '--out', 'run', '--quiet');
  const run = await openRun(join(app.folder, 'run'));
  // Markup in a name would end the page's script, if it were not written as what it is.
  await writeConfig({ ...run, config: { ...run.config, classes: run.config.classes.with(3, '</script><b>dog') } });
  const ended = await start(app.main, ['compile', '--weights', 'run', '-o', 'page.html'], app.folder);
  expect(ended).toMatchObject({ code: 0, stdout: '', stderr: 'wrote page.html\n' });
  url = pathToFileURL(join(app.folder, 'page.html')).href;
  if (chromium === undefined) return;
  const { chromium: launcher } = await import('playwright-core');
  browser = await launcher.launch({ executablePath: chromium, args: [...SOFTWARE, ...FAKE_CAMERA] });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await app.remove();
});

test('the page is one file that names no other', async () => {
  const page = await readFile(join(app.folder, 'page.html'), 'utf8');
  expect(page.match(/https?:\/\/|\ssrc=|<link rel="(?!icon)|@import|\burl\(|\bimport\s*\(/g) ?? []).toEqual([]);
  expect(page.match(/<\/script>/g)).toHaveLength(2);
});

describe.skipIf(chromium === undefined)('in Chromium', () => {
  async function open(width = 1100, colorScheme: 'light' | 'dark' = 'light'): Promise<{ page: Page; noise: string[] }> {
    if (!browser) throw new Error('there is no Chromium');
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    const noise: string[] = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    page.on('filechooser', () => undefined); // with no listener the first dialog may open before it is caught
    page.on('request', (request) => { if (!/^(blob|data):/.test(request.url()) && request.url() !== url) noise.push(request.url()); });
    await page.goto(url);
    await page.locator('#device', { hasText: ' on ' }).waitFor();
    return { page, noise };
  }
  const picture = (name: string) => join(app.folder, 'images/test', name, '0.png');
  const bars = (page: Page) => page.locator('#bars li').evaluateAll((items) => items.map((item) => [item.children[0]?.textContent, item.children[2]?.textContent]));

  /** What zz predict gives for the picture: class and percentage, in the order of the classes. */
  async function expected(name: string): Promise<unknown[]> {
    const { classes } = JSON.parse(await readFile(join(app.folder, 'run/config.json'), 'utf8')) as { classes: string[] };
    const ran = await zz(['predict', 'run', picture(name), '--top', '10', '--json'], { cwd: app.folder });
    const found = (JSON.parse(ran.stdout) as { classes: { class: string; probability: number }[] }).classes;
    return classes.map((each) => [each, `${(100 * (found.find((one) => one.class === each)?.probability ?? NaN)).toFixed(1)} %`]);
  }

  test.each([[1100, 'light'], [1100, 'dark'], [400, 'light'], [400, 'dark']] as const)('a picture gets the bars of zz predict: %i pixels, %s', async (width, scheme) => {
    const { page, noise } = await open(width, scheme);
    expect(await page.locator('#backend').inputValue()).toBe('wasm'); // an adapter that the processor draws is no GPU
    await page.setInputFiles('#file', picture('fox'));
    await page.locator('#bars li').first().waitFor();
    expect(await bars(page)).toEqual(await expected('fox'));
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
    const { channels } = await sharp(await page.screenshot()).stats();
    const brightness = channels.slice(0, 3).reduce((sum, { mean }) => sum + mean / 3, 0);
    expect(scheme === 'dark' ? brightness < 90 : brightness > 190, `brightness ${brightness}`).toBe(true);
    expect(noise).toEqual([]);
  });

  test('WebGPU gives the same, and a dropped picture another', async () => {
    const { page, noise } = await open();
    await page.setInputFiles('#file', picture('fox'));
    await page.locator('#bars li').first().waitFor();
    await page.locator('#backend').selectOption('webgpu');
    await page.locator('#device', { hasText: /^WebGPU on .*ms$/ }).waitFor();
    expect(await bars(page)).toEqual(await expected('fox'));
    const file = (await readFile(picture('hen'))).toString('base64');
    const before = await page.getByRole('status').textContent();
    await page.evaluate((base64) => {
      const dropped = new DataTransfer();
      dropped.items.add(new File([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], 'hen.png', { type: 'image/png' }));
      document.dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, cancelable: true }));
    }, file);
    await page.getByRole('status').filter({ hasNotText: before ?? '' }).waitFor();
    expect(await bars(page)).toEqual(await expected('hen'));
    expect(noise).toEqual([]);
  });

  test('keys are enough, and what is no picture is said', async () => {
    const { page, noise } = await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Choose a picture');
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Enter')]);
    await chooser.setFiles(join(app.folder, 'tiny.zz'));
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toBe('This is no picture that the browser can read.');
    const [again] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Enter')]);
    await again.setFiles(picture('cow'));
    await page.locator('#bars li').first().waitFor();
    expect(await page.getByRole('alert').isVisible()).toBe(false);
    expect(await page.getByRole('status').textContent()).toMatch(/^.+, \d+\.\d %$/);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('backend');
    expect(noise).toEqual([]);
  });

  test('the camera is watched until it is stopped', async () => {
    const { page, noise } = await open();
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.locator('#bars li').first().waitFor();
    expect(await page.locator('video').isVisible()).toBe(true);
    // Another backend takes over without a break.
    for (const backend of ['webgpu', 'wasm', 'webgpu']) {
      await page.locator('#backend').selectOption(backend);
      await page.locator('#device', { hasText: backend === 'wasm' ? /^WebAssembly .*ms$/ : /^WebGPU on .*ms$/ }).waitFor();
    }
    expect(await page.getByRole('alert').isVisible()).toBe(false);
    expect(await page.locator('video').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Stop the camera' }).click();
    expect(await page.locator('video').isVisible()).toBe(false);
    expect(noise).toEqual([]);
  });
});
