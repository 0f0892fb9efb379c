// zz bench: how long a training step takes, what arithmetic it does in that time, and what share that is of the backend's own best.

import type { Options } from './bench/run.ts';
import { BACKEND_NAMES } from './backends.ts';
import { offering } from './choice.ts';
import type { AddCommand } from './command.ts';
import { EXIT } from './io.ts';
import { positive, precisionOption, threadCount, wholeNumber } from './settings.ts';
import { tuneOption } from './tuning/option.ts';

export const benchCommand: AddCommand = (program, io, done) => {
  program
    .command('bench')
    .summary('time training steps')
    .description('Times training steps on random images, on webgpu with the making of their batches: milliseconds, images a second, arithmetic, its share of the best that matrix products reach on the same backend, memory.')
    .argument('<file>', 'FILE, or FILE:NetName where it has several')
    .option('--batch <images>', 'distinct images a step (default: the net\'s)', wholeNumber)
    .option('--width <factor>', 'scale every channel count but the last, and the pace of learning with it', positive, 1)
    .option('--steps <count>', 'steps that are timed (default: what 10 seconds hold, 5 to 200)', wholeNumber)
    .addOption(offering('--backend <name>', 'which backend', BACKEND_NAMES).default('auto'))
    .addOption(precisionOption('f32', ', f16 on GPUs that have it'))
    .option('--threads <count>', 'threads of the wasm backend (default: one a core)', threadCount)
    .addOption(tuneOption())
    .option('--profile', 'the time of every kernel, what it does in it, and its share of the best')
    .option('--trace <file>', 'write the profile for ui.perfetto.dev as well')
    .option('--json', 'one JSON object on standard output')
    .option('--quiet', 'no progress')
    .addHelpText('after', '\nExamples:\n  zz bench dsl-examples/case-d.zz --width 0.25\n  zz bench net.zz --batch 64 --backend wasm --json\n  zz bench net.zz --profile --trace step.json\n')
    .action(async (file: string, options: Options) => {
      const { bench } = await import('./bench/run.ts');
      await bench(file, options, io);
      done(EXIT.good);
    });
};
