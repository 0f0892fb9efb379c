// From a net to a model on a device with its data: what training, evaluating and predicting share.

import { compileModel, type Layout } from '../compiler/compile.ts';
import type { Graph } from '../compiler/2-graph/graph.ts';
import { classScores, imageShapes } from '../compiler/2-graph/queries.ts';
import type { Precision } from '../compiler/3-passes/precision.ts';
import type { Model, TrainSettings, WebGpuStep } from '../compiler/5-emit/model.ts';
import type { Runner, Session } from '../runtime/backend.ts';
import { persistent, restore, type Checkpoint } from '../runtime/checkpoint.ts';
import { cacheDirectory } from '../runtime/data/cache.ts';
import { limitSplit, renumbered, type Dataset } from '../runtime/data/dataset.ts';
import { batchesOf, type Batches } from '../runtime/data/batches.ts';
import { makePlan, stepsPerEpoch, type Plan } from '../runtime/data/loader.ts';
import type { InputStatistics } from '../runtime/data/normalize.ts';
import { openDataset } from '../runtime/data/open.ts';
import { EVALUATE } from '../runtime/evaluate.ts';
import { programOf } from '../runtime/feeds.ts';
import { initialValues } from '../runtime/init.ts';
import { programsFor } from '../runtime/programs.ts';
import { openRunner } from '../runtime/runner.ts';
import { backendsFor, loadFirst, openFirst } from './backends.ts';
import { createDataProgress } from './data-progress.ts';
import { SourceError } from './diagnostics.ts';
import { colours, debugLevel, say, UsageError, type Io } from './io.ts';
import { programTexts, type LoadedNet } from './load.ts';
import { passErrorsAs, stagesOf } from './stages.ts';
import { isTracing, traceStages } from './trace.ts';
import { tuningRequest, type TuningRequest } from './tuning/request.ts';

export interface ModelRequest {
  readonly net: LoadedNet;
  readonly settings: TrainSettings;
  readonly limit: number | null;
  /** What a run has learned with; its data may be others by now. */
  readonly trained?: { readonly classes: readonly string[]; readonly statistics: InputStatistics } | undefined;
  readonly backend: string;
  readonly precision: Precision;
  /** Of the wasm backend. */
  readonly threads?: number | undefined;
  /** How products get their tiles on a GPU: see TuningRequest. */
  readonly tune?: TuningRequest['level'];
  /** Whether runs stop at the first value that is not finite. */
  readonly checkNumerics?: boolean;
  readonly quiet: boolean;
  /** Without the training program. */
  readonly evaluateOnly?: boolean;
  readonly signal?: AbortSignal;
}

export interface OpenModel {
  readonly model: Model;
  /** What each program was made of. */
  readonly graphs: Readonly<Record<string, Graph>>;
  readonly session: Session;
  readonly dataset: Dataset;
  /** For evaluation and prediction. */
  readonly plan: Plan;
  /** The batches of training and evaluation, and what runs programs on them. */
  readonly feed: () => Promise<{ readonly batches: Batches; readonly runner: Runner }>;
  /** Puts a checkpoint's weights and states on the device, or the first ones of the run's seed. */
  readonly restore: (checkpoint: Checkpoint | undefined) => Promise<void>;
}

/** Opens the data, compiles for the first backend that works here, and opens it. */
export async function openModel(io: Io, request: ModelRequest): Promise<OpenModel> {
  const { net, settings, trained, backend, precision, checkNumerics = false, quiet, evaluateOnly = false } = request;
  backendsFor(backend, { precision }); // refuses an unknown one before any data are read
  const opened = await openData(io, request);
  const dataset = trained && net.graph.classifier ? renumbered(opened, trained.classes) : opened;
  const { batch, seed, normalize } = settings;
  const training = makePlan(dataset, { batch, seed, normalize, views: net.graph.views }, trained?.statistics);
  checkClasses(io, net, dataset, evaluateOnly);
  if (!evaluateOnly) stepsPerEpoch(dataset, training); // refuses a batch larger than the data before anything is compiled
  const layout = programsFor(dataset, training, evaluateOnly);
  const { model, graphs, session } = await openPrograms(io, request, layout);
  const evaluation = programOf(model, EVALUATE);
  return {
    model,
    graphs,
    session,
    dataset,
    plan: { ...training, views: evaluation.views },
    feed: async () => {
      const data = { splits: evaluateOnly ? { test: dataset.test } : { train: dataset.train, test: dataset.test }, ...(training.channels && { channels: training.channels }) };
      const batches = batchesOf(dataset, training, evaluation.views);
      const runner = await openRunner(model, session, batches, data);
      if (session.load && runner.fedBy === 'host' && !checkNumerics && !quiet) say(io, `note: ${dataset.name} does not fit on the device; the host makes the batches`);
      return { batches, runner };
    },
    restore: async (checkpoint) => {
      if (checkpoint) return restore(model, session, checkpoint);
      for (const [id, values] of initialValues(persistent(model), seed)) await session.write(id, values);
    },
  };
}

