// How large each weight is, how far it has come, and how large its gradients are of late.

import type { BufferId, Model } from '../../compiler/5-emit/model.ts';
import { persistent, type Checkpoint } from '../checkpoint.ts';
import { initialValues } from '../init.ts';

export interface WeightNorms {
  readonly id: BufferId;
  readonly shape: readonly number[];
  /** Euclidean norms: of the first values, of those now, and of the difference. */
  readonly first: number;
  readonly now: number;
  readonly moved: number;
  /** Of the running mean of the gradients that the optimiser keeps (clipped, and with the decay that is added to them). Absent where it keeps none, as rmsprop, whose sum is of scaled ones. */
  readonly gradient?: number;
}

const norm = (values: Iterable<number>): number => {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
};

/** The norms of a checkpoint's weights; their first values follow from the run's seed. */
export function weightNorms(model: Model): (checkpoint: Pick<Checkpoint, 'tensors'>) => WeightNorms[] {
  const weights = persistent(model).filter(({ role }) => role.kind === 'weight');
  const first = initialValues(persistent(model), model.train.seed);
  const { optimizer } = model.train;
  // Momentum adds gradients up; Adam takes their mean.
  const share = optimizer.kind === 'rmsprop' ? undefined : optimizer.kind === 'sgd' ? 1 - optimizer.momentum : 1;
  return ({ tensors }) =>
    weights.flatMap(({ id, shape }) => {
      const start = first.get(id);
      const now = tensors.get(id)?.data;
      const moment = tensors.get(`m.${id}`)?.data;
      if (!start || !now) return [];
      return [{ id, shape, first: norm(start), now: norm(now), moved: norm(now.map((value, i) => value - (start[i] ?? 0))), ...(share !== undefined && moment && { gradient: share * norm(moment) }) }];
    });
}
