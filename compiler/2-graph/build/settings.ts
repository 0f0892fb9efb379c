// Training settings: every key of `train` and every flag of the command line that stands for one.

import type { Call, Train, Value as Written } from '../../1-syntax/ast.ts';
import { parse } from '../../1-syntax/parse.ts';
import type { Code, Diagnostic, Loc, Source } from '../../diagnostics.ts';
import { diagnostic, hasErrors, locator } from '../../diagnostics.ts';
import type { OptimizerSettings, ScheduleSettings, TrainSettings } from '../graph.ts';
import type { Args, Param, Params } from './arguments.ts';
import { bind, bool, int, number, or, suggestion, text, word } from './arguments.ts';
import type { Context, Given } from './context.ts';
import { createContext, fail } from './context.ts';
import { call, evaluate } from './expressions.ts';
import { isHole, POISON } from './scope.ts';
import { bare } from './view-operations.ts';

interface Choice<T> {
  readonly params: Params;
  readonly summary: string;
  readonly make: (args: Record<string, unknown>) => T;
  /** What is wrong with the arguments together. */
  readonly wrong: (args: Record<string, unknown>) => string | undefined;
}

const choice = <P extends Params, T>(params: P, summary: string, make: (args: Args<P>) => T, wrong: (args: Args<P>) => string | undefined = () => undefined): Choice<T> => ({
  params,
  summary,
  make: (args) => make(args as Args<P>),
  wrong: (args) => wrong(args as Args<P>),
});

const fraction = number({ min: 0, below: 1 });
const rate = number({ above: 0 });
const adamParams = { lr: or(rate, 1e-3, '1e-3'), beta1: or(fraction, 0.9), beta2: or(fraction, 0.999), eps: or(rate, 1e-8, '1e-8') };
const adamLike = (kind: 'adam' | 'adamw' | 'amsgrad', summary: string): Choice<OptimizerSettings> => choice(adamParams, summary, (args) => ({ kind, ...args }));

export const OPTIMIZERS = {
  adam: adamLike('adam', 'Steps of about the rate, whatever the size of the gradients (Kingma and Ba, 2015).'),
  adamw: adamLike('adamw', 'As adam, but weight decay shrinks the weights themselves (Loshchilov and Hutter, 2019).'),
  amsgrad: adamLike('amsgrad', 'As adam, over the largest second moment so far (Reddi et al., 2018).'),
  rmsprop: choice(
    { lr: or(rate, 1e-2, '1e-2'), alpha: or(fraction, 0.99), eps: or(rate, 1e-8, '1e-8'), momentum: or(fraction, 0) },
    'Steps along the gradient over the root of its running mean square (Tieleman and Hinton, 2012), or along their running sum with `momentum`.',
    (args): OptimizerSettings => ({ kind: 'rmsprop', ...args }),
  ),
  sgd: choice(
    { lr: or(rate, 1e-2, '1e-2'), momentum: or(fraction, 0), nesterov: or(bool, false) },
    'Steps along the gradient, or along its running sum with `momentum`.',
    (args): OptimizerSettings => ({ kind: 'sgd', ...args }),
    ({ nesterov, momentum }) => (nesterov && momentum === 0 ? 'nesterov needs a momentum above 0, as in sgd(momentum: 0.9, nesterov: true)' : undefined),
  ),
};

export const SCHEDULES = {
  constant: choice({}, 'The same rate throughout.', (): ScheduleSettings => ({ kind: 'constant' })),
  cosine: choice({ warmup: or(int({ min: 0 }), 0) }, 'Falls from the rate to 0 over the run, after `warmup` steps of rising.', (args): ScheduleSettings => ({ kind: 'cosine', ...args })),
  step: choice({ every: int({ min: 1 }), factor: or(rate, 0.1) }, 'Multiplied by `factor` every so many epochs.', (args): ScheduleSettings => ({ kind: 'step', ...args })),
  inverse: choice({ rate: number({ min: 0 }) }, 'The rate over 1 + `rate` * step.', (args): ScheduleSettings => ({ kind: 'inverse', ...args })),
};

