// The whole chain: source -> tokens -> AST -> graph -> passes -> a backend's programs.

import { buildNet, type BuildOptions, type Program } from './2-graph/build.ts';
import type { Graph, TrainSettings } from './2-graph/graph.ts';
import { optimise, runPasses } from './3-passes/pipeline.ts';
import type { Precision } from './3-passes/precision.ts';
import type { Model, Program as ModelProgram } from './5-emit/model.ts';
import { hasErrors, type Diagnostic } from './diagnostics.ts';

export interface CompileOptions extends BuildOptions {
  /** Takes the place of the net's own `train` block. */
  readonly settings?: TrainSettings;
  /** Distinct images a run takes. Without it the graph is for any batch, and the passes end before those that need to know it. */
  readonly batch?: number;
  /** Computes costlier values again instead of keeping them. */
  readonly remat?: boolean;
  /** In which dtype activations and adjoints are stored; f32 where it is not given. */
  readonly precision?: Precision;
  /** The last pass to run. */
  readonly until?: string;
  /** Called with every stage from `graph` on. */
  readonly observe?: (stage: string, graph: Graph) => void;
}

/** A net after its passes; no graph where there are errors. Throws PassError, VerifyError as `runPasses` does. */
export function compileNet(program: Program, net: string | undefined, { settings, batch, remat, precision, until, observe, ...options }: CompileOptions): { readonly graph?: Graph; readonly diagnostics: readonly Diagnostic[] } {
  const { graph: built, diagnostics } = buildNet(program, net, options);
  if (!built || hasErrors(diagnostics)) return { diagnostics };
  const graph = settings ? { ...built, train: settings } : built;
  observe?.('graph', graph);
  return { graph: runPasses(graph, { ...(batch !== undefined && { batch }), ...(remat && { remat }), ...(precision && { precision }), ...(until !== undefined && { until }), ...(observe && { observe }) }), diagnostics };
}

/** What a program of a model computes, and at which batch. */
export interface ProgramLayout {
  readonly mode: Graph['mode'];
  readonly batch: number;
  /** How many images are normalised together where the device makes its batches, of which the program takes the first; the batch, if it is not given. */
  readonly filledTo?: number;
}

export type Layout = Readonly<Record<string, ProgramLayout>>;

/** A backend's compiler. */
export interface Emitter<Step> {
  /** Whether its programs run the kernels that `fuse` chose; others run one operation at a time, of graphs for any batch. */
  readonly fused?: boolean;
  /** A program for a graph that is bound to the batch, or for any batch. */
  readonly emit: (graph: Graph, batch: number, filledTo?: number) => ModelProgram<Step>;
}

/** `graphs` are what each program was made of. */
export type Compiled<Step> = { readonly model: Model<Step>; readonly graphs: Readonly<Record<string, Graph>> } | { readonly diagnostics: readonly Diagnostic[] };

/** A net as the programs of one backend, in the given layout. */
export function compileModel<Step>(
  program: Program,
  net: string | undefined,
  layout: Layout,
  { fused = false, emit }: Emitter<Step>,
  { remat = false, precision = 'f32', ...options }: Omit<CompileOptions, 'mode' | 'batch' | 'until'>,
): Compiled<Step> {
  const graphs = new Map<Graph['mode'], Graph>();
  for (const mode of new Set(Object.values(layout).map((each) => each.mode))) {
    const { graph, diagnostics } = compileNet(program, net, { ...options, precision, mode });
    if (!graph) return { diagnostics };
    graphs.set(mode, graph);
  }
  const made = Object.entries(layout).flatMap(([name, { mode, batch, filledTo }]) => {
    const plain = graphs.get(mode);
    if (!plain) return [];
    // Only the passes up to the last know which values are stored in f16.
    const graph = fused || precision === 'f16' ? optimise(plain, { batch, remat, precision }) : plain;
    return [{ name, graph, program: emit(graph, batch, filledTo) }];
  });
  const [first] = graphs.values();
  if (!first) throw new RangeError('a model has at least one program');
  const byName = <T>(of: (each: (typeof made)[number]) => T): Record<string, T> => Object.fromEntries(made.map((each) => [each.name, of(each)]));
  return { model: { net: first.name, train: first.train, programs: byName(({ program: each }) => each) }, graphs: byName(({ graph }) => graph) };
}
