// Python: augmentations of a batch.

import type { Part } from '../part.ts';

export const AUGMENT: Part = {
  heading: 'Views: augmentations of a batch [N, C, H, W] of pixels from 0 to 1. \'draw(n)\' gives 32 random bits for every image, others for each n.',
  text: String.raw`
def hflip(x: Tensor, draw, p: float) -> Tensor:
    """Mirrors left and right."""
    return torch.where((unit(draw(0)) < p)[:, None, None, None], x.flip(3), x)


def crop(x: Tensor, draw, pad: int) -> Tensor:
    """Moves by up to 'pad' pixels each way; zeros come in."""
    n, _, h, w = x.shape
    rows = torch.arange(h, device=x.device) + below(draw(0), 2 * pad + 1)[:, None]
    columns = torch.arange(w, device=x.device) + below(draw(1), 2 * pad + 1)[:, None]
    image = torch.arange(n, device=x.device)[:, None, None]
    return F.pad(x, (pad,) * 4)[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def blur(x: Tensor, draw, low: float, high: float) -> Tensor:
    """A Gaussian blur, sigma between 'low' and 'high'; edges repeat."""
    n, c, h, w = x.shape
    sigma = low + (high - low) * unit(draw(0))[:, None]
    radius = math.ceil(3 * high)
    taps = torch.exp(-(torch.arange(-radius, radius + 1, device=x.device) ** 2) / (2 * sigma.clamp(min=0.01) ** 2))
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(c, 0)
    # Each channel of each image is a group of its own.
    y = F.pad(x.reshape(1, n * c, h, w), (radius,) * 4, mode="replicate")
    y = F.conv2d(F.conv2d(y, taps[:, None, None, :], groups=n * c), taps[:, None, :, None], groups=n * c)
    return torch.where((sigma < 0.01)[:, :, None, None], x, y.reshape(n, c, h, w))


def cutout(x: Tensor, draw, size: int) -> Tensor:
    """Zeros in a square at a random place."""
    _, _, h, w = x.shape
    rows = torch.arange(h, device=x.device) - (below(draw(0), h) - size // 2)[:, None]
    columns = torch.arange(w, device=x.device) - (below(draw(1), w) - size // 2)[:, None]
    hidden = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    return x.masked_fill(hidden[:, None], 0)


def brightness(x: Tensor, draw, delta: float) -> Tensor:
    """Adds one number from -delta to delta."""
    return x + ((2 * unit(draw(0)) - 1) * delta)[:, None, None, None]


def noise(x: Tensor, draw, sigma: float) -> Tensor:
    """Adds sigma times a nearly normal number to each element: the sum of eight random bytes (Irwin and Hall), standardised."""
    n, c, h, w = x.shape
    element = torch.arange(h * w * c, device=x.device).view(h, w, c).permute(2, 0, 1)[None]
    total = sum(((draw(2 * element + word) >> shift) & 255) for word in (0, 1) for shift in (0, 8, 16, 24))
    return x + sigma * ((total - 1020) / math.sqrt(8 * (256 * 256 - 1) / 12))


def sometimes(x: Tensor, draw, p: float, step: tuple) -> Tensor:
    """Another augmentation, with probability p."""
    op, *arguments = step
    return torch.where((unit(draw(0)) < p)[:, None, None, None], op(x, draw.next(), *arguments), x)


class Draw:
    """The random bits of one augmentation of a chain, for every image: of the image's key, the place in the chain and n."""

    def __init__(self, key: Tensor, place: int = 0) -> None:
        self.key, self.place = key, place

    def __call__(self, n) -> Tensor:
        key = self.key if isinstance(n, int) else self.key.view(-1, 1, 1, 1)
        return hashed(key, self.place, n)

    def next(self) -> Draw:
        return Draw(self.key, self.place + 1)


def places(step: tuple) -> int:
    """How many places of its chain an augmentation takes: what stands inside 'sometimes' has its own."""
    return 1 + places(step[-1]) if isinstance(step[-1], tuple) else 1


def augment(x: Tensor, steps: list[tuple], key: Tensor) -> Tensor:
    """The images after a chain of augmentations."""
    place = 0
    for step in steps:
        op, *arguments = step
        x = op(x, Draw(key, place), *arguments)
        place += places(step)
    return x


def readings(pixels: Tensor, step: int, images: Tensor, seed: int) -> list[Tensor]:
    """What the net's inputs read in training; 'images' are the images' places in the batch of all ranks."""
    return [
        torch.cat([augment(pixels, chain, hashed(hashed(seed, AUGMENT), step, images, text_key(name), part)) for part, chain in enumerate(chains)])
        for name, chains in VIEWS.items()
    ]
`,
};
