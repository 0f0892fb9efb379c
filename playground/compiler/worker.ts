// The compiler as a worker: what the editor asks of a text, and the stages of a net's compilation. The page never waits for it.

import { expose } from 'comlink';
import { graphToSvg } from '../../compiler/2-graph/drawing.ts';
import { analyze, completionsAt, definitionAt, formatEdit, hoverAt, signatureAt } from '../../editor/service/index.ts';
import type { Analysis, Completions, Edit, Hover, Link, Signature } from '../../editor/service/index.ts';
import { checkOf } from './check.ts';
import type { Checked } from './check.ts';
import { readerOf } from './source.ts';
import type { Edited } from './source.ts';
import * as stages from './stages.ts';

let last: Analysis | undefined;
const analysisOf = (edited: Edited): Analysis => (last = analyze(edited.file, readerOf(edited), last));

const compiler = {
  check: (edited: Edited): Checked => checkOf(analysisOf(edited)),
  completions: (edited: Edited, offset: number): Completions => {
    const names = Object.keys(edited.beside).filter((name) => name !== edited.file);
    return completionsAt(analysisOf(edited), offset, (folder) => (folder === '' ? names : []));
  },
  hover: (edited: Edited, offset: number): Hover | undefined => hoverAt(analysisOf(edited), offset),
  signature: (edited: Edited, offset: number): Signature | undefined => signatureAt(analysisOf(edited), offset),
  definition: (edited: Edited, offset: number): Link | undefined => definitionAt(analysisOf(edited), offset),
  /** The edit that brings the text into the canonical form; none where it is there, or has syntax errors. */
  format: (edited: Edited): Edit | undefined => formatEdit(analysisOf(edited)),
  /** A net as SVG; nothing where it does not build, 'large' where the picture would help nobody. */
  picture(edited: Edited, net: string): string | 'large' | undefined {
    const analysis = analysisOf(edited);
    const found = analysis.ast.nets.find(({ name }) => name.name === net);
    const graph = found && analysis.graph(found);
    const texts = new Map(analysis.program.files.map(({ source }) => [source.file, source.text]));
    return graph && (graphToSvg(graph, ({ file, span }) => texts.get(file)?.slice(span.start, span.end)) ?? 'large');
  },
  ...stages,
};

export type Compiler = typeof compiler;

expose(compiler);
