// Training steps and predictions on the processor, side by side in one run: the wasm backend, gpu.js, TensorFlow.js, onnxruntime and PyTorch, on as many threads each.
// All participants of a net take turns, so that they meet the same clock and the same neighbours; the slowest take one turn, on fewer images.
// node scripts/bench.js processor [--nets case-a,case-d] [--tasks train,predict] [--readings 50] [--turns 7] [--only REGEXP] [--json FILE]

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { concreteShape } from '../compiler/2-graph/types.ts';
import { compileNet } from '../compiler/compile.ts';
import { emitOnnx } from '../compiler/5-emit/onnx/emit.ts';
import { initialWeight } from '../runtime/init.ts';
import { CASES, sourceOf } from './examples.ts';
import { findPython, NO_TORCH } from './python.ts';
import { commandLine, isTimeUp, openRecord, ownVersions, thisMachine } from './record.ts';
import type { ProcessorRow } from './rows.ts';
import { startParticipant, timesOf } from './turns.ts';

const { values: options } = parseArgs({
  options: {
    nets: { type: 'string', default: CASES.join() },
    tasks: { type: 'string', default: 'train,predict' },
    readings: { type: 'string', default: '50' },
    turns: { type: 'string', default: '7' },
    /** Participants by name. */
    only: { type: 'string', default: '' },
    json: { type: 'string' },
  },
});

type Task = ProcessorRow['task'];

interface Entry {
  readonly who: string;
  readonly threads: number;
  readonly readings: number;
  /** Turns, if fewer than the others'. */
  readonly turns?: number;
  readonly command: string;
  readonly args: readonly string[];
}

const all = Number(options.readings);
const threadCounts = [...new Set([1, availableParallelism()])];
const folder = mkdtempSync(join(tmpdir(), 'zigzag-bench-'));
const python = findPython();
if (!python) console.error(`PyTorch is left out: ${NO_TORCH}`);
const peers = existsSync('bench/peers/node_modules');
if (!peers) console.error('TensorFlow.js and onnxruntime are left out: install them with npm ci --prefix bench/peers');

const own = (net: string, task: Task, backend: string, readings: number, threads?: number): Pick<Entry, 'command' | 'args'> => ({
  command: process.execPath,
  args: [fileURLToPath(new URL('own-processor.js', import.meta.url)), '--net', net, '--task', task, '--readings', String(readings), '--backend', backend, ...(threads === undefined ? [] : ['--threads', String(threads)])],
});
const tfjs = (net: string, task: Task, backend: string, readings: number): Pick<Entry, 'command' | 'args'> => ({
  command: process.execPath,
  args: ['bench/peers/tfjs-processor.js', '--backend', backend, '--task', task, '--net', net, '--readings', String(readings)],
});

function entries(net: string, task: Task): Entry[] {
  /** What takes minutes a step is measured on one net. */
  const patient = net === 'case-d' && task === 'train';
  const cores = availableParallelism();
  return [
    ...threadCounts.map((threads): Entry => ({ who: 'zigzag wasm', threads, readings: all, ...own(net, task, 'wasm', all, threads) })),
    ...(python ? threadCounts.map((threads): Entry => ({ who: 'torch', threads, readings: all, command: python.command, args: ['bench/torch/processor.py', '--net', net, '--task', task, '--readings', String(all), '--threads', String(threads)] })) : []),
    ...(peers ? [{ who: 'tfjs wasm', threads: 1, readings: all, ...tfjs(net, task, 'wasm', all) }] : []),
    ...(peers && task === 'predict' ? threadCounts.map((threads): Entry => ({ who: 'onnxruntime', threads, readings: all, command: process.execPath, args: ['bench/peers/onnx-processor.js', '--file', onnxFile(net), '--threads', String(threads), '--readings', String(all)] })) : []),
    ...(patient
      ? [
          { who: 'gpu.js webasm', threads: cores, readings: 10, turns: 2, ...own(net, task, 'gpujs-webasm', 10) },
          { who: 'gpu.js cpu', threads: 1, readings: 2, turns: 1, ...own(net, task, 'gpujs-cpu', 2) },
          ...(peers ? [{ who: 'tfjs cpu', threads: 1, readings: 2, turns: 1, ...tfjs(net, task, 'cpu', 2) }] : []),
        ]
      : []),
  ].filter(({ who }) => new RegExp(options.only).test(who));
}

/** The net as an ONNX file, with the weights that training begins with. */
function onnxFile(net: string): string {
  const { graph } = compileNet(sourceOf(net), undefined, { mode: 'evaluate' });
  if (!graph) throw new Error(`${net}.zz has errors`);
  const tensors = new Map(graph.nodes.flatMap((node) => (node.kind === 'weight' ? [[node.id, { data: initialWeight(node.id, node.attrs.shape, node.attrs, 1), shape: concreteShape(node.type.shape) }] as const] : [])));
  const file = join(folder, `${net}.onnx`);
  writeFileSync(file, emitOnnx(graph, { tensors, version: '0' }));
  return file;
}

const installed = (name: string): string => (JSON.parse(readFileSync(`bench/peers/node_modules/${name}/package.json`, 'utf8')) as { version: string }).version;

const record = await openRecord<ProcessorRow>(
  options.json,
  {
    benchmark: 'processor',
    command: commandLine('processor'),
    machine: await thisMachine(),
    versions: { ...ownVersions(), ...(python && { torch: python.torch }), ...(peers && { tfjs: installed('@tensorflow/tfjs'), onnxruntime: installed('onnxruntime-node') }), 'gpu.js': (JSON.parse(readFileSync('node_modules/gpu.js/package.json', 'utf8')) as { version: string }).version },
    options: { turns: Number(options.turns) },
  },
  ({ net, task, who, threads }) => `${net} ${task} ${who} ${threads}`,
);

/** All participants of a net at once; a run that was broken off goes on with the next. */
async function compare(net: string, task: Task): Promise<void> {
  const participants = entries(net, task);
  const isRecorded = ({ who, threads }: Entry): boolean => record.rows.some((row) => row.net === net && row.task === task && row.who === who && row.threads === threads);
  if (isTimeUp() || participants.every(isRecorded)) return;
  const started = await Promise.all(participants.map(async (entry) => ({ entry, samples: [] as number[], participant: await startParticipant(entry.command, entry.args) })));
  // The first turn warms up: it compiles, and allocates.
  for (const { entry, participant } of started) if (entry.turns === undefined) await participant.turn();
  for (let turn = 0; turn < Number(options.turns); turn++) {
    for (const { entry, participant, samples } of started) if (turn < (entry.turns ?? Infinity)) samples.push(await participant.turn());
  }
  for (const { entry: { who, threads, readings }, participant, samples } of started) {
    participant.end();
    const ms = timesOf(samples);
    const row: ProcessorRow = { net, task, who, threads, readings, ms, turns: samples.length, readingsPerSecond: (1000 * readings) / ms.median };
    await record.add(row);
    console.log(`${net.padEnd(8)} ${task.padEnd(7)} ${who.padEnd(14)} ${threads} ${threads === 1 ? 'thread ' : 'threads'} ${ms.median.toPrecision(4).padStart(8)} ms for ${String(readings).padStart(2)} readings (${ms.fastest.toPrecision(4)} at best), ${row.readingsPerSecond.toPrecision(4)} a second`);
  }
}

try {
  for (const net of options.nets.split(',')) for (const task of options.tasks.split(',')) await compare(net, task as Task);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
