#!/usr/bin/env python3
"""DualZigZag, from net.zz (zz compile --target pytorch, ZigZag 0.0.0). PyTorch 1.13 or newer.

    python net.py --data cifar-10-batches-bin                       # train on one device
    torchrun --nproc_per_node 2 net.py --data cifar-10-batches-bin  # on several, each with its share of a batch
    python net.py --weights w.safetensors --evaluate                # score weights from here or from zz train
    zz import DualZigZag.safetensors net.zz                         # and take them back
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Iterator, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


NET = "DualZigZag"
INPUT = (3, 32, 32)  # channels, height, width
CLASSES = 10
DATASET = "cifar-10-batches-bin"
BATCH = 25  # distinct images a step
EPOCHS = 21
SEED = 678
WEIGHTS = None  # drawn from the seed


# --------------------------------------------------------------------------------------------------
# The net. Values of four axes are [batch, channels, height, width]; comments are the lines of the source.


class Result(NamedTuple):
    outputs: dict[str, Tensor]
    loss: Tensor | None = None  # the mean over the batch; there where labels are given
    correct: Tensor | None = None  # how many of the class scores are right


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(96, 96, 1, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        # 6: cell Recurrent(x, h) { elu(conv(x, 96, k: 3) + conv(h, 96, k: 1)) }
        return F.elu(self.conv1(x) + self.conv2(h))


class DualZigZag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.L = Recurrent()
        self.R = Recurrent()
        self.conv1 = nn.Conv2d(192, 192, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(192, 192, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(192, 192, 1, bias=False)
        self.conv4 = nn.Conv2d(192, 192, 3, padding=1, bias=False)
        self.conv5 = nn.Conv2d(192, 192, 1, bias=False)
        self.conv6 = nn.Conv2d(192, 10, 1, bias=False)

    def forward(self, image: Tensor, flipped: Tensor, labels: Tensor | None = None) -> Result:
        # 8: streams L, R of Recurrent {
        L = R = image.new_zeros(len(image), 96, 32, 32)
        L, R = self.L(image, L), self.R(image, R)  # 9: step image: straight
        L, R = self.L(flipped, R), self.R(flipped, L)  # 10: step flipped: zigzag
        L, R = self.L(image, R), self.R(image, L)  # 11: step image: zigzag
        L, R = self.L(flipped, R), self.R(flipped, L)  # 12: step flipped: zigzag
        # 15: logits = concat(L, R)
        logits = torch.cat([L, R], 1)
        # 16: -> avgpool(2) -> conv(192, k: 3) -> elu -> conv(192, k: 3) -> elu -> conv(192, k: 1) -> elu
        logits = F.avg_pool2d(logits, 2)
        logits = F.elu(self.conv1(logits))
        logits = F.elu(self.conv2(logits))
        logits = F.elu(self.conv3(logits))
        # 17: -> avgpool(2) -> conv(192, k: 3) -> elu -> conv(192, k: 1) -> elu -> conv(10, k: 1) -> elu
        logits = F.avg_pool2d(logits, 2)
        logits = F.elu(self.conv4(logits))
        logits = F.elu(self.conv5(logits))
        logits = F.elu(self.conv6(logits))
        # 18: -> globalavgpool
        logits = logits.mean((2, 3))

        outputs = {"logits": logits}
        if labels is None:
            return Result(outputs)
        # 21: loss softmax_cross_entropy(logits)
        loss = F.cross_entropy(logits, labels)
        correct = (logits.argmax(1) == labels).sum()
        return Result(outputs, loss, correct)


def make_net() -> DualZigZag:
    return DualZigZag()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.L.1": ("L.conv1.weight", "he", 0.2721655269759087),
    "w.L.2": ("L.conv2.weight", "he", 0.14433756729740643),
    "w.R.1": ("R.conv1.weight", "he", 0.2721655269759087),
    "w.R.2": ("R.conv2.weight", "he", 0.14433756729740643),
    "w.1": ("conv1.weight", "he", 0.034020690871988585),
    "w.2": ("conv2.weight", "he", 0.034020690871988585),
    "w.3": ("conv3.weight", "he", 0.10206207261596575),
    "w.4": ("conv4.weight", "he", 0.034020690871988585),
    "w.5": ("conv5.weight", "he", 0.10206207261596575),
    "w.6": ("conv6.weight", "he", 0.10206207261596575),
}


# --------------------------------------------------------------------------------------------------
# Counter-based random numbers, as ZigZag draws them: a number depends on its key alone, so the same seed gives the same weights, batches and views, on any number of ranks.


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


# --------------------------------------------------------------------------------------------------
# Weights: how they begin, and their way to and from ZigZag.


# By init: the first values of a tensor of a shape in ZigZag's layout. 'he' is normal (He et al., 2015), 'glorot' uniform (Glorot and Bengio, 2010).
INITS = {
    "he": lambda shape, std, *key: std * normals(shape.numel(), *key),
}


def from_zigzag(x: Tensor) -> Tensor:
    """Filters are [height, width, in, out] in ZigZag and [out, in, height, width] here, matrices [in, out] and [out, in]."""
    return x.permute(3, 2, 0, 1) if x.dim() == 4 else x.t() if x.dim() == 2 else x


def to_zigzag(x: Tensor) -> Tensor:
    return x.permute(2, 3, 1, 0) if x.dim() == 4 else x.t() if x.dim() == 2 else x


def initialise(net: nn.Module, seed: int) -> None:
    """Gives every parameter and running statistic the values with which 'zz train' begins for this seed."""
    state = net.state_dict()
    for name, (parameter, init, std) in TENSORS.items():
        shape = to_zigzag(state[parameter]).shape
        values = INITS[init](shape, std, seed, text_key(name)).reshape(shape)
        state[parameter].copy_(from_zigzag(values))


DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a .safetensors file: a length, a JSON header, the tensors' bytes."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    try:
        data = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:data])
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] not in DTYPES:
                continue
            start, end = entry["data_offsets"]
            values = torch.frombuffer(content[data + start : data + end], dtype=DTYPES[entry["dtype"]]) if end > start else torch.empty(0)
            tensors[name] = values.reshape(entry["shape"]).float()
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise SystemExit(f"{path} is not a sound .safetensors file: {error}")
    return tensors, metadata


def write_safetensors(path: str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes the file beside 'path' first, so that a crash leaves the old one."""
    header, data = {"__metadata__": metadata}, []
    offset = 0
    for name, tensor in tensors.items():
        values = bytearray(4 * tensor.numel())
        torch.frombuffer(values, dtype=torch.float32).copy_(tensor.detach().flatten())
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(values)]}
        offset += len(values)
        data.append(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".tmp", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(data))
    os.replace(path + ".tmp", path)


