// The entry `zigzag-nn/runtime/webgpu` in Node.

import type { WebGpuStep } from '../../compiler/5-emit/model.ts';
import { webgpuBackend } from '../backends/webgpu.ts';
import type { Host } from './backends.ts';

/** Compute shaders, through Dawn. */
export const webgpu: Host<WebGpuStep> = { backend: ({ software }) => webgpuBackend({ software }) };
