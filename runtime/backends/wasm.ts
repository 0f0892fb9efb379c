// The CPU backend in Node: WebAssembly modules on worker threads over one shared memory.

import type { WasmStep } from '../../compiler/5-emit/model.ts';
import type { Backend } from '../backend.ts';
import { wasmOn, type WasmOptions } from './wasm/backend.ts';
import { nodeEngine } from './wasm/node.ts';

export type { WasmOptions } from './wasm/backend.ts';
export { hasRelaxedSimd } from './wasm/node.ts';

/** The backend. `open` throws BackendError where the memory needed cannot be had or the modules do not load. */
export const wasmBackend = (options: WasmOptions = {}): Backend<WasmStep> => wasmOn(nodeEngine, options);
