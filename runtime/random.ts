// Counter-based random numbers in 32-bit integer arithmetic: a number depends on its key alone, so every backend, order and restart draws the same.

/** A bijective mix of 32 bits (the "lowbias32" constants of C. Wellons, "Prospecting for hash functions", 2018). */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** An unsigned 32-bit hash of a list of 32-bit words. */
export function hash(...words: readonly number[]): number {
  let state = 0x9e3779b9;
  for (const word of words) state = mix(state ^ mix(word >>> 0)) + 0x9e3779b9;
  return mix(state);
}

/** The words of a text, so that names can be part of a key. */
export const textKey = (text: string): number => hash(...Array.from(text, (character) => character.codePointAt(0) ?? 0));

/** 24 random bits as a number in [0, 1), exact in f32. */
export const toUnit = (bits: number): number => (bits >>> 8) / 0x1000000;

/** A sequence of numbers in [0, 1) for a key. */
export function uniforms(...key: readonly number[]): () => number {
  const base = hash(...key);
  let count = 0;
  return () => toUnit(hash(base, count++));
}

/** A sequence of standard normal numbers for a key (Box and Muller, 1958). */
export function normals(...key: readonly number[]): () => number {
  const next = uniforms(...key);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** The numbers 0..count-1 in an order drawn for a key (Fisher and Yates). */
export function permutation(count: number, ...key: readonly number[]): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const next = uniforms(...key);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
