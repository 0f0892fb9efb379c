NET = "Shared"
INPUT = (1, 4, 4)  # channels, height, width
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


class Eye(nn.Module):
    def __init__(self, Eye_conv1: nn.Module) -> None:
        super().__init__()
        self.Eye_conv1 = Eye_conv1

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        # 4: cell Eye(x, h) { tanh(h -> conv(2) + mean(x, axis: channel, keep: true)) }
        return (self.Eye_conv1(h) + x.mean(1, keepdim=True)).tanh()


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.Eye_conv1 = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.eye = Eye(self.Eye_conv1)
        self.eye2 = Eye(self.Eye_conv1)

    def forward(self, a: Tensor, b: Tensor, labels: Tensor | None = None) -> Result:
        # 6: init zeros([4, 4, 2])
        P = Q = a.new_zeros(1, 2, 4, 4).expand(len(a), 2, 4, 4)
        P, Q = self.eye(a, P), self.eye(a, Q)  # 7: step a : straight
        P, Q = self.eye2(b, Q), self.eye2(b, P)  # 8: step b : zigzag
        # 10: output y = P - Q
        y = P - Q

        outputs = {"y": y}
        if labels is None:
            return Result(outputs)
        # 11: loss mean(square(y))
        loss = (y ** 2).mean()
        return Result(outputs, loss)


def make_net() -> Shared:
    return Shared()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.Eye.1": ("Eye_conv1.weight", "he", 0.3333333333333333),
}


VIEWS = {
    "a": [[]],
    "b": [[]],
}
