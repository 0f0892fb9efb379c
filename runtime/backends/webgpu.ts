// The WebGPU backend: compute shaders through Dawn in Node and navigator.gpu in browsers.

import type { WebGpuStep } from '../../compiler/5-emit/model.ts';
import { BackendError, type Backend } from '../backend.ts';
import type { Adapter } from './adapter.ts';
import { findAdapter, webgpu } from './dawn.ts';
import { webgpuOn, type WebGpuOnOptions } from './webgpu/backend.ts';
import { DOCTOR, notHardware } from './webgpu/device.ts';
import { textOf } from './webgpu/errors.ts';

export interface WebGpuBackendOptions extends WebGpuOnOptions {
  /** The adapter as findAdapter gave it; where it is not given, it is asked for. */
  readonly adapter?: Adapter;
  /** Takes the place of navigator.gpu, or in Node of Dawn's usual instance. The caller keeps it until the device is done. */
  readonly source?: GPU;
}

/** The backend. `open` throws BackendError where there is no adapter, no memory, or a shader does not compile. */
export const webgpuBackend = ({ adapter, source, ...options }: WebGpuBackendOptions = {}): Backend<WebGpuStep> =>
  webgpuOn(async () => {
    // In a process of its own first, which keeps a software driver's warnings off the terminal.
    if (options.software !== true && !adapter && !source) await usableAdapter(false);
    return source ?? webgpu();
  }, options);

/** The adapter that shaders are written for. Throws BackendError where there is none that will do. */
export async function usableAdapter(software: boolean): Promise<Adapter> {
  const adapter = await findAdapter().catch((cause: unknown) => {
    throw new BackendError(`WebGPU does not start here: ${textOf(cause)}`, DOCTOR, { cause });
  });
  if (!software && adapter.software) throw notHardware(adapter);
  return adapter;
}
