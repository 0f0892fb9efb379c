// zz compare: runs side by side, as a table and as a page.

import { writeWhole } from '../runtime/files.ts';
import { readMetrics } from '../runtime/metrics.ts';
import { differingSettings, renderComparison, resultOf, type ComparedRun, type Result } from '../runtime/report/compare.ts';
import { readAssets } from '../runtime/report/page.ts';
import { openRun } from '../runtime/run-dir.ts';
import type { AddCommand } from './command.ts';
import { at, EXIT, print, printJson, say, widthOf, type Io } from './io.ts';
import { decimal, duration, narrowTable, percent, table } from './table.ts';

interface Options {
  readonly out?: string;
  readonly json?: boolean;
}

export const compareCommand: AddCommand = (program, io, done) => {
  program
    .command('compare')
    .summary('runs side by side')
    .description('Shows what runs came to and which settings differ; with --out also their curves, in one page that asks for nothing from outside.')
    .argument('<runs...>', 'run directories')
    .option('--out <file>', 'write an HTML page')
    .option('--json', 'one JSON object a line on standard output, one for each run')
    .addHelpText('after', '\nExamples:\n  zz compare runs/*\n  zz compare runs/Plain-1 runs/Twin-1 --out comparison.html\n')
    .action(async (runs: string[], options: Options) => {
      await compare(runs, options, io);
      done(EXIT.good);
    });
};

async function compare(names: readonly string[], { out, json }: Options, io: Io): Promise<void> {
  const runs: ComparedRun[] = [];
  for (const name of names) {
    const { config, paths } = await openRun(at(io, name));
    runs.push({ name: name.replace(/(?<=.)\/+$/, ''), config, epochs: await readMetrics(paths.metrics) });
  }
  const results = runs.map(resultOf);
  if (json === true) for (const result of results) printJson(io, { event: 'run', ...result });
  else print(io, describe(results, differingSettings(runs), widthOf(io, io.stdout)));
  if (out === undefined) return;
  await writeWhole(at(io, out), renderComparison(await readAssets(), runs));
  say(io, `wrote ${out}`);
}

const COLUMNS: readonly (readonly [head: string, of: (result: Result) => string])[] = [
  ['run', ({ run }) => run],
  ['net', ({ net }) => net],
  ['epochs', ({ epochs }) => String(epochs)],
  ['training', ({ train }) => score(train)],
  ['test', ({ test }) => score(test)],
  ['best', ({ best }) => (best ? `${score(best)} (${best.epoch})` : '-')],
  ['images/s', ({ imagesPerSecond }) => imagesPerSecond?.toFixed(1) ?? '-'],
  ['time', ({ seconds }) => duration(seconds)],
];

/** Left out, in this order, where a terminal is too narrow. */
const SPARE = ['net', 'time', 'epochs', 'images/s', 'training'];

const score = (value: Result['test']): string => (value === undefined ? '-' : value.accuracy === null ? decimal(value.loss) : percent(value.accuracy));

function describe(results: readonly Result[], differing: ReturnType<typeof differingSettings>, width: number): string {
  const draw = (left: readonly string[]): string => {
    const columns = COLUMNS.filter(([head]) => !left.includes(head));
    return table([columns.map(([head]) => head), ...results.map((result) => columns.map(([, of]) => of(result)))]);
  };
  const tries = SPARE.map((_, i) => SPARE.slice(0, i));
  const fitting = tries.find((left) => draw(left).split('\n').every((line) => line.length <= width)) ?? SPARE;
  if (differing.length === 0) return draw(fitting);
  const settings = narrowTable([['setting that differs', ...results.map(({ run }) => run)], ...differing.map(([name, values]) => [name, ...values])], width);
  return `${draw(fitting)}\n\n${settings}`;
}
