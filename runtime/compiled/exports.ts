// What both entries of the runtime give.

export type { Artefact, StoredProgram, StoredPrograms } from '../../compiler/5-emit/artefact.ts';
export type { BufferSpec, GpuJsStep, WasmStep, WebGpuStep } from '../../compiler/5-emit/model.ts';
export { BackendError } from '../backend.ts';
export { RunError } from '../errors.ts';
export type { Score } from '../score.ts';
export type { Classification, CompiledModel, Images, Labels, NetTypes, OpenOptions, Outputs, StepResult } from './model.ts';
export { tensor, type Tensor, type TensorData } from './tensor.ts';
