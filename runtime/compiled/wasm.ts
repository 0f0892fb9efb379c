// The entry `zigzag-nn/runtime/wasm` in Node.

import type { WasmStep } from '../../compiler/5-emit/model.ts';
import { wasmOn } from '../backends/wasm/backend.ts';
import { hasRelaxedSimd, nodeEngine } from '../backends/wasm/node.ts';
import type { Host } from './backends.ts';

/** WebAssembly on worker threads. */
export const wasm: Host<WasmStep> = { backend: ({ threads }) => wasmOn(nodeEngine, threads === undefined ? {} : { threads }), relaxedSimd: hasRelaxedSimd };
