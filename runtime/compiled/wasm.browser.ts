// The entry `zigzag-nn/runtime/wasm` in browsers.

import type { WasmStep } from '../../compiler/5-emit/model.ts';
import { wasmOn } from '../backends/wasm/backend.ts';
import { pageEngine } from '../backends/wasm/browser.ts';
import { takesRelaxedSimd } from '../backends/wasm/engine.ts';
import type { Host } from './backends.ts';

/** WebAssembly on the page's own thread: `threads` is Node's. */
export const wasm: Host<WasmStep> = { backend: () => wasmOn(pageEngine), relaxedSimd: takesRelaxedSimd };
