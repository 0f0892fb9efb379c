// What the training tab shows: the run, its curves, what it confuses. One value, made anew by each piece of news.

import type { EpochMetrics } from '../../runtime/score.ts';
import type { Confused, DataSummary, News, Opened, Ranked, Trouble } from './messages.ts';
import { smoother } from './points.ts';

export type Phase = 'idle' | 'opening' | 'training' | 'stopping' | 'stopped' | 'done';

export interface TrainState {
  readonly phase: Phase;
  /** What is under way while a run opens. */
  readonly under: string;
  readonly opened: Opened | undefined;
  readonly progress: Progress | undefined;
  readonly epochs: readonly EpochMetrics[];
  readonly confused: Confused | undefined;
  readonly trouble: Trouble | undefined;
  /** The user's own data set, and how much of one is read. */
  readonly own: DataSummary | undefined;
  readonly reading: string | undefined;
  readonly predicted: Predicted | undefined;
}

export interface Progress {
  readonly epoch: number;
  readonly stepOfEpoch: number;
  readonly imagesPerSecond: number;
  /** Of the test images, while they are scored. */
  readonly scoring?: { readonly done: number; readonly total: number };
  /** Seconds that scoring took last. */
  readonly evaluationSeconds: number;
}

export interface Predicted {
  readonly picture: string;
  readonly name: string;
  readonly ranked?: readonly Ranked[];
  readonly trouble?: Trouble;
}

export const IDLE: TrainState = { phase: 'idle', under: '', opened: undefined, progress: undefined, epochs: [], confused: undefined, trouble: undefined, own: undefined, reading: undefined, predicted: undefined };

/** The state after news of the worker. */
export function after(state: TrainState, news: News): TrainState {
  switch (news.kind) {
    case 'phase':
      return { ...state, under: news.text };
    case 'opened':
      return { ...state, phase: state.phase === 'opening' ? 'training' : state.phase, opened: news.opened };
    case 'steps': {
      const { epoch, stepOfEpoch, imagesPerSecond } = news;
      return { ...state, progress: { epoch, stepOfEpoch, imagesPerSecond, evaluationSeconds: state.progress?.evaluationSeconds ?? 0 } };
    }
    case 'evaluate':
      return state.progress ? { ...state, progress: { ...state.progress, scoring: { done: news.done, total: news.total } } } : state;
    case 'epoch':
      return { ...state, epochs: [...state.epochs, news.metrics], ...(state.progress && { progress: { ...withoutScoring(state.progress), evaluationSeconds: news.evaluationSeconds } }) };
    case 'confused':
      return { ...state, confused: news.confused };
  }
}

const withoutScoring = ({ scoring: _, ...progress }: Progress): Progress => progress;

/**
 * Seconds that are left of a run, as far as its pace so far tells; before the test images have been scored once, that is taken to be three times as fast as training,
 * which goes forward and twice back.
 */
export function secondsLeft({ epochs, stepsPerEpoch, batch, data }: Opened, { epoch, stepOfEpoch, imagesPerSecond, evaluationSeconds, scoring }: Progress): number {
  const perStep = batch / Math.max(imagesPerSecond, 1e-9);
  const perEvaluation = evaluationSeconds || data.test / Math.max(3 * imagesPerSecond, 1e-9);
  const scored = scoring ? scoring.done / Math.max(1, scoring.total) : 0;
  return (stepsPerEpoch - stepOfEpoch) * perStep + (epochs - epoch) * (stepsPerEpoch * perStep + perEvaluation) + (1 - scored) * perEvaluation;
}

/** The points of the curves, in epochs: grown in place, for there may be many. */
export interface Curves {
  readonly x: number[];
  readonly loss: Curve;
  readonly accuracy: Curve;
}

export interface Curve {
  /** Of single steps, smoothed. */
  readonly train: (number | null)[];
  /** At the ends of epochs. */
  readonly test: (number | null)[];
}

export interface Plotter {
  readonly curves: Curves;
  readonly add: (news: News, stepsPerEpoch: number) => void;
}

export function createPlotter(): Plotter {
  const curve = (): Curve => ({ train: [], test: [] });
  const curves: Curves = { x: [], loss: curve(), accuracy: curve() };
  const [smoothLoss, smoothAccuracy] = [smoother(), smoother()];
  return {
    curves,
    add(news, stepsPerEpoch) {
      if (news.kind === 'steps') {
        for (const { step, steps, loss, accuracy } of news.points) {
          curves.x.push(step / stepsPerEpoch);
          curves.loss.train.push(smoothLoss(loss, steps));
          curves.accuracy.train.push(accuracy === null ? null : 100 * smoothAccuracy(accuracy, steps));
          for (const { test } of [curves.loss, curves.accuracy]) test.push(null);
        }
      }
      // The test images are scored after the last step of an epoch: at its point.
      if (news.kind === 'epoch') {
        const { loss, accuracy } = news.metrics.test;
        curves.loss.test[curves.x.length - 1] = loss;
        curves.accuracy.test[curves.x.length - 1] = accuracy === null ? null : 100 * accuracy;
      }
    },
  };
}
