// The gpu.js backend in headless Chromium. Skipped where there is none: `apt-get install chromium`, or set CHROMIUM to one.

import { expect, test } from 'vitest';
import { chromium, inBrowser } from './page.ts';

test.skipIf(chromium === undefined)('every operation in WebGL2, WebAssembly and WebGPU computes what the evaluator computes', async () => {
  expect(await inBrowser('test/browser/gpujs-page.ts')).toEqual({
    webgl2: { device: 'gpu.js webgl2', wrong: [] },
    webasm: { device: 'gpu.js webasm', wrong: [] },
    webgpu: { device: expect.stringMatching(/^gpu.js webgpu on /) as string, wrong: [] },
  });
});
