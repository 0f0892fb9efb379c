// Python: counter-based random numbers.

import type { Part } from '../part.ts';

export const RANDOM: Part = {
  heading: 'Counter-based random numbers, as ZigZag draws them: a number depends on its key alone, so the same seed gives the same weights, batches and views, on any number of ranks.',
  text: String.raw`
def mix(x):
    """A bijective mix of 32 bits (lowbias32 of C. Wellons, "Prospecting for hash functions", 2018), of an int or of int64 tensors."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def hashed(*words):
    """32 bits for a key of words, each an int or a tensor; tensors broadcast."""
    state = 0x9E3779B9
    for word in words:
        state = (mix(state ^ mix(word & 0xFFFFFFFF)) + 0x9E3779B9) & 0xFFFFFFFF
    return mix(state)


def text_key(text: str) -> int:
    return hashed(*map(ord, text))


def unit(bits: Tensor) -> Tensor:
    """24 random bits as a number in [0, 1), exact in float32."""
    return (bits >> 8).float() / 2**24


def below(bits: Tensor, count: int) -> Tensor:
    """A whole number in 0..count-1, of the upper 16 bits."""
    return ((bits >> 16) * count) >> 16


def uniforms(count: int, *key: int) -> Tensor:
    return unit(hashed(hashed(*key), torch.arange(count))).double()


def normals(count: int, *key: int) -> Tensor:
    """Standard normal numbers (Box and Muller, 1958)."""
    u, v = uniforms(2 * count, *key).view(count, 2).unbind(1)
    return (-2 * (1 - u).log()).sqrt() * (2 * math.pi * v).cos()


def shuffled(index: Tensor, count: int, key: int) -> Tensor:
    """The places of 0..count-1 in an order drawn for 'key': a Feistel network, walked until it lands below 'count' (Black and Rogaway, 2002)."""
    half = max(1, ((count - 1).bit_length() + 1) // 2)

    def permuted(place: Tensor) -> Tensor:
        left, right = place >> half, place & ((1 << half) - 1)
        for turn in range(6):
            left, right = right, left ^ (hashed(key, turn, right) & ((1 << half) - 1))
        return (left << half) | right

    place = permuted(index)
    while (place >= count).any():
        place = torch.where(place >= count, permuted(place), place)
    return place
`,
};
