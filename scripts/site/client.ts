// What a page does: the search, which loads its index when it is first used. `/` goes to it, arrows and Enter choose, Escape leaves.

import { search, type Entry } from './search.ts';

declare global {
  interface Window {
    /** Called by the index file, as files that are opened from the disk cannot be fetched. */
    zigzagIndex?: (index: readonly Entry[]) => void;
  }
}

const input = document.querySelector<HTMLInputElement>('#search');
const list = document.querySelector<HTMLUListElement>('#found');

let index: Promise<readonly Entry[]> | undefined;
const loadIndex = (): Promise<readonly Entry[]> =>
  (index ??= new Promise((resolve) => {
    window.zigzagIndex = resolve;
    const script = document.createElement('script');
    script.src = 'search-index.js';
    document.head.append(script);
  }));

if (input && list) {
  const close = (): void => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
  };
  const show = async (): Promise<void> => {
    const query = input.value;
    const found = search(await loadIndex(), query);
    if (query !== input.value) return;
    list.replaceChildren(...found.map(({ entry, excerpt }) => {
      const [item, link, title, text] = [document.createElement('li'), document.createElement('a'), document.createElement('b'), document.createElement('span')];
      link.href = entry.href;
      title.textContent = entry.heading === entry.page ? entry.page : `${entry.page}: ${entry.heading}`;
      text.textContent = excerpt;
      link.append(title, text);
      item.append(link);
      return item;
    }));
    if (found.length === 0 && query.trim() !== '') list.replaceChildren(Object.assign(document.createElement('li'), { textContent: 'Nothing was found.' }));
    list.hidden = query.trim() === '';
    input.setAttribute('aria-expanded', String(!list.hidden));
  };
  input.addEventListener('input', () => void show());
  input.addEventListener('focus', () => void loadIndex());
  document.addEventListener('keydown', (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea');
    if (event.key === '/' && !typing) {
      event.preventDefault();
      input.focus();
    }
    if (event.key === 'Escape') close();
    const links = Array.from(list.querySelectorAll('a'));
    if (list.hidden || links.length === 0 || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return;
    event.preventDefault();
    const at = links.findIndex((link) => link === document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
    if (at < 0) input.focus();
    else links[Math.min(at, links.length - 1)]?.focus();
  });
  document.addEventListener('click', (event) => { if (event.target instanceof Node && !list.contains(event.target) && event.target !== input) close(); });
}
