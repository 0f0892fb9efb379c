// The gpu.js backend: every operation in every mode that works here against the reference evaluator, and the session's contract.

import { afterAll, describe, expect, test } from 'vitest';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import { gpujsBackend } from '../../runtime/backends/gpujs.ts';
import type { GpuJsMode } from '../../runtime/backends/gpujs.ts';
import { casesGraph, graphOf, KINDS, relativeError } from '../kernels/cases.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import type { GpuJsStep, Model } from '../../compiler/5-emit/model.ts';

const modelOf = (graph: Graph): Model<GpuJsStep> => ({ net: 'Test', train: graph.train, programs: { run: emitGpuJs(graph, 2) } });

const TOLERANCE = 1e-5;

describe.each(['webasm', 'cpu'] as const)('mode %s', (mode) => {
  test('every operation computes what the evaluator computes', async () => {
    const { graph, feeds, values } = casesGraph(KINDS, 4);
    const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
    const session = await gpujsBackend({ mode }).open(modelOf(graph));
    expect(session.device).toBe(`gpu.js ${mode}`);
    const found = await session.run('run', feeds, values);
    await session.dispose();
    const errors = values.map((id) => [id, relativeError(found.get(id) ?? [], expected.get(id) ?? [])] as const);
    expect(errors.filter(([, error]) => error >= TOLERANCE)).toEqual([]);
  });
});
