// zz ir: a stage of a net's compilation, or what differs between two.

import { writeWhole } from '../runtime/files.ts';
import { BACKENDS } from './backends.ts';
import { choice } from './choice.ts';
import type { AddCommand } from './command.ts';
import { unifiedDiff } from './diff.ts';
import { at, EXIT, print, UsageError, type Io } from './io.ts';
import { loadNet } from './load.ts';
import { positive, wholeNumber } from './settings.ts';
import type { Stage } from './stages.ts';

type Format = 'text' | 'json' | 'dot';

interface Options {
  readonly stage: string;
  readonly format: Format;
  readonly diff?: string;
  readonly out?: string;
  readonly batch?: number;
  readonly remat?: boolean;
  readonly width: number;
  readonly mode: 'train' | 'evaluate';
}

export const irCommand: AddCommand = (program, io, done) => {
  program
    .command('ir')
    .summary('a stage of the compilation')
    .description('Prints a net at a stage of its compilation: tokens, ast, graph, any pass (unroll, autodiff, ..., fuse, memory), kernels, model.')
    .argument('<file>', 'FILE, or FILE:NetName where it has several')
    .option('--stage <name>', 'which stage', 'graph')
    .addOption(choice('--format <form>', 'how it is written; dot is for graphs', ['text', 'json', 'dot'], 'text'))
    .option('--diff <a..b>', 'what differs between two stages')
    .option('--out <file>', 'write to a file instead of standard output')
    .option('--batch <images>', 'the batch of the stages from bind on (default: the net\'s)', wholeNumber)
    .option('--remat', 'compute costlier values again instead of keeping them')
    .option('--width <factor>', 'scale every channel count but the last', positive, 1)
    .addOption(choice('--mode <mode>', 'the graph of which mode', ['train', 'evaluate'], 'train'))
    .addHelpText('after', '\nExamples:\n  zz ir net.zz --stage autodiff\n  zz ir net.zz --diff graph..unroll\n  zz ir net.zz --format dot | dot -Tsvg > net.svg\n')
    .action(async (file: string, options: Options) => {
      await showStage(file, options, io);
      done(EXIT.good);
    });
};

async function showStage(file: string, options: Options, io: Io): Promise<void> {
  const net = await loadNet(io, file, { overrides: [], width: options.width });
  const [{ stagesOf }, { traceStages }] = await Promise.all([import('./stages.ts'), import('./trace.ts')]);
  const [entry] = BACKENDS;
  if (!entry) throw new UsageError('this version has no backend');
  const target = await entry.load();
  const stages = stagesOf(net.program, net.name, { mode: options.mode, width: options.width, batch: options.batch ?? net.settings.batch, settings: net.settings, remat: options.remat ?? false, target });
  await traceStages(io, stages);
  const text = options.diff === undefined ? formOf(find(stages, options.stage), options.format) : difference(stages, options.diff, options.format);
  if (options.out === undefined) print(io, text);
  else await writeWhole(at(io, options.out), text.endsWith('\n') ? text : `${text}\n`);
}

function find(stages: readonly Stage[], name: string): Stage {
  const stage = stages.find((each) => each.name === name);
  if (!stage) throw new UsageError(`there is no stage "${name}"`, `Stages: ${stages.map((each) => each.name).join(', ')}.`);
  return stage;
}

function formOf(stage: Stage, format: Format): string {
  if (format === 'json') return JSON.stringify(stage.json(), null, 2);
  if (format === 'text') return stage.text();
  if (!stage.dot) throw new UsageError(`stage ${stage.name} is no graph`, 'The format dot is for graph and the passes.');
  return stage.dot();
}

function difference(stages: readonly Stage[], range: string, format: Format): string {
  const [from, to, ...more] = range.split('..');
  if (!from || !to || more.length > 0) throw new UsageError(`"${range}" names no two stages`, 'Write --diff graph..unroll.');
  const side = (name: string) => ({ name, text: formOf(find(stages, name), format) });
  return unifiedDiff(side(from), side(to));
}
