// The line at the bottom: what is wrong in numbers, what the net weighs, where the cursor is.

import { html, nothing, render } from 'lit-html';
import type { Page, State } from './state.ts';
import { hasErrors, netOf } from './state.ts';
import { tally } from './problems.ts';

export function createStatus(place: HTMLElement, page: Page, showProblems: () => void): void {
  page.listen((state) => {
    const { checked, message, file } = state;
    const built = netOf(state)?.built;
    render(
      html`
        <button class=${hasErrors(state) ? 'error' : checked?.problems.length ? 'warning' : 'good'} @click=${showProblems} title="Go to the first problem">${checked ? tally(checked.problems) : 'checking'}</button>
        ${built ? html`<span>${netOf(state)?.name}: ${built.weights.toLocaleString('en')} weights</span>` : nothing}
        <span class="grow" role="status">${message}</span>
        <span class="soft">${file}, ${cursorOf(state)}</span>
      `,
      place,
    );
  });
}

/** Line and column of the cursor, from 1. */
function cursorOf({ text, cursor }: State): string {
  const before = text.slice(0, cursor);
  const line = before.split('\n').length;
  return `${line}:${cursor - before.lastIndexOf('\n')}`;
}
