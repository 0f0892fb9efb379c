// Trains a compiled model: steps, epochs, evaluation, metrics and checkpoints. Says what happens as events, and knows nothing of terminals.

import type { Model } from '../compiler/5-emit/model.ts';
import type { Finished, Runner, Session } from './backend.ts';
import type { Batches } from './data/batches.ts';
import { capture, type Checkpoint, type Progress } from './checkpoint.ts';
import { RunError } from './errors.ts';
import { evaluating, type Evaluation } from './evaluate.ts';
import { programOf, rowsOf } from './feeds.ts';
import { addStep, NO_SUMS, score, type EpochMetrics, type Score } from './score.ts';
import { turn } from './turn.ts';

export const TRAIN = 'train';

/** Keeps what a run has reached; each resolves when it is kept. */
export interface Keeper {
  readonly epoch: (metrics: EpochMetrics) => Promise<void>;
  readonly checkpoint: (checkpoint: Checkpoint) => Promise<void>;
}

export interface TrainJob {
  readonly model: Model;
  /** Holds the weights and states that `from` speaks of. */
  readonly session: Session;
  /** Of that session; nothing else is under way on it. */
  readonly runner: Runner;
  readonly batches: Batches;
  readonly from: Progress;
  readonly keep: Keeper;
  /** Given, the confusion matrix and the mistakes are found as well. */
  readonly classes?: number;
  /** Stops after the steps under way, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

export type TrainEvent =
  /** The results of one or more steps are there; `step` is the last of them. */
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
  const { model, session, runner, batches, keep, classes, signal, now = () => performance.now() } = job;
  const { stepsPerEpoch } = batches;
  const { epochs } = model.train;
  const program = programOf(model, TRAIN);
  const { loss, correct, scaling } = program;
  if (loss === undefined) throw new RunError(`net ${model.net} has no loss`, 'Add a loss to the net; without one it can predict but not be trained.');
  const rows = rowsOf(program);
  const images = (steps: number): number => steps * program.batch;
  const wanted = correct === undefined ? [loss] : [loss, correct];
  const scoreOf = (progress: Progress): Score => score(progress.sums, correct !== undefined);
  const captured = (progress: Progress): Promise<Checkpoint> => capture(model, session, progress, batches.statistics);
  const scalingIn = ({ tensors }: Checkpoint): Pick<EpochMetrics, 'scaling'> => {
    const value = (id: string): number => tensors.get(id)?.data[0] ?? NaN;
    return scaling ? { scaling: { scale: value(scaling.scale), skipped: value(scaling.skipped) } } : {};
  };

  let progress = job.from;
  while (progress.epoch < epochs) {
    const epoch = progress.epoch + 1;
    let counted = now();
    /** Adds the results of steps up; the device was busy with them for all the time since the last ones came. */
    const take = function* (finished: readonly Finished[]): Generator<TrainEvent> {
      if (finished.length === 0) return;
      const seconds = (now() - counted) / 1000 / finished.length;
      counted = now();
      for (const { run, results } of finished) {
        const value = (id: string | undefined): number => (id === undefined ? 0 : (results.get(id)?.[0] ?? NaN));
        if (!Number.isFinite(value(loss))) throw diverged(value(loss), run.clock.step, epoch, scaling !== undefined);
        progress = { ...progress, step: run.clock.step + 1, sums: addStep(progress.sums, { rows, loss: value(loss), correct: value(correct), seconds }) };
      }
      const { step, sums } = progress;
      yield { event: 'step', epoch, step, stepOfEpoch: sums.steps, stepsPerEpoch, score: scoreOf(progress), imagesPerSecond: rate(images(sums.steps), sums.seconds) };
    };
    const end = progress.step + stepsPerEpoch - progress.sums.steps;
    for (let step = progress.step; step < end && !signal?.aborted; step++) {
      await turn();
      const clock = { step, stepsPerEpoch, totalSteps: stepsPerEpoch * epochs };
      yield* take(await runner.begin({ program: TRAIN, selection: batches.train(step), clock, wanted }));
    }
    yield* take(await runner.finish());
    if (progress.step < end) return yield await interrupt(progress);
    const test = yield* scoring(epoch);
    if (!test) return yield await interrupt(progress);
    const { seconds } = progress.sums;
    const checkpoint = await captured({ epoch, step: progress.step, sums: NO_SUMS });
    const metrics: EpochMetrics = { epoch, step: progress.step, train: scoreOf(progress), test: test.score, seconds, imagesPerSecond: rate(images(progress.sums.steps), seconds), ...scalingIn(checkpoint) };
    progress = checkpoint.progress;
    await keep.epoch(metrics);
    await keep.checkpoint(checkpoint);
    yield { event: 'epoch', ...metrics };
    yield { event: 'details', evaluation: test, checkpoint };
  }

  async function* scoring(epoch: number): AsyncGenerator<TrainEvent, Evaluation | undefined> {
    const run = evaluating({ model, runner, batches, ...(classes !== undefined && { classes }), signal });
    for (let done = 0; ; ) {
      yield { event: 'evaluate', epoch, done, total: batches.testImages };
      const next = await run.next();
      if (next.done === true) return next.value;
      done = next.value;
    }
  }

  async function interrupt(at: Progress): Promise<TrainEvent> {
    await keep.checkpoint(await captured(at));
    return { event: 'interrupted', progress: at };
  }
}

const rate = (images: number, seconds: number): number => images / Math.max(seconds, 1e-9);

const diverged = (loss: number, step: number, epoch: number, inHalves: boolean): RunError =>
  new RunError(
    `the loss became ${loss} at step ${step + 1} (epoch ${epoch})`,
    `The checkpoint of the last epoch that was done is kept. ${inHalves ? 'In f16 activations are infinite from 65,520: try --precision f32. ' : ''}Lower the learning rate, clip the gradients (clip_norm 1), or look for a division or logarithm of zero in the net: --check-numerics shows where it began.`,
  );
