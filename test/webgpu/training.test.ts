// Whole training steps of the example nets in WebGPU shaders, batches included, against the evaluator.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { backend, missing, skipped } from './harness.ts';
import { differences, NETS } from './steps.ts';

describe.skipIf(missing !== undefined)(`training on WebGPU${skipped}`, () => {
  it.each(NETS)('trains %s as the evaluator does', async (example) => {
    const [file, net] = example.split(':');
    const text = readFileSync(new URL(`../../dsl-examples/${file}.zz`, import.meta.url), 'utf8');
    expect(await differences(backend, text, net, 2)).toEqual({});
  });
});
