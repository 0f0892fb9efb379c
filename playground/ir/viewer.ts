// Shows long texts of the compiler: dumps and differences, with their colours, line numbers and a search.

import { HighlightStyle, StreamLanguage, syntaxHighlighting } from '@codemirror/language';
import { searchKeymap, highlightSelectionMatches } from '@codemirror/search';
import { EditorState } from '@codemirror/state';
import type { Extension, Range } from '@codemirror/state';
import { Decoration, EditorView, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { Span } from '../../compiler/diagnostics.ts';

export type Written = 'dump' | 'diff';

export interface Viewer {
  readonly show: (text: string, written: Written) => void;
}

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/^\/\/.*/, 'comment'],
  [/^%[\w.~/-]+/, 'variableName'],
  [/^@\S+/, 'comment'],
  [/^"[^"]*"/, 'string'],
  [/^(f32|f16|i32)\b(\[[^\]]*\])?/, 'typeName'],
  [/^[\w.]+(?==)/, 'propertyName'],
  [/^-?\d[\w.]*([eE][+-]?\d+)?/, 'number'],
  [/^[A-Za-z_]\w*(?=\()/, 'keyword'],
];

/** One line at a time: nothing is kept between lines. */
function tokenOf(stream: { eatSpace(): boolean; match(pattern: RegExp): unknown; next(): unknown; eatWhile(match: RegExp): unknown }): string | null {
  if (stream.eatSpace()) return null;
  for (const [pattern, tag] of PATTERNS) if (stream.match(pattern)) return tag;
  stream.next();
  stream.eatWhile(/\w/);
  return null;
}

const dump = StreamLanguage.define<null>({ name: 'dump', startState: () => null, token: tokenOf });

const LINES: ReadonlyMap<string, Decoration> = new Map(Object.entries({ '+': 'zz-inserted', '-': 'zz-deleted', '@': 'zz-meta' }).map(([sign, name]) => [sign, Decoration.line({ class: name })]));

/** The lines of a difference in their colours. */
const differing = EditorView.decorations.compute(['doc'], ({ doc }) => {
  const ranges: Range<Decoration>[] = [];
  for (let i = 1; i <= doc.lines; i++) {
    const { from, text } = doc.line(i);
    const line = LINES.get(text[0] ?? '');
    if (line) ranges.push(line.range(from));
  }
  return Decoration.set(ranges);
});

const style = HighlightStyle.define([
  { tag: tags.comment, class: 'zz-comment' },
  { tag: tags.variableName, class: 'zz-value' },
  { tag: tags.typeName, class: 'zz-shapes' },
  { tag: tags.keyword, class: 'zz-function' },
  { tag: tags.propertyName, class: 'zz-argument' },
  { tag: tags.number, class: 'zz-number' },
  { tag: tags.string, class: 'zz-string' },
]);

/** `onPlace` hears of a line that names its place in the source, where it is clicked or Enter is pressed on it. */
export function createViewer(place: HTMLElement, onPlace: (place: { readonly file: string; readonly line: number; readonly span: Span }) => void): Viewer {
  const goTo = ({ state }: EditorView, offset: number): boolean => {
    const [, file, line, length, start] = /@([^\s@]+):(\d+):\d+\+(\d+)#(\d+)/.exec(state.doc.lineAt(offset).text) ?? [];
    if (file !== undefined) onPlace({ file, line: Number(line), span: { start: Number(start), end: Number(start) + Number(length) } });
    return true;
  };
  const extensions = (written: Written): Extension => [
    lineNumbers(),
    highlightSelectionMatches(),
    keymap.of([...searchKeymap, { key: 'Enter', run: (view) => goTo(view, view.state.selection.main.head) }]),
    dump.extension,
    written === 'diff' ? differing : [],
    syntaxHighlighting(style),
    EditorState.readOnly.of(true),
    EditorView.contentAttributes.of({ 'aria-label': 'stage of the compilation', tabindex: '0' }),
    EditorView.domEventHandlers({
      click(event, view) {
        const offset = view.posAtCoords(event);
        // To select text is not to ask for its place.
        if (offset !== null && view.state.selection.main.empty) goTo(view, offset);
      },
    }),
  ];
  const view = new EditorView({ parent: place, state: EditorState.create({ extensions: extensions('dump') }) });
  return { show: (text, written) => view.setState(EditorState.create({ doc: text, extensions: extensions(written) })) };
}
