// The learning rate of a step by plain arithmetic, for charts; training computes it in the graph by the same formulas.

import type { ScheduleSettings, TrainSettings } from '../../compiler/5-emit/model.ts';
import type { Clock } from '../backend.ts';

const FACTORS: { readonly [K in ScheduleSettings['kind']]: (schedule: Extract<ScheduleSettings, { kind: K }>, clock: Clock) => number } = {
  constant: () => 1,
  cosine: ({ warmup }, { step, totalSteps }) => {
    const progress = Math.min(Math.max(step - warmup, 0) / Math.max(totalSteps - warmup, 1), 1);
    return (warmup === 0 ? 1 : Math.min((step + 1) / warmup, 1)) * ((1 + Math.cos(Math.PI * progress)) / 2);
  },
  step: ({ every, factor }, { step, stepsPerEpoch }) => factor ** Math.floor((step + 0.5) / (stepsPerEpoch * every)),
  inverse: ({ rate }, { step }) => 1 / (1 + rate * step),
};

/** The rate of a step, counted from 0. */
export const learningRateAt = ({ optimizer, schedule }: Pick<TrainSettings, 'optimizer' | 'schedule'>, clock: Clock): number =>
  optimizer.lr * (FACTORS[schedule.kind] as (schedule: ScheduleSettings, clock: Clock) => number)(schedule, clock);
