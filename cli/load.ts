// From a file name, or a run, to a net and its settings.

import { dirname } from 'node:path';
import type { Program } from '../compiler/2-graph/build.ts';
import type { Graph, TrainSettings } from '../compiler/2-graph/graph.ts';
import { CONFIG_FORMAT, type RunConfig } from '../runtime/run-config.ts';
import type { Run } from '../runtime/run-dir.ts';
import { admit, textsOf, type Texts } from './diagnostics.ts';
import { at, type Io } from './io.ts';
import { datasetPath, type Override } from './settings.ts';
import { diskReader, parseTarget, storedReader } from './source.ts';
import { VERSION } from './version.ts';

export interface LoadedNet {
  readonly program: Program;
  /** The file as it was named, its text, and what it imports. */
  readonly file: string;
  readonly source: string;
  readonly imports: readonly { readonly file: string; readonly text: string }[];
  readonly name: string;
  readonly width: number;
  /** With flags applied. */
  readonly settings: TrainSettings;
  /** The training graph before all passes. */
  readonly graph: Graph;
}

export const programTexts = (program: Program): Texts => textsOf(program.files);

/** Loads `FILE` or `FILE:NetName`; flags change the net's own settings. Shows warnings. Throws SourceError where the source is wrong. */
export async function loadNet(io: Io, target: string, { overrides, width }: { readonly overrides: readonly Override[]; readonly width: number }): Promise<LoadedNet> {
  const { loadProgram } = await import('../compiler/2-graph/build.ts');
  const parsed = parseTarget(target);
  const { file, net } = parsed;
  const loaded = await build(io, loadProgram(file, await diskReader(io, [parsed])), file, net, width);
  // A path in the file is seen from the file.
  const own = { ...loaded.settings, dataset: datasetPath(loaded.settings.dataset, dirname(at(io, file))) };
  return { ...loaded, settings: await applyOverrides(io, own, overrides) };
}

/** The net of a run, from the texts that the run kept. */
export async function netOfRun(io: Io, { config, source }: Pick<Run, 'config' | 'source'>): Promise<LoadedNet> {
  const { loadProgram } = await import('../compiler/2-graph/build.ts');
  const texts = new Map([...config.imports.map(({ file, text }) => [file, text] as const), [config.file, source]]);
  const quiet = { ...io, stderr: { write: () => undefined } };
  const loaded = await build(quiet, loadProgram(config.file, storedReader(texts)), config.file, config.net, config.width);
  return { ...loaded, settings: config.settings };
}

async function build(io: Io, program: Program, file: string, net: string | undefined, width: number): Promise<LoadedNet> {
  const { buildNet } = await import('../compiler/2-graph/build.ts');
  const { graph, diagnostics } = buildNet(program, net, { mode: 'train', width });
  admit(io, [...program.diagnostics, ...diagnostics], programTexts(program));
  if (!graph) throw new Error(`no graph and no diagnostics for ${file}`);
  const [main, ...imports] = program.files.map(({ source }) => source);
  return { program, file, source: main?.text ?? '', imports: imports.map(({ file: path, text }) => ({ file: path, text })), name: graph.name, width, settings: graph.train, graph };
}

/** The settings with flags applied. Throws SourceError where a value is wrong. */
export async function applyOverrides(io: Io, settings: TrainSettings, overrides: readonly Override[]): Promise<TrainSettings> {
  const { applySetting } = await import('../compiler/2-graph/build.ts');
  return overrides.reduce((before, [key, value]) => {
    const { settings: after, diagnostics, source } = applySetting(before, key, value);
    admit(io, diagnostics, textsOf([{ source }]));
    return after;
  }, settings);
}

/** The configuration of a run that begins now. */
export const newConfig = ({ file, name, settings, width, imports }: LoadedNet, { backend = 'auto', precision = 'f32', limit = null }: Partial<Pick<RunConfig, 'backend' | 'precision' | 'limit'>>): RunConfig => ({
  format: CONFIG_FORMAT,
  zigzag: VERSION,
  node: process.version,
  created: new Date().toISOString(),
  file,
  net: name,
  settings,
  width,
  limit,
  backend,
  precision,
  classes: [],
  imports,
});
