// Shuffling by random access: where an index goes in a drawn order is computed from the index alone, so that resuming needs no state.

import { hash } from '../random.ts';

const ROUNDS = 6;

/**
 * The `index`-th number of an order of 0..count-1 drawn for `key`, in constant time: a Feistel network over the next power of four,
 * walked until the result lies below `count` (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
 * Throws RangeError where `index` is not in 0..count-1 or `count` is over 2^30.
 */
export function shuffled(index: number, count: number, key: number): number {
  if (!(index >= 0 && index < count && count <= 2 ** 30)) throw new RangeError(`index ${index} is not in 0..${count - 1}`);
  const half = Math.max(1, Math.ceil((32 - Math.clz32(count - 1)) / 2));
  const mask = (1 << half) - 1;
  let place = index;
  do {
    let left = place >>> half;
    let right = place & mask;
    for (let round = 0; round < ROUNDS; round++) [left, right] = [right, left ^ (hash(key, round, right) & mask)];
    place = (left << half) | right;
  } while (place >= count);
  return place;
}
