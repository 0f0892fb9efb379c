// The bar between the source and the rest: dragged, or moved with the arrow keys.

const KEY = 'zigzag-split';
const [LEAST, MOST, FIRST, STEP] = [20, 80, 46, 2];

export function createSplitter(bar: HTMLElement, around: HTMLElement): void {
  const put = (percent: number): void => {
    const share = Math.round(Math.min(MOST, Math.max(LEAST, percent)) * 10) / 10;
    around.style.setProperty('--split', `${share}%`);
    bar.setAttribute('aria-valuenow', String(Math.round(share)));
    try {
      localStorage.setItem(KEY, String(share));
    } catch {
      // Without storage the width is not kept.
    }
  };
  const now = (): number => Number(bar.getAttribute('aria-valuenow'));
  let stored = NaN;
  try {
    stored = Number(localStorage.getItem(KEY) ?? NaN);
  } catch {
    // As it is first.
  }
  for (const [name, value] of Object.entries({ role: 'separator', tabindex: '0', 'aria-label': 'Width of the source', 'aria-orientation': 'vertical', 'aria-valuemin': String(LEAST), 'aria-valuemax': String(MOST) })) bar.setAttribute(name, value);
  put(Number.isFinite(stored) ? stored : FIRST);

  bar.addEventListener('pointerdown', (event) => {
    bar.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  bar.addEventListener('pointermove', (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const { left, width } = around.getBoundingClientRect();
    put(((event.clientX - left) / width) * 100);
  });
  bar.addEventListener('keydown', ({ key }) => {
    if (key === 'ArrowLeft') put(now() - STEP);
    if (key === 'ArrowRight') put(now() + STEP);
  });
  bar.addEventListener('dblclick', () => put(FIRST));
}
