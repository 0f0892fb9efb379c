// In the browser: every operation in each of gpu.js's modes against the evaluator; exports the modes' devices and the operations that differ.

import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitGpuJs } from '../../compiler/5-emit/gpujs/emit.ts';
import { gpujsBackend } from '../../runtime/backends/gpujs.ts';
import type { GpuJsMode } from '../../runtime/backends/gpujs.ts';
import { casesGraph, KINDS, relativeError } from '../kernels/cases.ts';

const { graph, feeds, values } = casesGraph(KINDS, 2);
const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });

/** WGSL and GLSL ask no more of the cosine. */
const limit = (id: string): number => (id.startsWith('cos.') ? 2e-4 : 1e-5);

async function check(mode: GpuJsMode): Promise<{ device: string; wrong: readonly string[] }> {
  const session = await gpujsBackend({ mode }).open({ net: 'Test', train: graph.train, programs: { run: emitGpuJs(graph, 2) } });
  const found = await session.run('run', feeds, values);
  await session.dispose();
  return { device: session.device, wrong: values.filter((id) => relativeError(found.get(id) ?? [], expected.get(id) ?? []) >= limit(id)) };
}

const found = { webgl2: await check('webgl2'), webasm: await check('webasm'), webgpu: await check('webgpu') };
export default found;
