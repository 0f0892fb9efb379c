// From a net to an artefact: its programs for each backend, in forms that any machine can run.

import { basename } from 'node:path';
import { compileModel, compileNet, type Emitter, type Layout } from '../../compiler/compile.ts';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { classScores } from '../../compiler/2-graph/queries.ts';
import { concreteShape } from '../../compiler/2-graph/types.ts';
import { printFusedKernels } from '../../compiler/4-kernels/fused.ts';
import { printKernels } from '../../compiler/4-kernels/kernel.ts';
import { lowerFused } from '../../compiler/4-kernels/lower-fused.ts';
import { lower } from '../../compiler/4-kernels/lower.ts';
import { ARTEFACT_FORMAT, type Artefact, type ArtefactBackend, type ArtefactBackends, type ProgramName, type ProgramSet, type StoredProgram, type StoredPrograms } from '../../compiler/5-emit/artefact.ts';
import type { Model } from '../../compiler/5-emit/model.ts';
import { digestOfPrograms } from '../../runtime/compiled/digest.ts';
import { CIFAR10_CLASSES } from '../../runtime/data/cifar10-files.ts';
import { evaluationBatch } from '../../runtime/data/loader.ts';
import { SYNTHETIC_CLASSES } from '../../runtime/data/synthetic.ts';
import { SourceError } from '../diagnostics.ts';
import { gpujsEmitter, wasmEmitter, webgpuEmitter } from '../../compiler/emitters.ts';
import { didYouMean, UsageError } from '../io.ts';
import { programTexts, type LoadedNet } from '../load.ts';
import { inputShape } from '../model.ts';
import { passErrorsAs } from '../stages.ts';
import { VERSION } from '../version.ts';
import { deflate } from './deflate.ts';
import type { CompileRequest } from './target.ts';

export interface Compiled {
  readonly artefact: Artefact;
  /** The kernels of each program of the wasm backend, as loop nests. */
  readonly listings: Readonly<Partial<Record<ProgramName, string>>>;
}

type Compile = <Step>(emitter: Emitter<Step>) => Model<Step>;

/** What a backend's programs are compiled with, by the names that --backend takes. */
const BACKENDS: { readonly [B in ArtefactBackend]: (compile: Compile) => Promise<ArtefactBackends[B]> } = {
  webgpu: async (compile) => stored(compile(await webgpuEmitter({ feed: false }))), // applications have images, no data sets
  wasm: async (compile) => stored(compile(await wasmEmitter(true)), compile(await wasmEmitter(false))),
  gpujs: async (compile) => stored(compile(await gpujsEmitter())),
};

const ARTEFACT_BACKENDS = Object.keys(BACKENDS) as readonly ArtefactBackend[];

/** The model's programs as text. `plain` is the same model for engines without relaxed SIMD, where that makes a difference. */
function stored<Step>(model: Model<Step>, plain = model): StoredPrograms<Step> {
  const entries = Object.entries(model.programs).map(([name, { code, ...program }]): [string, StoredProgram<Step>] => [
    name,
    code ? { ...program, code: { relaxed: deflate(code), plain: deflate(plain.programs[name]?.code) } } : program,
  ]);
  const programs = Object.fromEntries(entries) as unknown as ProgramSet<Step>;
  return { digest: digestOfPrograms(programs), programs };
}

/** Backends where none are named. */
const USUAL: readonly ArtefactBackend[] = ['webgpu', 'wasm'];

/** Throws UsageError where a backend is not one of those that there may be. */
function chosen(names: readonly string[], possible: readonly ArtefactBackend[]): readonly ArtefactBackend[] {
  const wrong = names.find((name) => !(possible as readonly string[]).includes(name));
  if (wrong === 'reference') throw new UsageError('a compiled model does not run on the backend reference', `That is the compiler's own evaluator, for tests. Backends: ${possible.join(', ')}.`);
  if (wrong !== undefined) throw new UsageError(`a compiled model does not run on a backend "${wrong}"`, `${didYouMean(wrong, possible)}Backends: ${possible.join(', ')}.`);
  return names.length === 0 ? USUAL : possible.filter((name) => names.includes(name));
}

