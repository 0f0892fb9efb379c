// zz doctor: what this machine can run, what is missing, and what to do about it.

import { access, constants, readdir } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { BackendError } from '../runtime/backend.ts';
import { findAdapter } from '../runtime/backends/dawn.ts';
import { makeFolder } from '../runtime/files.ts';
import { BACKENDS } from './backends.ts';
import { reason, type Finding } from './doctor/finding.ts';
import { gpuFindings } from './doctor/gpu.ts';
import { vulkanFinding } from './doctor/vulkan.ts';
import { colours, EXIT, lineWidth, print, printJson, type Io } from './io.ts';
import type { AddCommand } from './command.ts';
import { labelled } from './table.ts';
import { VERSION } from './version.ts';

export const doctorCommand: AddCommand = (program, io, done) => {
  program
    .command('doctor')
    .summary('what this machine can run')
    .description('Looks at Node, the processor, the GPU and its driver, every backend, the image library and the cache, and says what is missing and what to do.')
    .option('--json', 'one JSON object a line on standard output')
    .addHelpText('after', '\nExample:\n  zz doctor\n')
    .action(async ({ json }: { json?: boolean }) => done(await examine(io, json === true)));
};

async function examine(io: Io, json: boolean): Promise<number> {
  const probes: readonly (() => Promise<Finding | readonly Finding[]>)[] = [node, processor, ...(process.platform === 'linux' ? [() => vulkanFinding(io.env)] : []), gpu, ...BACKENDS.map((entry) => () => backend(entry)), images, () => cache(io)];
  const findings: Finding[] = [];
  for (const probe of probes) {
    const found = await probe().catch((error: unknown): Finding => ({ what: 'probe', state: 'broken', detail: reason(error) }));
    for (const finding of [found].flat()) {
      findings.push(finding);
      if (json) printJson(io, finding);
      else show(io, finding);
    }
  }
  const trains = findings.some(({ what, state }) => what.startsWith('backend ') && state === 'ok');
  if (!json) print(io, trains ? '\nThis machine can train.' : '\nThis machine cannot train: no backend works.');
  return trains ? EXIT.good : EXIT.environment;
}

function show(io: Io, { what, state, detail, advice }: Finding): void {
  const c = colours(io, io.stdout);
  const mark = { ok: c.green('ok     '), missing: c.yellow('missing'), broken: c.red('broken ') }[state];
  const width = lineWidth(io.stdout);
  // Where there is no room beside the names, the details stand below them.
  const column = width < 80 ? 9 : 28;
  const text = (words: string): string => labelled([['', words]], column, width);
  print(io, column === 9 ? `${mark}  ${what}\n${text(detail)}` : `${mark}  ${what.padEnd(18)} ${text(detail).trimStart()}`);
  if (advice !== undefined) print(io, text(advice));
}

async function node(): Promise<Finding> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const detail = `Node ${process.version}, zz ${VERSION}, ${process.platform} ${release()} ${process.arch}`;
  const recent = major > 20 || (major === 20 && minor >= 12);
  return recent ? { what: 'node', state: 'ok', detail } : { what: 'node', state: 'broken', detail, advice: 'Install Node 20.12 or later.' };
}

async function processor(): Promise<Finding> {
  const gigabytes = (totalmem() / 2 ** 30).toFixed(1);
  return { what: 'processor', state: 'ok', detail: `${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'unknown'}, ${gigabytes} GiB of memory` };
}

/** The adapter that Dawn gives, through the `webgpu` package. */
const gpu = async (): Promise<Finding[]> => gpuFindings(await findAdapter().catch(reason));

/** Opens the backend for a model without programs: it says what it would run on. */
async function backend({ name, load }: (typeof BACKENDS)[number]): Promise<Finding> {
  const what = `backend ${name}`;
  try {
    const target = await load();
    const session = await target.backend.open({ net: 'doctor', train: NOTHING, programs: {} });
    const detail = session.device;
    await session.dispose();
    return { what, state: 'ok', detail };
  } catch (error) {
    return error instanceof BackendError ? { what, state: 'missing', detail: reason(error), advice: error.advice } : { what, state: 'broken', detail: reason(error) };
  }
}

const NOTHING = {
  dataset: 'synthetic', optimizer: { kind: 'sgd', lr: 0, momentum: 0, nesterov: false }, schedule: { kind: 'constant' },
  batch: 1, epochs: 0, seed: 0, normalize: 'none', weightDecay: 0, clipNorm: 0,
} as const;

async function images(): Promise<Finding> {
  try {
    const { default: sharp } = await import('sharp');
    return { what: 'images (sharp)', state: 'ok', detail: `libvips ${sharp.versions.vips}` };
  } catch (error) {
    return { what: 'images (sharp)', state: 'missing', detail: reason(error), advice: 'Reinstall with npm ci; without it image folders and zz predict do not work, CIFAR-10 and synthetic do.' };
  }
}

async function cache(io: Io): Promise<Finding> {
  const { cacheDirectory } = await import('../runtime/data/cache.ts');
  const folder = cacheDirectory(io.env);
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
    const entries = await readdir(folder);
    return { what: 'cache', state: 'ok', detail: `${folder}${entries.length === 0 ? ' (empty)' : `: ${entries.join(', ')}`}` };
  } catch (error) {
    return { what: 'cache', state: 'broken', detail: `${folder}: ${reason(error)}`, advice: 'Set ZZ_CACHE to a folder that can be written.' };
  }
}
