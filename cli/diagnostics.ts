// Shows diagnostics to people and programs.

import { diagnosticToJson, hasErrors, renderDiagnostic, type Diagnostic } from '../compiler/diagnostics.ts';
import { colours, say, type Io, type Output } from './io.ts';
import { counted } from './table.ts';

/** Texts of files by name, for the lines that diagnostics show. */
export type Texts = (file: string) => string | undefined;

/** The user's source is wrong: exit status 1, with these diagnostics. */
export class SourceError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  readonly texts: Texts;
  constructor(diagnostics: readonly Diagnostic[], texts: Texts) {
    super(diagnostics.find(({ severity }) => severity === 'error')?.message ?? 'the source has errors');
    this.name = 'SourceError';
    this.diagnostics = diagnostics;
    this.texts = texts;
  }
}

export const textsOf = (files: readonly { readonly source: { readonly file: string; readonly text: string } }[]): Texts => {
  const texts = new Map(files.map(({ source }) => [source.file, source.text]));
  return (file) => texts.get(file);
};

export function showDiagnostics(io: Io, output: Output, diagnostics: readonly Diagnostic[], texts: Texts): void {
  const color = colours(io, output).isColorSupported;
  for (const each of diagnostics) output.write(`${renderDiagnostic(each, texts, { color })}\n`);
}

/** Throws SourceError where there are errors; otherwise shows warnings and notes on standard error, and goes on. */
export function admit(io: Io, diagnostics: readonly Diagnostic[], texts: Texts): void {
  if (hasErrors(diagnostics)) throw new SourceError(diagnostics, texts);
  showDiagnostics(io, io.stderr, diagnostics, texts);
}

/** `2 errors, 1 warning`, or nothing. */
export function tally(diagnostics: readonly Diagnostic[]): string {
  const count = (severity: Diagnostic['severity']): string => {
    const n = diagnostics.filter((each) => each.severity === severity).length;
    return n === 0 ? '' : counted(n, severity);
  };
  return [count('error'), count('warning'), count('note')].filter(Boolean).join(', ');
}

export const toJson = (diagnostics: readonly Diagnostic[]): unknown[] => diagnostics.map(diagnosticToJson);

/** Says the tally of an error on standard error. */
export const sayTally = (io: Io, diagnostics: readonly Diagnostic[]): void => say(io, tally(diagnostics));
