NET = "Twin"
INPUT = (3, 8, 8)  # channels, height, width
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


class Twin(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(3, 4, 1, bias=False)
        self.L_conv1 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.R_conv1 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.L_R_conv1 = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Result:
        # 3: l = image -> conv(4)
        l = self.conv1(image)
        # 4: twin L, R from l, image -> conv(4, k: 1) {
        R = self.conv2(image)
        # 5: both conv(4) -> relu
        L = F.relu(self.L_conv1(l))
        R = F.relu(self.R_conv1(R))
        # 7: cross swap
        L, R = self.L_R_conv1(R), self.L_R_conv1(L)
        # 8: R avgpool(2) -> upsample(2)
        R = F.avg_pool2d(R, 2)
        R = F.interpolate(R, scale_factor=2)
        # 9: cross concat
        L, R = torch.cat([L, R], 1), torch.cat([R, L], 1)
        # 10: cross add
        y = L + R
        L = R = y
        # 11: cross mean
        y = (L + R) * 0.5
        L = R = y
        # 12: cross (L <- L + concat(l, l), R <- 2 * R)
        L, R = L + torch.cat([l, l], 1), 2 * R
        # 14: output y = L * R
        y = L * R

        outputs = {"y": y}
        if labels is None:
            return Result(outputs)
        # 15: loss mean(y)
        loss = y.mean()
        return Result(outputs, loss)


def make_net() -> Twin:
    return Twin()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.1": ("conv1.weight", "he", 0.2721655269759087),
    "w.2": ("conv2.weight", "he", 0.816496580927726),
    "w.L.1": ("L_conv1.weight", "he", 0.23570226039551584),
    "w.R.1": ("R_conv1.weight", "he", 0.23570226039551584),
    "w.L.R.1": ("L_R_conv1.weight", "he", 0.7071067811865476),
}


VIEWS = {
    "image": [[]],
}
