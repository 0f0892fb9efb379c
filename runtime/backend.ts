// What every device implements: it opens a model, and the session runs the model's programs.

import type { BufferId, Model } from '../compiler/5-emit/model.ts';
import type { Split, SplitName } from './data/dataset.ts';
import type { Selection } from './data/loader.ts';
import type { ChannelStatistics } from './data/normalize.ts';

export type Tensor = Float32Array | Int32Array;

export interface Backend<Step> {
  readonly name: string;
  /** What it runs on, for people: an adapter's name, `gpu.js webasm`, … Throws BackendError where it cannot run here. */
  open(model: Model<Step>, options?: OpenOptions): Promise<Session>;
}

export interface OpenOptions {
  /** Everything that a run computes is looked at: it throws NumericsError at the first step that made a value which is not finite. Much slower. */
  readonly checkNumerics?: boolean;
}

/** A model on a device. Weights and states start as zeros until they are written. */
export interface Session {
  readonly backend: string;
  readonly device: string;
  /**
   * Fills the program's feeds (inputs, labels, scalars, random), runs its steps and updates, and returns the wanted buffers.
   * Throws RangeError where a feed has the wrong length.
   */
  run(program: string, feeds: ReadonlyMap<BufferId, Tensor>, wanted: readonly BufferId[]): Promise<Map<BufferId, Float32Array>>;
  /** Backends that cannot tell the steps of a program apart have none. */
  readonly profiler?: Profiler;
  /**
   * Puts splits of a data set on the device, where programs make their batches of them. Resolves to undefined where there is no room for them;
   * backends whose programs are always fed lack it.
   */
  load?(data: DeviceData): Promise<Runner | undefined>;
  /** A weight or state. */
  read(id: BufferId): Promise<Float32Array>;
  write(id: BufferId, values: Float32Array): Promise<void>;
  dispose(): Promise<void>;
}

export interface Profiler {
  /** Whose clock it goes by. */
  readonly clock: 'device' | 'host';
  /** Runs a program so often, one run after the other; what it computes stands as after any run. */
  readonly run: (program: string, feeds: ReadonlyMap<BufferId, Tensor>, runs: number) => Promise<readonly ProfiledRun[]>;
}

/** When each step of a run began and ended, in microseconds since the run began. */
export interface ProfiledRun {
  readonly steps: readonly { readonly begin: number; readonly end: number }[];
}

export interface DeviceData {
  readonly splits: { readonly [S in SplitName]?: Split };
  /** For `normalize channel`. */
  readonly channels?: ChannelStatistics;
}

/** The counters that leaves of kind `scalar` read. */
export interface Clock {
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
}

/** A run of a program on images of a data set. */
export interface Run {
  readonly program: string;
  /** Where the program takes fewer images than these, it takes the first of them. */
  readonly selection: Selection;
  readonly clock: Clock;
  readonly wanted: readonly BufferId[];
}

export interface Finished {
  readonly run: Run;
  /** By id, what the run wanted. */
  readonly results: ReadonlyMap<BufferId, Float32Array>;
}

/** Runs programs on a data set, one after the other; what they give comes back when it is there. */
export interface Runner {
  /** Who makes the batches. */
  readonly fedBy: 'host' | 'device';
  /** Begins a run as soon as there is room for it. Resolves to the runs whose results have come back since they were last asked for, in order. */
  readonly begin: (run: Run) => Promise<readonly Finished[]>;
  /** The runs that were still under way, when they are done. */
  readonly finish: () => Promise<readonly Finished[]>;
}

/** The environment cannot do what was asked: exit status 2. `advice` says what to do. */
export class BackendError extends Error {
  readonly advice: string;
  constructor(message: string, advice: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BackendError';
    this.advice = advice;
  }
}

/** The backend works here, but not with this model: `auto` does not turn to another one in silence, which may be a thousand times slower. */
export class UnfitError extends BackendError {}

/** What the backend needs is not here, and nobody thought that it was: nothing has failed. */
export class AbsentError extends BackendError {}
