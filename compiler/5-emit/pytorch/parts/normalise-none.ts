// Python: no normalisation.

import type { Part } from '../part.ts';

export const NORMALISE_NONE: Part = {
  text: String.raw`
class Normalise:
    """Pixels stay from 0 to 1."""

    def __init__(self, train: Split) -> None:
        pass

    def __call__(self, inputs: list[Tensor], shared: bool = False) -> list[Tensor]:
        return inputs
`,
};
