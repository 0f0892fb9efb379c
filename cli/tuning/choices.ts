// Tilings that were measured, by product, and what is made of them when shaders are written.

import { usualTiling, type Tilings } from '../../compiler/5-emit/wgsl/emit.ts';
import { candidatesOf, isTiled, nameOf, type Tiling } from '../../compiler/5-emit/wgsl/tiles.ts';

/** How many of the candidates are measured: the likeliest, or all. */
export type Level = 'quick' | 'full';

export interface Choice {
  readonly tiling: Tiling;
  /** The tiling in words. */
  readonly text: string;
  readonly level: Level;
  /** Microseconds of the product in this tiling, and in the one that it has without measurements. */
  readonly microseconds: number;
  readonly usual: number;
}

/** By the product's name. */
export type Choices = ReadonlyMap<string, Choice>;

/** Measured tilings where there are any, as far as the device and this version have them; the usual ones elsewhere. */
export const tilingsBy = (choices: Choices): Tilings => (sizes, device) => {
  const kept = isTiled(sizes) ? choices.get(nameOf(sizes)) : undefined;
  return (kept && candidatesOf(sizes, device).find((each) => sameTiling(each, kept.tiling))) ?? usualTiling(sizes, device);
};

export const sameTiling = (a: Tiling, b: Tiling): boolean => JSON.stringify(a) === JSON.stringify(b);
