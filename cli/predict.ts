// zz predict: the most likely classes of image files.

import { readFile } from 'node:fs/promises';
import type { Precision } from '../compiler/3-passes/precision.ts';
import { restore } from '../runtime/checkpoint.ts';
import { readCheckpoint } from '../runtime/checkpoint-file.ts';
import { classify } from '../runtime/classify.ts';
import { EVALUATE } from '../runtime/evaluate.ts';
import { programOf } from '../runtime/feeds.ts';
import { isSystemError } from '../runtime/files.ts';
import { openTrained } from '../runtime/run-dir.ts';
import { BACKEND_NAMES } from './backends.ts';
import { offering } from './choice.ts';
import { netOfRun } from './load.ts';
import { at, EXIT, print, printJson, say, UsageError, type Io } from './io.ts';
import type { AddCommand } from './command.ts';
import { precisionOption, threadCount, wholeNumber } from './settings.ts';
import { percent, table } from './table.ts';

interface Options {
  readonly top: number;
  readonly backend?: string;
  readonly precision?: Precision;
  readonly threads?: number;
  readonly json?: boolean;
}

export const predictCommand: AddCommand = (program, io, done) => {
  program
    .command('predict')
    .summary('classify images')
    .description('Gives the most likely classes of PNG, JPEG or WebP files. Images of another size are scaled.')
    .argument('<run>', 'the run directory')
    .argument('<images...>', 'image files')
    .option('--top <classes>', 'how many classes to show', wholeNumber, 3)
    .addOption(offering('--backend <name>', 'auto, webgpu, wasm, gpujs or reference (default: the run\'s)', BACKEND_NAMES))
    .addOption(precisionOption(undefined, ', f32 or f16 (default: the run\'s)'))
    .option('--threads <count>', 'threads of the wasm backend (default: one a core); the numbers stay the same', threadCount)
    .option('--json', 'one JSON object a line on standard output')
    .addHelpText('after', '\nExample:\n  zz predict runs/DualZigZag-1 photo.jpg\n')
    .action(async (run: string, images: string[], options: Options) => done(await runPrediction(run, images, options, io)));
};

async function runPrediction(dir: string, files: readonly string[], options: Options, io: Io): Promise<number> {
  const run = await openTrained(at(io, dir));
  const checkpoint = await readCheckpoint(run.paths.checkpoint);
  const config = { ...run.config, backend: options.backend ?? run.config.backend, precision: options.precision ?? run.config.precision };
  const net = await netOfRun(io, run);
  const [{ inputShape, openPrograms }, { openImage }, { evaluationBatch, predictBatches }] = await Promise.all([import('./model.ts'), import('../runtime/data/open.ts'), import('../runtime/data/loader.ts')]);
  const { batch: trained, seed, normalize } = config.settings;
  const layout = { [EVALUATE]: { mode: 'evaluate', batch: evaluationBatch({ batch: trained, views: net.graph.views }) } } as const;
  const { model, session } = await openPrograms(io, { ...config, net, threads: options.threads, tune: 'known', quiet: true }, layout);
  try {
    const program = programOf(model, EVALUATE);
    if (program.logits === undefined) throw new UsageError(`net ${net.name} has no class scores`, 'zz predict needs a net with softmax_cross_entropy.');
    const shape = inputShape(net) as [number, number, number];
    const images: Uint8Array[] = [];
    for (const file of files) images.push(await openImage(file, shape, await readScaled(file, shape, io)));
    await restore(model, session, checkpoint);
    let next = 0;
    // The checkpoint has what normalising takes from the training images: they need not be there.
    const plan = { seed, normalize, views: program.views, ...checkpoint.statistics };
    for (const batch of predictBatches({ shape }, images, plan, program.batch)) {
      for (const probabilities of await classify(model, session, batch)) show(io, files[next++] ?? '', probabilities, config.classes, options);
    }
    return EXIT.good;
  } finally {
    await session.dispose();
  }
}

/** The file's bytes, scaled where its size is not the net's. */
async function readScaled(file: string, [height = 0, width = 0]: readonly number[], io: Io): Promise<Uint8Array> {
  const bytes = await readFile(at(io, file)).catch((error: unknown) => {
    if (isSystemError(error)) error.path ??= file; // a folder's error has none
    throw error;
  });
  const { default: sharp } = await import('sharp');
  // Damaged files are left to the decoder, which says what is wrong with them.
  const size = await sharp(bytes).metadata().catch(() => undefined);
  if (!size || (size.height === height && size.width === width)) return bytes;
  const scaled = await sharp(bytes).resize(width, height, { fit: 'fill' }).png().toBuffer().catch(() => undefined);
  if (!scaled) return bytes;
  say(io, `note: ${file} is ${size.height}x${size.width}; scaled to ${height}x${width}`);
  return scaled;
}

function show(io: Io, file: string, probabilities: Float64Array, classes: readonly string[], { top, json }: Options): void {
  const ranked = [...probabilities]
    .map((probability, i) => ({ class: classes[i] ?? `class ${i} (none of the data set's)`, probability }))
    .toSorted((a, b) => b.probability - a.probability)
    .slice(0, top);
  if (json === true) printJson(io, { event: 'predict', image: file, classes: ranked });
  else print(io, `${file}\n${table(ranked.map(({ class: label, probability }) => [`  ${label}`, percent(probability)]))}`);
}
