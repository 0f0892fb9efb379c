// The augmentations that views are made of, as a table of parameters like that of the functions.

import type { Call, Expr } from '../../1-syntax/ast.ts';
import { nearest } from '../../diagnostics.ts';
import type { Augmentation } from '../graph.ts';
import type { Args, Callables, Params } from './arguments.ts';
import { bind, int, number, or, range, written } from './arguments.ts';
import type { Context } from './context.ts';
import { fail } from './context.ts';
import { isHole } from './scope.ts';

export interface ViewOperation {
  readonly summary: string;
  readonly params: Params;
  /** Nothing where a mistake has been reported. */
  readonly build: (c: Context, args: Record<string, unknown>) => Augmentation | undefined;
}

const define = <P extends Params>(params: P, summary: string, build: (args: Args<P>, c: Context) => Augmentation | undefined): ViewOperation => ({
  summary,
  params,
  build: (c, args) => build(args as Args<P>, c),
});

const probability = number({ min: 0, max: 1 });
const operation: typeof written = { ...written, get calls(): Callables { return VIEW_OPERATIONS; } };

/** All view operations but `each`, which makes several readings of one image. */
export const VIEW_OPERATIONS = {
  hflip: define({ p: or(probability, 0.5) }, 'Mirrors left and right, with probability p.', ({ p }) => ({ op: 'hflip', p })),
  crop: define({ pad: or(int({ min: 1, max: 1024 }), 4) }, 'Moves by up to `pad` pixels each way; zeros come in.', ({ pad }) => ({ op: 'crop', pad })),
  blur: define({ sigma: range({ min: 0, max: 64 }) }, 'Gaussian blur; sigma in pixels, or a range that it is drawn from.', ({ sigma }) => ({ op: 'blur', sigma })),
  cutout: define({ size: int({ min: 1, max: 1024 }) }, 'Sets a square of `size` pixels to zero, at a random place.', ({ size }) => ({ op: 'cutout', size })),
  brightness: define({ d: number({ min: 0, max: 1 }) }, 'Adds one number from -d to d to all pixels, of range 0 to 1.', ({ d }) => ({ op: 'brightness', delta: d })),
  noise: define({ sigma: number({ min: 0, max: 1 }) }, 'Adds normal noise to each pixel, of range 0 to 1.', ({ sigma }) => ({ op: 'noise', sigma })),
  sometimes: define({ p: probability, op: operation }, 'Another operation, with probability p.', ({ p, op }, c) => {
    if (op.kind !== 'call' && op.kind !== 'name') {
      fail(c, 'ZZ2006', op.loc, 'expected a view operation, as in sometimes(0.1, blur(sigma: 0.5))');
      return undefined;
    }
    const then = augmentation(c, op.kind === 'call' ? op : bare(op));
    return then && { op: 'sometimes', p, then };
  }),
};

export const VIEW_NAMES: readonly string[] = [...Object.keys(VIEW_OPERATIONS), 'each'];

/** A bare name as a call without arguments. */
export const bare = (name: Expr & { kind: 'name' }): Call => ({ kind: 'call', callee: { name: name.name, loc: name.loc }, args: [], loc: name.loc });

/** The augmentation that a call describes. Nothing where a mistake has been reported. */
export function augmentation(c: Context, call: Call): Augmentation | undefined {
  const { name, loc } = call.callee;
  const known: ViewOperation | undefined = Object.hasOwn(VIEW_OPERATIONS, name) ? VIEW_OPERATIONS[name as keyof typeof VIEW_OPERATIONS] : undefined;
  if (isHole(name)) return undefined;
  if (!known) {
    const found = nearest(name, VIEW_NAMES);
    fail(c, 'ZZ5005', loc, `'${name}' is no view operation`, found === undefined ? {} : { suggestion: found });
    return undefined;
  }
  const bound = bind(c, call, known.params);
  return bound && known.build(c, bound);
}
