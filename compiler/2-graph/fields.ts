// The fields of views, training settings and tags as data, in the manner of the operations' attributes: the text form and the JSON schema are made from them.

import type { Augmentation, OptimizerSettings, ScheduleSettings, Tags, TrainSettings } from './graph.ts';
import type { AttrSpec } from './ops.ts';

/** An attribute's specification, or one of the two forms that only augmentations have. */
export interface Field extends Omit<AttrSpec<unknown>, 'form'> {
  readonly form: AttrSpec<unknown>['form'] | 'range' | 'augmentation';
}
export type Fields = Readonly<Record<string, Field>>;
type FieldsOf<T> = { readonly [N in Exclude<keyof T, 'kind' | 'op'>]: Field };

/** How deep `sometimes` goes into `sometimes`. */
export const MAX_NESTING = 100;

const int: Field = { form: 'int' };
const float: Field = { form: 'float' };
const bool: Field = { form: 'bool' };
const string: Field = { form: 'string' };
const range: Field = { form: 'range' };
const augmentation: Field = { form: 'augmentation' };
const oneOf = (...values: readonly string[]): Field => ({ form: 'enum', values });

export const TRAIN_FIELDS: FieldsOf<Omit<TrainSettings, 'optimizer' | 'schedule'>> = {
  dataset: string,
  batch: int,
  epochs: int,
  seed: int,
  normalize: oneOf('per_batch', 'channel', 'none'),
  weightDecay: float,
  clipNorm: float,
};

const adam = { lr: float, beta1: float, beta2: float, eps: float };

export const OPTIMIZERS: { readonly [K in OptimizerSettings['kind']]: FieldsOf<Extract<OptimizerSettings, { kind: K }>> & Fields } = {
  adam,
  adamw: adam,
  amsgrad: adam,
  rmsprop: { lr: float, alpha: float, eps: float, momentum: float },
  sgd: { lr: float, momentum: float, nesterov: bool },
};

export const SCHEDULES: { readonly [K in ScheduleSettings['kind']]: FieldsOf<Extract<ScheduleSettings, { kind: K }>> & Fields } = {
  constant: {},
  cosine: { warmup: int },
  step: { every: int, factor: float },
  inverse: { rate: float },
};

export const AUGMENTATIONS: { readonly [K in Augmentation['op']]: FieldsOf<Extract<Augmentation, { op: K }>> & Fields } = {
  hflip: { p: float },
  crop: { pad: int },
  blur: { sigma: range },
  cutout: { size: int },
  brightness: { delta: float },
  noise: { sigma: float },
  sometimes: { p: float, then: augmentation },
};

/** The tags, in the order in which the text form writes them. */
export const TAG_FIELDS: { readonly [N in keyof Tags]-?: Field } = {
  stream: string,
  step: int,
  stage: int,
  net: string,
  name: string,
  phase: oneOf('backward', 'update'),
  kernel: int,
  note: string,
  at: string,
};
