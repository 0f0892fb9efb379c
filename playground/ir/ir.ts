// The stages of the compilation: each as text, as what it changed, or drawn.

import { html, nothing, render } from 'lit-html';
import { createStageView, STAGE_STYLE } from '../../compiler/inspect/stage-view.ts';
import type { DrawnNode } from '../../compiler/inspect/stage-drawing.ts';
import { stages } from '../compiler/client.ts';
import type { StageRequest } from '../compiler/stages.ts';
import type { Editor } from '../editor/editor.ts';
import type { Inspected, Page } from '../state.ts';
import { editedOf, hasErrors, netOf } from '../state.ts';
import { showInSource } from '../tabs.ts';
import { createViewer } from './viewer.ts';

type Names = Awaited<ReturnType<typeof stages.stageNames>>;

/** A page that was opened from an address may ask for a stage that there is not. */
function seen(ir: Inspected, names: Names): Inspected {
  const at = Math.max(0, names.findIndex(({ name }) => name === ir.stage));
  const stage = names[at] ?? { name: ir.stage, drawn: false };
  const from = names.some(({ name }) => name === ir.from) && ir.from !== stage.name ? ir.from : (names[at - 1]?.name ?? names[at + 1]?.name ?? '');
  return { stage: stage.name, from, view: ir.view === 'drawing' && !stage.drawn ? 'text' : ir.view };
}

export function createIr(place: HTMLElement, page: Page, editor: () => Editor): void {
  render(html`<style>${STAGE_STYLE}</style><div class="bar"></div><p class="note" hidden></p><div class="viewer"></div><div class="drawn" hidden><div class="drawing" tabindex="0" aria-label="drawing of the stage"></div><div class="details"></div></div>`, place);
  const [, bar, note, text, drawn] = [...place.children] as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  const [drawing, details] = [...drawn.children] as [HTMLElement, HTMLElement];
  const viewer = createViewer(text, ({ file, line, span }) => {
    if (file !== page.get().file) return page.set({ message: `That is in ${file}, line ${line}` });
    return showInSource(page, editor(), span);
  });
  const view = createStageView(drawing, (node) => {
    render(node ? describe(node, page, editor) : html`<p class="soft">Choose a value in the drawing.</p>`, details);
  });
  const say = (words: string): void => {
    note.textContent = words;
    note.hidden = words === '';
  };

  let names: Names = [];
  let shown: readonly unknown[] = [];
  page.listen(async (state) => {
    const { tab, checked } = state;
    if (tab !== 'ir' || checked?.text !== state.text) return;
    const net = netOf(state);
    if (!net?.built || hasErrors(state)) {
      say(names.length > 0 ? 'The net has errors; this is what it was before.' : 'The net has errors: there are no stages yet.');
      return;
    }
    if (!net.built.hasLoss) return say('The net has no loss: what is shown here are the stages of training. Add a loss.');
    const asked = [checked, net.name, state.ir];
    if (asked.every((each, i) => each === shown[i])) return;
    shown = asked;
    const request: StageRequest = { ...editedOf(state), net: net.name, batch: net.built.settings.batch };
    place.classList.add('busy');
    try {
      const known = await stages.stageNames(request);
      const { stage, from, view: form } = seen(state.ir, known);
      const current = (): boolean => shown === asked;
      const texts = form === 'diff' ? await stages.stageDiff(request, from, stage) : form === 'text' ? await stages.stageText(request, stage) : '';
      const picture = form === 'drawing' ? await stages.stageDrawing(request, stage) : undefined;
      if (!current()) return;
      names = known;
      say(form === 'diff' && texts === '' ? `Nothing differs between ${from} and ${stage}.` : '');
      drawBar(bar, { stage, from, view: form }, names, page);
      text.hidden = form === 'drawing';
      drawn.hidden = form !== 'drawing';
      if (picture) view.show(picture);
      else viewer.show(texts, form === 'diff' ? 'diff' : 'dump');
    } catch (error) {
      if (shown === asked) say(error instanceof Error ? error.message : String(error));
    } finally {
      if (shown === asked) place.classList.remove('busy');
    }
  });
}

function drawBar(bar: HTMLElement, ir: Inspected, names: Names, page: Page): void {
  const set = (change: Partial<Inspected>): void => page.set({ ir: { ...ir, ...change } });
  const drawable = names.find(({ name }) => name === ir.stage)?.drawn;
  const form = (name: Inspected['view'], title: string, there = true) => html`<button aria-pressed=${ir.view === name} ?disabled=${!there} @click=${() => set({ view: name })}>${title}</button>`;
  render(
    html`
      <nav class="chips" aria-label="stages">${names.map(({ name }) => html`<button aria-pressed=${name === ir.stage} @click=${() => set({ stage: name, from: '' })}>${name}</button>`)}</nav>
      <div class="choices" role="group" aria-label="form">
        ${form('text', 'Text')}${form('diff', 'Difference')}${form('drawing', 'Drawing', drawable)}
        ${ir.view === 'diff'
          ? html`<label>from <select @change=${({ target }: Event) => set({ from: (target as HTMLSelectElement).value })}>${names.filter(({ name }) => name !== ir.stage).map(({ name }) => html`<option ?selected=${name === ir.from}>${name}</option>`)}</select> to ${ir.stage}</label>`
          : nothing}
      </div>
    `,
    bar,
  );
}

function describe(node: DrawnNode, page: Page, editor: () => Editor) {
  const { file, text } = page.get();
  const rows: readonly (readonly [string, string])[] = [['value', `%${node.id}`], ['operation', node.kind], ['shape', node.type], ['phase', node.phase], ['place', node.place], ['kernel', node.kernels.join(', ')]];
  const own = node.locs.filter(([name]) => name === file);
  return html`
    <dl>${rows.filter(([, value]) => value !== '').map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    <code>${node.text}</code>
    ${own.map(([, start, end]) => html`<p><button class="link" title="Show it in the source" @click=${() => showInSource(page, editor(), { start, end })}><code>${text.slice(start, end)}</code></button></p>`)}
  `;
}

