// Renaming, checked by trying it: every name must mean afterwards what it meant before.

import type { Reader } from '../../compiler/2-graph/build.ts';
import { CONTEXTUAL, STARTERS, wordOf } from '../../compiler/1-syntax/tokens.ts';
import type { Source, Span } from '../../compiler/diagnostics.ts';
import { quote } from '../../compiler/diagnostics.ts';
import { resolve } from './analysis.ts';
import type { Analysis } from './analysis.ts';
import type { Definition, Occurrence } from './names.ts';
import { definedAt, occurrencesOf } from './references.ts';

export interface Edit {
  readonly span: Span;
  readonly text: string;
}

export type Renaming = { readonly edits: ReadonlyMap<string, readonly Edit[]> } | { readonly refused: string };

const NO_NAME = 'Only names that a program defines can be changed, not words of the language.';
const WORDS: ReadonlySet<string> = new Set([...STARTERS, ...CONTEXTUAL.values()].map(wordOf));

/** The name that can be changed at an offset, or why there is none. */
export function renamable(analysis: Analysis, offset: number): { readonly span: Span; readonly name: string } | { readonly refused: string } {
  const found = definedAt(analysis, offset);
  if (found) return { span: found.occurrence.loc.span, name: found.definition.name };
  return { refused: NO_NAME };
}

/** The edits, by file, that give what is named at an offset another name everywhere. `others` are the files that may name it too. */
export function renameAt(analysis: Analysis, offset: number, to: string, others: readonly Analysis[], reader: Reader): Renaming {
  const found = definedAt(analysis, offset);
  if (!found) return { refused: NO_NAME };
  const { definition } = found;
  if (!/^[A-Za-z_]\w*$/.test(to)) return { refused: `${quote(to)} is no name: names are letters, digits and _, and begin with no digit.` };
  if (to.length > 255) return { refused: 'A name has at most 255 characters.' };
  if (WORDS.has(to)) return { refused: `${quote(to)} is a word of the language.` };
  if (to === definition.name) return { edits: new Map() };
  const files = [...new Map([analysis, ...others].map((each) => [each.source.file, each])).values()];
  const home = files.find(({ source }) => source.file === definition.loc.file);
  if (!home) return { refused: `It is defined in ${definition.loc.file}, which cannot be changed from here.` };
  const clash = home.names.definitions.find(({ name, owner }) => name === to && owner?.loc.span.start === definition.owner?.loc.span.start);
  if (clash) return { refused: `${quote(to)} is defined already, in line ${clash.loc.line}.` };
  const places = new Map(files.map((each) => [each.source.file, occurrencesOf(each, definition).map(({ loc }) => loc.span)]));
  const changed = (source: Source): Source => ({ ...source, text: replaced(source.text, places.get(source.file) ?? [], to) });
  const renamed: Reader = {
    ...reader,
    read(file) {
      const source = reader.read(file);
      return 'text' in source ? changed(source) : source;
    },
  };
  const broken = files.find((each) => !sameMeanings(each, resolve(each.source.file, renamed, each), definition.name, to));
  if (broken) return { refused: `With ${quote(to)} some names of ${broken.source.file} would mean something else.` };
  return { edits: new Map([...places].filter(([, spans]) => spans.length > 0).map(([file, spans]) => [file, spans.map((span) => ({ span, text: to }))])) };
}

function replaced(text: string, places: readonly Span[], to: string): string {
  const parts = places.map(({ end }, i) => to + text.slice(end, places[i + 1]?.start));
  return text.slice(0, places[0]?.start) + parts.join('');
}

type Meanings = Pick<Analysis, 'program' | 'names'>;

/** Whether each occurrence has the meaning it had, the new name in place of the old, and nothing is wrong that was not. */
function sameMeanings(before: Meanings, after: Meanings, from: string, to: string): boolean {
  const [old, now] = [before.names.occurrences, after.names.occurrences];
  const [oldPlace, place] = [placesOf(old), placesOf(now)];
  const same = (one: Occurrence['meaning'], other: Occurrence['meaning']): boolean => {
    if (!one || !other) return one === other;
    if ('builtin' in one) return 'builtin' in other && one.builtin.kind === other.builtin.kind && one.builtin.name === other.builtin.name;
    return 'definition' in other && one.definition.kind === other.definition.kind && oldPlace(one.definition) === place(other.definition);
  };
  return (
    old.length === now.length &&
    after.program.diagnostics.length === before.program.diagnostics.length &&
    old.every(({ name, meaning }, i) => (now[i]?.name === name || (name === from && now[i]?.name === to)) && same(meaning, now[i]?.meaning))
  );
}

/** Where a definition stands: its place among all occurrences of the file, which a new name does not change, or another file. */
function placesOf(occurrences: readonly Occurrence[]): (definition: Definition) => number | string {
  const places = new Map<number, number>();
  for (const [i, { defines, loc }] of occurrences.entries()) if (defines) places.set(loc.span.start, i);
  const file = occurrences[0]?.loc.file;
  return ({ loc }) => (loc.file === file ? places.get(loc.span.start) : undefined) ?? loc.file;
}
