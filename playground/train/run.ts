// A run in the worker: a net compiled for a backend that works here, its data, and where its training stands.

import { buildNet, loadProgram } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { classScores, imageShapes } from '../../compiler/2-graph/queries.ts';
import { PassError } from '../../compiler/3-passes/pass.ts';
import type { Model } from '../../compiler/5-emit/model.ts';
import { compileModel } from '../../compiler/compile.ts';
import { renderDiagnostic } from '../../compiler/diagnostics.ts';
import type { Diagnostic } from '../../compiler/diagnostics.ts';
import type { Runner, Session } from '../../runtime/backend.ts';
import { persistent, START } from '../../runtime/checkpoint.ts';
import type { Checkpoint, Progress } from '../../runtime/checkpoint.ts';
import { batchesOf } from '../../runtime/data/batches.ts';
import type { Batches } from '../../runtime/data/batches.ts';
import { limitSplit } from '../../runtime/data/dataset.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { fit, inputShape } from '../../runtime/data/fit.ts';
import { makePlan, stepsPerEpoch } from '../../runtime/data/loader.ts';
import type { Plan } from '../../runtime/data/loader.ts';
import { syntheticDataset } from '../../runtime/data/synthetic.ts';
import { EVALUATE } from '../../runtime/evaluate.ts';
import { programOf } from '../../runtime/feeds.ts';
import { initialValues } from '../../runtime/init.ts';
import { programsFor } from '../../runtime/programs.ts';
import { openRunner } from '../../runtime/runner.ts';
import { readerOf } from '../compiler/source.ts';
import { firstThat } from './backends.ts';
import type { Target } from './backends.ts';
import type { DataSummary, Opened, TrainRequest } from './messages.ts';
import { pointsOf } from './points.ts';
import { PageError } from './trouble.ts';

export interface Run {
  readonly opened: Opened;
  readonly model: Model;
  readonly session: Session;
  readonly runner: Runner;
  readonly batches: Batches;
  readonly dataset: Dataset;
  /** For single images. */
  readonly plan: Plan;
  /** The values of its steps, from its events. */
  readonly toPoint: ReturnType<typeof pointsOf>;
  /** Where the training stands. */
  from: Progress;
  /** As it was last kept. */
  checkpoint?: Checkpoint;
}

export const summaryOf = ({ name, shape, classes, train, test }: Dataset): DataSummary => ({ name, shape, classes, train: train.count, test: test.count });

/** Compiles and opens what is asked for. Throws PageError, DataError, BackendError where it cannot be. */
export async function openRun(request: TrainRequest, own: Dataset | undefined, phase: (text: string) => void): Promise<Run> {
  const program = loadProgram(request.file, readerOf(request));
  const texts = new Map(program.files.map(({ source }) => [source.file, source.text]));
  const refuse = (diagnostics: readonly Diagnostic[]): never => {
    throw new PageError(diagnostics.map((each) => renderDiagnostic(each, (file) => texts.get(file))).join('\n'), 'Change the net, or the width.');
  };
  const { graph, diagnostics } = buildNet(program, request.net, { mode: 'train', width: request.width });
  if (!graph) return refuse(diagnostics);
  if (graph.loss === undefined) throw new PageError(`net ${graph.name} has no loss`, 'Add a loss to the net; without one it can predict but not be trained.');

  phase('making the images');
  const settings = { ...graph.train, ...(request.epochs !== undefined && { epochs: request.epochs }) };
  const dataset = limited(dataFor(request, graph, own), request.images, settings.seed);
  const { batch, seed, normalize } = settings;
  const training = makePlan(dataset, { batch, seed, normalize, views: graph.views });
  const steps = stepsPerEpoch(dataset, training);
  const layout = programsFor(dataset, training);
  const notes = checkClasses(classScores(graph), graph.name, dataset);
  const open = async (target: Target): Promise<{ readonly model: Model; readonly session: Session }> => {
    phase(`compiling for ${target.title}`);
    const compiled = passes(() => compileModel(program, request.net, layout, target, { settings, width: request.width }), refuse);
    if ('diagnostics' in compiled) return refuse(compiled.diagnostics);
    phase(`starting ${target.title}`);
    return { model: compiled.model, session: await target.backend.open(compiled.model) };
  };
  const { model, session } = await firstThat(request.backend, open, (why) => notes.push(`Not on the GPU: ${why}.`));
  try {
    const evaluation = programOf(model, EVALUATE);
    for (const [id, values] of initialValues(persistent(model), seed)) await session.write(id, values);
    const batches = batchesOf(dataset, training, evaluation.views);
    const runner = await openRunner(model, session, batches, { splits: { train: dataset.train, test: dataset.test }, ...(training.channels && { channels: training.channels }) });
    const { backend, device } = session;
    const opened = { net: model.net, backend, device, data: summaryOf(dataset), epochs: settings.epochs, stepsPerEpoch: steps, batch, notes, canPredict: evaluation.logits !== undefined };
    return { opened, model, session, runner, batches, dataset, plan: { ...training, views: evaluation.views }, toPoint: pointsOf(), from: START };
  } catch (error) {
    await session.dispose();
    throw error;
  }
}

function dataFor({ data, net }: TrainRequest, graph: Graph, own: Dataset | undefined): Dataset {
  const [found, other] = imageShapes(graph);
  if (!found) throw new PageError(`net ${net} reads no images`, 'Use its input in an output or the loss.');
  if (other) throw new PageError(`net ${net} reads images of [${found.join(', ')}] and of [${other.join(', ')}]`, 'A data set has images of one size: give all inputs the same shape.');
  const shape = inputShape(found);
  if (data === 'synthetic') return syntheticDataset({ shape });
  if (!own) throw new PageError('there are no images of your own yet', 'Drop them on the page, or train on synthetic images.');
  return fit(own, shape, own.name);
}

/** So many training images, and test images in proportion: to score all of a large split would take longer than to train on little. */
function limited(dataset: Dataset, images: number | undefined, seed: number): Dataset {
  const { train, test } = dataset;
  if (images === undefined || images >= train.count) return dataset;
  return { ...dataset, train: limitSplit(train, images, seed), test: limitSplit(test, Math.max(1, Math.round((test.count * images) / train.count)), seed) };
}

function passes<T>(compile: () => T, refuse: (diagnostics: readonly Diagnostic[]) => never): T {
  try {
    return compile();
  } catch (error) {
    return error instanceof PassError ? refuse(error.diagnostics) : raise(error);
  }
}

const raise = (error: unknown): never => {
  throw error;
};

/** A net with too few scores cannot learn the data; one with too many can, but no image has the classes left over. */
function checkClasses(scores: number | undefined, net: string, { name, classes }: Dataset): string[] {
  if (scores === undefined || scores === classes.length) return [];
  const advice = `Give its last layer ${classes.length} channels or units.`;
  if (scores < classes.length) throw new PageError(`net ${net} has ${scores} class scores; ${name} has ${classes.length} classes`, advice);
  return [`The net has ${scores} class scores, ${name} ${classes.length} classes: ${scores - classes.length} will never be right. ${advice}`];
}
