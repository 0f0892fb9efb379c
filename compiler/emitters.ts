// What emits programs for each backend, loaded when it is asked for.

import type { Emitter } from './compile.ts';
import type { GpuJsStep, ReferenceStep, WasmStep, WebGpuStep } from './5-emit/model.ts';
import type { WebGpuOptions } from './5-emit/wgsl/emit.ts';

const bound = async () => (await import('./2-graph/bind.ts')).bindBatch;

/** Shaders for a device; without one, for what every device can do. */
export async function webgpuEmitter(options: WebGpuOptions = {}): Promise<Emitter<WebGpuStep>> {
  const { emitWebGpu } = await import('./5-emit/wgsl/emit.ts');
  return { fused: true, emit: (graph, batch, filledTo) => emitWebGpu(graph, options, batch, filledTo) };
}

/** Modules for engines with relaxed SIMD, or for those without. */
export async function wasmEmitter(relaxed: boolean): Promise<Emitter<WasmStep>> {
  const { emitWasm } = await import('./5-emit/wasm/emit.ts');
  return { fused: true, emit: (graph, batch) => emitWasm(graph, { relaxed }, batch) };
}

export async function gpujsEmitter(): Promise<Emitter<GpuJsStep>> {
  const [{ emitGpuJs }, bindBatch] = await Promise.all([import('./5-emit/gpujs/emit.ts'), bound()]);
  return { emit: (graph, batch) => emitGpuJs(bindBatch(graph, batch), batch) };
}

export async function referenceEmitter(): Promise<Emitter<ReferenceStep>> {
  const [{ emitReference }, bindBatch] = await Promise.all([import('./5-emit/reference.ts'), bound()]);
  return { emit: (graph, batch) => emitReference(bindBatch(graph, batch), batch) };
}
