// Training steps of the networks beside PyTorch and TensorFlow.js, on the same machine in the same run: the same nets, the same number of readings.
// node scripts/bench.js steps [--nets case-a,case-d] [--readings 50,512] [--width 1] [--backend auto] [--precisions f32,f16] [--peers torch,tfjs] [--seconds 5] [--json FILE]

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { narrowed } from '../compiler/2-graph/build/width.ts';
import { CASES, imagesFor } from './examples.ts';
import { findPython, jsonLines, NO_TORCH } from './python.ts';
import { commandLine, isTimeUp, openRecord, ownVersions, thisMachine } from './record.ts';
import type { StepRow } from './rows.ts';

const { values: options } = parseArgs({
  options: {
    nets: { type: 'string', default: CASES.join() },
    readings: { type: 'string', default: '50,512' },
    width: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'auto' },
    /** Of ours: f16 as well where that is a GPU's backend. */
    precisions: { type: 'string' },
    peers: { type: 'string', default: 'torch,tfjs' },
    /** Of PyTorch. */
    modes: { type: 'string', default: 'eager,compile,graph' },
    steps: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});

const width = Number(options.width);
const precisions = (options.precisions ?? (options.backend === 'webgpu' ? 'f32,f16' : 'f32')).split(',');
const widths = ['--small', String(narrowed(96, width)), '--large', String(narrowed(192, width))];
const duration = options.steps === undefined ? ['--seconds', options.seconds] : ['--steps', options.steps];

interface Ours {
  readonly backend: string;
  readonly device: string;
  readonly ms: StepRow['ms'];
  readonly steps: number;
  readonly weights: number;
  readonly flops: { readonly perSecond: number };
  readonly peak: { readonly flopsPerSecond: number } | null;
}

const ours = (precision: string) => async function* (net: string, readings: number): AsyncGenerator<StepRow> {
  const zz = fileURLToPath(new URL('../cli/main.js', import.meta.url));
  const args = [zz, 'bench', `dsl-examples/${net}.zz`, '--batch', String(imagesFor(net, readings)), '--width', options.width, '--backend', options.backend, '--precision', precision, '--json'];
  if (options.steps !== undefined) args.push('--steps', options.steps);
  for await (const line of jsonLines(process.execPath, args)) {
    const { backend, device, ms, steps, weights, flops, peak } = line as Ours;
    yield { net, readings, who: 'zigzag', how: `${backend} ${precision}`, device, weights, ...(ms && { ms }), steps, flopsPerSecond: flops.perSecond, ...(peak && { peak: peak.flopsPerSecond }) };
  }
};

const machine = await thisMachine();
const python = options.peers.includes('torch') ? findPython() : undefined;
/** Why PyTorch is left out: beside a GPU, the processor would take hours to say nothing. */
const noTorch = !python ? NO_TORCH : options.backend === 'webgpu' && machine.gpu !== null && python.cuda === null ? `${python.command} has PyTorch ${python.torch}, which sees no CUDA device` : undefined;
if (options.peers.includes('torch') && noTorch !== undefined) console.error(`PyTorch is left out: ${noTorch}`);

const torch = (only: string) => async function* (net: string, readings: number): AsyncGenerator<StepRow> {
  if (!python || noTorch !== undefined) return;
  const args = ['bench/torch/steps.py', '--nets', net, '--readings', String(readings), '--modes', options.modes, '--precisions', only, ...widths, ...duration];
  for await (const line of jsonLines(python.command, args)) {
    const { mode, precision, ...row } = line as StepRow & { mode: string; precision: string };
    yield { ...row, who: 'torch', how: `${mode} ${precision}`, device: python.cuda ?? 'the processor' };
  }
};

const tfjsVersion = options.peers.includes('tfjs') ? installed('@tensorflow/tfjs-backend-webgpu') : undefined;
if (options.peers.includes('tfjs') && tfjsVersion === undefined) console.error('TensorFlow.js is left out: install it with npm ci --prefix bench/peers');

/** The version of a package in bench/peers, or undefined. */
function installed(name: string): string | undefined {
  const file = join('bench/peers/node_modules', name, 'package.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : undefined;
}

async function* tfjs(net: string, readings: number): AsyncGenerator<StepRow> {
  if (tfjsVersion === undefined) return;
  for await (const line of jsonLines(process.execPath, ['bench/peers/tfjs-steps.js', '--nets', net, '--readings', String(readings), ...widths, ...duration])) {
    yield { ...(line as StepRow), who: 'tfjs', how: 'webgpu f32' };
  }
}

const record = await openRecord<StepRow>(
  options.json,
  {
    benchmark: 'steps',
    command: commandLine('steps'),
    machine,
    versions: { ...ownVersions(), ...(python && { torch: python.torch }), ...(tfjsVersion !== undefined && { tfjs: tfjsVersion }) },
    options: { width, backend: options.backend, duration: duration.join(' ') },
  },
  ({ net, readings, who, how }) => `${net} ${readings} ${who} ${how}`,
);

const show = ({ net, readings, who, how, ms, missing }: StepRow): string =>
  `${net.padEnd(8)} ${String(readings).padStart(4)} ${who.padEnd(7)} ${how.padEnd(14)} ${ms ? `${ms.median.toPrecision(4)} ms a step (${ms.low.toPrecision(4)} to ${ms.high.toPrecision(4)})` : missing ?? ''}`;

interface Participant {
  readonly who: StepRow['who'];
  /** What all of its rows end with. */
  readonly how?: string;
  readonly measure: (net: string, readings: number) => AsyncGenerator<StepRow>;
}

/** PyTorch by precision: each takes a minute or more, most of it for compiling, and is measured anew where the time was up before its end. */
const participants: readonly Participant[] = [
  ...precisions.map((precision) => ({ who: 'zigzag' as const, how: precision, measure: ours(precision) })),
  ...['fp32', 'tf32', 'bf16'].map((precision) => ({ who: 'torch' as const, how: precision, measure: torch(precision) })),
  { who: 'tfjs', measure: tfjs },
];

let failed = false;
for (const net of options.nets.split(',')) {
  for (const readings of options.readings.split(',').map(Number)) {
    for (const { who, how = '', measure } of participants) {
      if (isTimeUp() || record.rows.some((row) => row.net === net && row.readings === readings && row.who === who && row.how.endsWith(how))) continue;
      try {
        const rows: StepRow[] = [];
        for await (const row of measure(net, readings)) rows.push(row);
        // All of a participant's rows at once, so that a run that is broken off measures it anew.
        for (const row of rows) {
          await record.add(row);
          console.log(show(row));
        }
      } catch (error) {
        failed = true; // and is tried again by the next run
        console.error(error instanceof Error ? error.message : String(error));
      }
    }
    const counts = new Set(record.rows.flatMap((row) => (row.net === net && row.readings === readings && row.weights !== undefined ? [row.weights] : [])));
    if (counts.size > 1) {
      failed = true;
      console.error(`${net}: these are not the same nets, with ${[...counts].join(' and ')} weights`);
    }
  }
}
process.exit(failed ? 1 : 0);
