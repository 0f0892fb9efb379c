NET = "Routes"
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


class Mix(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 2, 3, padding=1, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        # 4: seen = conv(x, 2)
        seen = self.conv1(x)
        # 5: relu(seen + h)
        return F.relu(seen + h)


class Routes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.A = Mix()
        self.B = Mix()
        self.C = Mix()

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Result:
        # 8: init ones([4, 4, 2])
        A = B = C = image.new_ones(1, 2, 4, 4).expand(len(image), 2, 4, 4)
        # 9: repeat 2 { step image : (A <- 0.5 * (A + B), B <- C, C <- 0) }
        A, B, C = self.A(image, 0.5 * (A + B)), self.B(image, C), self.C(image, image.new_zeros(len(image), 2, 4, 4))
        A_0 = A
        A, B = self.A(image, 0.5 * (A + B)), self.B(image, C)  # 9: repeat 2 { step image : (A <- 0.5 * (A + B), B <- C, C <- 0) }
        # 11: output early = A[0] + C[-2]
        early = A_0 + C
        # 12: output late = A + B
        late = A + B

        outputs = {"early": early, "late": late}
        if labels is None:
            return Result(outputs)
        # 13: loss mean(square(late))
        loss = (late ** 2).mean()
        return Result(outputs, loss)


def make_net() -> Routes:
    return Routes()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.A.1": ("A.conv1.weight", "he", 0.3333333333333333),
    "w.B.1": ("B.conv1.weight", "he", 0.3333333333333333),
    "w.C.1": ("C.conv1.weight", "he", 0.3333333333333333),
}


VIEWS = {
    "image": [[]],
}
