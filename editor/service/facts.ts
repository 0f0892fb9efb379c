// What a build finds out about the places of a text: shapes of expressions, weights of calls.

import type { Fact, Observer } from '../../compiler/2-graph/build.ts';
import type { Loc } from '../../compiler/diagnostics.ts';
import { showType } from '../../compiler/2-graph/types.ts';
import { lazy } from './lazy.ts';

/** Weights by name, with their shapes. */
export type Weights = ReadonlyMap<string, readonly number[]>;

export interface Facts {
  /** What stands at a place, in words: `f32[B,32,32,96]`, `0.5`. Several where it differs between streams or steps; none where it could not be built. */
  readonly at: (loc: Loc) => readonly string[];
  /** The weights that the call at a place makes, for all streams. */
  readonly weightsOf: (loc: Loc) => Weights;
  /** The weights of all calls in a part of the text. */
  readonly weightsIn: (loc: Loc) => Weights;
  /** All weights that the net's own text makes. */
  readonly weights: Weights;
}

interface At {
  readonly loc: Loc;
}

/** Those at a place, in their order. The index is made when it is first asked for: most builds are for what is wrong alone. */
function byPlace<T extends At>(all: readonly T[]): (loc: Loc) => readonly T[] {
  const index = lazy(() => indexByStart(all));
  return ({ file, span }) => {
    const { first, next } = index();
    const found: T[] = [];
    for (let i = first.get(span.start) ?? -1; i >= 0; i = next[i] ?? -1) {
      const each = all[i];
      if (each && each.loc.span.end === span.end && each.loc.file === file) found.push(each);
    }
    return found;
  };
}

/** The first that begins at an offset, and for each the next that begins where it does, or -1: lists of them would be thousands for a net of a thousand lines. */
function indexByStart(all: readonly At[]): { readonly first: ReadonlyMap<number, number>; readonly next: Int32Array } {
  const first = new Map<number, number>();
  const next = new Int32Array(all.length);
  for (let i = all.length - 1; i >= 0; i--) {
    const start = all[i]?.loc.span.start ?? 0;
    next[i] = first.get(start) ?? -1;
    first.set(start, i);
  }
  return { first, next };
}

/** An observer for a build, and the facts that it collects. */
export function collectFacts(): { readonly observer: Observer; readonly facts: Facts } {
  const values: (At & { readonly fact: Fact })[] = [];
  const made: (At & { readonly id: string; readonly shape: readonly number[] })[] = [];
  const [valuesAt, madeAt] = [byPlace(values), byPlace(made)];
  const weights = (some: ReturnType<typeof madeAt>): Weights => new Map(some.map(({ id, shape }) => [id, shape]));
  return {
    observer: {
      value(loc, fact) {
        values.push({ loc, fact });
      },
      weight({ loc }, id, shape) {
        made.push({ loc, id, shape });
      },
    },
    facts: {
      at: (loc) => [...new Set(valuesAt(loc).map(({ fact }) => showFact(fact)))],
      weightsOf: (loc) => weights(madeAt(loc)),
      weightsIn: (part) => weights(made.filter(({ loc }) => isWithin(loc, part))),
      get weights() {
        return weights(made);
      },
    },
  };
}

const isWithin = (inner: Loc, outer: Loc): boolean => inner.file === outer.file && inner.span.start >= outer.span.start && inner.span.end <= outer.span.end;

const showFact = (fact: Fact): string => (typeof fact === 'number' ? String(fact) : 'shape' in fact ? showType(fact) : fact.map(showType).join(', '));

/** Made once: the first takes 20 ms. */
const NUMBERS = new Intl.NumberFormat('en');

/** `1,930 weights in 2 tensors`, or nothing for none. */
export function countWeights(weights: Weights): string | undefined {
  if (weights.size === 0) return undefined;
  const total = [...weights.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return `${NUMBERS.format(total)} weights in ${weights.size} ${weights.size === 1 ? 'tensor' : 'tensors'}`;
}
