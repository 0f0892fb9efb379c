// f16 numbers (IEEE 754 binary16) among JavaScript's: 11 significant bits, from 2^-24 to 65504.

const word = new Float64Array(1);
const bits = new Uint32Array(word.buffer);

/** The nearest f16, of two equally near ones the even one; infinite from 65520. */
export function roundToHalf(x: number): number {
  const size = Math.abs(x);
  if (size === 0 || !(size < 65520)) return Number.isNaN(x) || size === 0 ? x : Math.sign(x) * Infinity;
  word[0] = size;
  const exponent = Math.max(-14, (((bits[1] ?? 0) >>> 20) & 0x7ff) - 1023);
  // Beside this number doubles lie as far apart as f16 numbers do beside x.
  const large = 2 ** (exponent + 42);
  return Math.sign(x) * (size + large - large);
}
