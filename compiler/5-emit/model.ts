// The compiled model: buffers and steps as plain data, generic over what a backend calls a step. The runtime sees nothing else of the compiler.

import type { TrainSettings, ViewSpec } from '../2-graph/graph.ts';
import type { Init } from '../2-graph/ops.ts';

export type { Augmentation, OptimizerSettings, ScheduleSettings, TrainSettings, ViewPart, ViewSpec } from '../2-graph/graph.ts';

export type BufferId = string;

/** What fills a buffer, and whether it lives longer than a step. */
export type Role =
  | { readonly kind: 'input'; readonly view: string }
  | { readonly kind: 'labels' }
  | { readonly kind: 'weight'; readonly init: Init; readonly std: number }
  | { readonly kind: 'state'; readonly value: number }
  | { readonly kind: 'scalar'; readonly name: 'step' | 'steps_per_epoch' | 'total_steps' }
  | { readonly kind: 'random'; readonly salt: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'temporary' }
  /** It holds weights or states, which are filled each for itself. */
  | { readonly kind: 'arena' };

export interface BufferSpec {
  readonly id: BufferId;
  readonly dtype: 'f32' | 'f16' | 'i32';
  readonly shape: readonly number[];
  readonly role: Role;
  /** Where it lies in a larger buffer; in one of its own where this is not given. */
  readonly within?: Within;
}

/** A place in an arena, a buffer of the same dtype: so many elements from its beginning, at a multiple of 256 bytes. */
export interface Within {
  readonly arena: BufferId;
  readonly offset: number;
}

/** One runnable order of steps at one batch size. Weights and states are shared by id between the programs of a model. */
export interface Program<Step> {
  /** Distinct images a run takes. */
  readonly batch: number;
  readonly buffers: readonly BufferSpec[];
  readonly steps: readonly Step[];
  /** What fills the inputs, labels, scalars and random numbers from a data set on the device, before the steps. Where it is absent, or in place of it, the host feeds them. */
  readonly feed?: readonly Step[];
  /** A binary that holds what the steps name, where steps are not whole by themselves. */
  readonly code?: Uint8Array;
  /** Results by .zz name, and the loss, class scores and count of right answers where the net has them. */
  readonly outputs: readonly { readonly name: string; readonly buffer: BufferId }[];
  readonly loss?: BufferId;
  readonly logits?: BufferId;
  readonly correct?: BufferId;
  /** Where adjoints are scaled: the states that hold the factor, and how many steps were left out because a gradient was not finite. */
  readonly scaling?: { readonly scale: BufferId; readonly skipped: BufferId };
  /** After the steps, `target` takes the contents of `value`. */
  readonly updates: readonly { readonly target: BufferId; readonly value: BufferId }[];
  readonly views: readonly ViewSpec[];
}

/** What the steps of a feed bind besides the program's buffers, by id. */
export const DATA = {
  /** The bytes of a split's images, NHWC, as u32 words of four, the first in the lowest bits. */
  images: 'data.images',
  /** The labels of the split, i32. */
  labels: 'data.labels',
  /** u32 words, which CLOCK names. */
  clock: 'data.clock',
  /** For `normalize channel`: the mean of every channel, and then one over the deviation of each, f32. */
  channels: 'data.channels',
  /** A buffer of the program: where the images that are read stand in their split, u32. */
  indices: 'data.indices',
} as const;

/**
 * What a feed is told of a run. The images are those at the places start, start + 1, … of the split's `count` in the order drawn for the key `order`, from the first
 * again after the last. `views` is the key from which views draw, `seed` the run's; the rest is what leaves of kind `scalar` read.
 */
export const CLOCK = ['order', 'start', 'count', 'views', 'seed', 'step', 'steps_per_epoch', 'total_steps'] as const;

/** A compiled net for one backend: a step is what that backend runs. */
export interface Model<Step = unknown> {
  readonly net: string;
  readonly train: TrainSettings;
  readonly programs: Readonly<Record<string, Program<Step>>>;
}

/** A step of the reference backend: one operation on plain arrays of the buffers' shapes. */
export interface ReferenceStep {
  /** The operation and its value, for timings. */
  readonly name: string;
  readonly inputs: readonly BufferId[];
  readonly output: BufferId;
  /** Writes every element of `out`. */
  readonly run: (inputs: readonly (Float32Array | Int32Array)[], out: Float32Array | Int32Array) => void;
}

