// Code blocks in colours: .zz by the language service, which knows what each word means; prompts of consoles; the rest as it is.

import { memoryReader } from '../../compiler/2-graph/build.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import { analyze, semanticTokens, tokensBetween } from '../../editor/service/index.ts';

export const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The text of a block as HTML. */
export function highlight(text: string, language: string): string {
  if (language === 'zz' || language === 'zz-error') return zz(text);
  if (language === 'console') return text.split('\n').map((line) => (line.startsWith('$ ') ? `<span class="prompt">$</span> <b>${escapeHtml(line.slice(2))}</b>` : escapeHtml(line))).join('\n');
  if (language === 'sh') return text.split('\n').map((line) => escapeHtml(line).replace(/(\s#.*)$/, '<span class="comment">$1</span>')).join('\n');
  return escapeHtml(text);
}

const LEXICAL: Readonly<Record<string, string>> = { Number: 'number', BadNumber: 'number', String: 'string', BadString: 'string', Arrow: 'arrow', BackArrow: 'arrow' };

interface Mark {
  readonly span: Span;
  readonly kind: string;
}

/** Items outside a net are read as those of one. */
function zz(text: string): string {
  const lead = /^\s*(net|import)\b/m.test(text) ? '' : `net Part { ${/^\s*input\b/m.test(text) ? '' : 'input image: [32, 32, 3] '}`;
  const whole = lead === '' ? text : `${lead}${text}}`;
  const analysis = analyze('block.zz', memoryReader({ 'block.zz': whole }));
  const words = new Set(semanticTokens(analysis).map(({ span }) => span.start));
  const marks: Mark[] = [
    ...semanticTokens(analysis).map(({ span, kind }) => ({ span, kind })),
    ...tokensBetween(analysis.tokens, whole).flatMap(({ type, span }) => (LEXICAL[type] !== undefined && !words.has(span.start) ? [{ span, kind: LEXICAL[type] }] : [])),
    ...analysis.comments.map(({ loc: { span } }) => ({ span, kind: 'comment' })),
  ];
  let end = 0;
  const parts = marks
    .map(({ span, kind }) => ({ start: span.start - lead.length, end: span.end - lead.length, kind }))
    .filter(({ start, end: last }) => start >= 0 && last <= text.length)
    .sort((a, b) => a.start - b.start)
    .map(({ start, end: last, kind }) => {
      const before = escapeHtml(text.slice(end, start));
      end = last;
      return `${before}<span class="${kind}">${escapeHtml(text.slice(start, last))}</span>`;
    });
  return parts.join('') + escapeHtml(text.slice(end));
}
