// The entry `zigzag-nn/runtime/wasm` in browsers.

import type { WasmStep } from '../../compiler/5-emit/model.ts';
import { wasmOn } from '../backends/wasm/backend.ts';
import { takesRelaxedSimd } from '../backends/wasm/engine.ts';
import { browserEngine } from '../backends/wasm/isolated.ts';
import type { Host } from './backends.ts';

/** WebAssembly on workers where the page is cross-origin isolated, else on the page's own thread, whatever `threads` says. */
export const wasm: Host<WasmStep> = {
  backend({ threads }) {
    const engine = browserEngine();
    return wasmOn(engine, threads === undefined ? {} : { threads: Math.min(threads, engine.mostThreads) });
  },
  relaxedSimd: takesRelaxedSimd,
};