/** A step of the gpu.js backend: one kernel function, called once. Elements of every buffer lie in row-major order. */
export interface GpuJsStep {
  /** The kernel function's text, over a grid of up to three dimensions. */
  readonly source: string;
  /** The grid's extents, `this.thread.x` first. */
  readonly grid: readonly number[];
  /** The same kernel over a grid of one dimension, for the modes that give the elements of other grids in nested arrays. */
  readonly flatSource: string;
  /** The arguments, in order. */
  readonly reads: readonly BufferId[];
  readonly writes: BufferId;
}

/**
 * A step of the WebAssembly backend: a function of the program's module. The module imports `arena.memory` (shared), the addresses `arena.control` (128 zero bytes,
 * and 64 more a thread, where the threads meet and share work), `arena.zeros` (64 KiB of zeros) and `arena.scratch`, the distance `arena.stride` from one thread's
 * scratch to the next, and each buffer's address as `buffer.ID`. It exports `run(thread, threads, from, to)`, which every thread calls: it runs the steps from number
 * `from` up to, without, `to`.
 */
export interface WasmStep {
  readonly kernel: string;
  readonly reads: readonly BufferId[];
  readonly writes: BufferId;
  /** Bytes of scratch that each thread needs. */
  readonly scratch: number;
}

/** What an adapter can do, as far as shaders are written for it. Plain data: in Node it is asked for in another process. */
export interface DeviceProfile {
  readonly limits: DeviceLimits;
  readonly features: readonly DeviceFeature[];
  /** The least and the most invocations of a subgroup. */
  readonly subgroupSizes?: readonly [least: number, most: number];
  /** What subgroups multiply as one: `rows` by `depth` with `depth` by `columns` elements. */
  readonly matrices: readonly MatrixShape[];
}

export interface DeviceLimits {
  /** Storage buffers that a shader binds. */
  readonly storageBuffers: number;
  readonly workgroupsPerDimension: number;
  readonly workgroupInvocations: number;
  readonly workgroupBytes: number;
  /** Bytes of a buffer, and of what is bound of one. */
  readonly bufferBytes: number;
  readonly bindingBytes: number;
}

/** The optional features of WebGPU that shaders or measurements can use, by the names of GPUFeatureName. */
export type DeviceFeature = 'shader-f16' | 'subgroups' | 'subgroup-size-control' | 'chromium-experimental-subgroup-matrix' | 'timestamp-query';

export interface MatrixShape {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** The types of the factors' elements and of the sums'. */
  readonly factors: 'f16' | 'f32';
  readonly sums: 'f16' | 'f32';
}

/** What a shader asks of the device besides its bindings and their sizes. */
export interface ShaderNeeds {
  readonly features: readonly DeviceFeature[];
  readonly workgroupInvocations: number;
  readonly workgroupBytes: number;
}

/**
 * A step of the WebGPU backend: one dispatch of the entry point `main`. Binding i of group 0 is `bindings[i]`: a storage buffer or an arena, read-only where the step
 * only reads it, with room for whole vectors of four. Elements lie in row-major order. Steps of equal shader and bindings' access share a pipeline.
 */
export interface WebGpuStep {
  /** The operation and its value, for timings. */
  readonly name: string;
  /** WGSL. */
  readonly shader: string;
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly bindings: readonly { readonly buffer: BufferId; readonly access: 'read' | 'write' }[];
  /** Where the step does several things, or binds arenas: what it does, in an order in which it could be done. */
  readonly parts?: readonly StepPart[];
  readonly needs: ShaderNeeds;
  /** For measurements; absent where nobody has counted. */
  readonly work?: Work;
  /** Of a step that computes a product in tiles, or a part of it. */
  readonly tiling?: StepTiling;
}

export interface StepPart {
  readonly name: string;
  readonly reads: readonly BufferId[];
  readonly writes: readonly BufferId[];
}

export interface StepTiling {
  /** The product by its sizes: products of one name are tiled alike. */
  readonly product: string;
  /** The tiling in words. */
  readonly choice: string;
}

/** Floating-point operations of a step, a multiply-add as two, and bytes of the buffers that it reads and writes, each once. */
export interface Work {
  readonly operations: number;
  readonly bytes: number;
}
