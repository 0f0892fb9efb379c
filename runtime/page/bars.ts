// The class bars: one row for each class, the most likely ones first where there are many.

import type { Classification } from '../compiled/model.ts';

/** Classes that are shown; of more, the most likely. */
const MOST = 12;

/** Shows what the net takes a picture for. */
export function showBars(list: HTMLElement, classes: readonly string[], { index, probabilities }: Classification): void {
  const all = classes.map((name, i) => ({ name, i, probability: probabilities[i] ?? 0 }));
  const shown = classes.length <= MOST ? all : all.toSorted((a, b) => b.probability - a.probability).slice(0, MOST);
  while (list.children.length > shown.length) list.lastChild?.remove();
  while (list.children.length < shown.length) list.append(row());
  shown.forEach(({ name, i, probability }, place) => {
    const item = list.children[place];
    const [label, bar, value] = Array.from(item?.children ?? []);
    if (!item || !label || !(bar instanceof HTMLElement) || !value) return;
    item.classList.toggle('best', i === index);
    label.textContent = name;
    bar.style.setProperty('--share', String(probability));
    value.textContent = percent(probability);
  });
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function row(): HTMLElement {
  const item = document.createElement('li');
  for (const name of ['name', 'bar', 'value']) {
    const part = document.createElement('span');
    part.className = name;
    item.append(part);
  }
  return item;
}
