// 10,000 mutated artefacts through the loaders: an error of the loader's own or what was written, within two seconds each, and nothing allocated beyond the file's size and a little.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadProgram, memoryReader, buildNet } from '../../compiler/2-graph/build.ts';
import { graphFromJson, GraphJsonError, graphToJson } from '../../compiler/2-graph/json.ts';
import { verify, VerifyError } from '../../compiler/2-graph/verify.ts';
import type { ProgramSet } from '../../compiler/5-emit/artefact.ts';
import type { BufferSpec } from '../../compiler/5-emit/model.ts';
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from '../../runtime/checkpoint.ts';
import { checkDigest } from '../../runtime/compiled/decode.ts';
import { digestOfPrograms } from '../../runtime/compiled/digest.ts';
import { weightsIn } from '../../runtime/compiled/weights.ts';
import { RunError } from '../../runtime/errors.ts';
import { readMetrics, type EpochMetrics } from '../../runtime/metrics.ts';
import { uniforms } from '../../runtime/random.ts';
import { createRun, openRun, type RunConfig } from '../../runtime/run-dir.ts';
import { CONFIG_FORMAT, parseConfig } from '../../runtime/run-config.ts';
import { decodeSafetensors, encodeSafetensors } from '../../runtime/safetensors.ts';
import { slowness } from '../pace.ts';
import { fakeModel } from '../runtime/fake.ts';

/** Bytes beyond four times the file's that a load may allocate: strings, the header's JSON, what typed arrays hold besides. */
const ROOM = 1 << 20;
/** Milliseconds: no more than a usual machine under load may take. */
const PATIENCE = 2000;

const next = uniforms(20);
const below = (end: number): number => Math.floor(next() * end);
const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;

const NUMBERS = ['0', '-1', '1', '2', '1e308', '-1e308', '9007199254740991', '9007199254740993', '4294967296', '0.5', 'null', 'true', '"1"', '[]', '{}', '[1e9,1e9]', '1e999'];
const TEXTS = ['"', '\\', '\u0000', '{', '}', '[', ']', ',', ':', '../../etc/passwd', '/dev/zero', '\u001b[2J', '__proto__', 'constructor', 'F64', 'zigzag-checkpoint-99', 'sha256:00', '😀'];

/** One to three changes to bytes: some blind, some where JSON has a number or a text. */
function mutated(bytes: Uint8Array): Uint8Array {
  let changed = bytes;
  for (let left = 1 + below(3); left > 0; left--) changed = pick(CHANGES)(changed);
  return changed;
}

const spliced = (bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array => Uint8Array.from([...bytes.subarray(0, at), ...added, ...bytes.subarray(at + removed)]);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const CHANGES: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
  (bytes) => spliced(bytes, below(bytes.length), 1, Uint8Array.of(below(256))),
  (bytes) => {
    const at = below(bytes.length);
    return spliced(bytes, at, 1, Uint8Array.of((bytes[at] ?? 0) ^ (1 << below(8))));
  },
  (bytes) => bytes.subarray(0, below(bytes.length + 1)),
  (bytes) => spliced(bytes, below(bytes.length + 1), below(9), Uint8Array.from({ length: below(9) }, () => below(256))),
  (bytes) => spliced(bytes, below(bytes.length + 1), 0, bytes.subarray(below(bytes.length + 1)).subarray(0, below(200))),
  (bytes) => spliced(bytes, below(bytes.length + 1), below(3), encode(pick(TEXTS))),
  (bytes) => numbered(bytes),
  (bytes) => spliced(bytes, 0, 8, new Uint8Array(new BigUint64Array([pick([0n, 1n, 7n, 1n << 20n, 1n << 33n, (1n << 64n) - 1n, BigInt(bytes.length), BigInt(Math.max(0, bytes.length - 8))])]).buffer)),
];

/** Another number in the place of one that JSON has. */
function numbered(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder('latin1').decode(bytes);
  const found = [...text.matchAll(/(?<=[[:,])-?\d[\d.e+-]*(?=[\],}])/g)];
  if (found.length === 0) return bytes;
  const { index, 0: number } = pick(found);
  return spliced(bytes, index, number.length, encode(pick(NUMBERS)));
}

