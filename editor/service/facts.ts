// What a build finds out about the places of a text: shapes of expressions, weights of calls.

import type { Fact, Observer } from '../../compiler/2-graph/build.ts';
import type { Loc } from '../../compiler/diagnostics.ts';
import { showType } from '../../compiler/2-graph/types.ts';

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

const key = ({ file, span }: Loc): string => `${span.start} ${span.end} ${file}`;

/** An observer for a build, and the facts that it collects. */
export function collectFacts(): { readonly observer: Observer; readonly facts: Facts } {
  const values = new Map<string, Set<string>>();
  const calls = new Map<string, { readonly loc: Loc; readonly made: Map<string, readonly number[]> }>();
  const weights = new Map<string, readonly number[]>();
  return {
    observer: {
      value(loc, fact) {
        const known = values.get(key(loc)) ?? new Set();
        values.set(key(loc), known.add(showFact(fact)));
      },
      weight({ loc }, id, shape) {
        const known = calls.get(key(loc)) ?? { loc, made: new Map<string, readonly number[]>() };
        calls.set(key(loc), known);
        known.made.set(id, shape);
        weights.set(id, shape);
      },
    },
    facts: {
      at: (loc) => [...(values.get(key(loc)) ?? [])],
      weightsOf: (loc) => calls.get(key(loc))?.made ?? new Map(),
      weightsIn: (part) => new Map([...calls.values()].flatMap(({ loc, made }) => (isWithin(loc, part) ? [...made] : []))),
      weights,
    },
  };
}

const isWithin = (inner: Loc, outer: Loc): boolean => inner.file === outer.file && inner.span.start >= outer.span.start && inner.span.end <= outer.span.end;

const showFact = (fact: Fact): string => (fact.kind === 'number' ? String(fact.value) : fact.types.map(showType).join(', '));

/** `1,930 weights in 2 tensors`, or nothing for none. */
export function countWeights(weights: Weights): string | undefined {
  if (weights.size === 0) return undefined;
  const total = [...weights.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return `${total.toLocaleString('en')} weights in ${weights.size} ${weights.size === 1 ? 'tensor' : 'tensors'}`;
}
