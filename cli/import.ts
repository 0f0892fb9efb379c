// zz import: weights from elsewhere as a run, which can be scored, asked and trained further.

import { join } from 'node:path';
import type { Command } from 'commander';
import { START } from '../runtime/checkpoint.ts';
import { writeCheckpoint } from '../runtime/checkpoint-file.ts';
import { initialValues } from '../runtime/init.ts';
import { createRun, refuseUsed } from '../runtime/run-dir.ts';
import type { StoredTensor } from '../runtime/safetensors.ts';
import { readSafetensors } from '../runtime/tensor-file.ts';
import type { AddCommand } from './command.ts';
import { trainedWeights } from './compile/weights.ts';
import { SourceError } from './diagnostics.ts';
import { at, EXIT, print, printJson, shown, type Io } from './io.ts';
import { loadNet, newConfig, programTexts, type LoadedNet } from './load.ts';
import { addTrainingFlags, overridesOf, positive, type TrainingFlags } from './settings.ts';

interface Options extends TrainingFlags {
  readonly width: number;
  readonly out?: string;
  readonly json?: boolean;
}

export const importCommand: AddCommand = (program, io, done) => {
  const command: Command = program
    .command('import')
    .summary('take weights from elsewhere')
    .description('Makes a run of the weights in a .safetensors file, such as those of a PyTorch file that zz compile made: zz eval, zz predict, zz compile and zz train --resume take it from there. Names and shapes must be those of the net. The data set tells classes, and what normalising takes from training images.')
    .argument('<weights>', 'a .safetensors file')
    .argument('<file>', 'FILE, or FILE:NetName where it has several');
  addTrainingFlags(command)
    .option('--width <factor>', 'scale every channel count but the last, and the pace of learning with it', positive, 1)
    .option('--out <dir>', 'the run directory (default: runs/NET-N)')
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', '\nExamples:\n  zz import Plain.safetensors net.zz --data cifar10\n  zz import weights.safetensors net.zz --out runs/from-pytorch && zz eval runs/from-pytorch\n')
    .action(async (weights: string, file: string, options: Options) => {
      await importWeights(weights, file, options, io);
      done(EXIT.good);
    });
};

async function importWeights(weights: string, file: string, options: Options, io: Io): Promise<void> {
  const net = await loadNet(io, file, { overrides: overridesOf(options, io.cwd), width: options.width });
  const { tensors, statistics } = trainedWeights(net, await readSafetensors(at(io, weights)), weights);
  if (options.out !== undefined) await refuseUsed(at(io, options.out));
  const kept = await allTensors(net, tensors);
  const [{ checkClasses, openData }, { evaluationBatch, inputStatistics }] = await Promise.all([import('./model.ts'), import('../runtime/data/loader.ts')]);
  const dataset = await openData(io, { net, settings: net.settings, limit: null, quiet: options.json === true });
  checkClasses(io, net, dataset, options.json === true);
  const { batch, normalize } = net.settings;
  const computed = inputStatistics(dataset.train, dataset.shape, normalize, evaluationBatch({ batch, views: net.graph.views }));
  const place = options.out === undefined ? { base: at(io, join('runs', net.name)) } : { dir: at(io, options.out) };
  const run = await createRun(place, { ...newConfig(net, {}), classes: dataset.classes }, net.source);
  await writeCheckpoint(run.paths.checkpoint, { net: net.name, progress: START, tensors: kept, statistics: { ...computed, ...statistics } });
  const dir = shown(io, run.dir);
  if (options.json === true) printJson(io, { event: 'import', net: net.name, weights: tensors.size, run: dir });
  else print(io, `run ${dir}: ${net.name} with the weights in ${weights}`);
}

/** What a checkpoint of the net holds: the weights, and the optimiser's state as training begins with it. */
async function allTensors(net: LoadedNet, tensors: ReadonlyMap<string, StoredTensor>): Promise<Map<string, StoredTensor>> {
  const [{ compileNet }, { bufferOf }, { passErrorsAs }] = await Promise.all([import('../compiler/compile.ts'), import('../compiler/5-emit/program.ts'), import('./stages.ts')]);
  const { graph, diagnostics } = passErrorsAs(net.program, () => compileNet(net.program, net.name, { mode: 'train', width: net.width, settings: net.settings, until: 'optimizer' }));
  if (!graph) throw new SourceError(diagnostics, programTexts(net.program));
  const buffers = graph.nodes.filter(({ kind }) => kind === 'weight' || kind === 'state').map(bufferOf);
  const first = initialValues(buffers, net.settings.seed);
  return new Map(buffers.map(({ id, shape }) => [id, tensors.get(id) ?? { shape, data: first.get(id) ?? new Float32Array() }]));
}
