// What a build finds out about the places of a text: shapes of expressions, weights of calls.

import type { Fact, Observer } from '../../compiler/2-graph/build.ts';
import type { Loc } from '../../compiler/diagnostics.ts';
import { sameType, showType } from '../../compiler/2-graph/types.ts';
import type { TensorType } from '../../compiler/2-graph/types.ts';

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

/** What is known of places, by file, start and end. */
interface Places<T> {
  readonly get: (loc: Loc) => T | undefined;
  readonly set: (loc: Loc, what: T) => void;
  readonly all: () => readonly T[];
}

function places<T>(): Places<T> {
  const files = new Map<string, Map<number, T>>();
  // Offsets are below 2 MiB.
  const key = ({ span }: Loc): number => span.start * 2 ** 22 + span.end;
  return {
    get: (loc) => files.get(loc.file)?.get(key(loc)),
    set(loc, what) {
      const own = files.get(loc.file) ?? new Map<number, T>();
      files.set(loc.file, own.set(key(loc), what));
    },
    all: () => [...files.values()].flatMap((own) => [...own.values()]),
  };
}

/** An observer for a build, and the facts that it collects. */
export function collectFacts(): { readonly observer: Observer; readonly facts: Facts } {
  const values = places<Fact[]>();
  const calls = places<{ readonly loc: Loc; readonly made: Map<string, readonly number[]> }>();
  const weights = new Map<string, readonly number[]>();
  return {
    observer: {
      value(loc, fact) {
        const known = values.get(loc);
        if (!known) values.set(loc, [fact]);
        else if (!known.some((each) => sameFact(each, fact))) known.push(fact);
      },
      weight({ loc }, id, shape) {
        const known = calls.get(loc);
        if (known) known.made.set(id, shape);
        else calls.set(loc, { loc, made: new Map([[id, shape]]) });
        weights.set(id, shape);
      },
    },
    facts: {
      at: (loc) => (values.get(loc) ?? []).map(showFact),
      weightsOf: (loc) => calls.get(loc)?.made ?? new Map(),
      weightsIn: (part) => new Map(calls.all().flatMap(({ loc, made }) => (isWithin(loc, part) ? [...made] : []))),
      weights,
    },
  };
}

const isWithin = (inner: Loc, outer: Loc): boolean => inner.file === outer.file && inner.span.start >= outer.span.start && inner.span.end <= outer.span.end;

const sameFact = (one: Fact, other: Fact): boolean =>
  one.kind === 'number'
    ? other.kind === 'number' && one.value === other.value
    : other.kind === 'tensors' && one.types.length === other.types.length && one.types.every((type, i) => isType(type, other.types[i]));
const isType = (type: TensorType, other: TensorType | undefined): boolean => other !== undefined && sameType(type, other);

const showFact = (fact: Fact): string => (fact.kind === 'number' ? String(fact.value) : fact.types.map(showType).join(', '));

/** `1,930 weights in 2 tensors`, or nothing for none. */
export function countWeights(weights: Weights): string | undefined {
  if (weights.size === 0) return undefined;
  const total = [...weights.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return `${total.toLocaleString('en')} weights in ${weights.size} ${weights.size === 1 ? 'tensor' : 'tensors'}`;
}
