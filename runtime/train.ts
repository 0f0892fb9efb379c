// Trains a compiled model: steps, epochs, evaluation, metrics and checkpoints. Says what happens as events, and knows nothing of terminals.

import type { Model } from '../compiler/5-emit/model.ts';
import type { Session } from './backend.ts';
import type { Dataset } from './data/dataset.ts';
import { evalBatches, evaluationBatch, stepsPerEpoch as countSteps, trainBatch, type Batch, type Plan } from './data/loader.ts';
import { capture, writeCheckpoint, type Checkpoint, type Progress } from './checkpoint.ts';
import { RunError } from './errors.ts';
import { breathe, evaluating, programOf, type Evaluation } from './evaluate.ts';
import { feedsOf, rowsOf, type Images } from './feeds.ts';
import { addStep, appendMetrics, NO_SUMS, score, type EpochMetrics, type Score } from './metrics.ts';

export const TRAIN = 'train';

/** Where batches come from. Both are pure functions of the run's seed. */
export interface Batches {
  readonly stepsPerEpoch: number;
  /** The batch of a step, counted from 0 since the run began. */
  readonly train: (step: number) => Images;
  /** The test split, in an order that does not change. */
  readonly test: () => Iterable<Batch>;
  readonly testImages: number;
}

/**
 * The batches of a data set. Evaluation takes as many images as a training step enters readings, and its own views: each is its plain input there.
 * Throws DataError where a batch is larger than the training split.
 */
export const batchesOf = (dataset: Dataset, plan: Plan, evaluationViews: Plan['views']): Batches => ({
  stepsPerEpoch: countSteps(dataset, plan),
  train: (step) => trainBatch(dataset, plan, step),
  test: () => evalBatches(dataset, dataset.test, { ...plan, views: evaluationViews }, evaluationBatch(plan)),
  testImages: dataset.test.count,
});

export interface TrainJob {
  readonly model: Model;
  /** Holds the weights and states that `from` speaks of. */
  readonly session: Session;
  readonly batches: Batches;
  readonly from: Progress;
  /** Where epochs and states are kept. */
  readonly paths: { readonly metrics: string; readonly checkpoint: string };
  /** Given, the confusion matrix and the mistakes are found as well. */
  readonly classes?: number;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

export type TrainEvent =
  | { readonly event: 'step'; readonly epoch: number; readonly step: number; readonly stepOfEpoch: number; readonly stepsPerEpoch: number; readonly score: Score; readonly imagesPerSecond: number }
  /** Images of the test split that are scored. */
  | { readonly event: 'evaluate'; readonly epoch: number; readonly done: number; readonly total: number }
  | ({ readonly event: 'epoch' } & EpochMetrics)
  /** After each epoch: what was found of the test split, and what was saved. */
  | { readonly event: 'details'; readonly evaluation: Evaluation; readonly checkpoint: Checkpoint }
  | { readonly event: 'interrupted'; readonly progress: Progress };

/**
 * Runs the epochs that are left. After each one the test split is scored, a line is added to the metrics and then a checkpoint is written:
 * a crash at any moment leaves a pair from which `rewindMetrics` and the checkpoint continue to the same numbers.
 * Throws RunError where the loss is not finite, leaving the last checkpoint as it is.
 */
export async function* train(job: TrainJob): AsyncGenerator<TrainEvent> {
  const { model, session, batches, paths, classes, signal, now = () => performance.now() } = job;
  const { stepsPerEpoch } = batches;
  const { epochs, seed } = model.train;
  const program = programOf(model, TRAIN);
  const { loss, correct } = program;
  if (loss === undefined) throw new RunError(`net ${model.net} has no loss`, 'Add a loss to the net; without one it can predict but not be trained.');
  const rows = rowsOf(program);
  const images = (steps: number): number => steps * program.batch;
  const wanted = correct === undefined ? [loss] : [loss, correct];
  const scoreOf = (progress: Progress): Score => score(progress.sums, correct !== undefined);
  const save = async (progress: Progress): Promise<Checkpoint> => {
    const checkpoint = await capture(model, session, progress);
    await writeCheckpoint(paths.checkpoint, checkpoint);
    return checkpoint;
  };

  const feeds = (step: number) => feedsOf(program, batches.train(step), { step, stepsPerEpoch, totalSteps: stepsPerEpoch * epochs }, seed);
  /** Runs a step while the host makes the next one's feeds. */
  const runStep = async (step: number, fed: ReturnType<typeof feeds>) => {
    const running = session.run(TRAIN, fed, wanted);
    const more = step + 1 < stepsPerEpoch * epochs;
    const [results, next] = await Promise.all([running, (async () => (more ? feeds(step + 1) : undefined))()]);
    return { loss: results.get(loss)?.[0] ?? NaN, correct: correct === undefined ? 0 : (results.get(correct)?.[0] ?? NaN), next };
  };

  let progress = job.from;
  let prepared: ReturnType<typeof feeds> | undefined;
  while (progress.epoch < epochs) {
    const epoch = progress.epoch + 1;
    while (progress.sums.steps < stepsPerEpoch) {
      await breathe();
      if (signal?.aborted) return yield await interrupt(progress);
      const began = now();
      const { step } = progress;
      const result = await runStep(step, prepared ?? feeds(step));
      if (!Number.isFinite(result.loss)) throw diverged(result.loss, step, epoch);
      prepared = result.next;
      const sums = addStep(progress.sums, { rows, loss: result.loss, correct: result.correct, seconds: (now() - began) / 1000 });
      progress = { ...progress, step: step + 1, sums };
      yield { event: 'step', epoch, step: step + 1, stepOfEpoch: sums.steps, stepsPerEpoch, score: scoreOf(progress), imagesPerSecond: rate(images(sums.steps), sums.seconds) };
    }
    const test = yield* scoring(epoch);
    if (!test) return yield await interrupt(progress);
    const { seconds } = progress.sums;
    const metrics: EpochMetrics = { epoch, step: progress.step, train: scoreOf(progress), test: test.score, seconds, imagesPerSecond: rate(images(progress.sums.steps), seconds) };
    progress = { epoch, step: progress.step, sums: NO_SUMS };
    await appendMetrics(paths.metrics, metrics);
    const checkpoint = await save(progress);
    yield { event: 'epoch', ...metrics };
    yield { event: 'details', evaluation: test, checkpoint };
  }

  async function* scoring(epoch: number): AsyncGenerator<TrainEvent, Evaluation | undefined> {
    const run = evaluating({ model, session, batches: batches.test(), ...(classes !== undefined && { classes }), signal });
    for (let done = 0; ; ) {
      yield { event: 'evaluate', epoch, done, total: batches.testImages };
      const next = await run.next();
      if (next.done === true) return next.value;
      done = next.value;
    }
  }

  async function interrupt(at: Progress): Promise<TrainEvent> {
    await save(at);
    return { event: 'interrupted', progress: at };
  }
}

const rate = (images: number, seconds: number): number => images / Math.max(seconds, 1e-9);

const diverged = (loss: number, step: number, epoch: number): RunError =>
  new RunError(
    `the loss became ${loss} at step ${step + 1} (epoch ${epoch})`,
    'The last checkpoint is kept. Lower the learning rate, clip the gradients (clip_norm 1), or look for a division or logarithm of zero in the net.',
  );
