// zz eval: scores a trained run on the test split, with the confusion matrix.

import type { Precision } from '../compiler/3-passes/precision.ts';
import { evaluating, type Evaluation } from '../runtime/evaluate.ts';
import { readCheckpoint } from '../runtime/checkpoint-file.ts';
import { openTrained } from '../runtime/run-dir.ts';
import { showConfusion } from './confusion.ts';
import { netOfRun } from './load.ts';
import { at, EXIT, print, printJson, widthOf, type Io } from './io.ts';
import type { AddCommand } from './command.ts';
import { BACKEND_NAMES } from './backends.ts';
import { offering } from './choice.ts';
import { BUILT_IN, datasetPath, precisionOption, threadCount } from './settings.ts';
import { counted, decimal, percent } from './table.ts';

interface Options {
  readonly data?: string;
  readonly backend?: string;
  readonly precision?: Precision;
  readonly threads?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export const evalCommand: AddCommand = (program, io, done) => {
  program
    .command('eval')
    .summary('score a trained run')
    .description('Scores the last checkpoint of a run on the test split: loss, accuracy and the confusion matrix. Other data are normalised as those that it was trained on; their classes go by name.')
    .argument('<run>', 'the run directory')
    .addOption(offering('--data <name>', 'cifar10, synthetic, or a path (default: what it was trained on)', BUILT_IN))
    .addOption(offering('--backend <name>', 'auto, webgpu, wasm, gpujs or reference (default: the run\'s)', BACKEND_NAMES))
    .addOption(precisionOption(undefined, ', f32 or f16 (default: the run\'s)'))
    .option('--threads <count>', 'threads of the wasm backend (default: one a core); the numbers stay the same', threadCount)
    .option('--json', 'one JSON object on standard output')
    .option('--quiet', 'no progress')
    .addHelpText('after', '\nExample:\n  zz eval runs/DualZigZag-1\n')
    .action(async (run: string, options: Options) => done(await runEvaluation(run, options, io)));
};

async function runEvaluation(dir: string, options: Options, io: Io): Promise<number> {
  const quiet = options.quiet === true || options.json === true;
  const run = await openTrained(at(io, dir));
  const checkpoint = await readCheckpoint(run.paths.checkpoint);
  const settings = { ...run.config.settings, ...(options.data !== undefined && { dataset: datasetPath(options.data, io.cwd) }) };
  const config = { ...run.config, settings, backend: options.backend ?? run.config.backend, precision: options.precision ?? run.config.precision };
  const net = await netOfRun(io, { ...run, config });
  const [{ openModel }, { createEvaluationBar }] = await Promise.all([import('./model.ts'), import('./progress.ts')]);
  const { model, session, dataset, feed, restore } = await openModel(io, { ...config, net, trained: { classes: config.classes, statistics: checkpoint.statistics }, threads: options.threads, quiet, tune: 'known', evaluateOnly: true });
  try {
    await restore(checkpoint);
    const { batches, runner } = await feed();
    const bar = createEvaluationBar(io, batches.testImages, quiet);
    const run = evaluating({ model, runner, batches, classes: dataset.classes.length });
    let next = await run.next();
    for (; next.done !== true; next = await run.next()) bar.update(next.value);
    bar.stop();
    const result = next.value;
    if (!result) return EXIT.interrupted;
    const { score, images, confusion } = result;
    if (options.json === true) printJson(io, { event: 'eval', net: net.name, backend: session.backend, device: session.device, images, ...score, classes: dataset.classes, confusion });
    else print(io, describe(result, dataset.classes, `${net.name}, ${counted(checkpoint.progress.epoch, 'epoch')}, ${counted(images, 'test image')} of ${dataset.name}`, widthOf(io, io.stdout)));
    return EXIT.good;
  } finally {
    await session.dispose();
  }
}

function describe({ score, confusion }: Evaluation, classes: readonly string[], title: string, width: number): string {
  const head = `${title}\nloss ${decimal(score.loss)}${score.accuracy === null ? '' : `, accuracy ${percent(score.accuracy, 2)}`}`;
  return confusion.length === 0 ? head : `${head}\n\n${showConfusion(confusion, classes, width)}`;
}
