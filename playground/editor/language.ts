// What CodeMirror itself must know of .zz: comments, strings and numbers, brackets, how lines are indented. What words mean is the language service's to say.

import { HighlightStyle, LanguageSupport, StreamLanguage, syntaxHighlighting } from '@codemirror/language';
import type { StringStream } from '@codemirror/language';
import { tags } from '@lezer/highlight';

interface Depth {
  /** Brackets that are open. */
  open: number;
}

const PATTERNS: readonly (readonly [RegExp, string | null])[] = [
  [/^(\/\/|#).*/, 'comment'],
  [/^"[^"\n]*"?/, 'string'],
  [/^\d[\w.]*([eE][+-]?\d+)?/, 'number'],
  [/^(->|<-|\+=|\.\.|[-+*/=:,.])/, 'operator'],
  [/^\w+/, null],
];

const zz = StreamLanguage.define<Depth>({
  name: 'zz',
  startState: () => ({ open: 0 }),
  copyState: ({ open }) => ({ open }),
  token(stream: StringStream, depth) {
    if (stream.eatSpace()) return null;
    for (const [pattern, tag] of PATTERNS) if (stream.match(pattern)) return tag;
    const character = stream.next() ?? '';
    if ('{(['.includes(character)) depth.open++;
    if ('})]'.includes(character)) depth.open = Math.max(0, depth.open - 1);
    return 'bracket';
  },
  indent({ open }, after, { unit }) {
    const closes = /^\s*[})\]]/.test(after) ? 1 : 0;
    const goesOn = /^\s*->/.test(after) ? 1 : 0;
    return Math.max(0, open - closes + goesOn) * unit;
  },
  languageData: { commentTokens: { line: '//' }, closeBrackets: { brackets: ['(', '[', '{', '"'] }, indentOnInput: /^\s*([})\]]|->)$/ },
});

const style = HighlightStyle.define([
  { tag: tags.comment, class: 'zz-comment' },
  { tag: tags.string, class: 'zz-string' },
  { tag: tags.number, class: 'zz-number' },
  { tag: tags.operator, class: 'zz-operator' },
  { tag: tags.bracket, class: 'zz-operator' },
]);

export const zzLanguage = new LanguageSupport(zz, syntaxHighlighting(style));
