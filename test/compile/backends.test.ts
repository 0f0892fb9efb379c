// A module compiled for every backend, bundled by Vite: in Chromium they train to the same numbers. Skipped where there is none: `apt-get install chromium`, or set CHROMIUM to one.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromium } from '../browser/page.ts';
import { createApp, type App } from './app.ts';
import { inChromium, type Given } from './chromium.ts';

const NET = `net Small {
  input image: [32, 32, 3]
  logits = image -> avgpool(4) -> conv(4, k: 3) -> elu -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { batch 4  normalize none }
}
`;

let app: App;
beforeAll(async () => {
  app = await createApp();
}, 120_000);
afterAll(() => app.remove());

test.skipIf(chromium === undefined)('all of them agree', async () => {
  await writeFile(join(app.folder, 'small.zz'), NET);
  await app.zz('compile', 'small.zz', '--backend', 'webgpu,wasm,gpujs', '-o', 'small.ts');
  const { images } = app.dataset.train;
  const some = (from: number, count: number): string => Buffer.from(images.subarray(from * 3072, (from + count) * 3072)).toString('base64');
  const labels = Buffer.from([0, 1, 2, 3]).toString('base64');
  const given: Given = { training: some(0, 20), steps: [0, 4, 8].map((from) => ({ images: some(from, 4), labels })), tests: some(12, 8) };
  const found = new Map<string, { device: string; logits: Float32Array }>();
  for (const backend of ['wasm', 'webgpu', 'gpujs']) {
    const { device = '', predicted } = (await inChromium(app, { small: given }, backend))['small'] ?? {};
    found.set(backend, { device, logits: new Float32Array(new Uint8Array(Buffer.from(predicted?.['logits'] ?? '', 'base64')).buffer) });
  }
  expect([...found.values()].map(({ device }) => device)).toEqual([expect.stringMatching(/^WebAssembly/), expect.stringMatching(/^WebGPU on/), expect.stringMatching(/^gpu\.js /)]);
  const expected = found.get('wasm')?.logits;
  expect(expected).toHaveLength(80);
  for (const { logits } of found.values()) logits.forEach((value, i) => expect(Math.abs(value - (expected?.[i] ?? NaN))).toBeLessThan(1e-4));
});
