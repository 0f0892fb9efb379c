NET = "Backward"
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


class Route(torch.autograd.Function):
    """The identity; in the backward pass the gradient becomes what a rule makes of it."""

    @staticmethod
    def forward(ctx, x, grads, name, rule, *after):
        ctx.grads, ctx.name, ctx.rule, ctx.others = grads, name, rule, len(after)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, found):
        grad = found if ctx.rule is None else ctx.rule(found)
        ctx.grads[ctx.name] = grad
        return (grad, None, None, None) + (None,) * ctx.others


class Routes:
    """The declared backward routes of one pass: gradients of named values, there for others as soon as they are known."""

    def __init__(self) -> None:
        self.grad: dict[str, Tensor] = {}
        self.value: dict[str, Tensor] = {}

    def at(self, name: str, x: Tensor, rule: Callable[[Tensor], Tensor] | None = None, after: Sequence[Tensor] = ()) -> Tensor:
        """x, whose gradient becomes rule(the one that autograd finds). It is known before autograd comes to the values of 'after'."""
        if torch.is_grad_enabled() and not x.requires_grad:
            x = x.detach().requires_grad_()
        return Route.apply(x, self.grad, name, rule, *after)


class Backward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.dense3 = nn.Linear(64, 3)

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Result:
        routes = Routes()
        # 3: y1 = image -> conv(4) -> elu
        y1 = F.elu(self.conv1(image))
        routes.value["y1"] = y1.detach()
        # 9: grad(y1) += 0.5 * grad(y1) + y1 * upsample(grad(p), 2)
        def grad_y1(found):
            y = routes.value["y1"] * F.interpolate(routes.grad["p"], scale_factor=2)
            return found + (0.5 * found + y)
        y1 = routes.at("y1", y1, grad_y1)
        # 4: y2 = y1 -> conv(4) -> elu
        y2 = F.elu(self.conv2(y1))
        # 8: grad(y2) = upsample(grad(p), 2)
        y2 = routes.at("y2", y2, lambda found: F.interpolate(routes.grad["p"], scale_factor=2))
        # 5: p = y2 -> avgpool(2)
        p = routes.at("p", F.avg_pool2d(y2, 2))
        # 6: logits = p -> flatten -> dense(3)
        logits = self.dense3(p.permute(0, 2, 3, 1).flatten(1))

        outputs = {"logits": logits}
        if labels is None:
            return Result(outputs)
        # 12: loss softmax_cross_entropy(logits)
        loss = F.cross_entropy(logits, labels)
        correct = (logits.argmax(1) == labels).sum()
        return Result(outputs, loss, correct)


def make_net() -> Backward:
    return Backward()


# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.
TENSORS = {
    "w.1": ("conv1.weight", "he", 0.2721655269759087),
    "w.2": ("conv2.weight", "he", 0.23570226039551584),
    "w.3": ("dense3.weight", "he", 0.1767766952966369),
    "b.3": ("dense3.bias", "zeros", 0),
}


VIEWS = {
    "image": [[]],
}
