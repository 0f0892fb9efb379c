// The pictures of what was taken for something else.

import type { Confused } from './messages.ts';
import type { TrainState } from './state.ts';

const drawn = new WeakMap<Element, Confused>();

/** Draws into the canvases of a gallery, one for each mistake. */
export function drawMistakes(place: HTMLElement, { confused, opened }: TrainState): void {
  const gallery = place.querySelector('.gallery');
  if (!gallery || !confused || !opened || drawn.get(gallery) === confused) return;
  drawn.set(gallery, confused);
  const [height = 1, width = 1] = opened.data.shape;
  gallery.querySelectorAll('canvas').forEach((canvas, i) => {
    const pixels = confused.mistakes[i]?.pixels;
    if (pixels) canvas.getContext('2d')?.putImageData(new ImageData(pixels, width, height), 0, 0);
  });
}
