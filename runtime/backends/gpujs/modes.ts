// Which of gpu.js's modes works on this machine: each is tried with a small kernel, fastest first.

import { GPU } from 'gpu.js';
import { BackendError } from '../../backend.ts';
import type { Adapter } from '../adapter.ts';

export type GpuJsMode = 'webgpu' | 'webgl2' | 'webasm' | 'cpu';

const MODES: readonly GpuJsMode[] = ['webgpu', 'webgl2', 'webasm', 'cpu'];

/** How gpu.js comes by WebGPU. */
export interface WebGpuHere {
  /** Throws Error where there is none. */
  readonly find: () => Promise<Adapter>;
  /** Makes sure that navigator.gpu is there. */
  readonly install: () => Promise<void>;
}

interface Chosen {
  readonly mode: GpuJsMode;
  readonly gpu: GPU;
  /** For people: `gpu.js webasm`, `gpu.js webgpu on <adapter>`. */
  readonly device: string;
}

/**
 * The mode that was asked for, or the fastest that works. A software WebGPU adapter counts only when the mode is asked for.
 * Throws BackendError with each mode's reason where none works.
 */
export async function chooseMode(webgpu: WebGpuHere, asked?: GpuJsMode): Promise<Chosen> {
  const reasons: string[] = [];
  for (const mode of asked ? [asked] : MODES) {
    try {
      return await tryMode(webgpu, mode, asked !== undefined);
    } catch (error) {
      reasons.push(`${mode}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const what = asked ? `gpu.js cannot run in mode ${reasons.join()}` : `no mode of gpu.js works here: ${reasons.join('; ')}`;
  throw new BackendError(what, asked ? 'Leave the mode out to take one that works here, or choose webasm or cpu.' : 'Choose another backend, such as reference.');
}

async function tryMode(webgpu: WebGpuHere, mode: GpuJsMode, askedFor: boolean): Promise<Chosen> {
  const device = mode === 'webgpu' ? `gpu.js webgpu on ${await adapterName(webgpu, askedFor)}` : `gpu.js ${mode}`;
  if (mode === 'webgl2' && !GPU.isWebGL2Supported) throw new Error('there is no WebGL2 here');
  if (mode === 'webasm' && typeof WebAssembly !== 'object') throw new Error('there is no WebAssembly here');
  const gpu = new GPU({ mode: mode as 'cpu' });
  try {
    await probe(gpu);
  } catch (error) {
    await gpu.destroy();
    throw error;
  }
  return { mode, gpu, device };
}

/** Runs a kernel with a loop, a branch and integer places, and compares every element. */
async function probe(gpu: GPU): Promise<void> {
  const source = 'function (a) { let p = 0; p++; let s = 0; p = this.thread.x; for (let k = 0; k < 4; k++) { s += a[p]; p++; } return (s > 8 ? s : -s); }';
  const kernel = gpu.createKernel(source, { output: [8], precision: 'single' });
  const run = gpu.createPipeline((a) => kernel(a as number[]) as never);
  const given = Float32Array.from({ length: 11 }, (_, i) => i / 2);
  const found = (await run(given)) as Float32Array;
  const right = Array.from(found).every((value, i) => value === (2 * i + 3 > 8 ? 2 * i + 3 : -(2 * i + 3)));
  await run.destroy();
  if (found.length !== 8 || !right) throw new Error(`the trial kernel gave ${Array.from(found).join(' ')}`);
}

/** The adapter's name, once it is known to be fit and navigator.gpu is there. gpu.js carries a Dawn of its own that needs a newer C library. */
async function adapterName({ find, install }: WebGpuHere, softwareCounts: boolean): Promise<string> {
  const { name, software } = await find();
  if (software && !softwareCounts) throw new Error(`${name} is a software adapter`);
  await install();
  return name;
}
