// Initial values: their distributions, and that they depend on the seed and the name alone.

import { describe, expect, test } from 'vitest';
import type { BufferSpec } from '../../compiler/5-emit/model.ts';
import { initialValues, initialWeight } from '../../runtime/init.ts';

type Init = Parameters<typeof initialWeight>[2]['init'];
const weight = (init: Init, shape: number[], std = 0, id = 'w.1', seed = 678) => initialWeight(id, shape, { init, std }, seed);

const mean = (values: Float32Array): number => values.reduce((a, b) => a + b, 0) / values.length;
const std = (values: Float32Array): number => Math.sqrt(mean(values.map((x) => x * x)) - mean(values) ** 2);
const largest = (values: Float32Array): number => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

describe('distributions', () => {
  const shape = [3, 3, 32, 200]; // 57,600 numbers: the standard error of a deviation is 0.3 %

  test('he: normal', () => {
    const values = weight('he', shape, Math.sqrt(2 / 288));
    expect(std(values) / Math.sqrt(2 / 288)).toBeCloseTo(1, 1.5);
    expect(Math.abs(mean(values))).toBeLessThan((4 * Math.sqrt(2 / 288)) / Math.sqrt(values.length));
    // 0.27 % of a normal lies beyond three deviations.
    const beyond = values.filter((x) => Math.abs(x) > 3 * Math.sqrt(2 / 288)).length / values.length;
    expect(beyond).toBeGreaterThan(0.0018);
    expect(beyond).toBeLessThan(0.0036);
  });

  test('glorot: uniform within sqrt(3) deviations', () => {
    const values = weight('glorot', shape, 0.05);
    const limit = 0.05 * Math.sqrt(3);
    expect(largest(values)).toBeLessThanOrEqual(limit);
    expect(largest(values)).toBeGreaterThan(0.999 * limit);
    expect(std(values) / (limit / Math.sqrt(3))).toBeCloseTo(1, 1.5);
  });

  test('normal: the given std', () => {
    expect(std(weight('normal', shape, 0.3)) / 0.3).toBeCloseTo(1, 1.5);
  });

  test('truncated_normal: nothing beyond two std, the std of a normal cut there', () => {
    const values = weight('truncated_normal', shape, 0.05);
    expect(largest(values)).toBeLessThanOrEqual(0.1);
    expect(largest(values)).toBeGreaterThan(0.0995);
    expect(std(values) / (0.05 * 0.8796)).toBeCloseTo(1, 1.5);
  });

  test.each<[number[]]>([[[40, 12]], [[12, 40]], [[9, 9]], [[3, 3, 4, 10]], [[1, 1, 2, 30]], [[1, 1]], [[5]]])('orthogonal %j', (size) => {
    const values = weight('orthogonal', size);
    const columns = size.at(-1) ?? 1;
    const rows = values.length / columns;
    const at = (r: number, c: number): number => values[r * columns + c] ?? NaN;
    const tall = rows >= columns;
    const n = Math.min(rows, columns);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let product = 0;
        for (let k = 0; k < Math.max(rows, columns); k++) product += tall ? at(k, i) * at(k, j) : at(i, k) * at(j, k);
        expect(product).toBeCloseTo(i === j ? 1 : 0, 5);
      }
    }
  });

  test('zeros and ones', () => {
    expect(weight('zeros', [2, 3])).toEqual(new Float32Array(6));
    expect(weight('ones', [3])).toEqual(Float32Array.of(1, 1, 1));
  });
});

describe('keys', () => {
  test.each<[Init]>([['he'], ['glorot'], ['normal'], ['truncated_normal'], ['orthogonal']])('%s: the same seed and name give the same numbers, others give others', (init) => {
    const values = weight(init, [6, 5], 1);
    expect(weight(init, [6, 5], 1)).toEqual(values);
    expect(weight(init, [6, 5], 1, 'w.2')).not.toEqual(values);
    expect(weight(init, [6, 5], 1, 'w.1', 679)).not.toEqual(values);
    expect(new Set(values).size).toBe(30);
  });

  test('numbers do not depend on the other buffers or their order', () => {
    const spec = (id: string, role: BufferSpec['role'], shape = [2, 2]): BufferSpec => ({ id, dtype: 'f32', shape, role });
    const he = { kind: 'weight', init: 'he', std: 0 } as const;
    const one = initialValues([spec('w.1', he), spec('w.2', he), spec('m', { kind: 'state', value: 0.25 }, [3]), spec('x', { kind: 'temporary' })], 1);
    const other = initialValues([spec('w.2', he), spec('w.2', he), spec('w.9', he), spec('w.1', he)], 1);
    expect([...one.keys()]).toEqual(['w.1', 'w.2', 'm']);
    expect(one.get('m')).toEqual(Float32Array.of(0.25, 0.25, 0.25));
    expect([other.get('w.1'), other.get('w.2')]).toEqual([one.get('w.1'), one.get('w.2')]);
  });
});