/** A call of one of a few kinds, such as `adam(lr: 1e-3)`, or its bare name. */
function oneOf<T>(noun: string, choices: Readonly<Record<string, Choice<T>>>): Param<T> {
  const names = Object.keys(choices);
  const takes = `an ${noun}: ${names.join(', ')}`.replace('an schedule', 'a schedule');
  return {
    takes,
    calls: choices,
    read(c, given) {
      const expr: Call | undefined = given.kind === 'call' ? given : given.kind === 'name' ? bare(given) : undefined;
      if (!expr) {
        fail(c, 'ZZ5002', given.loc, `expected ${takes}`);
        return undefined;
      }
      const found = Object.hasOwn(choices, expr.callee.name) ? choices[expr.callee.name] : undefined;
      if (isHole(expr.callee.name)) return undefined;
      if (!found) {
        fail(c, 'ZZ5004', expr.callee.loc, `no ${noun} is called '${expr.callee.name}'; expected ${names.join(', ')}`, suggestion(expr.callee.name, names));
        return undefined;
      }
      const bound = bind(c, expr, found.params);
      const wrong = bound && found.wrong(bound);
      if (wrong !== undefined) fail(c, 'ZZ5002', expr.loc, wrong);
      return bound && wrong === undefined ? found.make(bound) : undefined;
    },
  };
}

interface Setting extends Pick<Param<unknown>, 'takes' | 'words' | 'calls'> {
  readonly summary: string;
  /** The field of the settings that it sets. */
  readonly field: keyof TrainSettings;
  readonly read: (c: Context, given: Given) => Partial<TrainSettings> | undefined;
}

const setting = <K extends keyof TrainSettings>(key: K, param: Param<TrainSettings[K]>, summary: string): Setting => ({
  ...param,
  summary,
  field: key,
  read(c, given) {
    const value = param.read(c, given);
    return value === undefined ? undefined : { [key]: value };
  },
});

/** The keys of `train`. */
export const SETTINGS = {
  dataset: setting('dataset', { ...text, takes: 'cifar10, synthetic or "a path"', words: ['cifar10', 'synthetic'] }, 'The images to train on.'),
  optimizer: setting('optimizer', oneOf('optimizer', OPTIMIZERS), 'How weights follow their gradients.'),
  schedule: setting('schedule', oneOf('schedule', SCHEDULES), 'How the learning rate changes.'),
  batch: setting('batch', int({ min: 1, max: 65_536 }), 'Distinct images a step.'),
  epochs: setting('epochs', int({ min: 1, max: 1_000_000 }), 'Times that every image enters.'),
  seed: setting('seed', int({ min: 0, max: 2 ** 32 - 1 }), 'What all random numbers are drawn from.'),
  normalize: setting('normalize', word('per_batch', 'channel', 'none'), 'How pixels are normalised.'),
  weight_decay: setting('weightDecay', number({ min: 0 }), 'Of filters and matrices, each step.'),
  clip_norm: setting('clipNorm', number({ min: 0 }), 'The largest global norm of the gradients; 0 is off.'),
} satisfies Record<string, Setting>;

const SETTING_NAMES: readonly string[] = Object.keys(SETTINGS);