/** Loads what was mutated; what comes of it, or of the error. Everything else that a load may do is a failure. */
async function answer<T>(bytes: Uint8Array, load: () => T | Promise<T>, errors: readonly (new (...args: never[]) => Error)[]): Promise<{ readonly value: T } | 'refused'> {
  const [began, before] = [performance.now(), process.memoryUsage().arrayBuffers];
  try {
    return { value: await load() };
  } catch (error) {
    if (!errors.some((each) => error instanceof each)) throw error;
    expect((error as Error).message.length).toBeLessThan(1000);
    // What must not reach a terminal. JSON.parse has words of its own.
    if (!(error instanceof SyntaxError)) expect(Array.from((error as Error).message).filter((sign) => sign < ' ' && sign !== '\n')).toEqual([]);
    return 'refused';
  } finally {
    expect(performance.now() - began).toBeLessThan(PATIENCE * slowness());
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * bytes.length + ROOM);
  }
}

const tensor = (...shape: number[]) => ({ shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5) });
const checkpoint: Checkpoint = {
  net: 'Net',
  progress: { epoch: 2, step: 13, sums: { steps: 3, rows: 12, loss: 0.3, correct: 7, seconds: 0.5 } },
  tensors: new Map([['w.1', tensor(3, 3, 1, 4)], ['b.1', tensor(4)], ['m.w.1', tensor(3, 3, 1, 4)]]),
  statistics: { channels: { mean: [0.4, 0.5], std: [0.2, 0.3] }, companions: { count: 49, mean: Float32Array.of(0.5, 0.25), std: Float32Array.of(1, 2) } },
};
const SOURCE = 'net Net {\n  input image: [4, 4, 1]\n  logits = image -> conv(2, k: 3) -> relu -> globalavgpool\n  output logits\n  loss softmax_cross_entropy(logits)\n}\n';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zz-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('3,500 checkpoints', async () => {
  const bytes = encodeCheckpoint(checkpoint);
  const seen = { refused: 0, right: 0 };
  for (let i = 0; i < 3500; i++) {
    const changed = mutated(bytes);
    const found = await answer(changed, () => decodeCheckpoint('file', changed), [RunError]);
    if (found !== 'refused') expect(found.value).toEqual(checkpoint);
    seen[found === 'refused' ? 'refused' : 'right']++;
  }
  expect(seen.refused).toBeGreaterThan(3000);
  expect(seen.right).toBeGreaterThan(0);
});

it('2,000 files of tensors that have no digest', async () => {
  const bytes = encodeSafetensors({ tensors: checkpoint.tensors, metadata: { by: 'another tool' } });
  for (let i = 0; i < 2000; i++) {
    const changed = mutated(bytes);
    const found = await answer(changed, () => decodeSafetensors('file', changed), [RunError]);
    if (found === 'refused') continue;
    const { tensors } = found.value;
    for (const { shape, data } of tensors.values()) expect(shape.reduce((a, b) => a * b, 1)).toBe(data.length);
    expect([...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0)).toBeLessThanOrEqual(changed.length);
  }
});

it('1,500 weights for a compiled model', async () => {
  const specs = [...checkpoint.tensors].map(([id, { shape }]): BufferSpec => ({ id, dtype: 'f32', shape, role: { kind: 'weight', init: 'zeros', std: 0 } }));
  const wanted = { net: 'Net', specs, needed: new Set(['w.1', 'b.1']), seed: 1 };
  const bytes = encodeCheckpoint(checkpoint);
  for (let i = 0; i < 1500; i++) {
    const changed = mutated(bytes);
    const found = await answer(changed, () => weightsIn(changed, wanted), [RunError]);
    if (found !== 'refused') expect(found.value.values).toEqual(new Map([...checkpoint.tensors].map(([id, { data }]) => [id, data])));
  }
});

