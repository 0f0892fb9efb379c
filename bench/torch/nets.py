"""The networks of dsl-examples/case-*.zz in PyTorch, written by hand from docs/article.md: an independent check of what the .zz files mean.

Every net is a Module whose forward takes the readings, f32 [N, 3, 32, 32], one tensor for each view of the .zz file in its order, and gives logits [N, 10].
`weights()` names its parameters as the .zz file's graph does. Filters are OIHW here and HWIO there.
"""

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10


def conv(inputs, outputs, k):
    return nn.Conv2d(inputs, outputs, k, padding=k // 2, bias=False)


def layers(inputs, plan):
    """Convolutions one after the other; `plan` is a list of (outputs, k)."""
    sizes = [inputs] + [outputs for outputs, _ in plan]
    return nn.ModuleList(conv(before, outputs, k) for before, (outputs, k) in zip(sizes, plan))


def numbered(prefix, modules, first=1):
    return {f"{prefix}{i}": module.weight for i, module in enumerate(modules, first)}


class Streams(nn.Module):
    """Cases a to c: two recurrent streams over four steps, then one stack on both. `routes` says of each step whether the streams swap their states before it."""

    def __init__(self, routes, small=96, large=192):
        super().__init__()
        self.routes = routes
        self.inputs = nn.ModuleList(conv(3, small, 3) for _ in range(2))
        self.states = nn.ModuleList(conv(small, small, 1) for _ in range(2))
        self.stack = layers(2 * small, [(large, 3), (large, 3), (large, 1), (large, 3), (large, 1), (CLASSES, 1)])

    def weights(self):
        streams = {}
        for name, x, h in zip("LR", self.inputs, self.states):
            streams.update({f"w.{name}.1": x.weight, f"w.{name}.2": h.weight})
        return {**streams, **numbered("w.", self.stack)}

    def forward(self, image, flipped):
        states = None
        for step, route in enumerate(self.routes):
            seen = image if step % 2 == 0 else flipped
            new = [x(seen) for x in self.inputs]
            if states is not None:
                before = states[::-1] if route == "zigzag" else states
                new = [own + h(state) for own, h, state in zip(new, self.states, before)]
            states = [F.elu(value) for value in new]
        x = torch.cat(states, 1)
        for i, layer in enumerate(self.stack):
            x = F.elu(layer(F.avg_pool2d(x, 2) if i in (0, 3) else x))
        return x.mean((2, 3))


PLAIN = [3, 3, 3, 3, 3, 3, 1, 1, 1, 1]
"""Filter sizes of case d; layers 3, 5, 7 and 9 read pooled images."""
POOLED = (2, 4, 6, 8)


class Plain(nn.Module):
    """Case d: ten convolutions and four poolings."""

    def __init__(self, small=96, large=192):
        super().__init__()
        widths = [small] * 2 + [large] * 7 + [CLASSES]
        self.stack = layers(3, list(zip(widths, PLAIN)))

    def weights(self):
        return numbered("w.", self.stack)

    def forward(self, x):
        for i, layer in enumerate(self.stack):
            x = F.elu(layer(F.avg_pool2d(x, 2) if i in POOLED else x))
        return x.mean((2, 3))


class Twin(nn.Module):
    """Case e: two stacks of three convolutions. `crossed`: before each of them both stacks see each other's channels."""

    def __init__(self, small=96, large=192, crossed=False):
        super().__init__()
        self.crossed = crossed
        self.first = layers(3, [(small, 3), (small, 3)])
        times = 2 if crossed else 1
        plan = [(small * times, 3), (large * times, 3), (large * times, 1)]
        self.sides = nn.ModuleList(nn.ModuleList(conv(inputs, large, k) for inputs, k in plan) for _ in range(2))
        self.last = layers(2 * large, [(large, 1), (CLASSES, 1)])

    def weights(self):
        named = numbered("w.", self.first)
        for name, side in zip("LR", self.sides):
            named.update(numbered(f"w.{name}.", side))
        return {**named, **numbered("w.", self.last, 3)}

    def forward(self, x):
        left = F.elu(self.first[0](x))
        right = F.elu(self.first[1](left))
        for i in range(3):
            left, right = F.avg_pool2d(left, 2), F.avg_pool2d(right, 2)
            if self.crossed:
                left, right = torch.cat([left, right], 1), torch.cat([right, left], 1)
            left, right = F.elu(self.sides[0][i](left)), F.elu(self.sides[1][i](right))
        x = F.avg_pool2d(torch.cat([left, right], 1), 2)
        for layer in self.last:
            x = F.elu(layer(x))
        return x.mean((2, 3))


class Manual(Plain):
    """Case e, manual: the layers of d, whose gradients take the routes of two twins, odd and even, in place of the true ones."""

    def gradients(self, loss, readings, labels):
        """The loss of the true forward pass, and each weight's gradient on the declared routes, by name."""
        weights = [layer.weight for layer in self.stack]
        read, made = [], []
        x = readings[0]
        for i, layer in enumerate(self.stack):
            x = (F.avg_pool2d(x, 2) if i in POOLED else x).detach().requires_grad_()
            read.append(x)
            x = F.elu(layer(x))
            made.append(x)
        end = x.detach().requires_grad_()
        value = loss(end.mean((2, 3)), labels)
        found = {}

        def through(number, adjoint):
            """From the adjoint of a layer's value, counted from 1: keeps its filter's gradient, gives the adjoint of what it read."""
            dx, dw = torch.autograd.grad(made[number - 1], (read[number - 1], weights[number - 1]), adjoint)
            found[f"w.{number}"] = dw
            return dx

        def up(adjoint):
            return adjoint.repeat_interleave(2, 2).repeat_interleave(2, 3)

        p9 = through(9, through(10, *torch.autograd.grad(value, end)))
        in8 = through(8, up(p9))
        p7 = through(7, up(p9))
        in6 = through(6, up(in8))
        p5 = through(5, up(p7))
        through(4, up(in6))
        p3 = through(3, up(p5))
        through(1, through(2, up(p3)) + up(p3))
        return value, found


NETS = {
    "case-a": lambda **widths: Streams(["straight"] * 4, **widths),
    "case-b": lambda **widths: Streams(["straight", "zigzag", "zigzag", "zigzag"], **widths),
    "case-c": lambda **widths: Streams(["straight", "zigzag"] * 2, **widths),
    "case-d": Plain,
    "case-e": Twin,
    "case-e-crossed": lambda **widths: Twin(crossed=True, **widths),
    "case-e-manual": Manual,
}


def loss_and_gradients(net, loss, readings, labels):
    """The loss, and its gradient for each weight by name; of a net with routes of its own, what those give."""
    if isinstance(net, Manual):
        return net.gradients(loss, readings, labels)
    value = loss(net(*readings), labels)
    weights = net.weights()
    return value, dict(zip(weights, torch.autograd.grad(value, list(weights.values()))))
