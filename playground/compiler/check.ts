// All that the page shows of a text as it is typed: what is wrong with it, what its words are, its nets.

import { renderDiagnostic } from '../../compiler/diagnostics.ts';
import type { Severity, Span } from '../../compiler/diagnostics.ts';
import type { TrainSettings } from '../../compiler/2-graph/graph.ts';
import { fixesAt, hintsIn, semanticTokens } from '../../editor/service/index.ts';
import type { Analysis, Edit, Hint, SemanticToken } from '../../editor/service/index.ts';

export interface Checked {
  /** What was checked. */
  readonly text: string;
  readonly problems: readonly Problem[];
  readonly tokens: readonly SemanticToken[];
  readonly hints: readonly Hint[];
  readonly nets: readonly Net[];
}

export interface Problem {
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
  /** As on the command line: the line with carets below it, what was expected, what is near. */
  readonly shown: string;
  /** Where it is; of a problem in an imported file the file's name. */
  readonly span: Span;
  readonly elsewhere?: string;
  readonly fixes: readonly { readonly title: string; readonly edits: readonly Edit[] }[];
}

export interface Net {
  readonly name: string;
  /** Of a net that builds. */
  readonly built?: { readonly settings: TrainSettings; readonly weights: number; readonly hasLoss: boolean };
}

export function checkOf(analysis: Analysis): Checked {
  const { source, diagnostics, program, ast } = analysis;
  const texts = new Map(program.files.map((file) => [file.source.file, file.source.text]));
  texts.set(source.file, source.text);
  const problems = diagnostics.map((each): Problem => {
    const { severity, code, message, loc } = each;
    const own = loc.file === source.file;
    const fixes = own ? fixesAt(analysis, loc.span).filter(({ diagnostic }) => diagnostic === each) : [];
    const shown = renderDiagnostic(each, (file) => texts.get(file));
    return { severity, code, message, shown, span: own ? loc.span : { start: 0, end: 0 }, ...(!own && { elsewhere: loc.file }), fixes: fixes.map(({ title, edits }) => ({ title, edits })) };
  });
  return {
    text: source.text,
    problems,
    tokens: semanticTokens(analysis),
    hints: hintsIn(analysis, { start: 0, end: source.text.length }),
    nets: ast.nets.map((net): Net => {
      const graph = analysis.graph(net);
      if (!graph) return { name: net.name.name };
      const weights = graph.nodes.reduce((sum, node) => sum + (node.kind === 'weight' ? node.attrs.shape.reduce((a, b) => a * b, 1) : 0), 0);
      return { name: net.name.name, built: { settings: graph.train, weights, hasLoss: graph.loss !== undefined } };
    }),
  };
}
