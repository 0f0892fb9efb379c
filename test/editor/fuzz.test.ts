// The language service on mutated and random texts: every request is answered at any offset, with places inside the text, and nothing throws.

import { expect, it } from 'vitest';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import { uniforms } from '../../runtime/random.ts';
import { analyze, completionsAt, definitionAt, fixesAt, folds, formatEdit, hintsIn, hoverAt, outline, referencesAt, renameAt, selectionsAt, semanticTokens, signatureAt } from '../../editor/service/index.ts';
import { sources } from '../fuzz/mutate.ts';
import { BROKEN, edited, SOUND, textOf } from './helpers.ts';

const FILES = 1500;

it(`answers for ${FILES} texts`, { timeout: 300_000 }, () => {
  const corpus = [...SOUND, ...BROKEN].map(textOf);
  const random = uniforms(7, 11);
  const seen = { hovers: 0, completions: 0, signatures: 0, renamings: 0, fixes: 0, unknown: 0 };
  for (const text of sources(FILES, 23, corpus)) {
    const reader = memoryReader({ 'f.zz': text });
    const analysis = analyze('f.zz', reader);
    const inside = ({ start, end }: { readonly start: number; readonly end: number }): void => {
      if (!(start >= 0 && start <= end && end <= analysis.source.text.length)) throw new Error(`${start}-${end} of ${text.length}\n${text}`);
    };
    for (let i = 0; i < 4; i++) {
      const offset = Math.floor(random() * (text.length + 1));
      const [hover, completions, signature] = [hoverAt(analysis, offset), completionsAt(analysis, offset), signatureAt(analysis, offset)];
      if (hover) inside(hover.span);
      inside(completions.span);
      selectionsAt(analysis, offset).forEach(inside);
      const link = definitionAt(analysis, offset);
      if (link) inside(link.from);
      referencesAt(analysis, offset).forEach(({ loc }) => { inside(loc.span); });
      const renaming = renameAt(analysis, offset, 'other', [], reader);
      if ('edits' in renaming && renaming.edits.size > 0) seen.renamings++;
      seen.hovers += hover ? 1 : 0;
      seen.completions += completions.items.length > 0 ? 1 : 0;
      seen.signatures += signature ? 1 : 0;
    }
    semanticTokens(analysis).reduce((end, { span }) => {
      inside(span);
      expect(span.start).toBeGreaterThanOrEqual(end);
      return span.end;
    }, 0);
    folds(analysis).forEach(({ span }) => { inside(span); });
    outline(analysis).forEach(({ span, selection }) => [span, selection].forEach(inside));
    hintsIn(analysis, { start: 0, end: text.length }).forEach(({ offset }) => { inside({ start: offset, end: offset }); });
    const edit = formatEdit(analysis);
    if (edit) inside(edit.span);
    for (const fix of fixesAt(analysis, { start: 0, end: text.length })) {
      fix.edits.forEach(({ span }) => { inside(span); });
      expect(edited(text, fix.edits)).not.toBe(text);
      seen.fixes++;
    }
    seen.unknown += analysis.names.occurrences.filter(({ meaning }) => meaning === undefined).length;
  }
  // The texts reach into all of it.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});
