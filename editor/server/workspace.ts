// The texts that the server knows: documents that are open, as they stand in the editor, and files on the disk. Keeps an analysis of each.

import { dirname, isAbsolute, join } from 'node:path';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { Reader } from '../../compiler/2-graph/build.ts';
import { diagnostic } from '../../compiler/diagnostics.ts';
import type { Source } from '../../compiler/diagnostics.ts';
import { analyze } from '../service/index.ts';
import type { Analysis } from '../service/index.ts';
import { fileOf, findSources, uriOf } from './files.ts';

export interface Workspace {
  /** Open documents first, then the disk. */
  readonly reader: Reader;
  readonly analysisOf: (file: string) => Analysis;
  /** For places in a text: the open document, or one made of the text that was read. */
  readonly documentOf: (file: string) => TextDocument;
  /** As the client wrote it, for a document that is open. */
  readonly uriOf: (file: string) => string;
  /** The files that may name what another file defines: those with imports that mention it. */
  readonly importing: (name: string) => Promise<Analysis[]>;
  /** The files of the folders and the open ones. */
  readonly files: () => Promise<readonly string[]>;
  /** A document has been opened, changed or closed. */
  readonly changed: () => void;
  /** Files have come or gone or changed on the disk. */
  readonly rescan: () => void;
  /** From now on the client tells of that. */
  readonly watched: () => void;
  readonly closed: (file: string) => void;
  readonly setFolders: (folders: readonly string[]) => void;
}

/** `open` gives the documents that are open; `disk` reads the others. */
export function createWorkspace(open: () => readonly TextDocument[], disk: Reader): Workspace {
  const analyses = new Map<string, { readonly analysis: Analysis; readonly generation: number }>();
  let generation = 0;
  let folders: readonly string[] = [];
  let watched = false;
  /** What was found in the folders; none where that may have changed. */
  let found: Promise<readonly string[]> | undefined;
  /** Texts of those files that are not open, while the client tells of changes. */
  const texts = new Map<string, string>();
  /** The open documents by file; of two of one file the first. Made when it is asked for after a change. */
  let documents: ReadonlyMap<string, TextDocument> | undefined;

  const opened = (file: string): TextDocument | undefined => {
    documents ??= new Map(open().toReversed().map((document) => [fileOf(document.uri), document]));
    return documents.get(file);
  };
  const reader: Reader = {
    read(file) {
      const document = opened(file);
      if (document) return { file, text: document.getText() };
      const nowhere = { file, line: 1, column: 1, span: { start: 0, end: 0 } };
      return isAbsolute(file) ? disk.read(file) : diagnostic('ZZ1008', nowhere, 'a text that has not been saved imports no files');
    },
    resolve: (from, path) => (isAbsolute(from) ? join(dirname(from), path) : `${from}/${path}`),
  };
  const analysisOf = (file: string): Analysis => {
    const known = analyses.get(file);
    if (known?.generation === generation) return known.analysis;
    const analysis = analyze(file, reader, known?.analysis);
    analyses.set(file, { analysis, generation });
    return analysis;
  };
  const textOf = (file: string): string => {
    const read = reader.read(file);
    return isText(read) ? read.text : '';
  };
  const files = async (): Promise<readonly string[]> => {
    found ??= findSources(folders);
    return [...new Set([...(await found), ...open().map(({ uri }) => fileOf(uri))])];
  };
  /** Whether a file of the folders mentions a name and imports others. */
  const mayName = (file: string, name: string): boolean => {
    const text = opened(file)?.getText() ?? texts.get(file) ?? textOf(file);
    if (watched && !opened(file)) texts.set(file, text);
    return text.includes(name) && text.includes('import');
  };
  return {
    reader,
    analysisOf,
    documentOf: (file) => opened(file) ?? TextDocument.create(uriOf(file), 'zz', 0, textOf(file)),
    uriOf: (file) => opened(file)?.uri ?? uriOf(file),
    files,
    importing: async (name) => (await files()).filter((file) => mayName(file, name)).map(analysisOf),
    changed() {
      generation++;
      documents = undefined;
      if (!watched) found = undefined;
    },
    rescan() {
      generation++;
      found = undefined;
      texts.clear();
    },
    watched() {
      watched = true;
    },
    closed: (file) => void analyses.delete(file),
    setFolders(all) {
      folders = all;
      found = findSources(folders);
    },
  };
}

const isText = (read: ReturnType<Reader['read']>): read is Source => 'text' in read;
