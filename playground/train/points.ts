// From the running means of an epoch to the values of single steps, and from those to a curve that can be read.

import type { Score } from '../../runtime/score.ts';
import type { Point } from './messages.ts';

interface StepEvent {
  readonly epoch: number;
  readonly step: number;
  readonly stepOfEpoch: number;
  readonly score: Score;
}

/**
 * A function that takes a run's step events one after the other, and gives the means over the steps that each adds: with the means a and b of the first m and n steps
 * of an epoch, that of the steps between is (n b - m a) / (n - m). After a stop in the middle of an epoch the first is the mean of all its steps.
 */
export function pointsOf(): (event: StepEvent) => Point {
  let last: StepEvent | undefined;
  return (event) => {
    const before = last?.epoch === event.epoch ? last : undefined;
    last = event;
    const [m, n] = [before?.stepOfEpoch ?? 0, event.stepOfEpoch];
    const mean = (value: (score: Score) => number): number => (n * value(event.score) - (before ? m * value(before.score) : 0)) / Math.max(1, n - m);
    const { accuracy } = event.score;
    return { step: event.step, steps: n - m, loss: mean(({ loss }) => loss), accuracy: accuracy === null ? null : Math.min(1, Math.max(0, mean((score) => score.accuracy ?? 0))) };
  };
}

/**
 * An exponential moving average whose first values are not drawn to 0 (Kingma and Ba, "Adam", 2015, section 3): a function that takes values one after the other,
 * each with how many steps it is the mean of.
 */
export function smoother(decay = 0.9): (value: number, steps: number) => number {
  let sum = 0;
  let weight = 0;
  return (value, steps) => {
    const kept = decay ** steps;
    sum = kept * sum + (1 - kept) * value;
    weight = kept * weight + (1 - kept);
    return sum / weight;
  };
}
