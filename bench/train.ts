// Whole trainings on real images: accuracies and minutes.
// node scripts/bench.js train --data PATH [--nets case-d,case-e] [--epochs 21] [--backend auto] [--runs runs/bench] [--json FILE]

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readMetrics } from '../runtime/metrics.ts';
import type { EpochMetrics } from '../runtime/metrics.ts';
import { openRun } from '../runtime/run-dir.ts';
import { commandLine, isTimeUp, openRecord, ownVersions, thisMachine } from './record.ts';
import type { TrainRow } from './rows.ts';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    nets: { type: 'string', default: 'case-d,case-e' },
    epochs: { type: 'string', default: '21' },
    width: { type: 'string', default: '1' },
    limit: { type: 'string' },
    backend: { type: 'string', default: 'auto' },
    runs: { type: 'string', default: 'runs/bench' },
    json: { type: 'string' },
  },
});
const { data } = options;
if (data === undefined) {
  console.error('--data PATH is missing: a folder with train/<class>/* and test/<class>/*, or what else zz train takes');
  process.exit(1);
}
const epochs = Number(options.epochs);

/** Trains, or goes on with, the run in a folder; stops with a checkpoint when the time is up. */
async function trainRun(net: string, dir: string): Promise<number | null> {
  const zz = fileURLToPath(new URL('../cli/main.js', import.meta.url));
  const more = ['--out', dir, '--epochs', String(epochs), '--backend', options.backend];
  const fresh = [`dsl-examples/${net}.zz`, '--data', data ?? '', '--width', options.width, ...(options.limit === undefined ? [] : ['--limit', options.limit])];
  const child = spawn(process.execPath, [zz, 'train', ...(existsSync(dir) ? ['--resume'] : fresh), ...more], { stdio: ['ignore', 'ignore', 'inherit'] });
  const clock = setInterval(() => { if (isTimeUp()) child.kill('SIGINT'); }, 1000);
  const status = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  clearInterval(clock);
  return status;
}

function rowOf(net: string, backend: string, metrics: readonly EpochMetrics[]): TrainRow | undefined {
  const last = metrics.at(-1);
  if (!last) return undefined;
  const scores = metrics.flatMap(({ test }) => test.accuracy ?? []);
  const seconds = metrics.reduce((sum, each) => sum + each.seconds, 0);
  return { net, backend, epochs: metrics.length, trainingMinutes: seconds / 60, imagesPerSecond: last.imagesPerSecond, train: last.train, test: last.test, bestTest: scores.length === 0 ? null : Math.max(...scores) };
}

const record = await openRecord<TrainRow>(
  options.json,
  {
    benchmark: 'train',
    command: commandLine('train').replace(data, 'PATH'),
    machine: await thisMachine(),
    versions: ownVersions(),
    options: { epochs, width: Number(options.width), limit: options.limit === undefined ? null : Number(options.limit) },
  },
  ({ net }) => net,
);
let failed = false;
for (const net of options.nets.split(',')) {
  if (isTimeUp() || record.rows.some((row) => row.net === net && row.epochs === epochs)) continue;
  const dir = join(options.runs, net);
  const status = await trainRun(net, dir);
  failed ||= status !== 0 && status !== 130;
  if (!existsSync(dir)) continue;
  const { config, paths } = await openRun(dir);
  const row = rowOf(net, config.backend, await readMetrics(paths.metrics));
  if (!row) continue;
  await record.add(row);
  console.log(`${net}: ${row.epochs} of ${epochs} epochs in ${row.trainingMinutes.toFixed(1)} minutes on ${row.backend}, test accuracy ${((row.test.accuracy ?? 0) * 100).toFixed(1)} %`);
}
process.exit(failed ? 1 : 0);
