// WebGPU on the processor (SwiftShader, from Debian's chromium), and graphs run on it.

import { existsSync } from 'node:fs';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import type { WebGpuOptions } from '../../compiler/5-emit/wgsl/emit.ts';
import type { Model, WebGpuStep } from '../../compiler/5-emit/model.ts';
import type { Tensor } from '../../runtime/backend.ts';
import { webgpuBackend } from '../../runtime/backends/webgpu.ts';

const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';
// ZZ_TEST_ADAPTER=any tests whatever adapter the machine gives.
if (process.env['ZZ_TEST_ADAPTER'] !== 'any' && process.env['VK_ICD_FILENAMES'] === undefined && existsSync(DRIVER)) process.env['VK_ICD_FILENAMES'] = DRIVER;

export const backend = webgpuBackend({ software: true });

export const modelOf = (programs: Model<WebGpuStep>['programs'], { train }: Graph): Model<WebGpuStep> => ({ net: 'Test', train, programs });

const TRAIN: Graph['train'] = {
  dataset: 'synthetic', optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false }, schedule: { kind: 'constant' },
  batch: 1, epochs: 1, seed: 1, normalize: 'none', weightDecay: 0, clipNorm: 0,
};

/** Why there is no WebGPU here, or undefined where there is. */
export const missing: string | undefined = await backend.open({ net: 'Test', train: TRAIN, programs: {} }).then(
  (session) => session.dispose().then(() => undefined),
  (error: unknown) => String(error),
);

/** What a test's name says of a missing adapter. */
export const skipped = missing === undefined ? '' : ` (skipped: ${missing}; install Debian's chromium)`;

/** Runs a graph once. */
export async function runWebGpu(graph: Graph, feeds: ReadonlyMap<ValueId, Tensor>, wanted: readonly ValueId[], options: WebGpuOptions = {}): Promise<Map<ValueId, Float32Array>> {
  const session = await backend.open(modelOf({ run: emitWebGpu(graph, options, 2) }, graph));
  try {
    return await session.run('run', feeds, wanted);
  } finally {
    await session.dispose();
  }
}
