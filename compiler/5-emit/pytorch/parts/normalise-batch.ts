// Python: normalisation by the statistics of each batch.

import type { Part } from '../part.ts';

export const NORMALISE_PER_BATCH: Part = {
  text: String.raw`
class Normalise:
    """Each pixel and channel minus its mean over the batch, by its standard deviation over the batch: of all inputs together, and in training of all ranks."""

    def __init__(self, train: Split) -> None:
        pass

    def __call__(self, inputs: list[Tensor], shared: bool = False) -> list[Tensor]:
        average = over_ranks if shared else lambda x: x
        together = torch.cat(inputs)
        mean = average(together.mean(0))
        std = average(((together - mean) ** 2).mean(0)).sqrt()
        std[std < 1e-6] = 1  # rounding: there is nothing to divide
        return [(x - mean) / std for x in inputs]
`,
};
