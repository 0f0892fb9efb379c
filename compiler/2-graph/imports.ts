// Programs: a file with all that it imports, directly and through others.

import type { Cell, File, Net } from '../1-syntax/ast.ts';
import { parse } from '../1-syntax/parse.ts';
import type { ParseResult } from '../1-syntax/parse.ts';
import type { Diagnostic, Loc, Source } from '../diagnostics.ts';
import { diagnostic } from '../diagnostics.ts';
import type { Library } from './build/context.ts';

export interface LoadedFile {
  readonly source: Source;
  readonly ast: File;
  /** What its nets can name: its own nets, and the nets and cells of the files it imports. */
  readonly library: Library;
}

export interface Program {
  /** The file that was asked for. Absent where it cannot be read. */
  readonly main?: LoadedFile;
  /** All files by path, the main one first. */
  readonly files: readonly LoadedFile[];
  /** Of reading, syntax and imports. */
  readonly diagnostics: readonly Diagnostic[];
}

/** How files are reached; compiling in a browser brings its own. */
export interface Reader {
  /** A file's text, or what is wrong with it. */
  read(path: string): Source | Diagnostic;
  /** The path of an import as seen from a file. */
  resolve(from: string, path: string): string;
}

/** Reads files from a map: for tests and for sources that are held in memory. */
export const memoryReader = (texts: Readonly<Record<string, string>>): Reader => ({
  read: (path) => {
    const text = Object.hasOwn(texts, path) ? texts[path] : undefined;
    return text === undefined ? diagnostic('ZZ1008', startOf(path), `there is no file ${path}`) : { file: path, text };
  },
  resolve: (from, path) => `${from.includes('/') ? from.slice(0, from.lastIndexOf('/') + 1) : ''}${path}`.replace(/(^|\/)\.\//g, '$1'),
});

const startOf = (file: string): Loc => ({ file, line: 1, column: 1, span: { start: 0, end: 0 } });

const isSource = (found: Source | Diagnostic): found is Source => 'text' in found;

/** A library that files fill as they are loaded. */
interface Growing {
  readonly nets: Map<string, { net: Net; library: Library }>;
  readonly cells: Map<string, { cell: Cell; library: Library }>;
}

/** Loads a file and what it imports. Missing files and cycles are reported at their import. `parsed` may know texts that have been parsed before. */
export function loadProgram(path: string, reader: Reader, parsed: (source: Source) => Pick<ParseResult, 'file' | 'diagnostics'> = parse): Program {
  const diagnostics: Diagnostic[] = [];
  const files = new Map<string, LoadedFile & { library: Growing }>();
  const refused = new Set<string>();

  const load = (source: Source, key: string, above: readonly string[]): LoadedFile & { library: Growing } => {
    const { file: ast, diagnostics: found } = parsed(source);
    diagnostics.push(...found);
    const library: Growing = { nets: new Map(), cells: new Map() };
    const loaded = { source, ast, library };
    files.set(key, loaded);
    for (const net of ast.nets) define(library.nets, net.name.name, { net, library }, net.name.loc);
    for (const { path: wanted, loc } of ast.imports) {
      const target = reader.resolve(key, wanted);
      if ([...above, key].includes(target)) {
        diagnostics.push(diagnostic('ZZ2011', loc, `${wanted} imports this file again: ${[...above, key, target].join(' -> ')}`));
        continue;
      }
      const imported = files.get(target) ?? open(target, [...above, key], wanted, loc);
      if (imported) takeIn(library, imported, loc);
    }
    return loaded;
  };

  const open = (target: string, above: readonly string[], wanted: string, loc: Loc): (LoadedFile & { library: Growing }) | undefined => {
    const found = reader.read(target);
    if (isSource(found) && above.length <= MAX_DEPTH) return load(found, target, above);
    const message = isSource(found) ? `imports nest more than ${MAX_DEPTH} deep` : `cannot read ${wanted}: ${found.message}`;
    if (!refused.has(`${loc.file} ${loc.span.start}`)) diagnostics.push(diagnostic('ZZ2010', loc, message));
    refused.add(`${loc.file} ${loc.span.start}`);
    return undefined;
  };

  /** The imported file's own nets, and their cells. */
  const takeIn = (library: Growing, { ast, library: theirs }: LoadedFile & { library: Growing }, loc: Loc): void => {
    for (const net of ast.nets) {
      define(library.nets, net.name.name, { net, library: theirs }, loc);
      for (const item of net.items) if (item.kind === 'cell' && !library.cells.has(item.name.name)) library.cells.set(item.name.name, { cell: item, library: theirs });
    }
  };

  const define = (nets: Growing['nets'], name: string, entry: { net: Net; library: Library }, loc: Loc): void => {
    const first = nets.get(name);
    if (!first) nets.set(name, entry);
    else if (first.net !== entry.net) diagnostics.push(diagnostic('ZZ2002', loc, `net '${name}' is defined twice`, { related: [{ message: 'first defined here', loc: first.net.name.loc }] }));
  };

  const source = reader.read(path);
  if (!isSource(source)) return { files: [], diagnostics: [source] };
  const main = load(source, path, []);
  return { main, files: [...files.values()], diagnostics };
}

const MAX_DEPTH = 100;
