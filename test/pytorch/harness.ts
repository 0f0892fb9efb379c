// Emitted PyTorch files run by Python, and the same nets evaluated here.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Program } from '../../compiler/2-graph/build.ts';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { concreteShape, elementCount } from '../../compiler/2-graph/types.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitPyTorch } from '../../compiler/5-emit/pytorch/emit.ts';
import { compileNet } from '../../compiler/compile.ts';
import { initialWeight } from '../../runtime/init.ts';
import { encodeSafetensors, type StoredTensor } from '../../runtime/safetensors.ts';
import { readSafetensors } from '../../runtime/tensor-file.ts';
import { relativeError } from '../kernels/cases.ts';
import { randomFeeds } from '../passes/nets.ts';

/** Debian's Python first: python3-torch is for it, whichever is first on the PATH. */
export const python = ['/usr/bin/python3', 'python3'].find((each) => spawnSync(each, ['-c', 'import torch']).status === 0);

/** Why emitted files cannot be run here, if they cannot. */
export const missing = python === undefined ? 'Python has no torch (python3-torch)' : undefined;
export const skipped = missing === undefined ? '' : ` (skipped: ${missing})`;

export interface Net {
  readonly program: Program;
  readonly name: string | undefined;
  readonly width?: number;
}

export const netOf = (source: string, name?: string, width = 1): Net => ({ program: loadProgram('net.zz', memoryReader({ 'net.zz': source })), name, width });

const fail = (net: Net, diagnostics: readonly { readonly message: string }[]): never => {
  throw new Error([...net.program.diagnostics, ...diagnostics].map(({ message }) => message).join('; '));
};

export function trainingGraph(net: Net): Graph {
  const { graph, diagnostics } = buildNet(net.program, net.name, { mode: 'train', width: net.width ?? 1 });
  return graph ?? fail(net, diagnostics);
}

export const textOf = (net: Net): string => {
  const texts = new Map(net.program.files.map(({ source }) => [source.file, source.text]));
  return emitPyTorch(trainingGraph(net), { version: '0.0.0', sources: { main: 'net.zz', texts }, file: 'net.py' });
};

export interface Prepared {
  readonly text: string;
  readonly weights: ReadonlyMap<string, StoredTensor>;
  readonly batch: ReadonlyMap<string, StoredTensor>;
  /** What run.py is to write. */
  readonly wanted: ReadonlyMap<string, Wanted>;
}

interface Wanted {
  readonly values: ArrayLike<number>;
  /** How far float32 may be from it. Where the evaluator's own rounding shows, as when a normalisation takes differences of nearly equal numbers, that much more. */
  readonly tolerance: number;
}

/** Whether emitted files run on the processor. Other devices take sums in other orders. */
const onProcessor = (process.env['ZZ_TEST_TORCH'] ?? 'cpu') === 'cpu';
const TOLERANCE = onProcessor ? 1e-5 : 1e-3;

/** A net with weights as training begins with them, a random batch, and what two steps and an evaluation make of them here. */
export function prepare(net: Net, batch: number, seed = 1): Prepared {
  const steps = compiled(net, 'train', batch);
  const random = randomFeeds(steps, seed);
  const weights = new Map<string, StoredTensor>(steps.nodes.flatMap((node) => {
    if (node.kind === 'weight') return [[node.id, { shape: node.attrs.shape, data: drawn(node.attrs.init) ? initialWeight(node.id, node.attrs.shape, node.attrs, seed) : (random.get(node.id) ?? new Float32Array()) }] as const];
    return node.kind === 'state' && /^(mean|var)\./.test(node.id) ? [[node.id, { shape: node.attrs.shape, data: random.get(node.id) ?? new Float32Array() }] as const] : [];
  }));
  const inputs = steps.nodes.filter((node) => node.kind === 'input').map(({ id, type }) => [id, { shape: concreteShape(type.shape), data: random.get(id) ?? new Float32Array() }] as const);
  const labels = Float32Array.from({ length: batch }, (_, i) => random.get(steps.nodes.find((node) => node.kind === 'labels')?.id ?? '')?.[i] ?? 0);
  const given = new Map<string, StoredTensor>([...inputs, ['labels', { shape: [batch], data: labels }]]);

  const wanted = new Map<string, Wanted>();
  const { loss, classifier, gradients, updates } = steps;
  if (loss !== undefined) {
    const results = [loss, ...(classifier ? [classifier.correct] : []), ...gradients.map(({ value }) => value)];
    let kept = new Map<ValueId, ArrayLike<number>>([...weights].map(([id, { data }]) => [id, data]));
    const feeds = feedsOf(steps, given, kept, 0);
    const rounded = evaluate(steps, feeds, { precision: 'f32', wanted: results });
    const exact = evaluate(steps, feeds, { precision: 'f64', wanted: results });
    const noise = (id: ValueId): number => relativeError(rounded.get(id) ?? [], exact.get(id) ?? []);
    // Beside the others' a gradient may be nothing: one that only rounding keeps from zero is not looked at closely.
    const largest = Math.max(...gradients.map(({ value }) => norm(exact.get(value) ?? [])));
    const share = (id: ValueId): number => Math.max(1, (1e-4 * largest) / Math.max(norm(exact.get(id) ?? []), 1e-30));
    wanted.set('loss', { values: exact.get(loss) ?? [], tolerance: TOLERANCE });
    wanted.set('correct', { values: classifier ? (exact.get(classifier.correct) ?? []) : [-1], tolerance: TOLERANCE });
    for (const { weight, value } of gradients) wanted.set(`d.${weight}`, { values: exact.get(value) ?? [], tolerance: share(value) * Math.min(0.1, Math.max(TOLERANCE, 200 * noise(value))) });
    for (const step of [0, 1]) {
      const values = evaluate(steps, feedsOf(steps, given, kept, step), { precision: 'f64', wanted: updates.map(({ value }) => value) });
      kept = new Map([...kept, ...updates.map(({ target, value }) => [target, values.get(value) ?? []] as const)]);
    }
    // Steps of Adam are of one size however small a gradient is: rounding shows in them, and is all there is where the gradient is nothing.
    const still = new Set(gradients.flatMap(({ weight, value }) => (share(value) > 1 ? [weight] : [])));
    for (const id of weights.keys()) wanted.set(`after.${id}`, { values: kept.get(id) ?? [], tolerance: still.has(id) ? Infinity : onProcessor ? 1e-3 : 1e-2 });
  }

  // When evaluating, every view is the plain input.
  const plain = compiled(net, 'evaluate', batch);
  const image = inputs[0]?.[1].data ?? new Float32Array();
  const feeds = new Map([...[...weights].map(([id, { data }]) => [id, data] as const), ['labels', labels] as const]);
  for (const node of plain.nodes) if (node.kind === 'input') feeds.set(node.id, image.subarray(0, elementCount(concreteShape(node.type.shape))));
  const found = evaluate(plain, feeds, { precision: 'f64', wanted: plain.outputs.map(({ value }) => value) });
  for (const { name, value } of plain.outputs) wanted.set(`output.${name}`, { values: found.get(value) ?? [], tolerance: TOLERANCE });
  return { text: textOf(net), weights, batch: given, wanted };
}

