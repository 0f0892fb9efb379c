// Python: readings of nets without augmentations.

import type { Part } from '../part.ts';

export const PLAIN_READINGS: Part = {
  text: String.raw`
def readings(pixels: Tensor, step: int, images: Tensor, seed: int) -> list[Tensor]:
    """What the net's inputs read in training: the images as they are."""
    return [pixels.repeat(len(chains), 1, 1, 1) for chains in VIEWS.values()]
`,
};
