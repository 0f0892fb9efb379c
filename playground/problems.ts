// The list of what is wrong, below the source: each as on the command line, with its fixes.

import { html, render } from 'lit-html';
import type { Problem } from './compiler/check.ts';
import type { Editor } from './editor/editor.ts';
import { applyEdits } from './editor/meaning.ts';
import type { Page } from './state.ts';
import { showInSource } from './tabs.ts';

export function createProblems(place: HTMLElement, page: Page, editor: () => Editor): void {
  const problem = ({ severity, shown, span, elsewhere, fixes }: Problem) => {
    const [head, ...rest] = shown.split('\n');
    return html`<li class=${severity}>
    <button class="place" ?disabled=${elsewhere !== undefined} title="Show it in the source" @click=${() => showInSource(page, editor(), span)}><pre class="head">${head}</pre><pre>${rest.join('\n')}</pre></button>
    ${fixes.map(({ title, edits }) => html`<button class="fix" @click=${() => applyEdits(editor().view, edits)}>${title}</button>`)}
  </li>`;
  };
  let drawn: unknown;
  page.listen(({ checked, text }) => {
    // What was found of an earlier text stands still until the new one is checked: its places may be gone.
    const stale = checked?.text !== text;
    place.classList.toggle('stale', stale);
    if (checked === drawn) return;
    drawn = checked;
    const problems = checked?.problems ?? [];
    place.hidden = problems.length === 0;
    render(html`<ul>${problems.map(problem)}</ul>`, place);
  });
}

/** `2 errors, 1 warning`. */
export function tally(problems: readonly Problem[]): string {
  const count = (severity: Problem['severity']): string[] => {
    const n = problems.filter((each) => each.severity === severity).length;
    return n === 0 ? [] : [`${n} ${severity}${n === 1 ? '' : 's'}`];
  };
  const all = [...count('error'), ...count('warning'), ...count('note')];
  return all.length === 0 ? 'no problems' : all.join(', ');
}
