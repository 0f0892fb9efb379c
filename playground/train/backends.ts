// The backends of a page: WebGPU, or WebAssembly on as many threads as the page may have.

import { wasmEmitter, webgpuEmitter } from '../../compiler/emitters.ts';
import type { Emitter } from '../../compiler/compile.ts';
import { BackendError } from '../../runtime/backend.ts';
import type { Backend } from '../../runtime/backend.ts';
import { ADAPTER_OPTIONS, profileOf } from '../../runtime/backends/adapter.ts';
import { wasmOn } from '../../runtime/backends/wasm/backend.ts';
import { takesRelaxedSimd } from '../../runtime/backends/wasm/engine.ts';
import { browserEngine } from '../../runtime/backends/wasm/isolated.ts';
import { webgpuOn } from '../../runtime/backends/webgpu/backend.ts';
import { BACKEND_TITLES } from './messages.ts';
import type { BackendName } from './messages.ts';

export interface Target extends Emitter<unknown> {
  readonly backend: Backend<unknown>;
  /** Its name for people. */
  readonly title: string;
}

type Loader = () => Promise<Target>;

/** An adapter that the processor draws will do only where it is asked for. Throws BackendError where there is none. */
const webgpu = (software: boolean): Loader => async () => {
  const { gpu } = navigator as { readonly gpu?: GPU };
  if (!gpu) throw new BackendError('this browser has no WebGPU, or keeps it for pages over https', '');
  const adapter = await gpu.requestAdapter(ADAPTER_OPTIONS);
  if (!adapter) throw new BackendError('WebGPU finds no adapter here', '');
  const profile = profileOf(adapter);
  if (!software && profile.software) throw new BackendError(`the only WebGPU adapter here, ${profile.name}, is drawn by the processor`, '');
  return { ...(await webgpuEmitter({ device: profile })), backend: webgpuOn(async () => gpu, { software }), title: BACKEND_TITLES.webgpu };
};

const wasm: Loader = async () => ({ ...(await wasmEmitter(takesRelaxedSimd())), backend: wasmOn(browserEngine()), title: BACKEND_TITLES.wasm });

/** What to try, in order. */
export const LOADERS: { readonly [B in BackendName]: readonly Loader[] } = { auto: [webgpu(false), wasm], webgpu: [webgpu(true)], wasm: [wasm] };

/** What `use` makes of the first backend that works; `passedOver` hears why others do not. Throws the last one's BackendError where none does. */
export async function firstThat<T>(name: BackendName, use: (target: Target) => Promise<T>, passedOver: (why: string) => void): Promise<T> {
  const loaders = LOADERS[name];
  for (const [i, load] of loaders.entries()) {
    try {
      return await use(await load());
    } catch (error) {
      if (!(error instanceof BackendError) || i === loaders.length - 1) throw error;
      passedOver(error.message);
    }
  }
  throw new RangeError(`there is no backend ${name}`);
}
