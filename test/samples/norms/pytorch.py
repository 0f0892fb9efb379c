NET = "Norms"
INPUT = (4, 4, 4)  # channels, height, width
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


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation over all axes but the second. The running variance follows the batch's own variance, where PyTorch's follows the unbiased one."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        with torch.no_grad():
            axes = [axis for axis in range(x.dim()) if axis != 1]
            self.running_mean.lerp_(x.mean(axes), self.momentum)
            self.running_var.lerp_(x.var(axes, unbiased=False), self.momentum)
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.batchnorm2 = BatchNorm(4)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        # 4: cell Noisy(x, h) { batchnorm(x + conv(h, 4)) -> dropout(0.5) }
        y = x + self.conv1(h)
        return F.dropout(self.batchnorm2(y), 0.5, self.training)


class Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layernorm1 = nn.LayerNorm(4)
        self.groupnorm2 = nn.GroupNorm(2, 4)
        self.L = Noisy()
        self.R = Noisy()

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Result:
        # 3: a = image -> layernorm -> groupnorm(2) -> dropout(0.25)
        a = self.layernorm1(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        a = F.dropout(self.groupnorm2(a), 0.25, self.training)
        # 5: streams L, R of Noisy {
        L = R = image.new_zeros(len(image), 4, 4, 4)
        L, R = self.L(a, L), self.R(a, R)
        L, R = self.L(image, R), self.R(image, L)
        # 9: output y = L + R
        y = L + R

        outputs = {"y": y}
        if labels is None:
            return Result(outputs)
        # 10: loss mean(y)
        loss = y.mean()
        return Result(outputs, loss)


def make_net() -> Norms:
    return Norms()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "gamma.1": ("layernorm1.weight", "ones", 0),
    "beta.1": ("layernorm1.bias", "zeros", 0),
    "gamma.2": ("groupnorm2.weight", "ones", 0),
    "beta.2": ("groupnorm2.bias", "zeros", 0),
    "w.L.1": ("L.conv1.weight", "he", 0.23570226039551584),
    "gamma.L.2": ("L.batchnorm2.weight", "ones", 0),
    "beta.L.2": ("L.batchnorm2.bias", "zeros", 0),
    "mean.L.2": ("L.batchnorm2.running_mean", "zeros", 0),
    "var.L.2": ("L.batchnorm2.running_var", "ones", 0),
    "w.R.1": ("R.conv1.weight", "he", 0.23570226039551584),
    "gamma.R.2": ("R.batchnorm2.weight", "ones", 0),
    "beta.R.2": ("R.batchnorm2.bias", "zeros", 0),
    "mean.R.2": ("R.batchnorm2.running_mean", "zeros", 0),
    "var.R.2": ("R.batchnorm2.running_var", "ones", 0),
}


VIEWS = {
    "image": [[]],
}
