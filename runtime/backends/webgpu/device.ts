// The device: which adapter, and with what features and limits.

import type { Model, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import { BackendError } from '../../backend.ts';
import { ADAPTER_OPTIONS, LIMIT_NAMES, profileOf } from '../adapter.ts';
import type { Adapter } from '../adapter.ts';
import { textOf } from './errors.ts';
import { needsOf, refusal } from './needs.ts';
import type { Needs } from './needs.ts';

export interface Device {
  readonly gpu: GPUDevice;
  readonly adapter: Adapter;
}

export const DOCTOR = 'zz doctor shows the adapters and drivers of this machine; --backend wasm runs on the processor.';

export const notHardware = ({ name }: Adapter): BackendError =>
  new BackendError(`the only WebGPU adapter here, ${name}, is drawn by the processor`, `--backend webgpu runs on it all the same; ${DOCTOR}`);

/**
 * Opens the adapter with the features and limits that the model uses; buffers may be as large as the adapter allows.
 * `software` says whether one that the processor draws will do. Throws BackendError where there is no adapter, or where it lacks something.
 */
export async function openDevice(model: Model<WebGpuStep>, source: () => Promise<GPU>, software: boolean): Promise<Device> {
  try {
    const found = await (await source()).requestAdapter(ADAPTER_OPTIONS);
    if (!found) throw new BackendError('WebGPU finds no adapter', DOCTOR);
    const adapter = profileOf(found);
    if (!software && adapter.software) throw notHardware(adapter);
    const needs = needsOf(model);
    const missing = refusal(needs, adapter);
    if (missing !== undefined) throw new BackendError(`the model's shaders need ${missing}`, 'They were written for another adapter; compile the net for this one.');
    return { gpu: await found.requestDevice(descriptorOf(needs, adapter)), adapter };
  } catch (cause) {
    if (cause instanceof BackendError) throw cause;
    throw new BackendError(`WebGPU does not start here: ${textOf(cause)}`, DOCTOR, { cause });
  }
}

function descriptorOf({ features, limits }: Needs, { features: all, limits: { bufferBytes, bindingBytes } }: Adapter): GPUDeviceDescriptor {
  const measured = all.filter((feature) => feature === 'timestamp-query'); // costs nothing until it is used
  // A driver without a limit may give one that is no safe integer, which cannot be asked for.
  const required = Object.entries({ ...limits, bufferBytes: Math.min(bufferBytes, Number.MAX_SAFE_INTEGER), bindingBytes }).map(([limit, value]) => [LIMIT_NAMES[limit as keyof typeof LIMIT_NAMES], value] as const);
  return {
    requiredFeatures: [...new Set([...features, ...measured])] as readonly GPUFeatureName[],
    requiredLimits: { ...Object.fromEntries(required), maxComputeWorkgroupSizeX: limits.workgroupInvocations },
  };
}
