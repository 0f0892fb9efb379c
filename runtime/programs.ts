// Which programs a run needs of a model: at which batches, and whether they train.

import type { Dataset } from './data/dataset.ts';
import { evaluationBatch, type Plan } from './data/loader.ts';
import { EVALUATE, EVALUATE_REST } from './evaluate.ts';
import { TRAIN } from './train.ts';

export type ProgramsNeeded = Readonly<Record<string, { readonly mode: 'train' | 'evaluate'; readonly batch: number; readonly filledTo?: number }>>;

/** The programs for a data set, those that only evaluate or all. */
export function programsFor({ test }: Pick<Dataset, 'test'>, plan: Pick<Plan, 'batch' | 'views'>, evaluateOnly = false): ProgramsNeeded {
  const size = evaluationBatch(plan);
  const rest = test.count % size;
  return {
    ...(!evaluateOnly && { [TRAIN]: { mode: 'train', batch: plan.batch } }),
    [EVALUATE]: { mode: 'evaluate', batch: size },
    ...(rest > 0 && { [EVALUATE_REST]: { mode: 'evaluate', batch: rest, filledTo: size } }),
  };
}
