// Flags for training settings. Their values are written as in a `train` block and read by the same code.

import { resolve } from 'node:path';
import { InvalidArgumentError, type Command, type Option } from 'commander';
import { PRECISIONS } from '../compiler/3-passes/precision.ts';
import { choice, offering } from './choice.ts';

/** What activations and adjoints are stored in; without a fallback the run decides. */
export const precisionOption = (fallback: string | undefined, otherwise: string): Option => choice('--precision <dtype>', `what activations and adjoints are stored in${otherwise}`, PRECISIONS, fallback);

/** Names of data sets that are no paths. */
export const BUILT_IN: readonly string[] = ['cifar10', 'synthetic'];

const KEYS = {
  data: 'dataset',
  optimizer: 'optimizer',
  schedule: 'schedule',
  batch: 'batch',
  epochs: 'epochs',
  seed: 'seed',
  normalize: 'normalize',
  weightDecay: 'weight_decay',
  clipNorm: 'clip_norm',
} as const;

export type TrainingFlags = { readonly [K in keyof typeof KEYS]?: string };

/** A key of `train` with the text of its value. */
export type Override = readonly [key: string, value: string];

export const addTrainingFlags = (command: Command): Command =>
  command
    .addOption(offering('--data <name>', 'cifar10, synthetic, or a path to images (the setting dataset)', BUILT_IN))
    .addOption(offering('--optimizer <call>', 'adam(lr: 1e-3), adamw(...), amsgrad(...), rmsprop(...) or sgd(...)', ['adam', 'adamw', 'amsgrad', 'rmsprop', 'sgd']))
    .addOption(offering('--schedule <call>', 'constant, cosine(warmup: 100), step(every: 10) or inverse(rate: 1e-4)', ['constant', 'cosine', 'step', 'inverse']))
    .option('--batch <images>', 'distinct images a step')
    .option('--epochs <count>', 'times that every image enters')
    .option('--seed <number>', 'what all random numbers are drawn from')
    .addOption(offering('--normalize <how>', 'per_batch, channel or none', ['per_batch', 'channel', 'none']))
    .option('--weight-decay <rate>', 'of filters and matrices')
    .option('--clip-norm <norm>', 'the largest global norm of the gradients; 0 is off');

/** The settings among a command's options. */
export function overridesOf(options: TrainingFlags, cwd: string): Override[] {
  const given = (Object.keys(KEYS) as (keyof typeof KEYS)[]).flatMap((flag) => {
    const value = options[flag];
    return value === undefined ? [] : [[KEYS[flag], value] as const];
  });
  return given.map(([key, value]) => [key, key === 'dataset' ? datasetPath(value, cwd) : value]);
}

export const isBuiltIn = (name: string): boolean => BUILT_IN.includes(name);

/** A data set's name, or its path from `folder` made absolute. */
export const datasetPath = (name: string, folder: string): string => (isBuiltIn(name) ? name : resolve(folder, name));

/** A flag's value as a whole number from 1. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number from 1.');
  return value;
}

/** A flag's value as a number of threads. */
export function threadCount(text: string): number {
  const value = wholeNumber(text);
  if (value > 256) throw new InvalidArgumentError('Expected at most 256 threads.');
  return value;
}

/** A flag's value as a number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}
