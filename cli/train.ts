// zz train: trains a net into a run directory, or goes on with a run that was broken off.

import { join } from 'node:path';
import type { Command } from 'commander';
import type { Precision } from '../compiler/3-passes/precision.ts';
import { START, type Progress } from '../runtime/checkpoint.ts';
import { readCheckpoint } from '../runtime/checkpoint-file.ts';
import { RunError } from '../runtime/errors.ts';
import { NumericsError } from '../runtime/numerics.ts';
import { isSystemError } from '../runtime/files.ts';
import { readMetrics, rewindMetrics, type EpochMetrics } from '../runtime/metrics.ts';
import { claimRun } from '../runtime/run-lock.ts';
import { createRun, keeperOf, latestRun, openRun, refuseUsed, writeConfig, type Run, type RunConfig } from '../runtime/run-dir.ts';
import type { AddCommand } from './command.ts';
import { BACKEND_NAMES, backendsFor } from './backends.ts';
import { offering } from './choice.ts';
import { SourceError } from './diagnostics.ts';
import type { ModelRequest } from './model.ts';
import { applyOverrides, loadNet, netOfRun, newConfig, programTexts, type LoadedNet } from './load.ts';
import { at, debugLevel, EXIT, print, printJson, say, shown, UsageError, widthOf, type Io } from './io.ts';
import { addTrainingFlags, overridesOf, precisionOption, wholeNumber, positive, threadCount, type TrainingFlags } from './settings.ts';
import { tuneOption, type TuneFlag } from './tuning/option.ts';
import { counted, decimal, percent, table } from './table.ts';

interface Options extends TrainingFlags {
  readonly limit?: number;
  readonly width?: number;
  readonly backend?: string;
  readonly precision?: Precision;
  readonly threads?: number;
  readonly out?: string;
  readonly resume?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly checkNumerics?: boolean;
  readonly tune?: TuneFlag;
}

export const trainCommand: AddCommand = (program, io, done) => {
  const command: Command = program
    .command('train')
    .summary('train a net')
    .description('Trains a net and keeps its metrics and a checkpoint of each epoch in a run directory. Ctrl-C saves; --resume goes on with the same numbers.')
    .argument('[file]', 'FILE, or FILE:NetName where it has several; not needed with --resume --out RUN');
  addTrainingFlags(command)
    .option('--limit <images>', 'train on so many images of the training split', wholeNumber)
    .option('--width <factor>', 'scale every channel count but the last, and the pace of learning with it', positive)
    .addOption(offering('--backend <name>', 'auto, webgpu, wasm, gpujs or reference (default: auto)', BACKEND_NAMES))
    .addOption(precisionOption(undefined, ': f32, or f16 on GPUs that have it (default: f32)'))
    .option('--threads <count>', 'threads of the wasm backend (default: one a core); the numbers stay the same', threadCount)
    .addOption(tuneOption())
    .option('--out <dir>', 'the run directory (default: runs/NET-N)')
    .option('--resume', 'go on with the run in --out, or with the net\'s latest')
    .option('--json', 'one JSON object a line on standard output')
    .option('--quiet', 'no progress')
    .option('--check-numerics', 'stop at the first value that is NaN or infinite, and show where in the file it was made; much slower')
    .addHelpText('after', '\nExamples:\n  zz train net.zz --data cifar10 --epochs 3 --limit 5000\n  zz train net.zz --optimizer "sgd(lr: 0.1, momentum: 0.9)" --out runs/first\n  zz train --resume --out runs/first\n')
    .action(async (file: string | undefined, options: Options) => done(await runTraining(file, options, io)));
};

/** A run and where it stands. */
interface Started {
  readonly net: LoadedNet;
  readonly config: RunConfig;
  readonly from: Progress;
  /** What a run that goes on has learned with. */
  readonly trained?: ModelRequest['trained'];
  /** Epochs that are done. */
  readonly epochs: readonly EpochMetrics[];
  /** The folder, made when all else is ready; a run that goes on has it already. */
  readonly place: { readonly run: Run } | { readonly dir: string } | { readonly base: string };
}

async function runTraining(file: string | undefined, options: Options, io: Io): Promise<number> {
  const started = options.resume === true ? await resumed(file, options, io) : await fresh(file, options, io);
  const stop = new AbortController();
  const undo = io.onInterrupt(() => stop.abort());
  try {
    return await trainTo(started, options, stop.signal, io);
  } finally {
    undo();
  }
}

