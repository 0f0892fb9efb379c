// What the source article published for its five networks on CIFAR-10: accuracies after the last epoch.

import type { TrainSettings } from '../../compiler/5-emit/model.ts';
import type { RunConfig } from '../run-dir.ts';

export interface Published {
  /** Shares; the article gives two training accuracies for its first network. */
  readonly train: readonly number[];
  readonly test: number;
  /** Whether the run has the article's settings; with others the figures are for orientation. */
  readonly same: boolean;
}

/** By the names that the nets have in dsl-examples/. */
const RESULTS: Readonly<Record<string, { readonly train: readonly number[]; readonly test: number }>> = {
  DualStream: { train: [0.711, 0.831], test: 0.643 },
  DualZigZag: { train: [0.711], test: 0.64 },
  DualMixed: { train: [0.711], test: 0.643 },
  Plain: { train: [0.967], test: 0.829 },
  Twin: { train: [0.899], test: 0.821 },
};

export const PUBLISHED_EPOCHS = 21;

const recipe = ({ batch, epochs, normalize, optimizer }: TrainSettings): boolean => batch === 25 && epochs === PUBLISHED_EPOCHS && normalize === 'per_batch' && optimizer.kind === 'adam';

/** The article's figures for a run of one of its nets on CIFAR-10. */
export function publishedFor({ net, settings, width, limit, classes }: Pick<RunConfig, 'net' | 'settings' | 'width' | 'limit' | 'classes'>): Published | undefined {
  const results = Object.hasOwn(RESULTS, net) ? RESULTS[net] : undefined;
  if (!results || !isCifar10(classes)) return undefined;
  return { ...results, same: recipe(settings) && width === 1 && limit === null };
}

/** CIFAR-10 goes by many paths; its classes tell it. */
const isCifar10 = (classes: readonly string[]): boolean => classes.toSorted().join() === 'airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck';
