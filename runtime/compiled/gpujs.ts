// The entry `zigzag-nn/runtime/gpujs` in Node.

import type { GpuJsStep } from '../../compiler/5-emit/model.ts';
import { gpujsBackend } from '../backends/gpujs.ts';
import type { Host } from './backends.ts';

/** gpu.js, in the fastest of its modes that works. */
export const gpujs: Host<GpuJsStep> = { backend: () => gpujsBackend() };
