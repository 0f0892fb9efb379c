// The tabs: beside the source on wide screens, with it among them on narrow ones.

import { html, render } from 'lit-html';
import type { Span } from '../compiler/diagnostics.ts';
import type { Editor } from './editor/editor.ts';
import type { Page, Tab } from './state.ts';
import { TABS } from './state.ts';

const TITLES: { readonly [T in Tab]: string } = { source: 'Source', graph: 'Graph', ir: 'IR', train: 'Train' };

/** As in style.css. */
const NARROW = matchMedia('(max-width: 800px)');

/** Shows a part of the source; on narrow screens that is a tab of its own. */
export function showInSource(page: Page, editor: Editor, span: Span): void {
  if (NARROW.matches) page.set({ tab: 'source' });
  // Once the tab is there to be scrolled.
  requestAnimationFrame(() => requestAnimationFrame(() => editor.select(span)));
}

export function createTabs(place: HTMLElement, main: HTMLElement, page: Page): void {
  const draw = (): void => {
    const { tab } = page.get();
    // The source is always there on wide screens.
    const there = TABS.filter((each) => NARROW.matches || each !== 'source');
    const shown = there.includes(tab) ? tab : 'graph';
    main.dataset['tab'] = shown;
    const choose = (next: Tab | undefined): void => {
      if (!next) return;
      page.set({ tab: next });
      requestAnimationFrame(() => place.querySelector<HTMLElement>(`[data-tab=${next}]`)?.focus());
    };
    const keys = ({ key }: KeyboardEvent): void => {
      const at = there.indexOf(shown);
      if (key === 'ArrowRight') choose(there[(at + 1) % there.length]);
      if (key === 'ArrowLeft') choose(there.at(at - 1));
    };
    render(
      html`<div role="tablist" aria-label="What is shown" @keydown=${keys}>${there.map(
        (each) => html`<button role="tab" data-tab=${each} aria-controls=${each} aria-selected=${each === shown} tabindex=${each === shown ? 0 : -1} @click=${() => choose(each)}>${TITLES[each]}</button>`,
      )}</div>`,
      place,
    );
  };
  page.listen(draw);
  NARROW.addEventListener('change', draw);
}
