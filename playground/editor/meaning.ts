// What a check found, in the editor: the colours of words, shapes beside names, and what is wrong.

import { setDiagnostics } from '@codemirror/lint';
import type { Diagnostic } from '@codemirror/lint';
import { StateEffect, StateField } from '@codemirror/state';
import type { Extension, Range } from '@codemirror/state';
import { Decoration, EditorView, WidgetType } from '@codemirror/view';
import type { DecorationSet } from '@codemirror/view';
import type { Checked, Problem } from '../compiler/check.ts';

class Shape extends WidgetType {
  readonly text: string;
  constructor(text: string) {
    super();
    this.text = text;
  }
  override eq(other: Shape): boolean {
    return other.text === this.text;
  }
  override toDOM(): HTMLElement {
    const made = document.createElement('span');
    made.className = 'zz-shape';
    made.textContent = this.text;
    made.setAttribute('aria-hidden', 'true');
    return made;
  }
}

const marks = StateEffect.define<DecorationSet>();

/** Decorations that the next check replaces; until then they move with the text. */
export const meaning: Extension = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (known, { changes, effects }) => effects.find((effect) => effect.is(marks))?.value as DecorationSet | undefined ?? known.map(changes),
  provide: (field) => EditorView.decorations.from(field),
});

/** Shows what was found of the text that the editor has now. */
export function showMeaning(view: EditorView, { tokens, hints, problems }: Checked): void {
  const words: Range<Decoration>[] = tokens.map(({ span, kind, defines }) => Decoration.mark({ class: `zz-${kind}${defines ? ' zz-defines' : ''}` }).range(span.start, span.end));
  const shapes = hints.map(({ offset, text }) => Decoration.widget({ widget: new Shape(text), side: 1 }).range(offset));
  view.dispatch({ effects: marks.of(Decoration.set([...words, ...shapes], true)) });
  view.dispatch(setDiagnostics(view.state, problems.filter(({ elsewhere }) => elsewhere === undefined).map((problem) => diagnosticOf(problem, view.state.doc.length))));
}

const SEVERITIES = { error: 'error', warning: 'warning', note: 'info' } as const;

function diagnosticOf({ severity, code, message, span, shown, fixes }: Problem, length: number): Diagnostic {
  const from = Math.min(span.start, length);
  // A place at the end of the text is shown at its last character.
  const to = Math.min(Math.max(span.end, from + 1), length);
  return {
    from: Math.min(from, Math.max(0, to - 1)),
    to,
    severity: SEVERITIES[severity],
    message: `${code}: ${message}`,
    renderMessage: () => {
      const made = document.createElement('div');
      made.className = 'problem-text';
      made.textContent = [`${code}: ${message}`, ...adviceIn(shown)].join('\n');
      return made;
    },
    actions: fixes.map(({ title, edits }) => ({ name: title, apply: (view) => applyEdits(view, edits) })),
  };
}

/** What is said below the line with the carets. */
const adviceIn = (shown: string): string[] => shown.split('\n').filter((line) => /^ {2}(expected|found|did you mean) /.test(line)).map((line) => line.trim());

export function applyEdits(view: EditorView, edits: Problem['fixes'][number]['edits']): void {
  view.dispatch({ changes: edits.map(({ span, text }) => ({ from: span.start, to: span.end, insert: text })), userEvent: 'input.fix' });
  view.focus();
}
