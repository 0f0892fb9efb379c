// The playground in Chromium: a net is typed, mended, looked at, and trained on WebAssembly and on the software WebGPU adapter; nothing is asked of the outside.
// Pictures of it are left in test/artefacts. Skipped where there is no Chromium: `apt-get install chromium`, or set CHROMIUM to one.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import sharp from 'sharp';
import sirv from 'sirv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../cli/playground/server.ts';
import type { Served } from '../../cli/playground/server.ts';
import { PASSES } from '../../compiler/3-passes/pipeline.ts';
import { decodeCheckpoint } from '../../runtime/checkpoint.ts';
import { buildPlayground } from '../../scripts/playground.js';
import { chromium, SOFTWARE } from './page.ts';

const ARTEFACTS = join(import.meta.dirname, '../artefacts');
/** Of the README and docs/playground.md; UPDATE=1 takes it anew. */
const PICTURE = join(import.meta.dirname, '../../docs/pictures/playground.png');

/** Small enough for ten steps to take a second on any backend. */
const NET = `net Pair {
  input image: [8, 8, 3]
  cell Look(x, h) { relu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) }
  streams L, R of Look {
    step image: straight
    step image: zigzag
  }
  logits = concat(L, R) -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { optimizer sgd(lr: 0.1)  batch 10  epochs 1 }
}
`;

