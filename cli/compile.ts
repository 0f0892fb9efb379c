// zz compile: a net as a program or file that runs elsewhere.

import { stat } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { writeTogether } from '../runtime/files.ts';
import { openTrained } from '../runtime/run-dir.ts';
import { readSafetensors } from '../runtime/tensor-file.ts';
import type { AddCommand } from './command.ts';
import type { CompileRequest, CompileTarget } from './compile/target.ts';
import { offering } from './choice.ts';
import { TARGETS } from './compile/targets.ts';
import { trainedWeights } from './compile/weights.ts';
import { at, didYouMean, EXIT, say, shown, UsageError, type Io } from './io.ts';
import { applyOverrides, loadNet, netOfRun, type LoadedNet } from './load.ts';
import { positive, wholeNumber, type Override } from './settings.ts';

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
function listed(text: string, before: readonly string[] = []): readonly string[] {
  const given = text.split(',').map((name) => name.trim()).filter((name) => name !== '');
  if (given.length === 0) throw new InvalidArgumentError('Expected names of backends.');
  return [...new Set([...before, ...given])];
}

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
    .addOption(offering('--backend <names>', 'backends to compile for: webgpu, wasm, gpujs, separated by commas (default: webgpu,wasm)', ['webgpu', 'wasm', 'gpujs']).argParser(listed))
    .option('--batch <images>', 'distinct images a training step takes (default: the net\'s)', wholeNumber)
    .option('--width <factor>', 'scale every channel count but the last, and the pace of learning with it (default: 1, or the run\'s)', positive)
    .addHelpText('after', '\nExamples:\n  zz compile net.zz -o model.ts\n  zz compile --weights runs/Plain-1 -o model.ts\n  zz compile net.zz --weights weights.safetensors --backend wasm -o model.js\n  zz compile --weights runs/Plain-1 -o model.onnx\n  zz compile net.zz -o net.py\n')
    .action(async (file: string | undefined, options: Options) => {
      await compile(file, options, io);
      done(EXIT.good);
    });
};

async function compile(file: string | undefined, options: Options, io: Io): Promise<void> {
  const { load } = targetFor(options);
  const request = await requestOf(file, options, io);
  // Before the work, and before anything is written.
  await checkPlace(request.out, request, io);
  const work = await load();
  const files = (await work(request)).filter(({ path }) => path === request.out || path !== request.weightsFile);
  for (const { path } of files) await checkPlace(path, request, io);
  await writeTogether(files);
  for (const { path } of files) say(io, `wrote ${shown(io, path)}`);
}

function targetFor({ target, out }: Options): CompileTarget {
  const all = `Targets: ${names.join(', ')}.`;
  if (target !== undefined) {
    const found = Object.hasOwn(targets, target) ? targets[target] : undefined;
    if (!found) throw new UsageError(`there is no target "${target}"`, `${didYouMean(target, names)}${all}`);
    return found;
  }
  const found = Object.values(targets).find(({ extensions }) => extensions.includes(extname(out).toLowerCase()));
  if (!found) throw new UsageError(`"${out}" does not say what to make of the net`, `Give --target, or a name that ends in ${Object.values(targets).flatMap(({ extensions }) => extensions).join(', ')}. ${all}`);
  return found;
}

/** Throws UsageError where a file cannot be written, or is one of those that the net and its weights were read from. */
async function checkPlace(path: string, { net, weightsFile }: CompileRequest, io: Io): Promise<void> {
  const kindOf = async (place: string): Promise<string | undefined> => stat(place).then((found) => (found.isDirectory() ? 'folder' : 'file'), () => undefined);
  const folder = dirname(path);
  const kind = await kindOf(folder);
  if (kind !== 'folder') throw new UsageError(kind === undefined ? `there is no folder ${shown(io, folder)}` : `${shown(io, folder)} is no folder`, 'Make it first, or choose another place.');
  if ((await kindOf(path)) === 'folder') throw new UsageError(`${shown(io, path)} is a folder`, 'Choose another name for the compiled model.');
  if (net.program.files.some(({ source }) => at(io, source.file) === path)) throw new UsageError(`${shown(io, path)} is the net's own source`, 'Choose another name for the compiled model.');
  if (path === weightsFile) throw new UsageError(`${shown(io, path)} is where the weights come from`, 'Choose another name for the compiled model.');
}

/** The net, its weights and class names. */
async function requestOf(file: string | undefined, options: Options, io: Io): Promise<CompileRequest> {
  const { weights: from, backend: backends = [], batch, width } = options;
  const out = at(io, options.out);
  const overrides: readonly Override[] = batch === undefined ? [] : [['batch', String(batch)]];
  if (from === undefined || (await isFile(at(io, from)))) {
    if (file === undefined) throw new UsageError('which file?', 'zz compile FILE.zz -o OUT, or zz compile --weights RUN -o OUT.');
    const net = await loadNet(io, file, { overrides, width: width ?? 1 });
    return { net, backends, out, ...(from !== undefined && (await readWeights(net, at(io, from), from))) };
  }
  const run = await openTrained(at(io, from));
  if (width !== undefined && width !== run.config.width) throw new UsageError(`the run was trained with --width ${run.config.width}`, 'Leave --width out.');
  const kept = await netOfRun(io, run);
  if (file !== undefined && (await loadNet(io, file, { overrides: [], width: run.config.width })).source !== kept.source) {
    throw new UsageError(`${file} has changed since the run in ${from} began`, `Leave the file out to compile the text that the run kept, or take the tensors alone with --weights ${from}/checkpoint.safetensors.`);
  }
  const net = { ...kept, settings: await applyOverrides(io, kept.settings, overrides) };
  const { classes } = run.config;
  return { net, backends, out, ...(await readWeights(net, run.paths.checkpoint, from)), ...(classes.length > 0 && { classes }) };
}

/** `from` is what the user named. */
const readWeights = async (net: LoadedNet, weightsFile: string, from: string): Promise<Required<Pick<CompileRequest, 'weights' | 'weightsFile'>>> =>
  ({ weights: trainedWeights(net, await readSafetensors(weightsFile), from), weightsFile });

const isFile = (path: string): Promise<boolean> => stat(path).then((found) => !found.isDirectory(), () => path.endsWith('.safetensors'));
