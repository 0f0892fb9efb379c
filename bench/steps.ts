// Training steps of the networks beside PyTorch and TensorFlow.js, on the same machine in the same run: the same nets, the same number of readings.
// node scripts/bench.js steps [--nets case-a,case-d] [--readings 50,512] [--width 1] [--backend auto] [--peers torch,tfjs] [--seconds 5] [--json FILE]

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { narrowed } from '../compiler/2-graph/build/width.ts';
import { CASES, imagesFor } from './examples.ts';
import { findPython, jsonLines, NO_TORCH } from './python.ts';
import { openRecord, ownVersions, thisMachine } from './record.ts';

const { values: options } = parseArgs({
  options: {
    nets: { type: 'string', default: CASES.join() },
    readings: { type: 'string', default: '50,512' },
    width: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'auto' },
    peers: { type: 'string', default: 'torch,tfjs' },
    /** Of PyTorch. */
    modes: { type: 'string', default: 'eager,compile,graph' },
    steps: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});

interface Row {
  readonly net: string;
  readonly readings: number;
  readonly who: 'zigzag' | 'torch' | 'tfjs';
  /** Backend and precision, or mode and precision. */
  readonly how: string;
  /** Milliseconds of a step: the median over samples, the middle half of them, the fastest. */
  readonly ms?: { readonly median: number; readonly low: number; readonly high: number; readonly fastest: number };
  readonly steps?: number;
  /** How many numbers the net learns: the same for all, or they do not run the same net. */
  readonly weights?: number;
  /** Why there is no time. */
  readonly missing?: string;
  /** Of zigzag alone: operations a second, and the best that matrix products reached there. */
  readonly flopsPerSecond?: number;
  readonly peak?: number;
}

const width = Number(options.width);
const widths = ['--small', String(narrowed(96, width)), '--large', String(narrowed(192, width))];
const duration = options.steps === undefined ? ['--seconds', options.seconds] : ['--steps', options.steps];

interface Ours {
  readonly backend: string;
  readonly device: string;
  readonly ms: Row['ms'];
  readonly steps: number;
  readonly weights: number;
  readonly flops: { readonly perSecond: number };
  readonly peak: { readonly flopsPerSecond: number } | null;
}

async function* ours(net: string, readings: number): AsyncGenerator<Row> {
  const zz = fileURLToPath(new URL('../cli/main.js', import.meta.url));
  const args = [zz, 'bench', `dsl-examples/${net}.zz`, '--batch', String(imagesFor(net, readings)), '--width', options.width, '--backend', options.backend, '--json'];
  if (options.steps !== undefined) args.push('--steps', options.steps);
  for await (const line of jsonLines(process.execPath, args)) {
    const { backend, ms, steps, weights, flops, peak } = line as Ours;
    yield { net, readings, who: 'zigzag', how: `${backend} f32`, weights, ...(ms && { ms }), steps, flopsPerSecond: flops.perSecond, ...(peak && { peak: peak.flopsPerSecond }) };
  }
}

const python = options.peers.includes('torch') ? findPython() : undefined;
if (options.peers.includes('torch') && !python) console.error(`PyTorch is left out: ${NO_TORCH}`);

async function* torch(net: string, readings: number): AsyncGenerator<Row> {
  if (!python) return;
  const args = ['bench/torch/steps.py', '--nets', net, '--readings', String(readings), '--modes', options.modes, ...widths, ...duration];
  for await (const line of jsonLines(python.command, args)) {
    const { mode, precision, ...row } = line as Row & { mode: string; precision: string };
    yield { ...row, who: 'torch', how: `${mode} ${precision}` };
  }
}

const hasTfjs = options.peers.includes('tfjs') && existsSync(join('bench/peers/node_modules', '@tensorflow/tfjs-backend-webgpu'));
if (options.peers.includes('tfjs') && !hasTfjs) console.error('TensorFlow.js is left out: install it with npm ci --prefix bench/peers');

async function* tfjs(net: string, readings: number): AsyncGenerator<Row> {
  if (!hasTfjs) return;
  for await (const line of jsonLines(process.execPath, ['bench/peers/tfjs-steps.js', '--nets', net, '--readings', String(readings), ...widths, ...duration])) {
    const { version: _, ...row } = line as Row & { version: string };
    yield { ...row, who: 'tfjs', how: 'webgpu f32' };
  }
}

const record = await openRecord<Row>(
  options.json,
  {
    benchmark: 'steps',
    command: 'node scripts/bench.js steps',
    machine: await thisMachine(),
    versions: { ...ownVersions(), ...(python && { torch: python.torch }) },
    options: { width, backend: options.backend, torch: python && (python.cuda ?? 'cpu'), duration: duration.join(' ') },
  },
  ({ net, readings, who, how }) => `${net} ${readings} ${who} ${how}`,
);

const show = ({ net, readings, who, how, ms, missing }: Row): string =>
  `${net.padEnd(8)} ${String(readings).padStart(4)} ${who.padEnd(7)} ${how.padEnd(14)} ${ms ? `${ms.median.toPrecision(4)} ms a step (${ms.low.toPrecision(4)} to ${ms.high.toPrecision(4)})` : missing ?? ''}`;

let failed = false;
for (const net of options.nets.split(',')) {
  for (const readings of options.readings.split(',').map(Number)) {
    for (const [who, measure] of [['zigzag', ours], ['torch', torch], ['tfjs', tfjs]] as const) {
      if (record.rows.some((row) => row.net === net && row.readings === readings && row.who === who)) continue;
      try {
        const rows: Row[] = [];
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