/** Compiles programs of the net for the first backend that works here, and opens it. */
export async function openPrograms(io: Io, { net, settings, backend, precision, threads, tune, checkNumerics = false, quiet }: Omit<ModelRequest, 'limit'>, layout: Layout): Promise<Pick<OpenModel, 'model' | 'graphs' | 'session'>> {
  const entries = backendsFor(backend, { threads, precision, tuning: tuningRequest(io, tune, quiet) });
  const [first] = Object.values(layout);
  if (isTracing(io) && first) await traceStages(io, stagesOf(net.program, net.name, { ...first, width: net.width, settings, precision, target: await loadFirst(entries) }));
  const opened = await openFirst(entries, (target) => {
    const compiled = passErrorsAs(net.program, () => compileModel(net.program, net.name, layout, target, { settings, width: net.width, precision }));
    if ('diagnostics' in compiled) throw new SourceError(compiled.diagnostics, programTexts(net.program));
    return compiled;
  }, { checkNumerics, ...(!quiet && { passedOver: (name, { message }) => say(io, `note: not on ${name}: ${message}`) }) });
  if (debugLevel(io) >= 3) for (const line of tilingLines(opened.model)) say(io, line);
  return opened;
}

/** For ZZ_DEBUG: the tiles of every product. */
const tilingLines = ({ programs }: Model): string[] =>
  Object.entries(programs).flatMap(([program, { steps }]) => (steps as readonly Partial<WebGpuStep>[]).flatMap(({ name, tiling }) => (tiling ? [`${program} ${name ?? ''}: ${tiling.choice}`] : [])));

/** The data set with as many training images as were asked for. */
export async function openData(io: Io, { net, settings, limit, quiet, signal }: Pick<ModelRequest, 'net' | 'settings' | 'limit' | 'quiet' | 'signal'>): Promise<Dataset> {
  const progress = createDataProgress(io, quiet);
  const dataset = await openDataset(settings.dataset, { shape: inputShape(net), cacheDir: cacheDirectory(io.env), progress: progress.update, ...(signal && { signal }) }).finally(progress.stop);
  return limit === null ? dataset : { ...dataset, train: limitSplit(dataset.train, limit, settings.seed) };
}

/** The shape of the net's images. Throws UsageError where inputs differ: a data set has one image for each label. */
export function inputShape({ graph, name }: LoadedNet): number[] {
  const [shape, other] = imageShapes(graph);
  if (!shape) throw new UsageError(`net ${name} reads no images`, 'Use its input in an output or the loss.');
  if (other) throw new UsageError(`net ${name} reads images of [${shape.join(', ')}] and of [${other.join(', ')}]`, 'A data set has images of one size: give all inputs the same shape.');
  return shape;
}

/** A net with too few scores cannot learn the data; one with too many can, but no image has the classes left over. */
export function checkClasses(io: Io, { name, graph }: LoadedNet, dataset: Dataset, quiet: boolean): void {
  const scores = classScores(graph);
  const needed = dataset.classes.length;
  if (scores === undefined || scores === needed) return;
  const advice = `Give its last layer ${needed} channels or units.`;
  if (scores < needed) throw new UsageError(`net ${name} has ${scores} class scores; ${dataset.name} has ${needed} classes`, advice);
  if (!quiet) say(io, `${colours(io, io.stderr).yellow('warning')}: net ${name} has ${scores} class scores, ${dataset.name} ${needed} classes: ${scores - needed} will never be right\n  ${advice}`);
}
