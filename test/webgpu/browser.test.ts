// The WebGPU backend in headless Chromium, through navigator.gpu. Skipped where there is none: `apt-get install chromium`, or set CHROMIUM to one.

import { expect, test } from 'vitest';
import { chromium, inBrowser } from '../browser/page.ts';
import { IN_PAGES } from './steps.ts';

test.skipIf(chromium === undefined)('operations and updates in the browser compute what the evaluator computes', async () => {
  expect(await inBrowser('test/webgpu/browser-page.ts')).toEqual({
    device: expect.stringMatching(/^WebGPU on \S/) as string,
    nests: [],
    tiles: [],
    kept: [5, 10, 15],
  });
});

test.skipIf(chromium === undefined)('a training step of nets of each kind in the browser, which makes its batches on the device', { timeout: 300_000 }, async () => {
  expect(await inBrowser('test/webgpu/browser-training-page.ts', { timeout: 280_000 })).toEqual(Object.fromEntries(IN_PAGES.map((net) => [net, {}])));
});
