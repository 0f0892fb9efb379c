// zz compile: a net as a program or file that runs elsewhere.

import { extname } from 'node:path';
import { Option } from 'commander';
import { concreteShape } from '../compiler/2-graph/types.ts';
import { readCheckpoint } from '../runtime/checkpoint-file.ts';
import { RunError } from '../runtime/errors.ts';
import { writeWhole } from '../runtime/files.ts';
import { openRun } from '../runtime/run-dir.ts';
import type { StoredTensor } from '../runtime/safetensors.ts';
import { readSafetensors } from '../runtime/tensor-file.ts';
import type { AddCommand } from './command.ts';
import { TARGETS, type CompileRequest, type CompileTarget } from './compile/targets.ts';
import { at, didYouMean, EXIT, say, UsageError, type Io } from './io.ts';
import { loadNet, netOfRun, type LoadedNet } from './load.ts';
import { positive, wholeNumber } from './settings.ts';

interface Options {
  readonly out: string;
  readonly target?: string;
  readonly weights?: string;
  readonly backend?: readonly string[];
  readonly batch?: number;
  readonly width?: number;
}

const targets: Readonly<Record<string, CompileTarget>> = TARGETS;
const names = Object.keys(targets);

/** `--backend a,b --backend c`: each name once. */
const listed = (text: string, before: readonly string[] = []): readonly string[] => [...new Set([...before, ...text.split(',').map((name) => name.trim()).filter((name) => name !== '')])];

export const compileCommand: AddCommand = (program, io, done) => {
  // The choices are for help and completion; a wrong one gets a suggestion when the command runs.
  const target = new Option('--target <name>', 'what to make (default: what the name of OUT ends with)').choices(names).argParser((text: string) => text);
  program
    .command('compile')
    .summary('make a runnable model')
    .description(`Compiles a net, trained or not, into a file that runs elsewhere: ${names.map((name) => `${name}, ${targets[name]?.summary ?? ''}`).join('; ')}.`)
    .argument('[file]', 'FILE, or FILE:NetName where it has several; not needed with --weights RUN')
    .requiredOption('-o, --out <file>', 'the file to write; one that is there is replaced')
    .addOption(target)
    .option('--weights <run>', 'a run directory, or a .safetensors file (default: fresh weights)')
    .option('--backend <names>', 'backends to compile for, separated by commas', listed)
    .option('--batch <images>', 'distinct images a training step takes (default: the net\'s)', wholeNumber)
    .option('--width <factor>', 'scale every channel count but the last, and the pace of learning with it (default: 1, or the run\'s)', positive)
    .action(async (file: string | undefined, options: Options) => {
      await compile(file, options, io);
      done(EXIT.good);
    });
};

async function compile(file: string | undefined, options: Options, io: Io): Promise<void> {
  const { load } = targetFor(options);
  const request = await requestOf(file, options, io);
  const work = await load();
  for (const { path, contents } of await work(request)) {
    await writeWhole(path, contents);
    say(io, `wrote ${path.startsWith(`${io.cwd}/`) ? path.slice(io.cwd.length + 1) : path}`);
  }
}

function targetFor({ target, out }: Options): CompileTarget {
  const all = `Targets: ${names.join(', ')}.`;
  if (target !== undefined) {
    const found = Object.hasOwn(targets, target) ? targets[target] : undefined;
    if (!found) throw new UsageError(`there is no target "${target}"`, `${didYouMean(target, names)}${all}`);
    return found;
  }
  const found = Object.values(targets).find(({ extension }) => extension === extname(out).toLowerCase());
  if (!found) throw new UsageError(`"${out}" does not say what to make of the net`, `Give --target, or a name that ends in ${Object.values(targets).map(({ extension }) => extension).join(', ')}. ${all}`);
  return found;
}

/** The net, its weights and class names. */
async function requestOf(file: string | undefined, options: Options, io: Io): Promise<CompileRequest> {
  const { weights, backend: backends = [], batch, width } = options;
  const out = at(io, options.out);
  if (weights === undefined || weights.endsWith('.safetensors')) {
    if (file === undefined) throw new UsageError('which file?', 'zz compile FILE.zz -o OUT, or zz compile --weights RUN -o OUT.');
    const overrides = batch === undefined ? [] : [['batch', String(batch)] as const];
    const net = await loadNet(io, file, { overrides, width: width ?? 1 });
    if (weights === undefined) return { net, backends, out };
    return { net, backends, out, weights: weightsFor(net, (await readSafetensors(at(io, weights))).tensors, weights) };
  }
  const run = await openRun(at(io, weights));
  if (width !== undefined && width !== run.config.width) throw new UsageError(`the run was trained with --width ${run.config.width}`, 'Leave --width out.');
  const kept = await netOfRun(io, run);
  if (file !== undefined && (await loadNet(io, file, { overrides: [], width: run.config.width })).source !== kept.source) {
    throw new UsageError(`${file} has changed since the run in ${weights} began`, `Leave the file out to compile the text that the run kept, or take the tensors alone with --weights ${weights}/checkpoint.safetensors.`);
  }
  const net = batch === undefined ? kept : { ...kept, settings: { ...kept.settings, batch } };
  const { tensors } = await readCheckpoint(run.paths.checkpoint);
  return { net, backends, out, weights: weightsFor(net, tensors, weights), classes: run.config.classes };
}

/** Throws RunError where the tensors lack a weight or state of the net, or have it in another shape. */
function weightsFor({ graph, name }: LoadedNet, tensors: ReadonlyMap<string, StoredTensor>, from: string): ReadonlyMap<string, StoredTensor> {
  const advice = `The weights in ${from} are of another net or width.`;
  for (const { id, kind, type } of graph.nodes) {
    if (kind !== 'weight' && kind !== 'state') continue;
    const shape = concreteShape(type.shape).join(',');
    const found = tensors.get(id);
    if (!found) throw new RunError(`${from} has no tensor "${id}", which net ${name} needs`, advice);
    if (found.shape.join() !== shape) throw new RunError(`"${id}" is [${found.shape.join(',')}] in ${from} and [${shape}] in net ${name}`, advice);
  }
  return tensors;
}
