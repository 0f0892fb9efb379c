// zz eval: scores a trained run on the test split, with the confusion matrix.

import { evaluate, type Evaluation } from '../runtime/evaluate.ts';
import { readCheckpoint } from '../runtime/checkpoint.ts';
import { openRun } from '../runtime/run-dir.ts';
import { netOfRun } from './load.ts';
import { at, EXIT, print, printJson, type Io } from './io.ts';
import type { AddCommand } from './command.ts';
import { datasetPath } from './settings.ts';
import { decimal, percent, table } from './table.ts';

interface Options {
  readonly data?: string;
  readonly backend?: string;
  readonly json?: boolean;
}

export const evalCommand: AddCommand = (program, io, done) => {
  program
    .command('eval')
    .summary('score a trained run')
    .description('Scores the last checkpoint of a run on the test split: loss, accuracy and the confusion matrix.')
    .argument('<run>', 'the run directory')
    .option('--data <name>', 'cifar10, synthetic, or a path (default: what it was trained on)')
    .option('--backend <name>', 'auto, wasm, gpujs or reference (default: the run\'s)')
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', '\nExample:\n  zz eval runs/DualZigZag-1\n')
    .action(async (run: string, options: Options) => done(await runEvaluation(run, options, io)));
};

async function runEvaluation(dir: string, options: Options, io: Io): Promise<number> {
  const run = await openRun(at(io, dir));
  const checkpoint = await readCheckpoint(run.paths.checkpoint);
  const settings = { ...run.config.settings, ...(options.data !== undefined && { dataset: datasetPath(options.data, io.cwd) }) };
  const config = { ...run.config, settings, backend: options.backend ?? run.config.backend };
  const net = await netOfRun(io, { ...run, config });
  const { openModel } = await import('./model.ts');
  const { model, session, dataset, batches, restore } = await openModel(io, { ...config, net, quiet: options.json === true, evaluateOnly: true });
  try {
    await restore(checkpoint);
    const result = await evaluate({ model, session, batches: batches().test(), classes: dataset.classes.length });
    if (!result) return EXIT.interrupted;
    const { score, images, confusion } = result;
    if (options.json === true) printJson(io, { event: 'eval', net: net.name, backend: session.backend, device: session.device, images, ...score, classes: dataset.classes, confusion });
    else print(io, describe(result, dataset.classes, `${net.name}, ${checkpoint.progress.epoch} epochs, ${images} test images of ${dataset.name}`));
    return EXIT.good;
  } finally {
    await session.dispose();
  }
}

function describe({ score, confusion }: Evaluation, classes: readonly string[], title: string): string {
  const head = `${title}\nloss ${decimal(score.loss)}${score.accuracy === null ? '' : `, accuracy ${percent(score.accuracy, 2)}`}`;
  return confusion.length === 0 ? head : `${head}\n\n${matrix(confusion, classes)}`;
}

/** Up to so many classes stand side by side; more would not fit any screen. */
const WIDEST = 20;

/** Rows are true classes, columns predicted ones; the last column is the share that is right. */
function matrix(confusion: Evaluation['confusion'], classes: readonly string[]): string {
  const share = (row: readonly number[], i: number): string => percent((row[i] ?? 0) / Math.max(1, row.reduce((a, b) => a + b, 0)));
  const wide = classes.length <= WIDEST;
  const columns = wide ? classes.map((label) => label.slice(0, 10)) : [];
  const rows = confusion.map((row, i) => [classes[i] ?? String(i), ...(wide ? row.map(String) : []), share(row, i)]);
  return `${wide ? 'rows: the true class, columns: the predicted one\n' : ''}${table([['class', ...columns, 'right'], ...rows])}`;
}
