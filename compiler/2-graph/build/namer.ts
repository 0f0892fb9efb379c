// The names of weights: numbered in source order within their scope, prefixed by stream, layer, cell or net.

/** Gives each weighted call the part of its weights' names that follows `w.`. */
export interface Namer {
  readonly prefix: string;
  next(): string;
  /** A namer for a use of another net here, numbered by use. */
  use(net: string): Namer;
  /** A namer that goes on from the same place, so that several streams can take the same names. */
  fork(): Namer;
}

export const join = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('.');

/** `L.1`, `L.2`, …; without a prefix `1`, `2`, … */
export function counter(prefix: string, start = 0, starts: ReadonlyMap<string, number> = new Map()): Namer {
  let count = start;
  const uses = new Map(starts);
  return {
    prefix,
    next: () => join(prefix, String(++count)),
    use(net) {
      const use = (uses.get(net) ?? 0) + 1;
      uses.set(net, use);
      return counter(join(prefix, net, String(use)));
    },
    fork: () => counter(prefix, count, uses),
  };
}

/** A layer's: `f` for the call itself; for the calls of a net that is used as a layer `f.1`, `f.2`, … */
export const layerNamer = (prefix: string): Namer => ({
  prefix,
  next: () => prefix,
  use: () => counter(prefix),
  fork: () => layerNamer(prefix),
});
