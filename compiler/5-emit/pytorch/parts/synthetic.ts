// Python: the data set that ZigZag generates, byte for byte (runtime/data/synthetic.ts).

import type { Part } from '../part.ts';

export const SYNTHETIC: Part = {
  heading: "The data set 'synthetic': ten textures in random places, colours, phases and contrasts, the same bytes as in ZigZag.",
  text: String.raw`
def wave(u: Tensor) -> Tensor:
    """A triangle wave of period 1 between -1 and 1."""
    return 4 * (u - u.floor() - 0.5).abs() - 1


def speckle(u: Tensor, v: Tensor, key: Tensor) -> Tensor:
    """One of -1 and 1 for every half period, by a hash of its place."""
    across, down = ((2 * x).floor().long() for x in (u, v))
    cell = ((across + 977) * 0x9E3779B1 ^ (down + 613) * 0x85EBCA6B ^ key) & 0xFFFFFFFF
    mixed = (cell ^ (cell >> 15)) * 0x2C1B3C6D & 0xFFFFFFFF
    return ((mixed ^ (mixed >> 13)) & 1) * 2 - 1


# From a place, in periods across and down, and the key of an image.
PATTERNS = {
    "rows": lambda u, v, key: wave(v),
    "columns": lambda u, v, key: wave(u),
    "diagonals": lambda u, v, key: wave(torch.where(key % 2 == 1, u + v, u - v) * 0.7071),
    "checks": lambda u, v, key: 1.5 * wave(u) * wave(v),
    "speckles": speckle,
}
TEXTURES = [(f"{grain} {name}", name, period) for grain, period in (("fine", 3), ("broad", 7)) for name in PATTERNS]


def draw(pattern: str, period: int, keys: Tensor) -> Tensor:
    """Images of one texture, one for each key: a sloping background, clutter, the texture on a round patch, noise."""
    channels, height, width = INPUT
    numbers = iter(unit(hashed(hashed(keys)[:, None], torch.arange(24 + 5 * channels))).double().t()[..., None, None, None])
    key, y, x = keys[:, None, None, None], torch.arange(height).double().view(-1, 1), torch.arange(width).double()

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * next(numbers)

    scale = 1 / (period * between(0.9, 1.1))
    slope = between(-0.12, 0.12)
    phase_u, phase_v = between(0, 8), between(0, 8)
    radius = min(height, width) * between(0.36, 0.52)
    centre_y, centre_x = between(0.32, 0.68) * height, between(0.32, 0.68) * width
    contrast = torch.where(next(numbers) < 0.5, -1, 1) * between(60, 85)
    distance2 = ((y - centre_y) ** 2 + (x - centre_x) ** 2) / (radius * radius)
    mask = (2.5 - 2.5 * distance2).clamp(0, 1)
    texture = mask * PATTERNS[pattern]((x + slope * y) * scale + phase_u, (y - slope * x) * scale + phase_v, key)

    planes = []
    for _ in range(channels):
        base = between(95, 160)
        ground, ink = base + between(-35, 35), contrast * between(0.5, 1)
        plain = mask * base + (1 - mask) * ground + between(-25, 25) / height * y + between(-25, 25) / width * x
        planes.append((plain, ink * texture))
    blot = torch.zeros((), dtype=torch.float64)
    for _ in range(3):
        top, left = between(-0.1, 1) * height, between(-0.1, 1) * width
        bottom, right, shift = top + between(0.1, 0.35) * height, left + between(0.1, 0.35) * width, between(-50, 50)
        blot = torch.where((y >= top) & (y < bottom) & (x >= left) & (x < right), shift, blot)

    noise, noises = key, []
    for _ in range(height * width * channels):  # a linear congruential generator, channel by channel
        noise = (noise * 1664525 + 1013904223) & 0xFFFFFFFF
        noises.append(((noise >> 24) + 128) % 256 - 128)
    grain = torch.cat(noises, 1).view(-1, height, width, channels).permute(0, 3, 1, 2).double()
    pixels = torch.cat([plain + blot * (1 - mask) + ink for plain, ink in planes], 1) + grain * 0.1
    return pixels.clamp(0, 255).to(torch.uint8)


def synthetic() -> tuple[list[str], Split, Split]:
    """Image i is of class i modulo ten: 5,000 images to train with and 1,000 to test with."""

    def split(count: int, key: int) -> Split:
        labels = torch.arange(count) % len(TEXTURES)
        images = torch.empty(count, *INPUT, dtype=torch.uint8)
        for label, (_, pattern, period) in enumerate(TEXTURES):
            places = torch.arange(label, count, len(TEXTURES))
            images[places] = draw(pattern, period, hashed(hashed(678, key), places))
        return Split(images, labels)

    return [name for name, *_ in TEXTURES], split(5000, 1), split(1000, 2)
`,
};