/** Compiles the net for the backends that were asked for: all that it can do, or only what a page asks of it, which classifies a single image. */
export async function compileArtefact({ net, classes, backends }: CompileRequest, use: 'all' | 'page'): Promise<Compiled> {
  // gpu.js makes code of text, which a page forbids.
  const names = chosen(backends, use === 'page' ? USUAL : ARTEFACT_BACKENDS);
  const image = imageShape(net);
  const evaluation = graphOf(net, 'evaluate');
  const { batch } = net.settings;
  const size = evaluationBatch({ batch, views: net.graph.views });
  const layout: Layout = use === 'page' ? { predict: { mode: 'evaluate', batch: 1 } } : {
    ...(net.graph.loss !== undefined && { train: { mode: 'train', batch } }),
    predict: { mode: 'evaluate', batch: size },
    ...(size > 1 && { one: { mode: 'evaluate', batch: 1 } }),
  };
  const entries: [string, unknown][] = [];
  for (const name of names) entries.push([name, await BACKENDS[name]((emitter) => modelOf(net, layout, emitter))]);
  return {
    artefact: {
      format: ARTEFACT_FORMAT,
      zigzag: VERSION,
      net: net.name,
      image,
      classes: classesOf(net, evaluation, classes),
      // A path would tell others of this machine.
      settings: { ...net.settings, dataset: basename(net.settings.dataset) },
      outputs: outputShapes(net, evaluation),
      backends: Object.fromEntries(entries) as ArtefactBackends,
    },
    listings: names.includes('wasm') ? await listingsOf(net, layout) : {},
  };
}

function modelOf<Step>({ program, name, settings, width }: LoadedNet, layout: Layout, emitter: Emitter<Step>): Model<Step> {
  const compiled = passErrorsAs(program, () => compileModel(program, name, layout, emitter, { settings, width }));
  if ('diagnostics' in compiled) throw new SourceError(compiled.diagnostics, programTexts(program));
  return compiled.model;
}

/** The kernels that the wasm backend runs, program by program. */
async function listingsOf(net: LoadedNet, layout: Layout): Promise<Compiled['listings']> {
  const emitter = await wasmEmitter(true);
  const texts: string[] = [];
  modelOf(net, layout, {
    ...emitter,
    emit: (graph, batch) => {
      texts.push(emitter.fused ? printFusedKernels(lowerFused(graph)) : printKernels(lower(bindBatch(graph, batch))));
      return emitter.emit(graph, batch);
    },
  });
  return Object.fromEntries(Object.keys(layout).map((name, i) => [name, texts[i] ?? '']));
}

/** The net's graph before what backends do to it. Throws SourceError. */
export function graphOf({ program, name, width, settings }: LoadedNet, mode: Graph['mode']): Graph {
  const { graph, diagnostics } = passErrorsAs(program, () => compileNet(program, name, { mode, width, settings }));
  if (!graph) throw new SourceError(diagnostics, programTexts(program));
  return graph;
}

/** Throws UsageError where the net does not read images of one shape. */
function imageShape(net: LoadedNet): readonly number[] {
  const shape = inputShape(net);
  if (shape.length !== 3) throw new UsageError(`net ${net.name} reads [${shape.join(', ')}]; a compiled model reads images`, 'Declare the input as [height, width, channels].');
  return shape;
}

/** What the net gives for each image. Throws UsageError where that is nothing. */
function outputShapes({ name }: LoadedNet, evaluation: Graph): Record<string, readonly number[]> {
  const shapes = evaluation.outputs.flatMap(({ name: output, value }) => {
    const [rows, ...rest] = evaluation.nodes.find(({ id }) => id === value)?.type.shape ?? [];
    return rows === 'B' ? [[output, concreteShape(rest)] as const] : [];
  });
  if (shapes.length === 0) throw new UsageError(`no output of net ${name} has a value for each image`, 'Name one whose first axis is the batch as an output: output logits.');
  return Object.fromEntries(shapes);
}

const KNOWN: Readonly<Record<string, readonly string[]>> = { cifar10: CIFAR10_CLASSES, synthetic: SYNTHETIC_CLASSES };
const knownClasses = (dataset: string): readonly string[] => (Object.hasOwn(KNOWN, dataset) ? (KNOWN[dataset] ?? []) : []);

/** A name for each score, or its number where the names are of other classes. */
const classNames = (scores: number, names: readonly string[]): string[] => Array.from({ length: scores }, (_, i) => (names.length <= scores ? (names[i] ?? String(i)) : String(i)));

/** A name for each class score: of the classes that the weights were trained on, or of the net's data set. */
export function classesOf({ settings }: LoadedNet, graph: Graph, classes: readonly string[] | undefined): readonly string[] {
  const scores = classScores(graph);
  return scores !== undefined ? classNames(scores, classes ?? knownClasses(settings.dataset)) : [];
}
