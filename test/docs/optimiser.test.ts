// The marks that docs/optimiser.md states, for the five networks at full width and a batch of 50.

import { describe, expect, it } from 'vitest';
import { optimised } from './optimiser.ts';

describe.each(optimised().map((each) => [each.name, each] as const))('%s', (_, { before, after, peak, saved }) => {
  it('runs a training step in at most 60 kernels', () => expect(after.kernels).toBeLessThanOrEqual(60));

  it('saves exactly the contractions that were counted by hand', () => expect(before.contractions - after.contractions).toBe(saved));

  it('moves at most half the bytes', () => expect(after.bytes).toBeLessThanOrEqual(before.bytes / 2));

  it('needs at most half the memory of all unoptimised buffers', () => expect(peak).toBeLessThanOrEqual(before.buffers / 2));

  it('does hardly more of other arithmetic', () => expect(after.contractions + after.elementwise).toBeLessThanOrEqual((before.contractions + before.elementwise) * 1.001));
});
