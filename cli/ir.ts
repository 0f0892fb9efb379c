// zz ir: a stage of a net's compilation, or what differs between two.

import type { Precision } from '../compiler/3-passes/precision.ts';
import { unifiedDiff } from '../compiler/inspect/diff.ts';
import { writeWhole } from '../runtime/files.ts';
import { BACKENDS } from './backends.ts';
import { choice, offering } from './choice.ts';
import type { AddCommand } from './command.ts';
import { at, didYouMean, EXIT, lineWidth, print, UsageError, type Io } from './io.ts';
import { loadNet, type LoadedNet } from './load.ts';
import { positive, precisionOption, wholeNumber } from './settings.ts';
import { STAGE_NAMES } from './stage-names.ts';
import type { Stage } from './stages.ts';

const FORMATS = ['text', 'json', 'dot', 'svg', 'html'] as const;
type Format = (typeof FORMATS)[number];

interface Options {
  readonly stage: string;
  readonly format: Format;
  readonly diff?: string;
  readonly out?: string;
  readonly batch?: number;
  readonly remat?: boolean;
  readonly stats?: boolean;
  readonly width: number;
  readonly precision: Precision;
  readonly mode: 'train' | 'evaluate';
}

export const irCommand: AddCommand = (program, io, done) => {
  program
    .command('ir')
    .summary('a stage of the compilation')
    .description('Prints a net at a stage of its compilation: tokens, ast, graph, any pass (unroll, autodiff, ..., fuse, memory), kernels, model, wgsl.')
    .argument('<file>', 'FILE, or FILE:NetName where it has several')
    .addOption(offering('--stage <name>', 'which stage', STAGE_NAMES).default('graph'))
    .addOption(choice('--format <form>', 'how it is written; dot and html are for graphs, svg is for memory', FORMATS, 'text'))
    .option('--diff <a..b>', 'what differs between two stages')
    .option('--out <file>', 'write to a file instead of standard output')
    .option('--batch <images>', 'the batch of the stages from bind on (default: the net\'s)', wholeNumber)
    .option('--stats', 'what a step costs after each pass up to the stage')
    .option('--remat', 'compute costlier values again instead of keeping them')
    .option('--width <factor>', 'scale every channel count but the last, and the pace of learning with it', positive, 1)
    .addOption(precisionOption('f32', ''))
    .addOption(choice('--mode <mode>', 'the graph of which mode', ['train', 'evaluate'], 'train'))
    .addHelpText('after', '\nExamples:\n  zz ir net.zz --stage autodiff\n  zz ir net.zz --diff graph..unroll\n  zz ir net.zz --stage memory --stats\n  zz ir net.zz --stage memory --format svg --out memory.svg\n  zz ir net.zz --stage fuse --format html --out net.html\n  zz ir net.zz --format dot | dot -Tsvg > net.svg\n')
    .action(async (file: string, options: Options) => {
      await showStage(file, options, io);
      done(EXIT.good);
    });
};

async function showStage(file: string, options: Options, io: Io): Promise<void> {
  const net = await loadNet(io, file, { overrides: [], width: options.width });
  const [{ MADE_FOR_BACKENDS, stagesOf }, { isTracing, traceStages }] = await Promise.all([import('./stages.ts'), import('./trace.ts')]);
  const shown = (name: string): boolean => isTracing(io) || [options.stage, ...(options.diff?.split('..') ?? [])].includes(name);
  if (options.precision === 'f16' && shown('model')) throw new UsageError('the model is that of the wasm backend, which has no f16', 'Leave out --precision f16; --stage wgsl shows the shaders in f16.');
  // Kernels and model are those of the processor's backend.
  const target = MADE_FOR_BACKENDS.some(shown) ? await BACKENDS.find(({ name }) => name === 'wasm')?.load() : undefined;
  const shaders = shown('wgsl') ? (await import('../compiler/inspect/shaders.ts')).shaderText : undefined;
  const batch = options.batch ?? net.settings.batch;
  const stages = stagesOf(net.program, net.name, { mode: options.mode, width: options.width, batch, settings: net.settings, remat: options.remat ?? false, precision: options.precision, ...(target && { target }), ...(shaders && { shaders }) });
  await traceStages(io, stages);
  const text = await written(net, stages, options, batch, options.out === undefined ? lineWidth(io.stdout) : Infinity);
  if (options.out === undefined) print(io, text);
  else await writeWhole(at(io, options.out), text.endsWith('\n') ? text : `${text}\n`);
}

/** What the options ask for. */
async function written(net: LoadedNet, stages: readonly Stage[], options: Options, batch: number, width: number): Promise<string> {
  const { stage, format, diff, stats } = options;
  if (stats) return costs(stages, options, batch, width);
  if (diff !== undefined) return difference(stages, diff, format);
  if (format !== 'html') return formOf(find(stages, stage), format);
  if (!find(stages, stage).graph) throw new UsageError(`stage ${stage} is no graph`, 'The format html is for graph and the passes.');
  const { graphPage } = await import('./graph-page.ts');
  return graphPage(net.name, stages, stage, new Map(net.program.files.map(({ source }) => [source.file, source.text])));
}

function find(stages: readonly Stage[], name: string): Stage {
  const stage = stages.find((each) => each.name === name);
  if (!stage) throw new UsageError(`there is no stage "${name}"`, `${didYouMean(name, stages.map((each) => each.name))}Stages: ${stages.map((each) => each.name).join(', ')}.`);
  return stage;
}

function formOf(stage: Stage, format: Format): string {
  if (format === 'json') return JSON.stringify(stage.json(), null, 2);
  const write = format === 'html' ? undefined : stage[format];
  if (write) return write();
  throw format === 'svg' ? new UsageError(`stage ${stage.name} has no picture`, 'The format svg is for memory.') : new UsageError(`stage ${stage.name} is no graph`, 'The format dot is for graph and the passes.');
}

async function costs(stages: readonly Stage[], { stage, format }: Options, batch: number, width: number): Promise<string> {
  const { passStats, printStats } = await import('./stats.ts');
  const stats = passStats(stages, find(stages, stage).name, batch);
  if (format === 'json') return JSON.stringify({ batch, passes: stats }, null, 2);
  if (format === 'text') return printStats(stats, batch, width);
  throw new UsageError(`--stats has no form ${format}`, 'Its formats are text and json.');
}

function difference(stages: readonly Stage[], range: string, format: Format): string {
  const [from, to, ...more] = range.split('..');
  if (!from || !to || more.length > 0) throw new UsageError(`"${range}" names no two stages`, 'Write --diff graph..unroll.');
  const side = (name: string) => ({ name, text: formOf(find(stages, name), format) });
  return unifiedDiff(side(from), side(to));
}
