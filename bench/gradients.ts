// Gradients of whole training steps against PyTorch's, from the same weights and images: the networks written by hand in bench/torch/nets.py.
// node scripts/bench.js gradients [--nets case-a,case-d] [--readings 50,512] [--width 1] [--backend webgpu] [--precision f32] [--data PATH] [--json FILE]

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PRECISIONS } from '../compiler/3-passes/precision.ts';
import { CASES } from './examples.ts';
import { writeStep } from './gradient-file.ts';
import { findPython, jsonLines, NO_TORCH } from './python.ts';
import { commandLine, isTimeUp, openRecord, ownVersions, thisMachine } from './record.ts';
import type { GradientRow } from './rows.ts';

const { values: options } = parseArgs({
  options: {
    nets: { type: 'string', default: CASES.join() },
    readings: { type: 'string', default: '50,512' },
    width: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'auto' },
    precision: { type: 'string', default: 'f32' },
    data: { type: 'string', default: 'synthetic' },
    json: { type: 'string' },
  },
});

const precision = PRECISIONS.find((each) => each === options.precision) ?? unknown(options.precision);

/** The relative error that is allowed for any weight's gradient. */
const LIMIT = { f32: 1e-3, f16: 2e-2 }[precision];

interface Compared {
  readonly loss: number | null;
  readonly errors: Readonly<Record<string, number | null>>;
  readonly worst: number | null;
  readonly rounding: number | null;
}

const shown = (error: number | null): string => error?.toExponential(1) ?? 'not finite';

const python = findPython() ?? missing();

function unknown(given: string): never {
  console.error(`there is no precision "${given}"; there are ${PRECISIONS.join(' and ')}`);
  process.exit(1);
}

function missing(): never {
  console.error(NO_TORCH);
  process.exit(2);
}
const width = Number(options.width);
const record = await openRecord<GradientRow>(
  options.json,
  {
    benchmark: 'gradients',
    command: commandLine('gradients'),
    machine: await thisMachine(),
    versions: { ...ownVersions(), torch: python.torch },
    options: { width, backend: options.backend, precision, data: options.data === 'synthetic' ? 'synthetic' : 'images', torch: python.cuda ?? 'cpu', limit: LIMIT },
  },
  ({ net, readings }) => `${net} ${readings}`,
);
let failed = false;
const folder = await mkdtemp(join(tmpdir(), 'zz-gradients-'));
try {
  for (const net of options.nets.split(',')) {
    for (const readings of options.readings.split(',').map(Number)) {
      if (isTimeUp() || record.rows.some((row) => row.net === net && row.readings === readings && row.agrees)) continue;
      const file = join(folder, `${net}-${readings}.safetensors`);
      try {
        await compare(file, net, readings);
      } catch (error) {
        failed = true; // and is tried again by the next run
        console.error(`${net} ${readings}: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        await rm(file, { force: true });
      }
    }
  }
} finally {
  await rm(folder, { recursive: true });
}
process.exit(!failed && record.rows.every((row) => row.agrees) ? 0 : 1);

async function compare(file: string, net: string, readings: number): Promise<void> {
  const device = await writeStep(file, net, { readings, width, backend: options.backend, precision, data: options.data });
  for await (const line of jsonLines(python.command, ['bench/torch/gradients.py', file])) {
    const { loss, errors, worst, rounding } = line as Compared;
    const weight = Object.entries(errors).find(([, error]) => error === worst)?.[0] ?? '';
    const agrees = worst !== null && loss !== null && Math.max(worst, loss) < LIMIT;
    await record.add({ net, readings, device, loss, error: worst, weight, rounding, agrees });
    console.log(`${net.padEnd(16)} ${String(readings).padStart(4)} readings in ${precision} on ${device}: ${agrees ? 'agrees' : 'DIFFERS'}, largest relative error ${shown(worst)} (%${weight}; PyTorch's own rounding ${shown(rounding)})`);
  }
}
