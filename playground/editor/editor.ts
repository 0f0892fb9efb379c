// The editor of the source.

import { EditorState, StateEffect, StateField } from '@codemirror/state';
import type { Extension } from '@codemirror/state';
import { Decoration, EditorView, keymap } from '@codemirror/view';
import type { DecorationSet } from '@codemirror/view';
import { basicSetup } from 'codemirror';
import type { Span } from '../../compiler/diagnostics.ts';
import { language } from '../compiler/client.ts';
import type { Edited } from '../compiler/source.ts';
import { zzLanguage } from './language.ts';
import { applyEdits, meaning } from './meaning.ts';
import { languageService } from './service.ts';

export interface EditorOptions {
  readonly place: HTMLElement;
  readonly text: string;
  readonly edited: () => Edited;
  readonly say: (text: string) => void;
  readonly onText: (text: string) => void;
  readonly onCursor: (offset: number) => void;
}

export interface Editor {
  readonly view: EditorView;
  /** Replaces the whole text and forgets how it came to be. */
  readonly open: (text: string) => void;
  /** Shows a part of the text and puts the cursor there. */
  readonly select: (span: Span) => void;
  /** Marks parts of the text without going there. */
  readonly mark: (spans: readonly Span[]) => void;
  /** Brings the text into the canonical form. */
  readonly format: () => Promise<void>;
}

const setMarks = StateEffect.define<readonly Span[]>();

const pointedAt = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (known, { changes, effects, newDoc }) => {
    const set = effects.find((effect) => effect.is(setMarks))?.value as readonly Span[] | undefined;
    if (!set) return known.map(changes);
    const inside = set.filter(({ start, end }) => start < end && end <= newDoc.length);
    return Decoration.set(inside.map(({ start, end }) => Decoration.mark({ class: 'zz-pointed' }).range(start, end)), true);
  },
  provide: (field) => EditorView.decorations.from(field),
});

export function createEditor({ place, text, edited, say, onText, onCursor }: EditorOptions): Editor {
  const format = async (): Promise<void> => {
    const before = view.state.doc;
    const edit = await language.format(edited());
    if (view.state.doc !== before) return;
    if (!edit) return say('Nothing to format: the text has its form already, or does not parse');
    applyEdits(view, [edit]);
    say('Formatted');
  };
  const extensions: Extension = [
    // Before the keys of the basic set-up, which takes some of them.
    keymap.of([{ key: 'Shift-Alt-f', run: () => (void format(), true) }]),
    languageService({ edited, say }),
    basicSetup,
    zzLanguage,
    meaning,
    pointedAt,
    EditorView.contentAttributes.of({ 'aria-label': 'source of the net' }),
    EditorView.updateListener.of(({ docChanged, selectionSet, state }) => {
      if (docChanged) onText(state.doc.toString());
      if (docChanged || selectionSet) onCursor(state.selection.main.head);
    }),
  ];
  const view = new EditorView({ parent: place, state: EditorState.create({ doc: text, extensions }) });
  return {
    view,
    format,
    open(next) {
      view.setState(EditorState.create({ doc: next, extensions }));
      onText(next);
      onCursor(0);
    },
    select({ start, end }) {
      const length = view.state.doc.length;
      view.dispatch({ selection: { anchor: Math.min(start, length), head: Math.min(end, length) }, effects: EditorView.scrollIntoView(Math.min(start, length), { y: 'center' }) });
      view.focus();
    },
    mark: (spans) => view.dispatch({ effects: setMarks.of(spans) }),
  };
}
