// Python: reading images, and batches by step.

import type { Part } from '../part.ts';

export const DATA: Part = {
  heading: 'The data: all images on the device as bytes, and batches made of them there.',
  text: String.raw`
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
`,
};
