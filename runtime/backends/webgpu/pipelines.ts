// Pipelines: one for each different shader, compiled side by side.

import type { WebGpuStep } from '../../../compiler/5-emit/model.ts';
import { UnfitError } from '../../backend.ts';
import { textOf } from './errors.ts';

export type Pipelines = ReadonlyMap<string, GPUComputePipeline>;

/** Steps of one key share a pipeline. */
export const keyOf = ({ shader }: WebGpuStep): string => shader;

/** The pipelines of the steps, by key. Throws UnfitError where a shader does not compile. */
export async function compilePipelines(gpu: GPUDevice, steps: readonly WebGpuStep[]): Promise<Pipelines> {
  const layouts = new Map<string, GPUPipelineLayout>();
  const layoutOf = ({ bindings }: WebGpuStep): GPUPipelineLayout => {
    const key = bindings.map(({ access }) => access).join();
    const found = layouts.get(key) ?? gpu.createPipelineLayout({ bindGroupLayouts: [gpu.createBindGroupLayout({ entries: bindings.map(layoutEntry) })] });
    layouts.set(key, found);
    return found;
  };
  const distinct = new Map(steps.map((step) => [keyOf(step), step]));
  return new Map(await Promise.all([...distinct].map(async ([key, step]) => [key, await compile(gpu, step, layoutOf(step))] as const)));
}

const layoutEntry = ({ access }: WebGpuStep['bindings'][number], binding: number): GPUBindGroupLayoutEntry => ({
  binding,
  visibility: 4, // GPUShaderStage.COMPUTE, a global that Node lacks until Dawn is loaded
  buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
});

async function compile(gpu: GPUDevice, step: WebGpuStep, layout: GPUPipelineLayout): Promise<GPUComputePipeline> {
  const module = gpu.createShaderModule({ label: step.name, code: step.shader });
  try {
    return await gpu.createComputePipelineAsync({ label: step.name, layout, compute: { module, entryPoint: 'main' } });
  } catch (cause) {
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter(({ type }) => type === 'error').map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
    const detail = errors.length > 0 ? errors.join('; ') : textOf(cause);
    throw new UnfitError(`the shader of ${step.name} does not compile here: ${detail}`, 'Please report this with the .zz file and what zz doctor prints; --backend wasm runs on the processor.', { cause });
  }
}