const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

const drawn = (init: string): boolean => init !== 'zeros' && init !== 'ones';

function compiled(net: Net, mode: Graph['mode'], batch: number): Graph {
  const { graph, diagnostics } = compileNet(net.program, net.name, { mode, width: net.width ?? 1, until: 'optimizer' });
  return bindBatch(graph ?? fail(net, diagnostics), batch);
}

/** The leaves of a training step: states that are not given are as they begin. */
function feedsOf(graph: Graph, given: ReadonlyMap<string, StoredTensor>, kept: ReadonlyMap<ValueId, ArrayLike<number>>, step: number): Map<ValueId, ArrayLike<number>> {
  const labels = given.get('labels')?.data ?? new Float32Array();
  const clock = { step, steps_per_epoch: 7, total_steps: 21 };
  return new Map(graph.nodes.flatMap((node): [ValueId, ArrayLike<number>][] => {
    const size = elementCount(concreteShape(node.type.shape));
    const found = kept.get(node.id) ?? given.get(node.id)?.data;
    if (node.kind === 'labels') return [[node.id, Float32Array.from({ length: size }, (_, i) => labels[i % labels.length] ?? 0)]];
    if (node.kind === 'scalar') return [[node.id, [clock[node.attrs.name]]]];
    if (node.kind === 'state') return [[node.id, found ?? new Float32Array(size).fill(node.attrs.value)]];
    return found ? [[node.id, found]] : [];
  }));
}

const script = join(import.meta.dirname, 'run.py');

export const torchrun = ['/usr/bin/torchrun'].find((path) => existsSync(path));

/** One process for each rank. Debian's torchrun 1.13 fails on Python 3.11 without redirections. */
export const launcher = (ranks: number, logs: string): readonly string[] =>
  ['--standalone', '--nproc_per_node', String(ranks), '--monitor_interval', '0.2', '--redirects', '1', '--tee', '1', '--log_dir', logs];

/** Runs several nets in one Python process, or in one for each rank; by net what run.py writes, or why it cannot. */
export async function runPyTorch(nets: Readonly<Record<string, Prepared>>, ranks = 1): Promise<Map<string, ReadonlyMap<string, StoredTensor> | Error>> {
  const folder = mkdtempSync(join(tmpdir(), 'zigzag-pytorch-'));
  try {
    const paths = Object.entries(nets).map(([name, { text, weights, batch }], i) => {
      const path = join(folder, `net${i}`);
      mkdirSync(path);
      writeFileSync(join(path, 'net.py'), text);
      writeFileSync(join(path, 'weights.safetensors'), encodeSafetensors({ tensors: weights, metadata: {} }));
      writeFileSync(join(path, 'batch.safetensors'), encodeSafetensors({ tensors: batch, metadata: {} }));
      return { name, path };
    });
    const program = [script, ...paths.map(({ path }) => path)];
    const env = { ...process.env, OMP_NUM_THREADS: '1' };
    const { status, stdout, stderr } = ranks === 1 ? spawnSync(python ?? '', program, { encoding: 'utf8', env }) : spawnSync(torchrun ?? '', [...launcher(ranks, join(folder, 'logs')), ...program], { encoding: 'utf8', env });
    if (status !== 0) throw new Error(`${stdout}${stderr}`);
    const results = new Map<string, ReadonlyMap<string, StoredTensor> | Error>();
    for (const { name, path } of paths) {
      const error = join(path, 'error.txt');
      results.set(name, existsSync(error) ? new Error(readFileSync(error, 'utf8')) : (await readSafetensors(join(path, 'result.safetensors'))).tensors);
    }
    return results;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
