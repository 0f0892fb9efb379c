// The elementary functions: how far they are from the correctly rounded value, in units in the last place, and what they do at the edges.

import { describe, expect, it } from 'vitest';
import type { OpKind } from '../../compiler/2-graph/ops.ts';
import { uniforms } from '../../runtime/random.ts';
import { graphOf, op, runWasm } from './harness.ts';

type Unary = Extract<OpKind, 'exp' | 'expm1' | 'log' | 'tanh' | 'cos' | 'softplus' | 'sqrt' | 'floor'>;

async function apply(kind: Unary, x: Float32Array, relaxed: boolean): Promise<Float32Array> {
  const { graph } = graphOf([op(kind, {}, [x.length])]);
  return (await runWasm(graph, new Map([['x0.0', x]]), { relaxed })).get('y0') ?? new Float32Array(0);
}

/** The distance between neighbouring f32 numbers at x. */
function ulp(x: number): number {
  const size = Math.max(Math.abs(x), 2 ** -126);
  return 2 ** (Math.floor(Math.log2(size)) - 23);
}

function sample(low: number, high: number, count: number, seed: number): Float32Array {
  const next = uniforms(seed);
  return Float32Array.from({ length: count }, () => low + (high - low) * next());
}

const worst = (x: Float32Array, y: Float32Array, exact: (x: number) => number): number => x.reduce((most, value, i) => Math.max(most, Math.abs((y[i] as number) - exact(value)) / ulp(exact(value))), 0);

interface Range {
  readonly kind: Unary;
  readonly exact: (x: number) => number;
  /** Units in the last place. */
  readonly limit: number;
  readonly ranges: readonly (readonly [low: number, high: number])[];
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const RANGES: readonly Range[] = [
  { kind: 'exp', exact: Math.exp, limit: 2, ranges: [[-1, 1], [-87, 88.7], [-1e-4, 1e-4]] },
  { kind: 'expm1', exact: Math.expm1, limit: 3, ranges: [[-1, 1], [-1e-3, 1e-3], [-1e-7, 1e-7], [-20, 0], [0, 88]] },
  { kind: 'log', exact: Math.log, limit: 2, ranges: [[1e-6, 1], [1, 100], [0.9, 1.1], [1e-44, 1e-38], [1e30, 3e38]] },
  { kind: 'tanh', exact: Math.tanh, limit: 4, ranges: [[-1, 1], [-10, 10], [-1e-5, 1e-5]] },
  { kind: 'softplus', exact: softplus, limit: 4, ranges: [[-20, 20], [-0.1, 0.1], [-80, -20]] },
  { kind: 'sqrt', exact: Math.sqrt, limit: 0.5, ranges: [[0, 1], [1, 1e30]] },
];

describe.each([true, false])('elementary functions, relaxed SIMD %s', (relaxed) => {
  it.each(RANGES)('$kind is close', async ({ kind, exact, limit, ranges }) => {
    for (const [low, high] of ranges) {
      const x = sample(low, high, 4001, 3);
      expect(worst(x, await apply(kind, x, relaxed), exact), `from ${low} to ${high}`).toBeLessThanOrEqual(limit);
    }
  });

  it('the cosine is within 1e-6 for arguments up to 8192', async () => {
    for (const range of [1, 10, 8192]) {
      const x = sample(-range, range, 2003, 4);
      const y = await apply('cos', x, relaxed);
      expect(Math.max(...x.map((value, i) => Math.abs((y[i] as number) - Math.cos(value)))), `up to ${range}`).toBeLessThan(1e-6);
    }
  });

  it('the edges are those of the standard', async () => {
    const x = Float32Array.of(0, -0, Infinity, -Infinity, NaN, 200, -200, 88.72, -103, 1);
    const rounded = (f: (x: number) => number): Float32Array => Float32Array.from(x, f);
    const close = (y: Float32Array, expected: Float32Array): void =>
      y.forEach((value, i) => {
        const want = expected[i] as number;
        if (Number.isFinite(want)) expect(Math.abs(value - want), `at ${x[i]}`).toBeLessThanOrEqual(3 * ulp(want));
        else expect(value, `at ${x[i]}`).toBe(want);
      });
    close(await apply('exp', x, relaxed), rounded(Math.exp));
    close(await apply('expm1', x, relaxed), rounded(Math.expm1));
    close(await apply('log', x, relaxed), rounded(Math.log));
    close(await apply('tanh', x, relaxed), rounded(Math.tanh));
    close(await apply('floor', Float32Array.from(x), relaxed), rounded(Math.floor));
  });
});