def load(net: nn.Module, path: str) -> None:
    """Takes the weights and running statistics of a file that 'zz train', 'zz compile' or 'save' wrote."""
    tensors, _ = read_safetensors(path)
    state = net.state_dict()
    wrong = []
    for name, (parameter, *_) in TENSORS.items():
        wanted = to_zigzag(state[parameter]).shape
        if name not in tensors:
            wrong.append(f"{name} is missing")
        elif tensors[name].shape != wanted:
            wrong.append(f"{name} is {list(tensors[name].shape)}, not {list(wanted)}")
    if wrong:
        raise SystemExit(f"{path} does not hold the weights of {NET}: " + "; ".join(wrong))
    for name, (parameter, *_) in TENSORS.items():
        state[parameter].copy_(from_zigzag(tensors[name]))


def save(net: nn.Module, path: str) -> None:
    """Writes the weights and running statistics under ZigZag's names and in its layouts: for 'zz import', 'zz compile --weights' and 'load'."""
    state = net.state_dict()
    tensors = {name: to_zigzag(state[parameter]) for name, (parameter, *_) in TENSORS.items()}
    write_safetensors(path, tensors, {"format": "pt", "net": NET})


# --------------------------------------------------------------------------------------------------
# Views: augmentations of a batch [N, C, H, W] of pixels from 0 to 1. 'draw(n)' gives 32 random bits for every image, others for each n.