export const DEFAULT_SETTINGS: TrainSettings = {
  dataset: 'cifar10',
  optimizer: { kind: 'adam', lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
  schedule: { kind: 'constant' },
  batch: 32,
  epochs: 10,
  seed: 0,
  normalize: 'channel',
  weightDecay: 0,
  clipNorm: 0,
};

/** In `train` a value of the wrong kind or range is a bad setting, whatever the mistake is called elsewhere. */
const asSetting: Partial<Record<Code, Code>> = { ZZ2001: 'ZZ5002', ZZ2003: 'ZZ5002', ZZ2006: 'ZZ5002', ZZ2007: 'ZZ5002', ZZ2009: 'ZZ5002' };

/** The settings of a `train` block on top of `base`. Mistakes are reported and leave the base's value. */
export function readSettings(train: Train | undefined, report: (found: Diagnostic) => void, base: TrainSettings = DEFAULT_SETTINGS): TrainSettings {
  const language = { evaluate, call, useNet: () => POISON };
  const c = createContext({
    mode: 'train',
    library: { nets: new Map(), cells: new Map() },
    nets: [],
    report: (found) => {
      report({ ...found, code: asSetting[found.code] ?? found.code });
    },
    language,
  });
  const seen = new Map<string, Train['settings'][number]>();
  return (train?.settings ?? []).reduce((settings, item) => {
    const { name, loc } = item.key;
    const first = seen.get(name);
    const known: Setting | undefined = Object.hasOwn(SETTINGS, name) ? SETTINGS[name as keyof typeof SETTINGS] : undefined;
    const hole = isHole(name) || (item.value.kind === 'name' && isHole(item.value.name));
    if (hole) return settings;
    if (!known) fail(c, 'ZZ5001', loc, `train has no key '${name}'; it has ${SETTING_NAMES.join(', ')}`, suggestion(name, SETTING_NAMES));
    else if (first) fail(c, 'ZZ5003', loc, `'${name}' is given twice`, { related: [{ message: 'the first time', loc: first.loc }] });
    seen.set(name, first ?? item);
    return { ...settings, ...(!first && known?.read(c, item.value as Written)) };
  }, base);
}

interface Applied {
  readonly settings: TrainSettings;
  readonly diagnostics: Diagnostic[];
  readonly source: Source;
}

/**
 * The settings with one key changed, from text as it stands in a `train` block: `batch` and `10`, `optimizer` and `adam(lr: 1e-3)`.
 * A dataset's text is taken as it is, so that paths need no quotes. Diagnostics refer to `source`.
 */
export function applySetting(settings: TrainSettings, key: string, value: string): Applied {
  const source = { file: `--${key}`, text: value };
  if (key === 'dataset') return { settings: { ...settings, dataset: value }, diagnostics: [], source };
  const before = `net settings { train {\n${key} `;
  const place = locator(source);
  /** From the text around a value to the value alone. */
  const inValue = ({ span }: Loc): Loc => {
    const [start, end] = [span.start, span.end].map((offset) => Math.min(Math.max(offset - before.length, 0), value.length)) as [number, number];
    return place({ start, end: Math.max(end, start + 1) });
  };
  const severalValues = (): Applied => ({ settings, diagnostics: [diagnostic('ZZ5002', place({ start: 0, end: Math.max(1, value.length) }), `${key} takes one value, found ${value}`)], source });
  // It may not end the block that it is read in.
  if (/[{}]/.test(value)) return severalValues();
  const parsed = parse({ file: source.file, text: `${before}${value}\n} }` });
  const diagnostics: Diagnostic[] = [];
  const report = (found: Diagnostic): void => {
    const ended = found.loc.span.start >= before.length + value.length;
    diagnostics.push({ ...found, ...(ended && { message: 'unexpected end of the value', found: 'the end of the value' }), loc: inValue(found.loc), ...(found.related && { related: found.related.map(({ message, loc }) => ({ message, loc: inValue(loc) })) }) });
  };
  parsed.diagnostics.forEach(report);
  const items = parsed.file.nets.flatMap((net) => net.items);
  const [train] = items;
  if (hasErrors(diagnostics)) return { settings, diagnostics, source };
  if (parsed.file.nets.length !== 1 || items.length !== 1 || train?.kind !== 'train' || train.settings.length !== 1) return severalValues();
  const changed = readSettings(train, report, settings);
  return { settings: hasErrors(diagnostics) ? settings : changed, diagnostics, source };
}
