// A run directory: config.json, model.zz, metrics.jsonl and checkpoint.safetensors hold all that evaluating, predicting and resuming need; report.html shows it.

import { mkdir, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { TrainSettings } from '../compiler/5-emit/model.ts';
import { RunError } from './errors.ts';
import { isSystemError, makeNumbered, writeWhole } from './files.ts';

export interface RunConfig {
  readonly format: 1;
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
  readonly classes: readonly string[];
  /** Files that the model imports, by the path that the import resolves to. */
  readonly imports: readonly { readonly file: string; readonly text: string }[];
}

export interface RunPaths {
  readonly config: string;
  readonly model: string;
  readonly metrics: string;
  readonly checkpoint: string;
  readonly report: string;
}

export interface Run {
  readonly dir: string;
  readonly paths: RunPaths;
  readonly config: RunConfig;
  /** The text of model.zz. */
  readonly source: string;
}

const pathsOf = (dir: string): RunPaths => ({
  config: join(dir, 'config.json'),
  model: join(dir, 'model.zz'),
  metrics: join(dir, 'metrics.jsonl'),
  checkpoint: join(dir, 'checkpoint.safetensors'),
  report: join(dir, 'report.html'),
});

const listing = async (dir: string): Promise<string[]> =>
  readdir(dir).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return [];
    if (isSystemError(error, 'ENOTDIR')) throw new RunError(`${dir} is not a folder`, 'Name a folder that is empty or does not exist yet.');
    throw error;
  });

/** Throws RunError where `dir` has something in it. */
export async function refuseUsed(dir: string): Promise<void> {
  if ((await listing(dir)).length > 0) throw new RunError(`${dir} is not empty`, 'Choose another folder, or continue the run in it with --resume.');
}

/** Makes `dir` (empty or absent; throws RunError otherwise), or the next free `<base>-<n>`, and writes config.json and model.zz. */
export async function createRun(place: { readonly dir: string } | { readonly base: string }, config: RunConfig, source: string): Promise<Run> {
  if ('dir' in place) {
    await refuseUsed(place.dir);
    await mkdir(place.dir, { recursive: true });
  }
  const dir = 'dir' in place ? place.dir : await makeNumbered(place.base);
  const paths = pathsOf(dir);
  await writeWhole(paths.model, source);
  await writeConfig(paths, config);
  return { dir, paths, config, source };
}

export const writeConfig = (paths: Pick<RunPaths, 'config'>, config: RunConfig): Promise<void> => writeWhole(paths.config, `${JSON.stringify(config, null, 2)}\n`);

/** Throws RunError where `dir` is not a run directory, or one of another version. */
export async function openRun(dir: string): Promise<Run> {
  const paths = pathsOf(dir);
  const text = async (path: string): Promise<string> =>
    readFile(path, 'utf8').catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) throw new RunError(`${dir} is not a run directory: there is no ${basename(path)}`, 'Name a folder that zz train wrote.');
      throw error;
    });
  return { dir, paths, config: parseConfig(paths.config, await text(paths.config)), source: await text(paths.model) };
}

/** The run of `<base>-<n>` with the highest number, or undefined. */
export async function latestRun(base: string): Promise<string | undefined> {
  const prefix = `${basename(base)}-`;
  const numbers = (await listing(dirname(base)))
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d*$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)));
  return numbers.length === 0 ? undefined : `${base}-${Math.max(...numbers)}`;
}

const CHECKS: { readonly [K in keyof RunConfig]: (value: unknown) => boolean } = {
  format: (v) => v === 1,
  zigzag: (v) => typeof v === 'string',
  node: (v) => typeof v === 'string',
  created: (v) => typeof v === 'string',
  file: (v) => typeof v === 'string',
  net: (v) => typeof v === 'string',
  settings: (v) => typeof v === 'object' && v !== null && ['dataset', 'optimizer', 'schedule', 'batch', 'epochs', 'seed', 'normalize'].every((key) => key in v),
  width: (v) => typeof v === 'number' && v > 0,
  limit: (v) => v === null || typeof v === 'number',
  backend: (v) => typeof v === 'string',
  classes: (v) => Array.isArray(v) && v.every((name) => typeof name === 'string'),
  imports: (v) => Array.isArray(v) && v.every((item: unknown) => typeof item === 'object' && item !== null && 'file' in item && 'text' in item),
};

function parseConfig(path: string, text: string): RunConfig {
  const advice = 'The file was changed or written by another version of zz; train again.';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RunError(`${path} is not JSON`, advice, { cause: error });
  }
  const fields = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  const wrong = Object.entries(CHECKS).find(([key, check]) => !check(fields[key]));
  if (wrong) throw new RunError(`${path} has no usable "${wrong[0]}"`, advice);
  return json as RunConfig;
}
