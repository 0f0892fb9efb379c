// Python: declared backward routes as an autograd function.

import type { Part } from '../part.ts';

export const ROUTES: Part = {
  text: String.raw`
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
`,
};
