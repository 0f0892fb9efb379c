// The language service in CodeMirror: completion, what is under the pointer, the call that is being typed, definitions. The answers come from the compiler's worker.

import { autocompletion, snippet } from '@codemirror/autocomplete';
import type { Completion as Option, CompletionSource } from '@codemirror/autocomplete';
import { StateEffect, StateField } from '@codemirror/state';
import type { Extension } from '@codemirror/state';
import { EditorView, hoverTooltip, keymap, showTooltip, ViewPlugin } from '@codemirror/view';
import type { Tooltip } from '@codemirror/view';
import type { Completion, CompletionKind, Signature } from '../../editor/service/index.ts';
import { language } from '../compiler/client.ts';
import type { Edited } from '../compiler/source.ts';
import { renderMarkdown } from './markdown.ts';

export interface ServiceOptions {
  /** The text as the editor has it. */
  readonly edited: () => Edited;
  /** Something for the status line. */
  readonly say: (text: string) => void;
}

const TYPES: { readonly [K in CompletionKind]: string } = {
  keyword: 'keyword', function: 'function', layer: 'class', net: 'namespace', cell: 'class', value: 'variable', stream: 'variable',
  argument: 'property', setting: 'property', choice: 'enum', file: 'text', folder: 'text',
};

/** CodeMirror writes all places with brackets, and visits the last one last. */
const template = (text: string): string => text.replaceAll(/\$(\d)/g, '${$1}').replaceAll('${0', '${9');

function optionOf({ label, kind, detail, about, snippet: text }: Completion): Option {
  const places = text.includes('$');
  return {
    label,
    type: TYPES[kind],
    ...(detail !== undefined && { detail }),
    ...(about !== undefined && { info: () => renderMarkdown(about) }),
    apply: places ? snippet(template(text)) : text,
  };
}

/** Without being asked, only where a word has been begun, or an arrow or a colon asks for one. */
const completion = ({ edited }: ServiceOptions): CompletionSource => async (context) => {
  const begun = context.matchBefore(/\w+|(->|:) ?/);
  if (!context.explicit && (!begun || /^\d/.test(begun.text))) return null;
  const { span, items } = await language.completions(edited(), context.pos);
  return { from: span.start, to: span.end, options: items.map(optionOf), validFor: /^\w*$/ };
};

const hover = ({ edited }: ServiceOptions): Extension =>
  hoverTooltip(async (_, pos): Promise<Tooltip | null> => {
    const found = await language.hover(edited(), pos);
    if (!found) return null;
    return { pos: found.span.start, end: found.span.end, above: true, create: () => ({ dom: renderMarkdown(found.text) }) };
  });

const setSignature = StateEffect.define<Tooltip | null>();

const shownSignature = StateField.define<Tooltip | null>({
  create: () => null,
  update: (known, { effects, docChanged, selection }) => {
    const set = effects.find((effect) => effect.is(setSignature));
    if (set) return set.value as Tooltip | null;
    return docChanged || selection ? null : known;
  },
  provide: (field) => showTooltip.from(field),
});

/** The parameters of a call, while it is being typed. */
const signatures = ({ edited }: ServiceOptions): Extension => [
  shownSignature,
  EditorView.updateListener.of(async ({ view, docChanged, transactions }) => {
    if (!docChanged || !transactions.some((each) => each.isUserEvent('input.type') || each.isUserEvent('input.complete'))) return;
    const { doc, selection } = view.state;
    const pos = selection.main.head;
    const found = await language.signature(edited(), pos);
    if (view.state.doc !== doc || !found) return;
    view.dispatch({ effects: setSignature.of({ pos, above: true, create: () => ({ dom: drawSignature(found) }) }) });
  }),
  keymap.of([{ key: 'Escape', run: (view) => view.state.field(shownSignature) !== null && (view.dispatch({ effects: setSignature.of(null) }), true) }]),
];

function drawSignature({ label, parameters, active }: Signature): HTMLElement {
  const made = document.createElement('div');
  made.className = 'signature';
  const place = active === undefined ? undefined : parameters[active]?.place;
  const { start, end } = place ?? { start: label.length, end: label.length };
  const current = document.createElement('b');
  current.textContent = label.slice(start, end);
  made.append(label.slice(0, start), current, label.slice(end));
  return made;
}

async function goToDefinition(view: EditorView, { edited, say }: ServiceOptions, offset: number): Promise<void> {
  const asked = edited();
  const found = await language.definition(asked, offset);
  if (!found) return say('Nothing of this file is named here');
  const { to } = found;
  if (to.file !== asked.file) return say(`Defined in ${to.file}, line ${to.line}`);
  view.dispatch({ selection: { anchor: to.span.start, head: to.span.end }, effects: EditorView.scrollIntoView(to.span.start, { y: 'center' }) });
  view.focus();
}

const definitions = (options: ServiceOptions): Extension => [
  keymap.of([{ key: 'F12', preventDefault: true, run: (view) => (void goToDefinition(view, options, view.state.selection.main.head), true) }]),
  ViewPlugin.define(() => ({}), {
    eventHandlers: {
      mousedown(event, view) {
        if (!(event.ctrlKey || event.metaKey) || event.button !== 0) return false;
        const offset = view.posAtCoords(event);
        if (offset === null) return false;
        event.preventDefault();
        void goToDefinition(view, options, offset);
        return true;
      },
    },
  }),
];

export const languageService = (options: ServiceOptions): Extension => [
  autocompletion({ override: [completion(options)], icons: true }),
  hover(options),
  signatures(options),
  definitions(options),
];
