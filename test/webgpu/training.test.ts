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

  // The adjoint of the mean has a factor that is known at run time, in the middle of what the product by the filter reads.
  it.each([1, 8])('trains a convolution by steps of %i that two losses look at', async (stride) => {
    const text = `net Net {
      input image: [32, 32, 3]
      score = image -> conv(16, stride: ${stride})
      logits = score -> softmax -> globalavgpool -> dense(10)
      output logits
      loss softmax_cross_entropy(logits)
      loss mean(square(score))
    }`;
    expect(await differences(backend, text, undefined, 2, { width: 1 })).toEqual({});
  });
});
