// Values that are made when they are first asked for.

export const lazy = <T>(make: () => T): (() => T) => {
  let state: { readonly make: () => T } | { readonly value: T } = { make };
  return () => {
    // How it was made, and all that this holds, is not kept.
    if (!('value' in state)) state = { value: state.make() };
    return state.value;
  };
};

/** For each key once. */
export const once = <K, T>(make: (key: K) => T): ((key: K) => T) => {
  const made = new Map<K, () => T>();
  return (key) => {
    const known = made.get(key) ?? lazy(() => make(key));
    made.set(key, known);
    return known();
  };
};
