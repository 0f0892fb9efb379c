// Artefacts of small nets, opened in this process.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileArtefact } from '../../cli/compile/artefact.ts';
import { loadNet } from '../../cli/load.ts';
import type { Artefact } from '../../compiler/5-emit/artefact.ts';
import type { CompiledModel, Images, Labels, NetTypes, OpenOptions } from '../../runtime/compiled/exports.ts';
import { openModel } from '../../runtime/compiled/index.ts';
import type { Hosts } from '../../runtime/compiled/backends.ts';
import { gpujs } from '../../runtime/compiled/gpujs.ts';
import { wasm } from '../../runtime/compiled/wasm.ts';
import { webgpu } from '../../runtime/compiled/webgpu.ts';
import { uniforms } from '../../runtime/random.ts';

export const HOSTS: Hosts = { webgpu, wasm, gpujs };

/** The artefact of the net in a source text. */
export async function artefactOf(source: string, backends: readonly string[] = ['wasm']): Promise<Artefact> {
  const cwd = await mkdtemp(join(tmpdir(), 'zz-artefact-'));
  try {
    await writeFile(join(cwd, 'net.zz'), source);
    const quiet = { write: () => undefined };
    const io = { stdin: (async function* () { yield ''; })(), stdout: quiet, stderr: quiet, env: {}, cwd, onInterrupt: () => () => undefined };
    const net = await loadNet(io, 'net.zz', { overrides: [], width: 1 });
    return (await compileArtefact({ net, backends, out: join(cwd, 'net.ts') }, 'all')).artefact;
  } finally {
    await rm(cwd, { recursive: true });
  }
}

/** Opens a model, and disposes of it when `use` is done. */
export async function withModel<T>(artefact: Artefact, options: OpenOptions, use: (model: CompiledModel) => Promise<T>, hosts = HOSTS): Promise<T> {
  const model = await openModel<NetTypes>(artefact, hosts, { threads: 1, ...options });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** Random bytes as images of a shape. */
export function someImages(count: number, shape: readonly number[], key = 1): Images<NetTypes> {
  const next = uniforms(key);
  return { shape: [count, ...shape], data: Uint8Array.from({ length: shape.reduce((a, b) => a * b, count) }, () => Math.floor(256 * next())) } as unknown as Images<NetTypes>;
}

export const someLabels = (...classes: readonly number[]): Labels => ({ shape: [classes.length], data: Uint8Array.from(classes) });
