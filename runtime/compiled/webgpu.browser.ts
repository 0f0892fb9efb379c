// The entry `zigzag-nn/runtime/webgpu` in browsers.

import type { WebGpuStep } from '../../compiler/5-emit/model.ts';
import { BackendError } from '../backend.ts';
import { webgpuOn } from '../backends/webgpu/backend.ts';
import type { Host } from './backends.ts';

/** Compute shaders, through navigator.gpu. */
export const webgpu: Host<WebGpuStep> = { backend: ({ software }) => webgpuOn(here, { software }) };

async function here(): Promise<GPU> {
  const { gpu } = navigator as { readonly gpu?: GPU };
  if (!gpu) throw new BackendError('this browser has no WebGPU, or keeps it for pages of secure origins', 'Open the page over https, or choose the backend wasm.');
  return gpu;
}
