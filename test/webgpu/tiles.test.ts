// The tilings that are worth measuring: they fit the device, hold what is taken without measurements, and have names.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceProfile } from '../../compiler/5-emit/model.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { bytesOf, candidatesOf, chooseTiling, nameOf, showTiling, slicesOf, threadsOf } from '../../compiler/5-emit/wgsl/tiles.ts';
import type { Sizes } from '../../compiler/5-emit/wgsl/tiles.ts';

const LARGE: DeviceProfile = { ...EVERY_DEVICE, limits: { ...EVERY_DEVICE.limits, workgroupInvocations: 1024, workgroupBytes: 49152 } };
const MATRICES: DeviceProfile = {
  ...LARGE,
  features: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'],
  subgroupSizes: [32, 32],
  matrices: [{ rows: 16, columns: 8, depth: 16, factors: 'f16', sums: 'f32' }, { rows: 16, columns: 16, depth: 16, factors: 'f16', sums: 'f32' }, { rows: 16, columns: 16, depth: 32, factors: 'f16', sums: 'f16' }],
};

const sizes = (arbitrary: fc.Arbitrary<number>): fc.Arbitrary<Sizes> =>
  fc.record({ groups: fc.integer({ min: 1, max: 4 }), rows: arbitrary, columns: arbitrary, depth: arbitrary, left: fc.constantFrom('own', 'depth', 'single'), right: fc.constantFrom('own', 'depth', 'single'), factors: fc.constantFrom('f32', 'f16') });

test('all of them fit the device, the usual one is among them, and each is there once', () => {
  fc.assert(
    fc.property(sizes(fc.integer({ min: 8, max: 200_000 })), fc.constantFrom(EVERY_DEVICE, LARGE, MATRICES), (product, device) => {
      const { limits } = device;
      const all = candidatesOf(product, device);
      const usual = chooseTiling(product, device);
      const possible = { ...usual, parts: Math.min(usual.parts, slicesOf(product, usual.tile)) };
      expect(all.some((each) => JSON.stringify({ ...each, parts: Math.min(each.parts, slicesOf(product, each.tile)) }) === JSON.stringify(possible))).toBe(true);
      expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(all.length);
      for (const each of all) {
        expect(threadsOf(each.tile)).toBeLessThanOrEqual(limits.workgroupInvocations);
        expect(bytesOf(each, product)).toBeLessThanOrEqual(limits.workgroupBytes);
        expect(each.parts).toBeGreaterThanOrEqual(1);
        expect(Number.isInteger(each.parts)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('a product with few results over a long axis is tried in other numbers of parts', () => {
  const product: Sizes = { groups: 1, rows: 192, columns: 192, depth: 51_200, left: 'own', right: 'own', factors: 'f32' };
  const parts = new Set(candidatesOf(product, LARGE).map((each) => each.parts));
  expect(parts.has(1)).toBe(true);
  expect(parts.size).toBeGreaterThan(4);
});

test('products and tilings have names that tell them apart', () => {
  const product: Sizes = { groups: 1, rows: 50, columns: 96, depth: 27, left: 'single', right: 'own', factors: 'f32' };
  expect(nameOf(product)).toBe('groups 1, rows 50, columns 96, depth 27, left single, right own, factors f32');
  expect(nameOf({ ...product, left: 'depth' })).not.toBe(nameOf(product));
  const tile = { rows: 128, columns: 64, depth: 16, threadRows: 8, threadColumns: 8 };
  expect(showTiling({ tile, parts: 3, buffers: 2 })).toBe('128x64 tiles, 16 deep, 8x8 a thread, 2 in memory, 3 parts');
  expect(showTiling({ tile, parts: 1, buffers: 1 })).toBe('128x64 tiles, 16 deep, 8x8 a thread');
  const all = candidatesOf({ ...product, rows: 5000, depth: 900 }, LARGE);
  expect(new Set(all.map(showTiling)).size).toBe(all.length);
});
