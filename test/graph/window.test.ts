import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broadcastAxes, broadcastShapes, convOutputSize, samePadding, ShapeError } from '../../compiler/2-graph/window.ts';
import type { Shape } from '../../compiler/2-graph/types.ts';

describe('samePadding', () => {
  // TensorFlow's formula, worked out by hand.
  it.each([
    [32, 3, 1, 1, 1, 1, 32],
    [32, 3, 2, 1, 0, 1, 16],
    [7, 3, 2, 1, 1, 1, 4],
    [5, 2, 1, 1, 0, 1, 5],
    [8, 1, 3, 1, 0, 0, 3],
    [9, 3, 1, 2, 2, 2, 9],
    [1, 5, 1, 1, 2, 2, 1],
    [10, 4, 3, 2, 3, 3, 4],
  ])('same: size %d, k %d, stride %d, dilation %d gives %d before, %d after, %d out', (size, k, stride, dilation, before, after, out) => {
    expect(samePadding(size, k, stride, dilation, 'same')).toEqual({ before, after, out });
  });

  it('counts exactly the positions at which a window starts inside the padded axis', () => {
    const small = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(small, small, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), fc.constantFrom('same', 'valid'), (size, k, stride, dilation, pad) => {
        const { before, after, out } = samePadding(size, k, stride, dilation, pad);
        const last = size + before + after - (k - 1) * dilation - 1;
        const starts = Array.from({ length: size + before + after }, (_, i) => i).filter((i) => i % stride === 0 && i <= last);
        expect(Math.max(out, 0)).toBe(starts.length);
        expect(after - before).toBeGreaterThanOrEqual(0);
        expect(after - before).toBeLessThanOrEqual(pad === 'same' ? 1 : 0);
        if (pad === 'same') expect(out).toBe(Math.ceil(size / stride));
        expect(convOutputSize(size, k, stride, dilation, pad)).toBe(out);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('broadcasting', () => {
  const dims = fc.array(fc.constantFrom<Shape[number]>(1, 2, 3, 'B', '2B'), { maxLength: 4 });

  it('is symmetric, and has 1 and the empty shape as neutral', () => {
    fc.assert(
      fc.property(dims, dims, (a, b) => {
        const attempt = (x: Shape, y: Shape): Shape | string => {
          try {
            return broadcastShapes(x, y);
          } catch (error) {
            expect(error).toBeInstanceOf(ShapeError);
            return 'refused';
          }
        };
        const both = attempt(a, b);
        expect(attempt(b, a)).toEqual(both);
        expect(broadcastShapes(a, [])).toEqual(a);
        expect(broadcastShapes(a, a.map(() => 1))).toEqual(a);
        if (typeof both === 'string') return;
        // The axes along which an operand is repeated are those that a sum takes out again.
        const kept = both.map((dim, axis) => (broadcastAxes(a, both).includes(axis) ? 1 : dim));
        expect([...Array.from({ length: both.length - a.length }, () => 1), ...a]).toEqual(kept);
      }),
      { seed: 2, numRuns: 500 },
    );
  });
});
