// How a function of the language is written down: parameters, a line of documentation, and what it builds.

import type { ValueId } from '../graph.ts';
import type { Shape } from '../types.ts';
import { showShape } from '../types.ts';
import type { Args, Params } from './arguments.ts';
import { Refusal } from './context.ts';
import type { Maker } from './maker.ts';
import type { Value } from './scope.ts';

export type FunctionGroup = 'layers' | 'pooling' | 'shape' | 'activation' | 'arithmetic' | 'reduction' | 'normalisation' | 'constant' | 'loss';

export interface FunctionSpec {
  readonly group: FunctionGroup;
  /** One line for the reference and the editor. */
  readonly summary: string;
  readonly params: Params;
  readonly build: (maker: Maker, args: Record<string, unknown>) => Value;
}

/** A row of the function table. */
export const define =
  (group: FunctionGroup) =>
  <P extends Params>(params: P, summary: string, build: (maker: Maker, args: Args<P>) => ValueId | readonly ValueId[]): FunctionSpec => ({
    group,
    summary,
    params,
    build(maker, args) {
      const built = build(maker, args as Args<P>);
      return typeof built === 'string' ? { kind: 'tensor', id: built } : { kind: 'parts', ids: built };
    },
  });

/** Batch, height, width and channels. Throws Refusal ZZ3002 for a tensor that is no image. */
export function imageShape(shape: Shape, what: string): [batch: Shape[number], height: number, width: number, channels: number] {
  const [batch, height, width, channels, ...rest] = shape;
  if (batch === undefined || typeof height !== 'number' || typeof width !== 'number' || typeof channels !== 'number' || rest.length > 0) {
    throw new Refusal('ZZ3002', `${what} takes an image [batch,height,width,channels], found ${showShape(shape)}`);
  }
  return [batch, height, width, channels];
}

/** The last axis's length. Throws Refusal ZZ3002 where there is none. */
export function lastDim(shape: Shape, what: string): number {
  const last = shape.at(-1);
  if (typeof last !== 'number') throw new Refusal('ZZ3002', `${what} takes a tensor with channels, found ${showShape(shape)}`);
  return last;
}

/** An axis counted from 0; negative ones count from the end. Throws Refusal ZZ3008. */
export function axisOf(shape: Shape, axis: number): number {
  const found = axis < 0 ? axis + shape.length : axis;
  if (found < 0 || found >= shape.length) throw new Refusal('ZZ3008', `${showShape(shape)} has no axis ${axis}: its axes are 0 to ${shape.length - 1}`);
  return found;
}