def hflip(x: Tensor, draw, p: float) -> Tensor:
    """Mirrors left and right."""
    return torch.where((unit(draw(0)) < p)[:, None, None, None], x.flip(3), x)


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


# What each input of the net reads in training: a chain of augmentations for every time that an image enters. In evaluation it is the image itself.
VIEWS = {
    "image": [[]],
    "flipped": [[(hflip, 1), (sometimes, 0.1, (blur, 0, 0.5))]],
}


# --------------------------------------------------------------------------------------------------
# The data: all images on the device as bytes, and batches made of them there.


class Split(NamedTuple):
    images: Tensor  # uint8 [N, C, H, W]
    labels: Tensor  # int64 [N]


def in_channels(images: Tensor) -> Tensor:
    """RGB bytes [N, 3, H, W] in the channels of the net's input: as they are, or as luma (ITU-R BT.601, rounded)."""
    if INPUT[0] != 1:
        return images
    red, green, blue = images.int().unbind(1)
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).byte()[:, None]


def read_cifar10(folder: Path) -> tuple[list[str], Split, Split]:
    """The official binary files: a label, then the red, the green and the blue plane of each image."""

    def split(*names: str) -> Split:
        data = torch.cat([torch.frombuffer(bytearray((folder / name).read_bytes()), dtype=torch.uint8) for name in names]).view(-1, 3073)
        return Split(in_channels(data[:, 1:].reshape(-1, 3, 32, 32)), data[:, 0].long())

    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    return classes, split(*(f"data_batch_{n}.bin" for n in range(1, 6))), split("test_batch.bin")


def read_folder(folder: Path) -> tuple[list[str], Split, Split]:
    """Images in train/<class>/* and test/<class>/*, by class and name."""
    from PIL import Image

    classes = sorted(entry.name for entry in (folder / "train").iterdir() if entry.is_dir() and not entry.name.startswith("."))
    _, height, width = INPUT

    def read(file: Path) -> Tensor:
        image = Image.open(file).convert("RGB")
        if image.size != (width, height):
            raise SystemExit(f"{file} is {image.size[1]}x{image.size[0]}; expected {height}x{width}")
        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(height, width, 3).permute(2, 0, 1)

    def split(name: str) -> Split:
        files = [(file, label) for label, one in enumerate(classes) for file in sorted((folder / name / one).iterdir()) if not file.name.startswith(".")]
        return Split(in_channels(torch.stack([read(file) for file, _ in files])), torch.tensor([label for _, label in files]))

    return classes, split("train"), split("test")


def open_data(name: str) -> tuple[list[str], Split, Split]:
    """'synthetic', or a folder: the official CIFAR-10 binary files, or images by class."""
    if name == "synthetic":
        return synthetic()
    for folder in (Path(name), Path(name) / "cifar-10-batches-bin"):
        if (folder / "test_batch.bin").exists():
            return read_cifar10(folder)
    if (Path(name) / "train").is_dir():
        return read_folder(Path(name))
    raise SystemExit(f"{name} holds neither data_batch_1.bin nor train/<class>/*: give --data a folder of CIFAR-10's binary version or of images, or synthetic")


SHUFFLE, AUGMENT, EVALUATE = 1, 2, 3  # keep the uses of one seed apart
EVALUATION_SEED = 678  # the test images' order is the same in every run


