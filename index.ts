// The library: the compiler from source to model, the backends, and training.

export { CODES, diagnosticToJson, hasErrors, renderDiagnostic, type Code, type Diagnostic, type Loc, type Severity, type Source, type Span } from './compiler/diagnostics.ts';
export { decodeSource, parse, type ParseResult, type Token } from './compiler/1-syntax/parse.ts';
export * as ast from './compiler/1-syntax/ast.ts';

export { applySetting, buildNet, checkProgram, DEFAULT_SETTINGS, loadProgram, memoryReader, type Built, type Program, type Reader } from './compiler/2-graph/build.ts';
export { bindBatch } from './compiler/2-graph/bind.ts';
export type { Graph, Node, TrainSettings, ValueId, ViewSpec } from './compiler/2-graph/graph.ts';
export { graphFromJson, graphToJson } from './compiler/2-graph/json.ts';
export { graphToDot } from './compiler/2-graph/dot.ts';
export { graphToSvg } from './compiler/2-graph/drawing.ts';
export { parseGraph } from './compiler/2-graph/parse.ts';
export { printGraph } from './compiler/2-graph/print.ts';
export { verify } from './compiler/2-graph/verify.ts';

export { PassError, type Pass } from './compiler/3-passes/pass.ts';
export { PASSES, runPasses } from './compiler/3-passes/pipeline.ts';
export { compileModel, compileNet, type Compiled, type CompileOptions, type Layout } from './compiler/compile.ts';
export { emitGpuJs } from './compiler/5-emit/gpujs/emit.ts';
export { emitWasm } from './compiler/5-emit/wasm/emit.ts';
export { emitWebGpu } from './compiler/5-emit/wgsl/emit.ts';
export { emitReference } from './compiler/5-emit/reference.ts';
export type { BufferSpec, DeviceProfile, Model, Program as ModelProgram, Role } from './compiler/5-emit/model.ts';

export { BackendError, type Backend, type Clock, type Finished, type Run, type Runner, type Session, type Tensor } from './runtime/backend.ts';
export { gpujsBackend, type GpuJsMode, type GpuJsOptions } from './runtime/backends/gpujs.ts';
export { wasmBackend, type WasmOptions } from './runtime/backends/wasm.ts';
export { type Adapter } from './runtime/backends/adapter.ts';
export { findAdapter } from './runtime/backends/dawn.ts';
export { webgpuBackend, type WebGpuBackendOptions } from './runtime/backends/webgpu.ts';
export { referenceBackend } from './runtime/backends/reference.ts';
export { capture, decodeCheckpoint, encodeCheckpoint, persistent, restore, START, type Checkpoint, type Progress } from './runtime/checkpoint.ts';
export { readCheckpoint, writeCheckpoint } from './runtime/checkpoint-file.ts';
export { DataError, limitSplit, type Dataset, type Split } from './runtime/data/dataset.ts';
export { batchesOf, type Batches } from './runtime/data/batches.ts';
export { evalBatches, evaluationBatch, makePlan, predictBatches, trainBatch, type Batch, type Plan, type Selection } from './runtime/data/loader.ts';
export { openDataset, openImage } from './runtime/data/open.ts';
export { RunError } from './runtime/errors.ts';
export { evaluate, type Evaluation } from './runtime/evaluate.ts';
export { feedsOf, type Images } from './runtime/feeds.ts';
export { initialValues } from './runtime/init.ts';
export { readMetrics, type EpochMetrics } from './runtime/metrics.ts';
export { hostFed, openRunner } from './runtime/runner.ts';
export { decodeSafetensors, encodeSafetensors, type StoredTensor, type TensorFile } from './runtime/safetensors.ts';
export { type Score } from './runtime/score.ts';
export { readSafetensors } from './runtime/tensor-file.ts';
export { train, type TrainEvent, type TrainJob } from './runtime/train.ts';
