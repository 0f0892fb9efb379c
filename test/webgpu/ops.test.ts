// Every operation in WebGPU shaders against the evaluator.

import { describe, expect, test } from 'vitest';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { casesGraph, KINDS, relativeError } from '../kernels/cases.ts';
import { missing, runWebGpu, skipped } from './harness.ts';

/** SwiftShader's cosine is good to 1e-4, as WGSL allows; the other operations are held to 1e-5. */
const limitOf = (id: string): number => (id.startsWith('cos.') ? 2e-4 : 1e-5);

describe.skipIf(missing !== undefined)(`WebGPU shaders${skipped}`, () => {
  test('every operation on random shapes computes what the evaluator computes', async () => {
    const { graph, feeds, values } = casesGraph(KINDS, 4);
    const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
    const found = await runWebGpu(graph, feeds, values);
    const errors = values.map((id) => [id, relativeError(found.get(id) ?? [], expected.get(id) ?? [])] as const);
    expect(errors.filter(([id, error]) => !(error < limitOf(id)))).toEqual([]);
  });
});
