// What ONNX files are tried with: onnxruntime-node and onnx-proto of bench/peers, and ONNX's own checker where Python has it.

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** What the tests use of onnxruntime-node. */
interface Runtime {
  readonly InferenceSession: { create(file: Uint8Array, options: { readonly logSeverityLevel: number }): Promise<OnnxSession> };
  readonly Tensor: new (type: string, data: ArrayLike<number>, dims: readonly number[]) => OnnxTensor;
}

interface OnnxTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

/** A package of bench/peers, or nothing where it is not installed. */
function load(name: string): unknown {
  try {
    return createRequire(join(import.meta.dirname, '../../bench/peers/package.json'))(name);
  } catch {
    return undefined;
  }
}

const runtime = load('onnxruntime-node') as Runtime | undefined;

/** Why files cannot be run here, if they cannot. */
export const missing = runtime ? undefined : 'onnxruntime-node is not installed (npm ci --prefix bench/peers)';

/** What a test's name says of it. */
export const skipped = missing === undefined ? '' : ` (skipped: ${missing})`;

export interface Feed {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** A file's outputs, by name. Feeds that it does not take are left out. */
export async function runOnnx(file: Uint8Array, feeds: ReadonlyMap<string, Feed>): Promise<Map<string, OnnxTensor>> {
  if (!runtime) throw new Error(missing);
  const session = await runtime.InferenceSession.create(file, { logSeverityLevel: 3 });
  try {
    const given = session.inputNames.map((name) => {
      const feed = feeds.get(name);
      if (!feed) throw new Error(`no feed for ${name}`);
      return [name, new runtime.Tensor(feed.data instanceof Int32Array ? 'int32' : 'float32', feed.data, feed.shape)] as const;
    });
    const results = await session.run(Object.fromEntries(given));
    return new Map(session.outputNames.map((name) => [name, results[name] as OnnxTensor]));
  } finally {
    await session.release();
  }
}

/** What the tests use of onnx-proto: a reader that is generated from ONNX's own message definitions. */
interface Definitions {
  readonly onnx: { readonly ModelProto: { decode(file: Uint8Array): object; toObject(message: object, options: { readonly longs: NumberConstructor; readonly bytes: StringConstructor }): Readonly<Record<string, unknown>> } };
}

const definitions = load('onnx-proto') as Definitions | undefined;

/** Why files cannot be read by ONNX's definitions here, if they cannot. */
export const noDefinitions = definitions ? undefined : 'onnx-proto is not installed (npm ci --prefix bench/peers)';
export const unreadable = noDefinitions === undefined ? '' : ` (skipped: ${noDefinitions})`;

/** A file as ONNX's definitions read it: all fields that are there, by their names in them; bytes in base 64. */
export function readOnnx(file: Uint8Array): Readonly<Record<string, unknown>> {
  if (!definitions) throw new Error(noDefinitions);
  const { ModelProto } = definitions.onnx;
  return ModelProto.toObject(ModelProto.decode(file), { longs: Number, bytes: String });
}

/** Debian's Python first: python3-onnx is for it, whichever is first on the PATH. */
const PYTHONS = ['/usr/bin/python3', 'python3'];
const python = PYTHONS.find((each) => spawnSync(each, ['-c', 'import onnx']).status === 0);

/** Why the checker cannot be asked here, if it cannot. */
export const noChecker = python === undefined ? 'Python has no onnx (python3-onnx)' : undefined;
export const uncheckable = noChecker === undefined ? '' : ` (skipped: ${noChecker})`;

/** What ONNX's checker says of some files, shapes included: nothing where all are sound. */
export function checkOnnx(files: readonly string[]): string {
  const program = 'import sys, onnx\nfor path in sys.argv[1:]:\n  try:\n    onnx.checker.check_model(path, full_check=True)\n  except Exception as error:\n    print(path, error)';
  const { stdout, stderr } = spawnSync(python ?? '', ['-c', program, ...files], { encoding: 'utf8' });
  return stdout + stderr;
}
