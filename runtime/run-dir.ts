// A run directory: config.json, model.zz, metrics.jsonl and checkpoint.safetensors hold all that evaluating, predicting and resuming need; report.html shows it.

import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeCheckpoint } from './checkpoint-file.ts';
import { RunError } from './errors.ts';
import { isSystemError, makeFolder, makeNumbered, readText, writeWhole } from './files.ts';
import { appendMetrics } from './metrics.ts';
import { configText, parseConfig, type RunConfig } from './run-config.ts';
import type { Keeper } from './train.ts';

export type { RunConfig } from './run-config.ts';

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
    await makeFolder(place.dir);
  }
  const dir = 'dir' in place ? place.dir : await makeNumbered(place.base);
  const paths = pathsOf(dir);
  await writeWhole(paths.model, source);
  await writeConfig({ paths, config, source });
  return { dir, paths, config, source };
}

/** Adds epochs to the run's metrics, and replaces its checkpoint. */
export const keeperOf = ({ metrics, checkpoint }: Pick<RunPaths, 'metrics' | 'checkpoint'>): Keeper => ({
  epoch: (each) => appendMetrics(metrics, each),
  checkpoint: (each) => writeCheckpoint(checkpoint, each),
});

export const writeConfig = ({ paths, config, source }: Pick<Run, 'paths' | 'config' | 'source'>): Promise<void> => writeWhole(paths.config, configText(config, source));

/** Throws RunError where `dir` is not a run directory, or one of another version. */
export async function openRun(dir: string): Promise<Run> {
  const paths = pathsOf(dir);
  const text = async (path: string): Promise<string> =>
    readText(path).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) throw new RunError(`${dir} is not a run directory: there is no ${basename(path)}`, 'Name a folder that zz train wrote.');
      throw error;
    });
  const [config, source] = [await text(paths.config), await text(paths.model)];
  return { dir, paths, source, config: await parseConfig(paths.config, config, source) };
}

/** A run that has weights. Throws RunError as `openRun` does, and where the run was broken off before there were any. */
export async function openTrained(dir: string): Promise<Run> {
  const run = await openRun(dir);
  const there = (await listing(dir)).includes(basename(run.paths.checkpoint));
  if (!there) throw new RunError(`the run in ${dir} has no weights: it was broken off before its first epoch was done`, `Go on with: zz train --resume --out ${dir}`);
  return run;
}

/** The run of `<base>-<n>` with the highest number, or undefined. */
export async function latestRun(base: string): Promise<string | undefined> {
  const prefix = `${basename(base)}-`;
  const numbers = (await listing(dirname(base)))
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d*$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)));
  return numbers.length === 0 ? undefined : `${base}-${Math.max(...numbers)}`;
}
