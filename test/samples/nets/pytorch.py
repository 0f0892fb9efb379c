NET = "Nets"
INPUT = (2, 4, 4)  # channels, height, width
CLASSES = None
DATASET = "cifar-10-batches-bin"
BATCH = 32  # distinct images a step
EPOCHS = 10
SEED = 0
WEIGHTS = None  # drawn from the seed


# --------------------------------------------------------------------------------------------------
# The net. Values of four axes are [batch, channels, height, width]; comments are the lines of the source.


class Result(NamedTuple):
    outputs: dict[str, Tensor]
    loss: Tensor | None = None  # the mean over the batch; there where labels are given
    correct: Tensor | None = None  # how many of the class scores are right


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Conv2d(2, 2, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # 13: output y = x + (x -> f -> relu -> f)
        y = F.relu(self.f(x))
        return x + self.f(y)


class Nets(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block1 = Block()
        self.block2 = Block()
        self.g = Block()

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Result:
        a = self.block1(image)
        a = self.block2(a)
        y = self.g(a)
        y = self.g(y)
        outputs = {"y": y}
        if labels is None:
            return Result(outputs)
        # 7: loss mean(y)
        loss = y.mean()
        return Result(outputs, loss)


def make_net() -> Nets:
    return Nets()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.Block.1.f": ("block1.f.weight", "he", 0.3333333333333333),
    "w.Block.2.f": ("block2.f.weight", "he", 0.3333333333333333),
    "w.g.f": ("g.f.weight", "he", 0.3333333333333333),
}


VIEWS = {
    "image": [[]],
}