async function fresh(file: string | undefined, options: Options, io: Io): Promise<Started> {
  if (file === undefined) throw new UsageError('which file?', 'zz train FILE.zz, or zz train --resume --out RUN.');
  const backend = options.backend ?? 'auto';
  const precision = options.precision ?? 'f32';
  backendsFor(backend, { precision });
  const net = await loadNet(io, file, { overrides: overridesOf(options, io.cwd), width: options.width ?? 1 });
  if (net.graph.loss === undefined) throw new UsageError(`net ${net.name} has no loss`, 'Add a loss to the net; without one it can predict but not be trained.');
  if (options.out !== undefined) await refuseUsed(at(io, options.out));
  const config = newConfig(net, { backend, precision, limit: options.limit ?? null });
  const place = options.out === undefined ? { base: at(io, join('runs', net.name)) } : { dir: at(io, options.out) };
  return { net, config, from: START, epochs: [], place };
}

/** Settings that a run which goes on may change. */
const CHANGEABLE: ReadonlySet<string> = new Set(['epochs', 'data', 'backend', 'threads', 'out', 'resume', 'json', 'quiet', 'checkNumerics', 'tune']);

async function resumed(file: string | undefined, options: Options, io: Io): Promise<Started> {
  const fixed = Object.keys(options).find((key) => !CHANGEABLE.has(key));
  if (fixed !== undefined) throw new UsageError(`a run goes on with its own settings: --${dashed(fixed)} cannot change`, 'Only --epochs, --data, --backend and --threads can; for others start a new run.');
  const given = file === undefined ? undefined : await loadNet(io, file, { overrides: [], width: 1 });
  const dir = options.out === undefined ? given && (await latestRun(at(io, join('runs', given.name)))) : at(io, options.out);
  if (dir === undefined) throw new UsageError('there is no run to go on with', file === undefined ? 'Name it: zz train --resume --out RUN.' : 'Start one without --resume.');
  const opened = await openRun(dir);
  if (given && given.source !== opened.source) throw new UsageError(`${given.file} has changed since the run in ${dir} began`, 'Start a new run, or resume without naming the file to use the text that the run kept.');
  const config: RunConfig = {
    ...opened.config,
    backend: options.backend ?? opened.config.backend,
    settings: await applyOverrides(io, opened.config.settings, overridesOf(options, io.cwd)),
  };
  const checkpoint = await readCheckpoint(opened.paths.checkpoint).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined; // broken off before the first epoch was done
    throw error;
  });
  const from = checkpoint?.progress ?? START;
  if (from.epoch > config.settings.epochs) throw new UsageError(`the run in ${dir} has had ${counted(from.epoch, 'epoch')}`, `--epochs counts those as well: give more than ${from.epoch}.`);
  const kept = await readMetrics(opened.paths.metrics);
  if (kept.length < from.epoch) throw new RunError(`${opened.paths.metrics} has ${kept.length} epochs, the checkpoint ${from.epoch}`, 'The file was changed; train again.');
  const trained = checkpoint && { classes: config.classes, statistics: checkpoint.statistics };
  return { net: await netOfRun(io, { ...opened, config }), config, from, trained, epochs: kept.slice(0, from.epoch), place: { run: { ...opened, config } } };
}

const dashed = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

