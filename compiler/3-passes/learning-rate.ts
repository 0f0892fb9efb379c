// Learning-rate schedules as nodes: each gives a factor on the rate for the current step.

import type { ValueId } from '../2-graph/graph.ts';
import type { ScheduleSettings } from '../2-graph/graph.ts';
import type { Attrs } from '../2-graph/ops.ts';

/** What a formula is written with: plain numbers become constants, and each constant is made once. */
export interface Formulas {
  readonly constant: (value: number) => ValueId;
  readonly scalar: (name: Attrs<'scalar'>['name']) => ValueId;
  readonly op: (kind: BinaryKind | UnaryKind, ...operands: readonly (ValueId | number)[]) => ValueId;
}

type BinaryKind = 'add' | 'sub' | 'mul' | 'div' | 'minimum' | 'maximum';
type UnaryKind = 'neg' | 'exp' | 'expm1' | 'sqrt' | 'square' | 'cos' | 'floor';

type ScheduleRule<K extends ScheduleSettings['kind']> = (settings: Extract<ScheduleSettings, { kind: K }>, f: Formulas) => ValueId | undefined;

/** The factor on the learning rate, f32[]; `undefined` for 1. Steps count from 0. */
const SCHEDULES: { readonly [K in ScheduleSettings['kind']]: ScheduleRule<K> } = {
  constant: () => undefined,

  /** (1 + cos(pi p)) / 2 (Loshchilov and Hutter, 2017; PyTorch's CosineAnnealingLR), p running from 0 to 1 after a linear warm-up that starts at 1 / warmup. */
  cosine: ({ warmup }, { op, scalar }) => {
    const step = scalar('step');
    const length = op('maximum', op('sub', scalar('total_steps'), warmup), 1);
    const progress = op('minimum', op('div', op('maximum', op('sub', step, warmup), 0), length), 1);
    const cosine = op('mul', op('add', op('cos', op('mul', progress, Math.PI)), 1), 0.5);
    if (warmup === 0) return cosine;
    return op('mul', op('minimum', op('div', op('add', step, 1), warmup), 1), cosine);
  },

  /** factor ^ floor(epoch / every) (PyTorch's StepLR). Half a step is added so that a division which is a little low still counts the new epoch. */
  step: ({ every, factor }, { op, scalar }) => {
    const length = op('mul', scalar('steps_per_epoch'), every);
    const drops = op('floor', op('div', op('add', scalar('step'), 0.5), length));
    // exp(drops * log(factor)); the smallest positive number stands for a factor of 0, whose logarithm is not finite.
    return op('exp', op('mul', drops, Math.log(Math.max(factor, Number.MIN_VALUE))));
  },

  /** 1 / (1 + rate * step) (Keras' InverseTimeDecay) */
  inverse: ({ rate }, { op, scalar }) => op('div', 1, op('add', op('mul', scalar('step'), rate), 1)),
};

/** The learning rate of the current step, f32[]. */
export function learningRate(rate: number, schedule: ScheduleSettings, f: Formulas): ValueId {
  const factor = (SCHEDULES[schedule.kind] as ScheduleRule<ScheduleSettings['kind']>)(schedule, f);
  return factor === undefined ? f.constant(rate) : f.op('mul', factor, rate);
}
