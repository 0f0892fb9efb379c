// The WebGPU backend on any implementation of WebGPU. A run is one command buffer and one submit; weights, states and all that a step computes stay on the device,
// and only what is asked for is read back.

import type { Model, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import type { Backend } from '../../backend.ts';
import { allocate } from './allocate.ts';
import { commandsOf } from './commands.ts';
import { openDevice } from './device.ts';
import { checked } from './errors.ts';
import { stepsOf } from './memory.ts';
import { createChecker, type Checker } from './numerics.ts';
import { compilePipelines, type Pipelines } from './pipelines.ts';
import type { Prepared } from './prepared.ts';
import { createSession } from './session.ts';

export interface WebGpuOnOptions {
  /** Whether an adapter that the processor draws will do. */
  readonly software?: boolean;
  /** Called with the device when it is open, for tests and tools. */
  readonly onDevice?: (gpu: GPUDevice) => void;
}

/** The backend. `open` throws BackendError where there is no adapter, no memory, or a shader does not compile. */
export const webgpuOn = (source: () => Promise<GPU>, { software = false, onDevice }: WebGpuOnOptions = {}): Backend<WebGpuStep> => ({
  name: 'webgpu',
  async open(model, { checkNumerics = false } = {}) {
    const device = await openDevice(model, source, software);
    onDevice?.(device.gpu);
    try {
      const pipelines = await compilePipelines(device.gpu, Object.values(model.programs).flatMap(stepsOf));
      const prepared = await checked(device.gpu, 'making room for the model', () => prepare(device.gpu, model, pipelines));
      const checkers = checkNumerics ? await checked(device.gpu, 'making room for the checks', () => checkersFor(device.gpu, prepared)) : new Map<string, Checker>();
      return createSession(device, model, prepared, pipelines, checkers);
    } catch (error) {
      device.gpu.destroy();
      throw error;
    }
  },
});

const checkersFor = async (gpu: GPUDevice, prepared: ReadonlyMap<string, Prepared>): Promise<ReadonlyMap<string, Checker>> =>
  new Map(await Promise.all([...prepared].map(async ([name, { places, commands }]) => [name, await createChecker(gpu, name, places, commands)] as const)));

function prepare(gpu: GPUDevice, model: Model<WebGpuStep>, pipelines: Pipelines): Map<string, Prepared> {
  const all = allocate(gpu, model);
  return new Map(
    Object.entries(model.programs).map(([name, program]) => {
      const places = all.get(name) ?? new Map();
      return [name, { program, places, commands: commandsOf(gpu, program, places, pipelines) }] as const;
    }),
  );
}