async function trainTo(started: Started, options: Options, signal: AbortSignal, io: Io): Promise<number> {
  const { net, from, trained } = started;
  const [{ openModel }, { train, TRAIN }, { createReporter }, { createReport }, { drawingOf }] = await Promise.all([
    import('./model.ts'), import('../runtime/train.ts'), import('./progress.ts'), import('../runtime/report/report.ts'), import('./drawing.ts'),
  ]);
  let release = async (): Promise<void> => undefined;
  const opened = await openModel(io, { ...started.config, net, trained, threads: options.threads, tune: options.tune, checkNumerics: options.checkNumerics === true, quiet: options.quiet === true, signal });
  const { model, session, dataset } = opened;
  try {
    const { batches, runner } = await opened.feed();
    const config: RunConfig = { ...started.config, backend: session.backend, classes: dataset.classes };
    const run = 'run' in started.place ? { ...started.place.run, config } : await createRun(started.place, config, net.source);
    release = await claimRun(run.dir);
    if ('run' in started.place) await writeConfig(run);
    const checkpoint = from === START ? undefined : await readCheckpoint(run.paths.checkpoint);
    if (checkpoint && checkpoint.progress.step !== from.step) throw new RunError(`the run in ${run.dir} went on while this command started`, 'Do it again.');
    await opened.restore(checkpoint);
    const epochs = [...(await rewindMetrics(run.paths.metrics, from.epoch))];
    const label = `${net.name} on ${session.backend} (${session.device})`;
    if (options.quiet !== true) say(io, `${label}: ${dataset.train.count} training images of ${dataset.name}, ${batches.stepsPerEpoch} steps of ${net.settings.batch} an epoch, run ${shown(io, run.dir)}`);

    const report = await createReport({ run, model, dataset, device: session.device, ...drawingOf(net) });
    const reporter = createReporter(io, { epochs: config.settings.epochs, batch: config.settings.batch, json: options.json === true, quiet: options.quiet === true });
    let step = from.step;
    try {
      let last = performance.now();
      for await (const event of train({ model, session, runner, batches, from, keep: keeperOf(run.paths), classes: dataset.classes.length, signal })) {
        reporter.event(event);
        if (event.event === 'step') {
          if (debugLevel(io) >= 4) say(io, `step ${event.step}: ${((performance.now() - last) / (event.step - step)).toFixed(1)} ms`);
          step = event.step;
        }
        last = performance.now();
        if (event.event === 'epoch') epochs.push(withoutEvent(event));
        if (event.event === 'details') await report.write(epochs, event.evaluation, event.checkpoint);
        if (event.event === 'interrupted') return interrupted(io, run, event.progress, options);
      }
    } catch (error) {
      if (!(error instanceof NumericsError)) throw error;
      const { numericsDiagnostic } = await import('./numerics.ts');
      const graph = opened.graphs[error.finding.program];
      const when = error.finding.program === TRAIN ? `in step ${step + 1}` : `in the evaluation after step ${step}`;
      throw graph ? new SourceError([numericsDiagnostic(error.finding, graph, when)], programTexts(net.program)) : error;
    } finally {
      reporter.stop();
    }
    finish(io, { net: net.name, backend: session.backend, device: session.device, batch: config.settings.batch, run: shown(io, run.dir), epochs }, options);
    if (from.epoch === config.settings.epochs) say(io, `There was nothing left to train: the run has had its ${counted(from.epoch, 'epoch')}. --epochs ${from.epoch + 1} goes on.`);
    return EXIT.good;
  } finally {
    await release();
    await session.dispose();
  }
}

const withoutEvent = ({ event: _, ...metrics }: { event: 'epoch' } & EpochMetrics): EpochMetrics => metrics;

function interrupted(io: Io, run: Run, { epoch, step }: Progress, options: Options): number {
  const dir = shown(io, run.dir);
  if (options.json === true) printJson(io, { event: 'interrupted', epoch: epoch + 1, step, run: dir });
  say(io, `Interrupted in epoch ${epoch + 1}, after step ${step}; saved. Go on with: zz train --resume --out ${dir}`);
  return EXIT.interrupted;
}

interface Finished {
  readonly net: string;
  readonly backend: string;
  readonly device: string;
  readonly batch: number;
  readonly run: string;
  readonly epochs: readonly EpochMetrics[];
}

function finish(io: Io, { net, backend, device, batch, run, epochs }: Finished, options: Options): void {
  const last = epochs.at(-1);
  if (!last) return;
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const imagesPerSecond = (last.step * batch) / Math.max(seconds, 1e-9);
  if (options.json === true) {
    printJson(io, { event: 'done', net, backend, device, epochs: epochs.length, steps: last.step, imagesPerSecond, train: last.train, test: last.test, run });
    return;
  }
  const rows = epochs.map(({ epoch, train, test, imagesPerSecond: speed }) => [String(epoch), decimal(train.loss), percent(train.accuracy), decimal(test.loss), percent(test.accuracy), speed.toFixed(1)]);
  const narrow = widthOf(io, io.stdout) < 72;
  const head = ['epoch', 'train loss', narrow ? 'accuracy' : 'train accuracy', 'test loss', narrow ? 'accuracy' : 'test accuracy', 'images/s'];
  print(io, `\n${table([head, ...rows])}\n\n`);
  const score = last.test.accuracy === null ? `test loss ${decimal(last.test.loss)}` : `test accuracy ${percent(last.test.accuracy)}`;
  print(io, `done: ${net} on ${backend} (${device}), ${counted(epochs.length, 'epoch')}, ${counted(last.step, 'step')}, ${imagesPerSecond.toFixed(1)} images/s, ${score}, run ${run}`);
}
