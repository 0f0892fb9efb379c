// The whole chain: source -> tokens -> AST -> graph -> passes -> a backend's programs.

import { buildNet, type BuildOptions, type Program } from './2-graph/build.ts';
import type { Graph, TrainSettings } from './2-graph/graph.ts';
import { runPasses } from './3-passes/pipeline.ts';
import type { Model, Program as ModelProgram } from './5-emit/model.ts';
import { hasErrors, type Diagnostic } from './diagnostics.ts';

export interface CompileOptions extends BuildOptions {
  /** Takes the place of the net's own `train` block. */
  readonly settings?: TrainSettings;
  /** Called with every stage from `graph` on. */
  readonly observe?: (stage: string, graph: Graph) => void;
}

/** A net after all passes, for any batch size; no graph where there are errors. Throws PassError, VerifyError as `runPasses` does. */
export function compileNet(program: Program, net: string | undefined, { settings, observe, ...options }: CompileOptions): { readonly graph?: Graph; readonly diagnostics: readonly Diagnostic[] } {
  const { graph: built, diagnostics } = buildNet(program, net, options);
  if (!built || hasErrors(diagnostics)) return { diagnostics };
  const graph = settings ? { ...built, train: settings } : built;
  observe?.('graph', graph);
  return { graph: runPasses(graph, observe ? { observe } : {}), diagnostics };
}

/** The programs of a model: what each computes and at which batch. */
export type Layout = Readonly<Record<string, { readonly mode: Graph['mode']; readonly batch: number }>>;

export type Compiled<Step> = { readonly model: Model<Step> } | { readonly diagnostics: readonly Diagnostic[] };

/** A net as the programs of one backend, in the given layout. */
export function compileModel<Step>(
  program: Program,
  net: string | undefined,
  layout: Layout,
  emit: (graph: Graph, batch: number) => ModelProgram<Step>,
  options: Omit<CompileOptions, 'mode'>,
): Compiled<Step> {
  const graphs = new Map<Graph['mode'], Graph>();
  for (const mode of new Set(Object.values(layout).map((each) => each.mode))) {
    const { graph, diagnostics } = compileNet(program, net, { ...options, mode });
    if (!graph) return { diagnostics };
    graphs.set(mode, graph);
  }
  const programs = Object.entries(layout).flatMap(([name, { mode, batch }]) => {
    const graph = graphs.get(mode);
    return graph ? [[name, emit(graph, batch)] as const] : [];
  });
  const [first] = graphs.values();
  if (!first) throw new RangeError('a model has at least one program');
  return { model: { net: first.name, train: first.train, programs: Object.fromEntries(programs) } };
}
