// The curves of runs as plain data, which the page draws.

import type { TrainSettings } from '../../compiler/5-emit/model.ts';
import type { EpochMetrics } from '../metrics.ts';
import { learningRateAt } from './learning-rate.ts';
import type { Published } from './published.ts';

export interface Chart {
  readonly title: string;
  /** Of the values, written behind them. */
  readonly unit: string;
  /** Epochs. */
  readonly x: readonly number[];
  readonly series: readonly Series[];
  /** Horizontal marks. */
  readonly marks: readonly { readonly label: string; readonly y: number; readonly colour: number }[];
}

export interface Series {
  readonly label: string;
  /** Its place in the page's palette. */
  readonly colour: number;
  readonly values: readonly (number | null)[];
}

const TRAIN = 0;
const TEST = 1;
const SINGLE = 2;

const hundred = (share: number | null): number | null => (share === null ? null : 100 * share);

/** The charts of one run. */
export function runCharts(epochs: readonly EpochMetrics[], settings: TrainSettings, published: Published | undefined): Chart[] {
  const x = epochs.map(({ epoch }) => epoch);
  const pair = (value: (epoch: EpochMetrics, split: 'train' | 'test') => number | null): Series[] => [
    { label: 'training', colour: TRAIN, values: epochs.map((epoch) => value(epoch, 'train')) },
    { label: 'test', colour: TEST, values: epochs.map((epoch) => value(epoch, 'test')) },
  ];
  const mark = (share: number, split: string, colour: number) => ({ label: `published ${split} ${(100 * share).toFixed(1)} %`, y: 100 * share, colour });
  const marks = published ? [...published.train.map((share) => mark(share, 'training', TRAIN)), mark(published.test, 'test', TEST)] : [];
  const classifies = epochs.some(({ test }) => test.accuracy !== null);
  return [
    ...(classifies ? [{ title: 'Accuracy', unit: '%', x, series: pair((epoch, split) => hundred(epoch[split].accuracy)), marks }] : []),
    { title: 'Loss', unit: '', x, series: pair((epoch, split) => epoch[split].loss), marks: [] },
    rateChart(epochs, settings),
    { title: 'Images a second', unit: '', x, series: [{ label: 'training', colour: SINGLE, values: epochs.map(({ imagesPerSecond }) => imagesPerSecond) }], marks: [] },
  ];
}

/** Points of the learning rate's curve over the whole run. */
const POINTS = 120;

function rateChart(epochs: readonly EpochMetrics[], settings: TrainSettings): Chart {
  const last = epochs.at(-1);
  const stepsPerEpoch = last ? last.step / last.epoch : 1;
  const totalSteps = stepsPerEpoch * settings.epochs;
  const steps = [...new Set(Array.from({ length: POINTS + 1 }, (_, i) => Math.min(totalSteps - 1, Math.round((i * totalSteps) / POINTS))))];
  const values = steps.map((step) => learningRateAt(settings, { step, stepsPerEpoch, totalSteps }));
  return { title: 'Learning rate', unit: '', x: steps.map((step) => step / stepsPerEpoch), series: [{ label: 'rate', colour: SINGLE, values }], marks: [] };
}

/** What is compared, and one curve for each run. */
export function compareCharts(runs: readonly { readonly name: string; readonly epochs: readonly EpochMetrics[] }[]): Chart[] {
  const longest = Math.max(0, ...runs.map(({ epochs }) => epochs.length));
  const x = Array.from({ length: longest }, (_, i) => i + 1);
  const chart = (title: string, unit: string, value: (epoch: EpochMetrics) => number | null): Chart => ({
    title, unit, x, marks: [],
    series: runs.map(({ name, epochs }, i) => ({ label: name, colour: i, values: x.map((_, at) => (epochs[at] ? value(epochs[at]) : null)) })),
  });
  return [
    chart('Test accuracy', '%', ({ test }) => hundred(test.accuracy)),
    chart('Training accuracy', '%', ({ train }) => hundred(train.accuracy)),
    chart('Test loss', '', ({ test }) => test.loss),
    chart('Training loss', '', ({ train }) => train.loss),
    chart('Images a second', '', ({ imagesPerSecond }) => imagesPerSecond),
  ].filter(({ series }) => series.some(({ values }) => values.some((value) => value !== null)));
}
