// The device: which adapter, with what limits, and what its errors mean to the user.

import { BackendError } from '../../backend.ts';
import { findAdapter, installDawn, isSoftware, nameOf } from '../adapter.ts';

export interface Device {
  readonly gpu: GPUDevice;
  /** The adapter's name. */
  readonly name: string;
}

const DOCTOR = 'zz doctor shows the adapters and drivers of this machine; --backend wasm runs on the processor.';

/** Limits that are taken as high as the adapter has them; the others stay at what every device guarantees. */
const RAISED = ['maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX'] as const;

/** Opens the adapter. `software` says whether one that the processor draws will do. Throws BackendError where there is none. */
export async function openDevice(software: boolean): Promise<Device> {
  try {
    if (!software) await hardwareOnly();
    await installDawn();
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) throw new BackendError('WebGPU finds no adapter', DOCTOR);
    if (!software && isSoftware(adapter.info)) throw new BackendError(`${nameOf(adapter.info)} is no GPU`, DOCTOR);
    const requiredLimits = Object.fromEntries(RAISED.map((limit) => [limit, adapter.limits[limit]]));
    return { gpu: await adapter.requestDevice({ requiredLimits }), name: nameOf(adapter.info) };
  } catch (cause) {
    if (cause instanceof BackendError) throw cause;
    throw new BackendError(`WebGPU does not start here: ${textOf(cause)}`, DOCTOR, { cause });
  }
}

/** Asks in a process of its own first, which keeps a software driver's warnings off the terminal. */
async function hardwareOnly(): Promise<void> {
  const { name, software } = await findAdapter();
  if (software) throw new BackendError(`the only WebGPU adapter here, ${name}, is drawn by the processor`, `--backend webgpu runs on it all the same; ${DOCTOR}`);
}

/** Does something on the device; what it finds wrong is a BackendError that says what was being done. */
export async function checked<T>(gpu: GPUDevice, doing: string, work: () => T): Promise<T> {
  gpu.pushErrorScope('out-of-memory');
  gpu.pushErrorScope('validation');
  const [outcome] = await Promise.allSettled([Promise.resolve().then(work)]);
  const [invalid, memory] = await Promise.all([gpu.popErrorScope(), gpu.popErrorScope()]);
  if (memory) throw outOfMemory(doing, memory.message);
  if (invalid) throw invalidUse(doing, invalid.message);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

export const outOfMemory = (doing: string, detail: string): BackendError =>
  new BackendError(`the GPU is out of memory while ${doing}: ${detail}`, 'Take a smaller batch (--batch) or a narrower net (--width), or end other programs that use the GPU.');

export const invalidUse = (doing: string, detail: string): BackendError =>
  new BackendError(`WebGPU refuses something while ${doing}: ${detail}`, 'Please report this with the .zz file and what zz doctor prints; --backend wasm runs on the processor.');

export const deviceLost = (detail: string): BackendError =>
  new BackendError(`the GPU was lost: ${detail || 'the driver gives no reason'}`, 'zz train --resume goes on from the last checkpoint; a driver that was updated or reset may need a restart of the machine.');

export const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
