// Every operation as ONNX operators: in onnxruntime against the evaluator, on the backend tests' own cases, and images of both layouts.

import { describe, expect, test } from 'vitest';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import type { ComputeKind } from '../../compiler/2-graph/ops.ts';
import { concreteShape } from '../../compiler/2-graph/types.ts';
import { emitOnnx } from '../../compiler/5-emit/onnx/emit.ts';
import { RULES } from '../../compiler/5-emit/onnx/rules.ts';
import { casesGraph, KINDS, relativeError } from '../kernels/cases.ts';
import { missing, runOnnx, skipped } from './harness.ts';

const REPEATS = 8;
const TOLERANCE = 1e-5;

const has = (kind: ComputeKind): boolean => typeof RULES[kind] === 'function';

describe.skipIf(missing)(`onnxruntime gives the evaluator's numbers${skipped}`, () => {
  for (const kind of KINDS.filter(has)) {
    test(kind, async () => {
      const { graph, feeds, values } = casesGraph([kind], REPEATS);
      const given = new Map(graph.nodes.flatMap(({ id, type }) => {
        const data = feeds.get(id);
        return data ? [[id, { data, shape: concreteShape(type.shape) }] as const] : [];
      }));
      const found = await runOnnx(emitOnnx(graph, { tensors: new Map(), version: '0' }), given);
      const wanted = evaluate(graph, feeds, { precision: 'f32', wanted: values });
      for (const id of values) expect(relativeError(found.get(id)?.data ?? [], wanted.get(id) ?? []), id).toBeLessThan(TOLERANCE);
    });
  }
});
