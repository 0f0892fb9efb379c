// What a target of zz compile is given, and what it gives.

import type { LoadedNet } from '../load.ts';
import type { TrainedWeights } from './weights.ts';

export interface CompileRequest {
  /** With the settings of the flags, or those of the run that the weights are from. */
  readonly net: LoadedNet;
  /** Trained weights and states, all that the net has among them, in its shapes; fresh ones where they are absent. */
  readonly weights?: TrainedWeights;
  /** The path of the file that they were read from. */
  readonly weightsFile?: string;
  /** Names of the classes that the weights were trained on. */
  readonly classes?: readonly string[];
  /** The names that --backend gave, without repeats; empty for the target's own choice. */
  readonly backends: readonly string[];
  /** The path of the file to make. */
  readonly out: string;
}

/** A file to write: `out` itself, or one beside it. */
export interface OutputFile {
  readonly path: string;
  readonly contents: string | Uint8Array;
}

export type Compiler = (request: CompileRequest) => Promise<readonly OutputFile[]>;

export interface CompileTarget {
  readonly summary: string;
  /** Of files that are meant for it where --target is not given. */
  readonly extensions: readonly string[];
  readonly load: () => Promise<Compiler>;
}

