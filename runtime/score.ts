// Loss and accuracy over many steps: running sums, and their means.

/** Means over a split. `accuracy` is null for a net without a classifier. */
export interface Score {
  readonly loss: number;
  readonly accuracy: number | null;
}

/** A finished epoch. */
export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  /** Steps taken since the run began. */
  readonly step: number;
  readonly train: Score;
  readonly test: Score;
  /** Training time of the epoch, without evaluation. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** In f16: the factor of the loss's adjoint, and how many steps of the run were left out because a gradient was not finite. */
  readonly scaling?: { readonly scale: number; readonly skipped: number };
}

/** Running sums of an epoch; in a checkpoint they let a restart continue in the middle of it. */
export interface Sums {
  readonly steps: number;
  /** Rows scored: images, or readings where each image enters several times. */
  readonly rows: number;
  readonly loss: number;
  readonly correct: number;
  readonly seconds: number;
}

export const NO_SUMS: Sums = { steps: 0, rows: 0, loss: 0, correct: 0, seconds: 0 };

/** Adds one step: the mean loss of its `rows`, and how many of them were right. */
export const addStep = (sums: Sums, step: { readonly rows: number; readonly loss: number; readonly correct: number; readonly seconds: number }): Sums => ({
  steps: sums.steps + 1,
  rows: sums.rows + step.rows,
  loss: sums.loss + step.loss * step.rows,
  correct: sums.correct + step.correct,
  seconds: sums.seconds + step.seconds,
});

export const score = (sums: Sums, classifies: boolean): Score => ({
  loss: sums.loss / Math.max(sums.rows, 1),
  accuracy: classifies ? sums.correct / Math.max(sums.rows, 1) : null,
});
