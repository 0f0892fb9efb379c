// How elements lie in a bound buffer, and the text that loads and stores them, one or four neighbours at once. Shaders compute in f32 whatever is stored.

import type { DType } from '../../2-graph/types.ts';
import type { DeviceFeature } from '../model.ts';

/** How many neighbours are loaded or stored at once. */
export type Lanes = 1 | 4;

export interface Format {
  /** What an array is declared of, by how many neighbours an element of it holds. */
  readonly types: { readonly [L in Lanes]: string };
  /** Of the declared type to f32 or vec4f, and back. */
  readonly load: (text: string, lanes: Lanes) => string;
  readonly store: (text: string, lanes: Lanes) => string;
  /** What a shader that has it asks of the device. */
  readonly feature?: DeviceFeature;
}

export const FLOATS = { 1: 'f32', 4: 'vec4f' } as const;

const same = (text: string): string => text;

export const HALVES = { 1: 'f16', 4: 'vec4<f16>' } as const;

export const FORMATS: { readonly [D in DType]: Format } = {
  f32: { types: FLOATS, load: same, store: same },
  f16: { types: HALVES, load: (text, lanes) => `${FLOATS[lanes]}(${text})`, store: (text, lanes) => `${HALVES[lanes]}(${text})`, feature: 'shader-f16' },
  i32: { types: { 1: 'i32', 4: 'vec4i' }, load: (text, lanes) => `${FLOATS[lanes]}(${text})`, store: (text, lanes) => `${{ 1: 'i32', 4: 'vec4i' }[lanes]}(${text})` },
};