class Batches:
    """Batches by step: the same images and views as 'zz train' takes for the seed. Each rank makes its share of a batch."""

    def __init__(self, train: Split, test: Split, batch: int, seed: int, device: torch.device) -> None:
        self.rank, self.world = rank_and_world()
        if batch % self.world or batch > len(train.labels):
            raise SystemExit(f"a batch of {batch} images cannot be shared by {self.world} ranks, or is larger than the {len(train.labels)} training images")
        self.train_split, self.test_split = (Split(split.images.to(device), split.labels.to(device)) for split in (train, test))
        self.batch, self.seed, self.device = batch, seed, device
        self.steps = len(train.labels) // batch  # of an epoch; the images left over are others in each
        self.normalise = Normalise(self.train_split)

    def train(self, step: int) -> tuple[list[Tensor], Tensor]:
        """This rank's readings, one tensor for each input of the net, and its labels."""
        share = self.batch // self.world
        places = torch.arange(self.rank * share, (self.rank + 1) * share, device=self.device)
        order = hashed(self.seed, SHUFFLE, step // self.steps)
        indices = shuffled(step % self.steps * self.batch + places, len(self.train_split.labels), order)
        pixels = self.train_split.images[indices].float() / 255
        inputs = readings(pixels, step, places, self.seed)
        return self.normalise(inputs, shared=True), self.train_split.labels[indices]

    def test(self) -> Iterator[tuple[list[Tensor], Tensor, int]]:
        """This rank's part of the test batches: readings without augmentation, labels, and how many of the first images count."""
        size = self.batch * sum(len(parts) for parts in VIEWS.values())
        count = len(self.test_split.labels)
        for start in range(self.rank * size, count, size * self.world):
            # The last batch is filled up with the first images: they take part in the normalisation alone.
            places = torch.arange(start, start + size, device=self.device) % count
            indices = shuffled(places, count, hashed(EVALUATION_SEED, EVALUATE))
            pixels = self.test_split.images[indices].float() / 255
            yield self.normalise([pixels.clone() for _ in VIEWS]), self.test_split.labels[indices], min(size, count - start)


class Normalise:
    """Each pixel and channel minus its mean over the batch, by its standard deviation over the batch: of all inputs together, and in training of all ranks."""

    def __init__(self, train: Split) -> None:
        pass

    def __call__(self, inputs: list[Tensor], shared: bool = False) -> list[Tensor]:
        average = over_ranks if shared else lambda x: x
        together = torch.cat(inputs)
        mean = average(together.mean(0))
        std = average(((together - mean) ** 2).mean(0)).sqrt()
        std[std < 1e-6] = 1  # rounding: there is nothing to divide
        return [(x - mean) / std for x in inputs]


# --------------------------------------------------------------------------------------------------
# The data set 'synthetic': ten textures in random places, colours, phases and contrasts, the same bytes as in ZigZag.


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


# --------------------------------------------------------------------------------------------------
# Training and scoring, on one device or under torchrun.


def make_optimizer(net: nn.Module) -> torch.optim.Optimizer:
    """Weight decay is for filters and matrices, not for biases and norms."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.dim() > 1], "weight_decay": 0},
        {"params": [parameter for parameter in trained if parameter.dim() <= 1], "weight_decay": 0},
    ]
    return torch.optim.Adam(groups, lr=0.00008, betas=(0.9, 0.9), eps=1e-8)


def schedule(step: int, steps_per_epoch: int, total_steps: int) -> float:
    """The factor on the learning rate at a step, from 0."""
    return 1.0


def rank_and_world() -> tuple[int, int]:
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def over_ranks(x: Tensor) -> Tensor:
    """The mean over all ranks."""
    if dist.is_initialized():
        dist.all_reduce(x)
        x = x / dist.get_world_size()
    return x


def optimize(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: list[Tensor], labels: Tensor) -> Result:
    """One step. Under DistributedDataParallel the gradients are averaged over the ranks on the way."""
    result = model(*inputs, labels)
    optimizer.zero_grad(set_to_none=True)
    result.loss.backward()
    optimizer.step()
    return result


class Score:
    """Running sums over batches, on the device until they are read."""

    def __init__(self, device: torch.device) -> None:
        self.sums, self.rows = torch.zeros(2, device=device), 0

    def add(self, result: Result, rows: int) -> None:
        correct = result.loss * 0 if result.correct is None else result.correct
        self.sums += torch.stack([result.loss.detach().float() * rows, correct.detach().float()])
        self.rows += rows

    def __str__(self) -> str:
        """The mean loss, and the accuracy where the net has classes. Call it on all ranks: it sums over them."""
        loss, correct, rows = over_ranks(torch.cat([self.sums, self.sums.new_tensor([self.rows])])).tolist()
        return f"{loss / rows:.4f}" + (f" ({correct / rows:.1%})" if CLASSES else "")


@torch.no_grad()
def evaluate(net: nn.Module, batches: Batches) -> str:
    """Loss and accuracy on the test images, which the ranks share."""
    net.eval()
    score = Score(batches.device)
    for inputs, labels, count in batches.test():
        score.add(net(*(x[:count] for x in inputs), labels[:count]), count)
    net.train()
    return str(score)


def train(net: nn.Module, batches: Batches, epochs: int, out: str) -> None:
    rank, world = rank_and_world()
    model = nn.parallel.DistributedDataParallel(net) if world > 1 else net
    optimizer = make_optimizer(net)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step, batches.steps, epochs * batches.steps))
    for epoch in range(epochs):
        began = time.perf_counter()
        score = Score(batches.device)
        for step in range(epoch * batches.steps, (epoch + 1) * batches.steps):
            inputs, labels = batches.train(step)
            result = optimize(model, optimizer, inputs, labels)
            rate.step()
            score.add(result, max(map(len, inputs)))
        trained = str(score)
        speed = batches.steps * batches.batch / (time.perf_counter() - began)
        tested = evaluate(net, batches)
        if rank == 0:
            save(net, out)
            print(f"epoch {epoch + 1}/{epochs}  train {trained}  test {tested}  {speed:.0f} images/s", flush=True)


def dump_gradients(net: nn.Module, batches: Batches, path: str) -> None:
    """Writes the loss of the first step and the gradient of each weight, in ZigZag's names and layouts."""
    rank, world = rank_and_world()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # they are compared digit by digit
    model = nn.parallel.DistributedDataParallel(net) if world > 1 else net
    inputs, labels = batches.train(0)
    loss = model(*inputs, labels).loss
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    tensors = {name: to_zigzag(gradients[parameter]) for name, (parameter, *_) in TENSORS.items() if gradients.get(parameter) is not None}
    mean = over_ranks(loss.detach().clone())
    if rank == 0:
        write_safetensors(path, {"loss": mean, **tensors}, {"format": "pt", "net": NET})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=DATASET, help="synthetic, or a folder: CIFAR-10's binary files, or train/<class>/* and test/<class>/* (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="times that every image enters (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=BATCH, help="distinct images a step, of all ranks together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="what all random numbers are drawn from (default: %(default)s)")
    parser.add_argument("--weights", metavar="FILE", default=WEIGHTS, help="begin with the weights of a .safetensors file (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", default=f"{NET}.safetensors", help="where the weights go after each epoch (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, mps, ... (default: %(default)s)")
    parser.add_argument("--evaluate", action="store_true", help="score the test images and stop")
    parser.add_argument("--dump-gradients", metavar="FILE", help="write the loss and the gradients of the first step to a .safetensors file and stop")
    options = parser.parse_args()

    device = torch.device(options.device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.manual_seed(options.seed + rank_and_world()[0])
    classes, train_split, test_split = open_data(options.data)
    if CLASSES and len(classes) > CLASSES:
        raise SystemExit(f"{NET} has {CLASSES} class scores; {options.data} has {len(classes)} classes")
    batches = Batches(train_split, test_split, options.batch, options.seed, device)

    net = make_net()
    if options.weights:
        load(net, options.weights)
    else:
        initialise(net, options.seed)
    net.to(device)
    if device.type == "cuda":
        net.to(memory_format=torch.channels_last)  # which cuDNN is fastest with
    if options.dump_gradients:
        dump_gradients(net, batches, options.dump_gradients)
    elif options.evaluate:
        tested = evaluate(net, batches)
        if rank_and_world()[0] == 0:
            print(f"test {tested}")
    else:
        train(net, batches, options.epochs, options.out)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
