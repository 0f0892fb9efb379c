// The wasm backend in headless Chromium: on workers in a page that is cross-origin isolated, on the page's own thread in one that is not.
// Skipped where there is no browser: `apt-get install chromium`, or set CHROMIUM to one.

import { expect, test } from 'vitest';
import { chromium, inBrowser } from '../browser/page.ts';

test.skipIf(chromium === undefined).each([
  { isolated: true, device: 'WebAssembly SIMD on 3 threads', most: 256 },
  { isolated: false, device: 'WebAssembly SIMD on 1 thread', most: 1 },
])('every operation in a page, isolated: $isolated', async ({ isolated, device, most }) => {
  expect(await inBrowser('test/wasm/browser-page.ts', { isolated })).toEqual({
    isolated,
    relaxedSimd: true,
    device,
    wrong: { relaxed: [], plain: [], convolutions: [] },
    kept: [5, 10, 15],
    refused: expect.stringContaining(`a whole number from 1 to ${most} is needed`) as string,
  });
});
