// What zz compile can make of a net: one row a target. The work of a row is loaded when it is asked for.

import type { StoredTensor } from '../../runtime/safetensors.ts';
import type { LoadedNet } from '../load.ts';

export interface CompileRequest {
  /** With the settings of the flags, or those of the run that the weights are from. */
  readonly net: LoadedNet;
  /** Trained weights and states by id, all that the net has among them, in its shapes; fresh ones where they are absent. */
  readonly weights?: ReadonlyMap<string, StoredTensor>;
  /** Names of the classes, as many as the net has scores; absent where they are not known. */
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
  readonly extension: string;
  readonly load: () => Promise<Compiler>;
}

export type TargetName = never;

export const TARGETS: { readonly [T in TargetName]: CompileTarget } = {};
