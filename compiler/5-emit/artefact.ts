// A compiled net that stands alone, as plain data: its programs on each backend, and what an application must know to feed them.

import type { GpuJsStep, Program, TrainSettings, WasmStep, WebGpuStep } from './model.ts';

/** The version of what is described here; runtimes refuse a later one. */
export const ARTEFACT_FORMAT = 1;

export interface Artefact {
  readonly format: typeof ARTEFACT_FORMAT;
  /** The version of zz that compiled it. */
  readonly zigzag: string;
  readonly net: string;
  /** The shape of an image, [height, width, channels]; every input reads the same one. */
  readonly image: readonly number[];
  /** Names of the classes, as many as there are class scores; none for a net without a classifier. */
  readonly classes: readonly string[];
  readonly settings: TrainSettings;
  /** What the net gives for one image: shapes without the batch axis, by name. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly backends: ArtefactBackends;
}

/** A backend's steps by its name. */
export interface StepOf {
  readonly webgpu: WebGpuStep;
  readonly wasm: WasmStep;
  readonly gpujs: GpuJsStep;
}

export type ArtefactBackend = keyof StepOf;
export type ArtefactBackends = { readonly [B in ArtefactBackend]?: StoredPrograms<StepOf[B]> };

export interface StoredPrograms<Step> {
  /** SHA-256 of the programs: tells whether they are as they were compiled. */
  readonly digest: string;
  readonly programs: ProgramSet<Step>;
}

/** `train` takes as many images as a step of training, `predict` as many as evaluation does, `one` a single image. */
export interface ProgramSet<Step> {
  readonly train?: StoredProgram<Step>;
  readonly predict: StoredProgram<Step>;
  readonly one?: StoredProgram<Step>;
}

export type ProgramName = keyof ProgramSet<unknown>;

export type StoredProgram<Step> = Omit<Program<Step>, 'code'> & { readonly code?: StoredCode };

/** A module in two forms, for engines with relaxed SIMD and for those without: base64 of the bytes compressed in zlib's format (RFC 1950). */
export interface StoredCode {
  readonly relaxed: string;
  readonly plain: string;
}
