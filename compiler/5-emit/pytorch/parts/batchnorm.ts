// Python: a batch normalisation that keeps statistics as ZigZag does.

import type { Part } from '../part.ts';

export const BATCHNORM: Part = {
  text: String.raw`
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
`,
};
