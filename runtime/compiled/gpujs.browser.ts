// The entry `zigzag-nn/runtime/gpujs` in browsers.

import type { GpuJsStep } from '../../compiler/5-emit/model.ts';
import { ADAPTER_OPTIONS, profileOf, type Adapter } from '../backends/adapter.ts';
import { gpujsOn } from '../backends/gpujs/backend.ts';
import type { Host } from './backends.ts';

/** gpu.js, in the fastest of its modes that works. */
export const gpujs: Host<GpuJsStep> = { backend: () => gpujsOn({ find, install: async () => undefined }) };

async function find(): Promise<Adapter> {
  const { gpu } = navigator as { readonly gpu?: GPU };
  const adapter = await gpu?.requestAdapter(ADAPTER_OPTIONS);
  if (!adapter) throw new Error('this browser has no WebGPU');
  return profileOf(adapter);
}
