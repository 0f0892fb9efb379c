// config.json of a run: what it was trained with. Read from files that anyone may have written, so checked against a schema.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { ValidateFunction } from 'ajv';
import type { OptimizerSettings, ScheduleSettings, TrainSettings } from '../compiler/5-emit/model.ts';
import { RunError } from './errors.ts';

/** The version of what is written here; what a later one wrote is refused. */
export const CONFIG_FORMAT = 3;

export interface RunConfig {
  readonly format: typeof CONFIG_FORMAT;
  /** Versions that wrote it, and when. */
  readonly zigzag: string;
  readonly node: string;
  readonly created: string;
  /** The .zz file as the user named it; its text is model.zz. */
  readonly file: string;
  readonly net: string;
  /** Every setting, with flags and defaults applied. */
  readonly settings: TrainSettings;
  readonly width: number;
  /** Train on so many images; null is all. */
  readonly limit: number | null;
  readonly backend: string;
  /** What activations and adjoints are stored in. */
  readonly precision: 'f32' | 'f16';
  readonly classes: readonly string[];
  /** Files that the model imports, by the path that the import resolves to. */
  readonly imports: readonly { readonly file: string; readonly text: string }[];
}

type Schema = Readonly<Record<string, unknown>>;
/** A schema for every field: a field without one does not compile. */
type Fields<T> = { readonly [K in keyof T]-?: Schema };

/** Text without control characters, which would reach the terminal. */
const line: Schema = { type: 'string', pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' };
const text: Schema = { type: 'string' };
const whole = (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Schema => ({ type: 'integer', minimum, maximum });
const atLeast = (minimum: number): Schema => ({ type: 'number', minimum });
const object = (properties: Readonly<Record<string, Schema>>): Schema => ({ type: 'object', properties, required: Object.keys(properties), additionalProperties: false });
const list = (items: Schema): Schema => ({ type: 'array', items });
const oneOf = (...schemas: readonly Schema[]): Schema => ({ oneOf: schemas });

type Kinds<T extends { readonly kind: string }> = { readonly [K in T['kind']]: Fields<Omit<Extract<T, { readonly kind: K }>, 'kind'>> };
const kinds = (all: Readonly<Record<string, Readonly<Record<string, Schema>>>>): Schema => oneOf(...Object.entries(all).map(([kind, fields]) => object({ kind: { const: kind }, ...fields })));

const moments = { lr: atLeast(0), beta1: atLeast(0), beta2: atLeast(0), eps: atLeast(0) };
const OPTIMIZERS: Readonly<Record<OptimizerSettings['kind'], Readonly<Record<string, Schema>>>> = {
  adam: moments,
  adamw: moments,
  amsgrad: moments,
  rmsprop: { lr: atLeast(0), alpha: atLeast(0), eps: atLeast(0), momentum: atLeast(0) },
  sgd: { lr: atLeast(0), momentum: atLeast(0), nesterov: { type: 'boolean' } },
};
const SCHEDULES: Kinds<ScheduleSettings> = {
  constant: {},
  cosine: { warmup: atLeast(0) },
  step: { every: atLeast(0), factor: atLeast(0) },
  inverse: { rate: atLeast(0) },
};

/** As wide as what a `train` block takes. */
const SETTINGS: Fields<TrainSettings> = {
  dataset: line,
  optimizer: kinds(OPTIMIZERS),
  schedule: kinds(SCHEDULES),
  batch: whole(1, 65_536),
  epochs: whole(1, 1_000_000),
  seed: whole(0),
  normalize: { enum: ['per_batch', 'channel', 'none'] },
  weightDecay: atLeast(0),
  clipNorm: atLeast(0),
};

const CONFIG: Fields<RunConfig> = {
  format: { const: CONFIG_FORMAT },
  zigzag: line,
  node: line,
  created: line,
  file: line,
  net: line,
  settings: object(SETTINGS),
  width: { type: 'number', exclusiveMinimum: 0 },
  limit: oneOf({ type: 'null' }, whole(1)),
  backend: line,
  precision: { enum: ['f32', 'f16'] },
  classes: list(line),
  imports: list(object({ file: line, text })),
};

type Stored = RunConfig & { readonly digest: string };
/** The compiled schema, made at the first use. */
const validator = ((): (() => Promise<ValidateFunction<Stored>>) => {
  let compiled: Promise<ValidateFunction<Stored>> | undefined;
  return () => (compiled ??= import('ajv').then(({ Ajv }) => new Ajv().compile<Stored>(object({ ...CONFIG, digest: line }))));
})();

/** SHA-256 of the configuration and the source: a run is one net, trained in one way. */
const digestOf = (config: RunConfig, source: string): string => `sha256:${bytesToHex(sha256(new TextEncoder().encode(JSON.stringify([config, source]))))}`;

/** The text of config.json beside a model.zz of this text. */
export const configText = (config: RunConfig, source: string): string => `${JSON.stringify({ ...config, digest: digestOf(config, source) }, null, 2)}\n`;

/** The configuration in the text of config.json. Throws RunError where it is none, of another version, or not the one that was written with the source. */
export async function parseConfig(path: string, contents: string, source: string): Promise<RunConfig> {
  const advice = 'The file was changed or written by another version of zz; train again.';
  let json: unknown;
  try {
    json = JSON.parse(contents);
  } catch (error) {
    throw new RunError(`${path} is not JSON`, advice, { cause: error });
  }
  const format = typeof json === 'object' && json !== null && 'format' in json ? json.format : undefined;
  if (typeof format === 'number' && format !== CONFIG_FORMAT) {
    const [age, way] = format > CONFIG_FORMAT ? ['a later', 'Update zz, or train again.'] : ['an earlier', 'Train again.'];
    throw new RunError(`${path} was written by ${age} version of zz, in format ${format}; this one reads ${CONFIG_FORMAT}`, way);
  }
  const validate = await validator();
  if (!validate(json)) {
    const [wrong] = validate.errors ?? [];
    const field = wrong?.instancePath.slice(1).replaceAll('/', '.') || String(wrong?.params['missingProperty'] ?? wrong?.params['additionalProperty'] ?? 'configuration');
    throw new RunError(`${path} has no usable "${field}": it ${wrong?.message ?? 'does not follow the schema'}`, advice);
  }
  const { digest, ...config } = json;
  if (digest !== digestOf(config, source)) throw new RunError(`${path} or the model.zz beside it was changed since the run began`, 'Settings of a run are changed with flags of zz train --resume; for another net train again.');
  return config;
}
