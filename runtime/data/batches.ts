// The batches of a run: which images each step and each evaluation takes, and what a host feeds of them.

import type { Images } from '../feeds.ts';
import type { Dataset } from './dataset.ts';
import { inputStatisticsOf, type InputStatistics } from './normalize.ts';
import { evaluationBatch, indicesOf, labelsOf, plainBatch, stepsPerEpoch, testSelections, trainBatch, trainSelection, type Plan, type Selection } from './loader.ts';

/** All of it follows from the run's seed. */
export interface Batches {
  readonly stepsPerEpoch: number;
  readonly testImages: number;
  /** The images of a training step, counted from 0 since the run began. */
  readonly train: (step: number) => Selection;
  /** The test split, in an order that does not change. */
  readonly test: () => readonly Selection[];
  /** Where the images of a batch stand in their split, and their labels. */
  readonly members: (selection: Selection) => { readonly indices: Uint32Array; readonly labels: Int32Array };
  /** Their readings: augmented for the step in training. */
  readonly images: (selection: Selection, step: number) => Images;
  /** What normalising takes from the training images; checkpoints carry it along. */
  readonly statistics: InputStatistics;
}

/**
 * The batches of a data set. Evaluation takes as many images as a training step enters readings, and its own views: each is its plain input there.
 * Throws DataError where a batch is larger than the training split.
 */
export const batchesOf = (dataset: Dataset, plan: Plan, evaluationViews: Plan['views']): Batches => ({
  stepsPerEpoch: stepsPerEpoch(dataset, plan),
  testImages: dataset.test.count,
  train: (step) => trainSelection(dataset, plan, step),
  test: () => testSelections(dataset.test.count, evaluationBatch(plan)),
  members: (selection) => {
    const split = dataset[selection.split];
    const indices = indicesOf(split, selection);
    return { indices, labels: labelsOf(split, indices) };
  },
  images: (selection, step) => (selection.split === 'train' ? trainBatch(dataset, plan, step) : plainBatch(dataset, dataset.test, { ...plan, views: evaluationViews }, selection)),
  statistics: inputStatisticsOf(plan),
});