it('1,500 configurations of runs, 200 of them from the disk', async () => {
  const config: RunConfig = {
    format: CONFIG_FORMAT, zigzag: '0.1.0', node: 'v20', created: '2025-01-01T00:00:00.000Z', file: 'net.zz', net: 'Net', settings: fakeModel().train, width: 0.5, limit: null,
    backend: 'wasm', precision: 'f32', classes: ['cat', 'dog'], imports: [{ file: 'lib.zz', text: 'net L { }' }],
  };
  const run = await createRun({ dir: join(folder, 'run') }, config, SOURCE);
  const [written, source] = [await readFile(run.paths.config), encode(SOURCE)];
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  let refused = 0;
  for (let i = 0; i < 1500; i++) {
    const changesSource = i % 3 === 0;
    const changed = mutated(changesSource ? source : written);
    const [configBytes, sourceBytes] = changesSource ? [written, changed] : [changed, source];
    const onDisk = i % 15 < 2;
    if (onDisk) await Promise.all([writeFile(run.paths.config, configBytes), writeFile(run.paths.model, sourceBytes)]);
    const found = await answer(changed, async () => (onDisk ? (await openRun(run.dir)).config : parseConfig('config.json', text(configBytes), text(sourceBytes))), [RunError]);
    if (found === 'refused') refused++;
    else expect(found.value).toEqual(config);
  }
  expect(refused).toBeGreaterThan(1200);
});

it('500 lists of epochs', async () => {
  const score = { loss: 0.5, accuracy: 0.25 };
  const epochs = [1, 2, 3].map((epoch): EpochMetrics => ({ epoch, step: 10 * epoch, train: score, test: { loss: 0.75, accuracy: null }, seconds: 1.5, imagesPerSecond: 100 }));
  const bytes = encode(epochs.map((each) => `${JSON.stringify(each)}\n`).join(''));
  const path = join(folder, 'metrics.jsonl');
  for (let i = 0; i < 500; i++) {
    const changed = mutated(bytes);
    await writeFile(path, changed);
    const found = await answer(changed, () => readMetrics(path), []);
    if (found === 'refused') throw new Error('refused');
    expect(found.value.map(({ epoch }) => epoch)).toEqual(found.value.map((_, j) => j + 1));
    for (const { train, test } of found.value) for (const each of [train, test]) expect([typeof each.loss, each.accuracy === null || typeof each.accuracy === 'number']).toEqual([each.loss === null ? 'object' : 'number', true]);
  }
});

it('700 graphs', async () => {
  const { graph } = buildNet(loadProgram('net.zz', memoryReader({ 'net.zz': SOURCE })), undefined, { mode: 'train' });
  if (!graph) throw new Error('no graph');
  const bytes = encode(JSON.stringify(graphToJson(graph)));
  expect(graphFromJson(JSON.parse(new TextDecoder().decode(bytes)))).toEqual(graph); // and the schema is compiled
  let sound = 0;
  for (let i = 0; i < 700; i++) {
    const changed = mutated(bytes);
    const found = await answer(changed, () => graphFromJson(JSON.parse(new TextDecoder().decode(changed))), [GraphJsonError, VerifyError, SyntaxError]);
    if (found === 'refused') continue;
    // A graph has no digest: what comes back may be another one, but a sound one.
    verify(found.value);
    sound++;
  }
  expect(sound).toBeGreaterThan(0);
});

it('300 programs of compiled models', async () => {
  const programs = { predict: { batch: 2, buffers: [{ id: 'x', dtype: 'f32', shape: [2, 4], role: { kind: 'constant', value: 0.5 } }], steps: [{ kernel: 'k', reads: ['x'], writes: 'y', scratch: 0 }], outputs: [], updates: [], views: [] } } as unknown as ProgramSet<unknown>;
  const entry = { digest: digestOfPrograms(programs), programs };
  const bytes = encode(JSON.stringify(entry));
  for (let i = 0; i < 300; i++) {
    const changed = mutated(bytes);
    const found = await answer(changed, () => {
      const read = JSON.parse(new TextDecoder().decode(changed)) as typeof entry;
      checkDigest('Net', read);
      return read;
    }, [RunError, SyntaxError, TypeError]);
    if (found !== 'refused') expect(found.value.programs).toEqual(programs);
  }
});
