// The gpu.js backend in Node, where its WebGPU comes from Dawn, and in browsers.

import type { GpuJsStep } from '../../compiler/5-emit/model.ts';
import type { Backend } from '../backend.ts';
import { findAdapter, installDawn } from './dawn.ts';
import { gpujsOn, type GpuJsOptions } from './gpujs/backend.ts';

export type { GpuJsOptions } from './gpujs/backend.ts';
export type { GpuJsMode } from './gpujs/modes.ts';

/** The backend; `open` throws BackendError where the mode asked for, or every mode, fails a trial run. */
export const gpujsBackend = (options: GpuJsOptions = {}): Backend<GpuJsStep> => gpujsOn({ find: findAdapter, install: installDawn }, options);
