// Python: normalisation by the statistics of the training images.

import type { Part } from '../part.ts';

export const NORMALISE_CHANNEL: Part = {
  text: String.raw`
class Normalise:
    """Each channel minus its mean over the training images, by its standard deviation over them."""

    def __init__(self, train: Split) -> None:
        values = torch.arange(256, dtype=torch.float64) / 255
        shares = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in train.images.cpu().unbind(1)]).double()
        shares /= shares.sum(1, keepdim=True)
        mean = (shares * values).sum(1, keepdim=True)
        std = (shares * (values - mean) ** 2).sum(1, keepdim=True).sqrt()
        std[std < 1e-6] = 1  # rounding: there is nothing to divide
        self.mean, self.std = (x.float().to(train.images.device)[:, :, None] for x in (mean, std))

    def __call__(self, inputs: list[Tensor], shared: bool = False) -> list[Tensor]:
        return [(x - self.mean) / self.std for x in inputs]
`,
};
