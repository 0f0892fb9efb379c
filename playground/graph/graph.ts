// The net's picture: a column for each stream, time downwards. Boxes and the text that they come from show each other.

import { html, render } from 'lit-html';
import type { Span } from '../../compiler/diagnostics.ts';
import { language } from '../compiler/client.ts';
import type { Editor } from '../editor/editor.ts';
import type { Page } from '../state.ts';
import { editedOf, hasErrors, netOf } from '../state.ts';
import { showInSource } from '../tabs.ts';

export function createGraph(place: HTMLElement, page: Page, editor: () => Editor): void {
  render(html`<p class="note" hidden></p><div class="picture"></div>`, place);
  const [note, picture] = [...place.children] as [HTMLElement, HTMLElement];
  let drawn: { readonly checked: unknown; readonly net: string } | undefined;
  const say = (text: string): void => {
    note.textContent = text;
    note.hidden = text === '';
  };

  page.listen(async (state) => {
    const { tab, checked, file, cursor } = state;
    const net = netOf(state);
    if (tab === 'ir' || tab === 'train' || !checked) return;
    const built = net?.built !== undefined && !hasErrors(state);
    picture.classList.toggle('stale', !built);
    if (!built) return say(drawn ? 'The net has errors; this is what it was before.' : 'The net has errors.');
    if (drawn?.checked !== checked || drawn.net !== net.name) {
      drawn = { checked, net: net.name };
      const svg = await language.picture({ ...editedOf(state), text: checked.text }, net.name);
      if (drawn.checked !== checked || svg === undefined) return;
      say(svg === 'large' ? 'This net has too many parts for one picture. The tab IR draws its stages.' : '');
      // Of the compiler's making: all text in it is escaped.
      picture.innerHTML = svg === 'large' ? '' : svg;
      for (const box of boxesIn(picture)) {
        box.setAttribute('tabindex', '0');
        box.setAttribute('role', 'button');
      }
    }
    for (const box of boxesIn(picture)) {
      const span = spanOf(box, file);
      box.classList.toggle('here', span !== undefined && span.start <= cursor && cursor <= span.end);
    }
  });

  const boxAt = ({ target }: Event): Element | undefined => (target instanceof Element ? (target.closest('g[data-call]') ?? undefined) : undefined);
  const spanAt = (event: Event): Span | undefined => {
    const box = boxAt(event);
    return box && spanOf(box, page.get().file);
  };
  const go = (event: Event): void => {
    const span = spanAt(event);
    if (!span) return;
    showInSource(page, editor(), span);
  };
  picture.addEventListener('click', go);
  picture.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === ' ') go(event);
  });
  for (const name of ['pointerover', 'focusin']) {
    picture.addEventListener(name, (event) => {
      const span = spanAt(event);
      editor().mark(span ? [span] : []);
    });
  }
  picture.addEventListener('pointerleave', () => editor().mark([]));
}

const boxesIn = (picture: Element): Element[] => [...picture.querySelectorAll('g[data-call]')];

/** The call in the text that a box stands for; none for a box from another file. */
function spanOf(box: Element, file: string): Span | undefined {
  const call = box.getAttribute('data-call') ?? '';
  const [, of, start, end] = /^(.*) (\d+) (\d+)$/.exec(call) ?? [];
  return of === file ? { start: Number(start), end: Number(end) } : undefined;
}
