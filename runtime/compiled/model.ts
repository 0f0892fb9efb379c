// What a compiled model offers to an application.

import type { Tensor } from './tensor.ts';

/** What the types say of one net; compiled modules fill it in. */
export interface NetTypes {
  /** The shape of an image. */
  readonly image: readonly number[];
  /** Distinct images a training step takes. */
  readonly batch: number;
  /** Shapes of what the net gives for one image, by name. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly classes: string;
}

/** N images as bytes, NHWC. */
export type Images<T extends NetTypes, N extends number = number> = Tensor<readonly [N, ...T['image']], Uint8Array>;
/** The class of each of N images, as its place in the list of classes. */
export type Labels<N extends number = number> = Tensor<readonly [N], Uint8Array | Uint16Array | Int32Array>;
export type Outputs<T extends NetTypes, N extends number = number> = { readonly [K in keyof T['outputs']]: Tensor<readonly [N, ...T['outputs'][K]]> };

/** What a training step found: the mean loss of its images, and the share of right answers; null for a net without a classifier. */
export interface StepResult {
  /** Steps taken so far. */
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number | null;
}

/** Means over a set of images. `accuracy` is null for a net without a classifier. */
export interface Score {
  readonly loss: number;
  readonly accuracy: number | null;
}

/** What the net takes an image for. */
export interface Classification<Class extends string = string> {
  readonly class: Class;
  /** The place of the class in the list of classes. */
  readonly index: number;
  readonly probability: number;
  /** Of every class. */
  readonly probabilities: Float64Array;
}

export interface CompiledModel<T extends NetTypes = NetTypes> {
  /** The backend it runs on, and on what, for people. */
  readonly backend: string;
  readonly device: string;
  readonly predict: <N extends number>(images: Images<T, N>) => Promise<Outputs<T, N>>;
  readonly classify: (images: Images<T>) => Promise<readonly Classification<T['classes']>[]>;
  readonly trainStep: (images: Images<T, T['batch']>, labels?: Labels<T['batch']>) => Promise<StepResult>;
  readonly evaluate: (images: Images<T>, labels?: Labels) => Promise<Score>;
  readonly calibrate: (images: Images<T>) => void;
  readonly save: () => Promise<Uint8Array>;
  readonly load: (bytes: Uint8Array | ArrayBuffer) => Promise<void>;
  readonly dispose: () => Promise<void>;
}

export interface OpenOptions {
  /** `auto`, the default, is the GPU where there is one, and otherwise the processor. */
  readonly backend?: string;
  /** Weights to begin with: a file's bytes, its address, or `initial` for fresh ones drawn from the seed. */
  readonly weights?: Uint8Array | ArrayBuffer | URL | 'initial';
  /** How many images `predict` computes at once. */
  readonly batch?: number;
  /** What fresh weights, views and dropout are drawn from. */
  readonly seed?: number;
  /** Of the wasm backend. */
  readonly threads?: number;
  /** Training steps that go through the images once; schedules of the learning rate ask for it. */
  readonly stepsPerEpoch?: number;
  readonly epochs?: number;
}
