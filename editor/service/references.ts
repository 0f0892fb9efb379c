// Where a name is defined, and all places that mean it, in this file and in others.

import type { Loc, Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { occurrenceAt, sameDefinition } from './names.ts';
import type { Definition, Occurrence } from './names.ts';

/** What the name at an offset means, if the program defines it. */
export function definedAt(analysis: Analysis, offset: number): { readonly occurrence: Occurrence; readonly definition: Definition } | undefined {
  const occurrence = occurrenceAt(analysis.names, offset);
  return occurrence?.meaning && 'definition' in occurrence.meaning ? { occurrence, definition: occurrence.meaning.definition } : undefined;
}

/** What the name at an offset means, if files that import this one can name it too: a net, its inputs, a cell. */
export function sharedAt(analysis: Analysis, offset: number): Definition | undefined {
  const definition = definedAt(analysis, offset)?.definition;
  return definition && ['net', 'input', 'cell'].includes(definition.kind) ? definition : undefined;
}

export interface Link {
  /** The name, or the path of an import. */
  readonly from: Span;
  readonly to: Loc;
}

/** Where the name at an offset is defined; for an import the beginning of its file. */
export function definitionAt(analysis: Analysis, offset: number): Link | undefined {
  const found = definedAt(analysis, offset);
  if (found) return { from: found.occurrence.loc.span, to: found.definition.loc };
  const path = analysis.imports.find(({ span }) => span.start <= offset && offset <= span.end);
  return path && { from: path.span, to: { file: path.file, line: 1, column: 1, span: { start: 0, end: 0 } } };
}

/** The places in one file that mean a definition, its own name included. */
export const occurrencesOf = ({ names }: Analysis, definition: Definition): Occurrence[] =>
  names.occurrences.filter(({ meaning }) => meaning !== undefined && 'definition' in meaning && sameDefinition(meaning.definition, definition));

/** All places that mean what the name at an offset means. `others` are further files that may name it, such as those that import this one. */
export function referencesAt(analysis: Analysis, offset: number, others: readonly Analysis[] = []): Occurrence[] {
  const found = definedAt(analysis, offset);
  if (!found) return [];
  const files = new Map([analysis, ...others].map((each) => [each.source.file, each]));
  return [...files.values()].flatMap((each) => occurrencesOf(each, found.definition));
}
