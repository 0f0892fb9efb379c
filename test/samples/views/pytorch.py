NET = "Views"
INPUT = (3, 8, 8)  # channels, height, width
CLASSES = 3
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


class Views(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense1 = nn.Linear(192, 3)

    def forward(self, both: Tensor, labels: Tensor | None = None) -> Result:
        # 5: logits = both -> flatten -> dense(3)
        logits = self.dense1(both.permute(0, 2, 3, 1).flatten(1))

        outputs = {"logits": logits}
        if labels is None:
            return Result(outputs)
        targets = labels.repeat(len(both) // len(labels))  # all of the first readings come first
        # 7: loss softmax_cross_entropy(logits)
        loss = F.cross_entropy(logits, targets)
        correct = (logits.argmax(1) == targets).sum()
        return Result(outputs, loss, correct)


def make_net() -> Views:
    return Views()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.1": ("dense1.weight", "he", 0.10206207261596575),
    "b.1": ("dense1.bias", "zeros", 0),
}


VIEWS = {
    "both": [
        [(brightness, 0.1), (noise, 0.05)],
        [(hflip, 0.5), (crop, 2), (sometimes, 0.5, (blur, 0, 1)), (brightness, 0.1), (noise, 0.05)],
        [(cutout, 3), (brightness, 0.1), (noise, 0.05)],
    ],
}
