// The bar at the top: examples, nets of the file, what can be done with the text.

import { html, nothing, render } from 'lit-html';
import { EXAMPLES, titleOf } from './examples.ts';
import type { Page, State } from './state.ts';
import { netOf } from './state.ts';

export interface HeaderActions {
  readonly openExample: (file: string) => void;
  readonly format: () => void;
  readonly download: () => void;
  readonly copyLink: () => void;
  readonly help: () => void;
}

export function createHeader(place: HTMLElement, page: Page, actions: HeaderActions): void {
  page.listen((state) => render(header(state, page, actions), place));
}

const header = (state: State, page: Page, { openExample, format, download, copyLink, help }: HeaderActions) => html`
  <h1><img src="icon.svg" alt="" width="22" height="22"> ZigZag <span class="soft">playground</span></h1>
  <select aria-label="Open an example" @change=${({ target }: Event) => {
    const select = target as HTMLSelectElement;
    openExample(select.value);
    select.selectedIndex = 0;
  }}>
    <option value="" disabled selected>Examples</option>
    ${Object.entries(EXAMPLES).map(([file, text]) => html`<option value=${file}>${file}: ${titleOf(text)}</option>`)}
  </select>
  ${(state.checked?.nets.length ?? 0) > 1
    ? html`<label>net <select @change=${({ target }: Event) => page.set({ net: (target as HTMLSelectElement).value })}>
        ${state.checked?.nets.map(({ name }) => html`<option value=${name} ?selected=${name === netOf(state)?.name}>${name}</option>`)}
      </select></label>`
    : nothing}
  <span class="grow"></span>
  <button @click=${format} title="Shift-Alt-F">Format</button>
  <button @click=${download} title="The text as a file">Download</button>
  <button @click=${copyLink} title="An address that holds the text itself">Copy link</button>
  <button @click=${help} aria-label="Help" title="Keys, and how to go on">?</button>
`;
