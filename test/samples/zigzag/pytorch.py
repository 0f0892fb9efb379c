NET = "Zigzag"
INPUT = (3, 8, 8)  # channels, height, width
CLASSES = 10
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


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        # 4: cell Recurrent(x, h) { elu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) }
        return F.elu(self.conv1(x) + self.conv2(h))


class Zigzag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.L = Recurrent()
        self.R = Recurrent()
        self.conv1 = nn.Conv2d(8, 10, 1, bias=False)

    def forward(self, image: Tensor, flipped: Tensor, labels: Tensor | None = None) -> Result:
        # 5: streams L, R of Recurrent {
        L = R = image.new_zeros(len(image), 4, 8, 8)
        L, R = self.L(image, L), self.R(image, R)  # 6: step image : straight
        L, R = self.L(flipped, R), self.R(flipped, L)  # 7: step flipped : zigzag
        # 9: logits = concat(L, R) -> conv(10, k: 1) -> globalavgpool
        logits = torch.cat([L, R], 1)
        logits = self.conv1(logits)
        logits = logits.mean((2, 3))

        outputs = {"logits": logits}
        if labels is None:
            return Result(outputs)
        # 11: loss softmax_cross_entropy(logits)
        loss = F.cross_entropy(logits, labels)
        correct = (logits.argmax(1) == labels).sum()
        return Result(outputs, loss, correct)


def make_net() -> Zigzag:
    return Zigzag()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.L.1": ("L.conv1.weight", "he", 0.2721655269759087),
    "w.L.2": ("L.conv2.weight", "he", 0.7071067811865476),
    "w.R.1": ("R.conv1.weight", "he", 0.2721655269759087),
    "w.R.2": ("R.conv2.weight", "he", 0.7071067811865476),
    "w.1": ("conv1.weight", "he", 0.5),
}


VIEWS = {
    "image": [[]],
    "flipped": [[(hflip, 1)]],
}