describe.skipIf(chromium === undefined)('the playground', () => {
  let folder: string;
  let served: Served;
  let browser: Browser;
  const open: BrowserContext[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'zz-playground-'));
    mkdirSync(ARTEFACTS, { recursive: true });
    const { chromium: launcher } = await import('playwright-core');
    [browser] = await Promise.all([launcher.launch({ ...(chromium !== undefined && { executablePath: chromium }), args: SOFTWARE }), buildPlayground(folder)]);
    served = await serve(folder, { host: '127.0.0.1', port: 0 });
  }, 60_000);
  afterAll(async () => {
    await Promise.all(open.map((context) => context.close()));
    await browser?.close();
    await served?.close();
    rmSync(folder, { recursive: true });
  });

  interface Opened {
    readonly page: Page;
    readonly context: BrowserContext;
    /** What the console says, what fails, and what is asked of others. */
    readonly noise: readonly string[];
  }

  async function visit({ address = served.address, width = 1200, height = 800, deviceScaleFactor = 1, colorScheme = 'light' as 'light' | 'dark' } = {}): Promise<Opened> {
    const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor, colorScheme, acceptDownloads: true, permissions: ['clipboard-read', 'clipboard-write'] });
    open.push(context);
    const page = await context.newPage();
    const noise: string[] = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    context.on('request', (request) => { if (!request.url().startsWith(address) && !/^(data|blob):/.test(request.url())) noise.push(`asked for ${request.url()}`); });
    await page.goto(address);
    await page.locator('#graph g[data-call]').first().waitFor();
    return { page, context, noise };
  }

  /** Puts a text in place of the editor's. */
  async function type(page: Page, text: string): Promise<void> {
    await page.locator('#editor .cm-content').click();
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.insertText(text);
  }
  const problems = (page: Page) => page.locator('#problems li');
  const source = (page: Page): Promise<string> => page.locator('#editor .cm-line').evaluateAll((lines) => lines.map((line) => [...line.childNodes].map((part) => (part instanceof Element && part.classList.contains('zz-shape') ? '' : part.textContent)).join('')).join('\n'));
  const picture = (page: Page, name: string): Promise<Buffer> => page.screenshot({ path: join(ARTEFACTS, `playground-${name}.png`) });

  test('a net is typed, its mistake shown with a caret, and mended by its fix', async () => {
    const { page, noise } = await visit();
    await type(page, NET.replace('relu(', 'rellu('));
    await problems(page).first().waitFor();
    expect(await problems(page).locator('pre').allInnerTexts()).toEqual([
      "zigzag.zz:3:21: error ZZ2003: no function, layer or net is called 'rellu'",
      "  3 |   cell Look(x, h) { rellu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) }\n    |                     ^^^^^\n  did you mean 'relu'?",
    ]);
    expect(await page.locator('.cm-lintRange-error').allInnerTexts()).toEqual(['rellu']);
    expect(await page.locator('#status button').innerText()).toBe('1 error');
    expect(await page.locator('#graph .note').innerText()).toBe('The net has errors; this is what it was before.');
    await picture(page, 'mistake');
    await page.getByRole('button', { name: "Change to 'relu'" }).click();
    await problems(page).first().waitFor({ state: 'hidden' });
    expect(await source(page)).toBe(NET);
    expect(await page.locator('#status').innerText()).toMatch(/^no problems\s+Pair: 338 weights/);
    expect(noise).toEqual([]);
  });

  test('the editor completes, says shapes, goes to definitions and formats', async () => {
    const { page, noise } = await visit();
    await type(page, NET.replace('  output logits\n', '  hidden = logits -> sof\n  output   logits\n'));
    await page.locator('.zz-setting').first().waitFor();
    await page.locator('.cm-line', { hasText: 'hidden' }).click();
    await page.keyboard.press('End');
    await page.keyboard.press('Control+Space');
    await page.locator('.cm-tooltip-autocomplete li', { hasText: 'softplus' }).waitFor();
    expect((await page.locator('.cm-tooltip-autocomplete li .cm-completionLabel').allInnerTexts()).slice(0, 3)).toEqual(['softmax', 'softmax_cross_entropy', 'softplus']);
    await picture(page, 'completion');
    await page.keyboard.press('Enter');
    expect(await source(page)).toContain('hidden = logits -> softmax\n');
    await page.keyboard.press('Shift+Alt+F');
    await expect.poll(() => source(page)).toContain('\n  output logits\n');

    await page.locator('.cm-line', { hasText: 'globalavgpool' }).getByText('concat').hover();
    await page.locator('.cm-tooltip-hover').waitFor();
    expect(await page.locator('.cm-tooltip-hover').innerText()).toContain('f32[B,8,8,8]');
    await page.locator('.cm-line', { hasText: 'loss' }).getByText('logits').click();
    await page.keyboard.press('F12');
    await expect.poll(() => page.evaluate(() => getSelection()?.toString())).toBe('logits');
    await expect.poll(() => page.locator('#status').innerText()).toContain('zigzag.zz, 8:');
    expect(noise).toEqual([]);
  });

  test('the graph and the text show each other', async () => {
    const { page, noise } = await visit();
    const boxes = page.locator('#graph g[data-call]');
    expect(await boxes.locator('text:not(.s)').allTextContents()).toEqual(expect.arrayContaining(['image', 'mirrored', 'L[0]', 'R[0]', 'L[2]', 'R[2]', 'concat(L, R)', 'dense(10)']));
    expect(await page.locator('#graph path.c').count()).toBe(4);
    await boxes.filter({ hasText: 'dense(10)' }).first().click();
    await expect.poll(() => page.evaluate(() => getSelection()?.toString())).toBe('dense(10)');
    await page.locator('.cm-line', { hasText: 'maxpool' }).first().getByText('conv').click();
    await expect.poll(() => page.locator('#graph g.here').allTextContents()).toEqual([expect.stringContaining('conv(24, k: 3) -> elu')]);
    expect(noise).toEqual([]);
  });

  test('every stage can be read, compared with the one before, and drawn', async () => {
    const { page, noise } = await visit();
    await type(page, NET);
    await page.getByRole('tab', { name: 'IR' }).click();
    const text = page.locator('#ir .viewer .cm-content');
    await text.getByText('region Look.L').waitFor();
    expect(await page.locator('#ir .chips button').allInnerTexts()).toEqual(['tokens', 'ast', 'graph', ...PASSES.map(({ name }) => name), 'kernels', 'model', 'wgsl']);
    await page.getByRole('button', { name: 'autodiff', exact: true }).click();
    await page.getByRole('button', { name: 'Difference' }).click();
    await text.getByText('+++ autodiff').waitFor();
    expect(await text.innerText()).toContain('--- unroll\n+++ autodiff\n@@');
    const added = await page.locator('#ir .cm-line.zz-inserted').allInnerTexts();
    expect(added.some((line) => /^\+%\d+: f32\[.*\] = conv2d_filter_grad\(/.test(line)), added.join('\n')).toBe(true);
    await picture(page, 'difference');
    await page.locator('#ir .cm-line', { hasText: 'softmax_cross_entropy_grad' }).first().click();
    await expect.poll(() => page.evaluate(() => getSelection()?.toString())).toBe('softmax_cross_entropy(logits)');
    await page.getByRole('button', { name: 'Drawing' }).click();
    await page.locator('#ir .lane', { hasText: 'stream R' }).waitFor();
    await page.locator('#ir g[data-id]', { hasText: 'conv2d' }).first().click();
    expect(await page.locator('#ir .details').innerText()).toMatch(/operation\s+conv2d\s+shape\s+f32\[B,8,8,4\]/);
    await page.getByRole('button', { name: 'model', exact: true }).click();
    await text.getByText('program of 10 images').waitFor();
    expect(noise).toEqual([]);
  });

  /** Ten steps; gives what the page says of them. */
  async function trainTen(page: Page, backend: string): Promise<{ readonly device: string; readonly test: number }> {
    await page.getByRole('tab', { name: 'Train' }).click();
    await page.getByLabel('Training images').fill('100');
    await page.getByLabel('Runs on').selectOption(backend);
    await page.keyboard.press('ControlOrMeta+Enter');
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    await page.getByText(/^done in /).waitFor({ timeout: 60_000 });
    const values = (await page.locator('#train .charts > div').first().locator('.u-value').allInnerTexts()).map(Number);
    expect(values[0]).toBe(1);
    return { device: await page.locator('.run > p').first().innerText(), test: values[2] ?? NaN };
  }

  test('ten steps on WebAssembly and on WebGPU come to the same loss; then the weights are saved, an image is named, and a reload finds all but the run again', async () => {
    const { page, noise } = await visit({ height: 1000 });
    await type(page, NET);
    const wasm = await trainTen(page, 'wasm');
    expect(wasm.device).toMatch(/^Pair, synthetic: 100 training and 20 test images of 8×8×3, 10 classes; WebAssembly SIMD on (\d+ threads|1 thread)$/);
    await page.locator('table.matrix').waitFor();
    const counts = (await page.locator('table.matrix td').allInnerTexts()).reduce((sum, text) => sum + Number(text), 0);
    expect(counts).toBe(20);
    expect(await page.locator('.gallery canvas').count()).toBeGreaterThan(5);

    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the weights' }).click();
    const saved = await download;
    expect(saved.suggestedFilename()).toBe('Pair.safetensors');
    const { net, progress, tensors } = decodeCheckpoint('Pair.safetensors', readFileSync(await saved.path()));
    expect([net, progress.epoch, progress.step]).toEqual(['Pair', 1, 10]);
    expect([...tensors].flatMap(([id, { shape }]) => (id.startsWith('w.') ? [`${id} ${shape.join('x')}`] : []))).toEqual(expect.arrayContaining(['w.L.1 3x3x3x4', 'w.R.2 1x1x4x4', 'w.1 8x10']));
    const red = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#c02020' } }).png().toBuffer();
    await page.locator('.after input[type=file]').setInputFiles({ name: 'red.png', mimeType: 'image/png', buffer: red });
    await page.locator('.predicted li').first().waitFor();
    const shares = (await page.locator('.predicted li').allInnerTexts()).map((text) => Number(/([\d.]+) %/.exec(text)?.[1]));
    expect(shares).toHaveLength(3);
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    await picture(page, 'trained');
    await page.locator('.after input[type=file]').setInputFiles({ name: 'no.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await page.getByText('no.png is not a PNG, JPEG or WebP file, whatever its name says').waitFor();

    const webgpu = await trainTen(page, 'webgpu');
    expect(webgpu.device).toMatch(/; WebGPU on /);
    expect(Math.abs(webgpu.test - wasm.test)).toBeLessThanOrEqual(0.01 * wasm.test);

    await page.reload();
    await page.getByRole('tab', { name: 'Train', selected: true }).waitFor();
    await expect.poll(() => source(page)).toBe(NET);
    expect([await page.getByLabel('Training images').inputValue(), await page.getByLabel('Runs on').inputValue()]).toEqual(['100', 'webgpu']);
    expect(noise).toEqual([]);
  }, 120_000);

  test('a worker that cannot be loaded is an error, not an endless wait', async () => {
    const { page, context } = await visit();
    await page.getByRole('tab', { name: 'Train' }).click();
    await context.route(/worker-/, (route) => route.abort());
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await page.getByText('the worker that trains could not be loaded').waitFor();
    await context.unroute(/worker-/);
    await page.getByLabel('Training images').fill('25');
    await page.getByLabel('Epochs').fill('1');
    await page.getByLabel('Width', { exact: true }).fill('0.1');
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await page.getByText(/^done in /).waitFor({ timeout: 30_000 });
  });

  test('a run stops and goes on where it was', async () => {
    const { page, noise } = await visit();
    await type(page, NET);
    await page.getByRole('tab', { name: 'Train' }).click();
    await page.getByLabel('Epochs').fill('300');
    await page.getByLabel('Runs on').selectOption('wasm');
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await page.getByText(/^epoch \d+ of 300, step \d+ of 500; about .* left/).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText(/^stopped in /).waitFor();
    const at = async (): Promise<number> => {
      const [, epoch, step] = /epoch (\d+) of 300, step (\d+) of 500/.exec(await page.locator('.buttons [role=status]').innerText()) ?? [];
      return Number(epoch) * 500 + Number(step);
    };
    const before = await at();
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect.poll(at).toBeGreaterThan(before);
    await page.keyboard.press('ControlOrMeta+Enter');
    await page.getByText(/^stopped in /).waitFor();
    expect(noise).toEqual([]);
  });

  test('images of one\'s own: the official files, and what is wrong with others', async () => {
    const { page, noise } = await visit();
    await page.getByRole('tab', { name: 'Train' }).click();
    const files = page.locator('.setup input[type=file]').first();
    const record = (label: number): Buffer => Buffer.concat([Buffer.of(label), Buffer.alloc(3072, 20 * label)]);
    const batch = Buffer.concat(Array.from({ length: 10_000 }, (_, i) => record(i % 10)));
    const images = mkdtempSync(join(folder, 'images-'));
    const [train, scored] = ['data_batch_2.bin', 'test_batch.bin'].map((name) => join(images, name)) as [string, string];
    writeFileSync(train, batch);
    writeFileSync(scored, batch.subarray(0, 100));
    await files.setInputFiles([train, scored]);
    await page.getByText('the dropped files/test_batch.bin has 100 bytes instead of 30730000').waitFor();
    writeFileSync(scored, batch);
    await files.setInputFiles([train, scored]);
    await page.getByText('cifar10: 10,000 training and 10,000 test images of 32×32×3, 10 classes.').waitFor();
    await files.setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
    await page.getByText('notes.txt holds neither train/ and test/ nor the files of CIFAR-10').waitFor();
    expect(await page.getByLabel('Data').locator('option').allInnerTexts()).toEqual(['synthetic: ten textures, made here', 'cifar10: images of your own']);
    expect(noise).toEqual([]);
  });

  test('a folder of images is dropped on the page, and ten steps are trained on it', async () => {
    const { page, noise } = await visit({ height: 1100 });
    await type(page, NET.replace('dense(10)', 'dense(2)'));
    const colours = { red: '#c02020', blue: '#2020c0' };
    const images = await Promise.all(
      Object.entries(colours).flatMap(([name, background]) =>
        ['train', 'test'].flatMap((split) =>
          Array.from({ length: split === 'train' ? 50 : 5 }, async (_, i) => ({
            path: `${split}/${name}/${i}.png`,
            bytes: [...(await sharp({ create: { width: 8, height: 8, channels: 3, background } }).png().toBuffer())],
          })),
        ),
      ),
    );
    const drop = (event: string): Promise<void> =>
      page.evaluate(([files, type]) => {
        const dataTransfer = new DataTransfer();
        // A folder can be dropped by hand alone: what the page reads of one is put in its place.
        const entry = (path: string): unknown => {
          const file = files.find((each) => each.path === path);
          if (file) return { isFile: true, fullPath: `/${path}`, file: (use: (file: File) => void) => use(new File([new Uint8Array(file.bytes)], path)) };
          const inside = new Set(files.flatMap((each) => (each.path.startsWith(`${path}/`) ? [`${path}/${each.path.slice(path.length + 1).split('/')[0]}`] : [])));
          const rest = [...inside];
          return { isFile: false, fullPath: `/${path}`, createReader: () => ({ readEntries: (use: (entries: unknown[]) => void) => use(rest.splice(0, 3).map(entry)) }) };
        };
        const items = ['train', 'test'].map((path) => ({ kind: 'file', webkitGetAsEntry: () => entry(path) }));
        Object.defineProperty(dataTransfer, 'types', { value: ['Files'] });
        Object.defineProperty(dataTransfer, 'items', { value: items });
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }, [images, event] as const);
    await drop('dragover');
    await page.locator('body.dropping').waitFor();
    await drop('drop');
    await page.getByText('dropped images: 100 training and 10 test images of 8×8×3, 2 classes.').waitFor();
    const { device } = await trainTen(page, 'wasm');
    expect(device).toContain('100 training and 10 test images of 8×8×3, 2 classes; WebAssembly');
    expect(await page.locator('table.matrix thead th').allInnerTexts()).toEqual(['', 'blue', 'red', 'right']);
    await picture(page, 'dropped');
    expect(noise).toEqual([]);
  });

  test.each([[1200, 'light'], [1200, 'dark'], [400, 'light'], [400, 'dark']] as const)('at %i pixels, %s', async (width, colorScheme) => {
    const { page, noise } = await visit({ width, colorScheme });
    for (const tab of width === 400 ? ['Source', 'Graph', 'IR', 'Train'] : ['Graph', 'IR', 'Train']) {
      await page.getByRole('tab', { name: tab }).click();
      if (tab === 'IR') await page.locator('#ir .cm-line').nth(5).waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), tab).toBe(0);
      const { channels } = await sharp(await picture(page, `${width}-${colorScheme}-${tab.toLowerCase()}`)).stats();
      const brightness = channels.slice(0, 3).reduce((sum, { mean }) => sum + mean / 3, 0);
      expect(colorScheme === 'dark' ? brightness < 80 : brightness > 200, `${tab}: brightness ${brightness}`).toBe(true);
    }
    expect(noise).toEqual([]);
  });

  test.runIf(process.env['UPDATE'])('its picture for the README is taken anew', async () => {
    const { page } = await visit({ height: 690, deviceScaleFactor: 2 });
    await sharp(await page.screenshot()).png({ palette: true, effort: 10 }).toFile(PICTURE);
    expect(statSync(PICTURE).size).toBeLessThan(200_000);
  });

  test('without a pointer: the tabs, the boxes of the graph, the lines of the IR', async () => {
    const { page, noise } = await visit();
    const selected = () => page.evaluate(() => getSelection()?.toString());
    await page.locator('#graph g[data-call]', { hasText: 'dense(10)' }).first().focus();
    await page.keyboard.press('Enter');
    await expect.poll(selected).toBe('dense(10)');
    await page.getByRole('tab', { name: 'Graph' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('#ir .cm-line', { hasText: 'region Look.L' }).waitFor();
    await page.locator('#ir .viewer .cm-content').focus();
    await page.keyboard.press('ControlOrMeta+f');
    await page.keyboard.type('conv2d(%x, %w.L.1)');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await expect.poll(selected).toBe('conv(x, 12, k: 3)');
    expect(noise).toEqual([]);
  });

  test('an example is opened with the keyboard, the way back leads to the text before, and a link holds it', async () => {
    const { page, context, noise } = await visit();
    await type(page, NET);
    await page.getByLabel('Open an example').selectOption('residual.zz');
    await expect.poll(() => source(page)).toContain('net Residual');
    await page.locator('#header').getByLabel('net').selectOption('Block');
    await expect.poll(() => page.locator('#status').innerText()).toContain('Block: ');
    await page.getByRole('button', { name: 'Copy link' }).click();
    await page.getByText('The link is copied').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    await page.goBack();
    await expect.poll(() => source(page)).toBe(NET);
    const other = await context.newPage();
    await other.goto(link);
    await expect.poll(() => source(other)).toContain('net Residual');
    await expect.poll(() => other.locator('#status').innerText()).toContain('Block: ');
    await other.goto(`${served.address}#zz=damaged`);
    await other.reload();
    await other.getByText('The address is damaged').waitFor();
    expect(noise).toEqual([]);
  });

  const ISOLATING = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

  test.each([['sets no headers', {}], ['isolates the page itself', ISOLATING]])('on a host that %s it has threads, and goes on without a network, training included', async (_, headers) => {
    const files = sirv(folder, { setHeaders: (response) => { for (const [name, value] of Object.entries(headers)) response.setHeader(name, value); } });
    const server = createServer((request, response) => files(request, response, () => { response.writeHead(404).end(); }));
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      const { page, noise } = await visit({ address });
      await expect.poll(() => page.evaluate(() => crossOriginIsolated).catch(() => false)).toBe(true);
      await page.locator('#graph g[data-call]').first().waitFor();
      const { length } = JSON.parse(readFileSync(join(folder, 'files.json'), 'utf8')) as string[];
      await expect.poll(() => page.evaluate(async () => (await (await caches.open('zigzag-playground')).keys()).filter(({ url }) => /assets|icon/.test(url)).length), { timeout: 10_000 }).toBe(length);
      server.closeAllConnections();
      await new Promise((resolve) => { server.close(resolve); });
      await page.reload();
      await page.locator('#graph g[data-call]').first().waitFor();
      await type(page, NET);
      expect((await trainTen(page, 'wasm')).device).toMatch(/WebAssembly SIMD on \d+ threads$/);
      expect(noise).toEqual([]);
    } finally {
      server.close();
    }
  });
});

test.skipIf(chromium === undefined)('pictures of it are left to be looked at', () => {
  expect(['mistake', 'completion', 'difference', 'trained', '400-dark-graph'].filter((name) => !existsSync(join(ARTEFACTS, `playground-${name}.png`)))).toEqual([]);
});
