// The language service in headless Chromium. Skipped where there is none: `apt-get install chromium`, or set CHROMIUM to one.

import { expect, test } from 'vitest';
import { chromium, inBrowser } from '../browser/page.ts';
import { answers } from './answers.ts';

test.skipIf(chromium === undefined)('says in the browser what it says in Node', async () => {
  const found = JSON.stringify(answers());
  expect(found).toContain('logits');
  expect(JSON.parse(String(await inBrowser('test/editor/browser-page.ts')))).toEqual(JSON.parse(found));
});
