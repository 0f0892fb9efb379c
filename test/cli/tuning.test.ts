// Tuning: the fastest tiling is taken and kept, by whichever clock there is; a damaged cache, a failing device and foreign choices do no harm.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addChoices, readChoices, tuningFile } from '../../cli/tuning/cache.ts';
import { tilingsBy, type Choice } from '../../cli/tuning/choices.ts';
import { tunedTarget } from '../../cli/tuning/target.ts';
import { tune, type Progress } from '../../cli/tuning/tune.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { candidatesOf, chooseTiling, nameOf, type Sizes, type Tiling } from '../../compiler/5-emit/wgsl/tiles.ts';
import type { Model, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { compileModel } from '../../compiler/compile.ts';
import { webgpuEmitter } from '../../compiler/emitters.ts';
import { BackendError, type Backend, type Session } from '../../runtime/backend.ts';
import type { Adapter } from '../../runtime/backends/adapter.ts';
import { missing, skipped } from '../webgpu/harness.ts';
import { zz } from './zz.ts';

const NET = `net Small {
  input image: [16, 16, 3]
  logits = image -> conv(16, k: 3) -> elu -> avgpool(2) -> conv(24, k: 3) -> elu -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer adam(lr: 0.01)  batch 4 }
}
`;

const TINY = `net Tiny {
  input image: [4, 4, 3]
  logits = image -> conv(10, k: 3) -> globalavgpool
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer sgd(lr: 0.1)  batch 8  epochs 1 }
}
`;

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zz-tuning-'));
  await writeFile(join(cwd, 'small.zz'), NET);
});
afterAll(() => rm(cwd, { recursive: true }));

const ADAPTER: Adapter = { ...EVERY_DEVICE, name: 'Test', vendor: 'v', architecture: 'a', model: 'Model T/100', driver: '1.2', software: false };

async function compiled() {
  const result = compileModel(loadProgram('small.zz', memoryReader({ 'small.zz': NET })), undefined, { train: { mode: 'train', batch: 4 } }, await webgpuEmitter({ device: ADAPTER }), {});
  if ('diagnostics' in result) throw new Error('diagnostics');
  return result;
}

/** A device on which a step takes as long as `of` says, told by its own clock, by one that stands still, or by none. */
function device(of: (step: WebGpuStep) => number, clock: 'device' | 'still' | 'none', opened: string[][] = []): Backend<WebGpuStep> {
  return {
    name: 'webgpu',
    async open(model: Model<WebGpuStep>) {
      opened.push(Object.values(model.programs).map(({ steps }) => steps[0]?.tiling?.choice ?? ''));
      const stepsOf = (name: string): readonly WebGpuStep[] => model.programs[name]?.steps ?? [];
      const profiler: Session['profiler'] = {
        clock: 'device',
        run: async (name, _, runs) => Array.from({ length: runs }, (_each, run) => ({ steps: stepsOf(name).map((step, i) => ({ begin: i, end: i + (clock === 'still' ? 0 : of(step) * (run === 0 ? 100 : 1)) })) })),
      };
      const session: Session = {
        backend: 'webgpu',
        device: 'Test',
        run: async (name) => {
          const until = performance.now() + stepsOf(name).reduce((sum, step) => sum + of(step), 0) / 1000;
          while (performance.now() < until);
          return new Map();
        },
        read: async () => Float32Array.of(0),
        write: async () => undefined,
        dispose: async () => undefined,
        ...(clock !== 'none' && { profiler }),
      };
      return session;
    },
  };
}

const SILENT: Progress = { begin: () => undefined, measured: () => undefined, chosen: () => undefined };
const isParts = ({ tiling }: WebGpuStep): boolean => /parts$/.test(tiling?.choice ?? '');

describe('which tiling is taken', () => {
  test('the fastest of those measured, its parts summed up; a first run does not count', async () => {
    const { model, graphs } = await compiled();
    const measured: number[] = [];
    const choices = await tune({ model, graphs, adapter: ADAPTER, known: new Map(), level: 'quick', backend: device((step) => (step.tiling?.choice.startsWith('32x64') ? 10 : 50), 'device') }, { ...SILENT, measured: (done) => measured.push(done) });
    expect(choices.size).toBeGreaterThanOrEqual(4);
    expect(measured).toEqual(measured.map((_, i) => i + 1));
    const taken = [...choices.values()].filter(({ text }) => text.startsWith('32x64') && !text.endsWith('parts'));
    expect(taken.length).toBeGreaterThan(0);
    for (const { microseconds, usual } of taken) expect(microseconds).toBeLessThanOrEqual(Math.min(10 + 1e-6, usual));
  });

  test('the usual one where another is faster by chance alone', async () => {
    const { model, graphs } = await compiled();
    const usual = new Set(Object.values(model.programs).flatMap(({ steps }) => steps.flatMap(({ tiling }) => tiling?.choice ?? [])));
    const choices = await tune({ model, graphs, adapter: ADAPTER, known: new Map(), level: 'full', backend: device((step) => (isParts(step) ? 500 : usual.has(step.tiling?.choice ?? '') ? 100 : 98), 'device') }, SILENT);
    const whole = [...choices.values()].filter((choice) => choice.usual === 100);
    expect(whole.length).toBeGreaterThan(2);
    expect(whole.filter(({ microseconds }) => microseconds < 100)).toEqual([]);
  });

  test.each(['none', 'still'] as const)('by the host\'s clock where the device has none that runs: %s', async (clock) => {
    const { model, graphs } = await compiled();
    const choices = await tune({ model, graphs, adapter: ADAPTER, known: new Map(), level: 'quick', backend: device((step) => (step.tiling?.choice.startsWith('32x32 tiles, 16') && !isParts(step) ? 40 : 400), clock) }, SILENT);
    const small = [...choices.values()].filter(({ text }) => text.startsWith('32x32 tiles, 16'));
    expect(small.length).toBeGreaterThan(0);
    for (const { microseconds } of small) expect(microseconds).toBeGreaterThanOrEqual(40);
  });

  test('full measures more than quick, and what quick has measured once more', async () => {
    const { model, graphs } = await compiled();
    const [quick, full]: [string[][], string[][]] = [[], []];
    const first = await tune({ model, graphs, adapter: ADAPTER, known: new Map(), level: 'quick', backend: device(() => 1, 'device', quick) }, SILENT);
    expect(await tune({ model, graphs, adapter: ADAPTER, known: first, level: 'quick', backend: device(() => 1, 'device', []) }, SILENT)).toEqual(new Map());
    const second = await tune({ model, graphs, adapter: ADAPTER, known: first, level: 'full', backend: device(() => 1, 'device', full) }, SILENT);
    expect(full.flat().length).toBeGreaterThan(2 * quick.flat().length);
    expect([...second.keys()]).toEqual(expect.arrayContaining([...first.keys()]));
  });
});

const SIZES: Sizes = { groups: 1, rows: 1000, columns: 64, depth: 300, left: 'depth', right: 'own', factors: 'f32' };
const other = (): Tiling => {
  const usual = chooseTiling(SIZES, ADAPTER);
  const found = candidatesOf(SIZES, ADAPTER).find((each) => each.tile.rows !== usual.tile.rows);
  if (!found) throw new Error('one candidate');
  return found;
};
const choiceOf = (tiling: Tiling): Choice => ({ tiling, text: 'some tiles', level: 'quick', microseconds: 1, usual: 2 });

describe('what is kept', () => {
  test('is used where the device has room for it, and only there', () => {
    const kept = new Map([[nameOf(SIZES), choiceOf(other())]]);
    expect(tilingsBy(kept)(SIZES, ADAPTER)).toEqual(other());
    expect(tilingsBy(new Map())(SIZES, ADAPTER)).toEqual(chooseTiling(SIZES, ADAPTER));
    const large = { ...other(), tile: { ...other().tile, rows: 4096 } };
    expect(tilingsBy(new Map([[nameOf(SIZES), choiceOf(large)]]))(SIZES, ADAPTER)).toEqual(chooseTiling(SIZES, ADAPTER));
    const small: Sizes = { ...SIZES, depth: 4 };
    expect(tilingsBy(new Map([[nameOf(small), choiceOf(other())]]))(small, ADAPTER)).toBeUndefined();
  });

  test('another driver, other limits or another GPU have another file', () => {
    const files = [ADAPTER, { ...ADAPTER, driver: '1.3' }, { ...ADAPTER, model: 'Model A' }, { ...ADAPTER, limits: { ...ADAPTER.limits, workgroupBytes: 32768 } }].map((adapter) => tuningFile('cache', adapter));
    expect(new Set(files).size).toBe(4);
    expect(files[0]).toMatch(/^cache\/tuning\/Model-T-100-[0-9a-f]{16}\.json$/);
    expect(tuningFile('cache', { ...ADAPTER, name: 'another word for it' })).toBe(files[0]);
  });

  test('grows by what several processes add at the same time, and is whole at any moment', async () => {
    const file = tuningFile(join(cwd, 'shared'), ADAPTER);
    await addChoices(file, new Map([['first', choiceOf(other())]]));
    await Promise.all([addChoices(file, new Map([['a', choiceOf(other())]])), addChoices(file, new Map([['b', choiceOf(other())]]))]);
    const names = [...(await readChoices(file)).keys()];
    expect(names).toContain('first');
    expect(names.length).toBeGreaterThanOrEqual(2);
    expect(await readdir(dirname(file))).toEqual([expect.stringMatching(/\.json$/)]);
  });

  test.each([
    ['nothing', undefined],
    ['half of a file', '{"format": "zigzag-tuning", "choices": {"x": {"til'],
    ['a file of something else', '{"format": "other", "choices": {"x": {}}}'],
    ['a list', '[]'],
    ['null', 'null'],
    ['entries that are no choices', JSON.stringify({ format: 'zigzag-tuning', choices: { a: 1, b: null, c: { tiling: null }, d: { ...choiceOf(other()), level: 'wild' }, e: { ...choiceOf(other()), microseconds: 'fast' } } })],
  ])('%s is as good as no choice, and is written over', async (name, text) => {
    const file = tuningFile(join(cwd, name.replaceAll(' ', '-')), ADAPTER);
    if (text !== undefined) {
      await addChoices(file, new Map());
      await writeFile(file, text);
    }
    expect(await readChoices(file)).toEqual(new Map());
    await addChoices(file, new Map([['x', choiceOf(other())]]));
    expect([...(await readChoices(file)).keys()]).toEqual(['x']);
  });
});

test('a device that fails while it is tuned is told, not hidden', async () => {
  const { model, graphs } = await compiled();
  const failing: Backend<WebGpuStep> = { name: 'webgpu', open: () => Promise.reject(new BackendError('the GPU is out of memory', 'Less.')) };
  await expect(tune({ model, graphs, adapter: ADAPTER, known: new Map(), level: 'quick', backend: failing }, SILENT)).rejects.toThrow('out of memory');
});

test('without a level GPUs are tuned, adapters that the processor draws are not; for evaluation nothing is measured', async () => {
  const show = { begin: () => undefined, measured: () => undefined, chosen: () => undefined, end: () => undefined, failed: () => undefined };
  const isTuned = async (software: boolean, level?: 'off' | 'known' | 'quick'): Promise<boolean> =>
    (await tunedTarget({ ...ADAPTER, software }, device(() => 1, 'device'), { level, folder: join(cwd, 'levels'), show })).tuned !== undefined;
  expect([await isTuned(false), await isTuned(true), await isTuned(true, 'quick'), await isTuned(false, 'off'), await isTuned(false, 'known')]).toEqual([true, false, true, false, false]);
});

describe.skipIf(missing !== undefined)(`on the command line${skipped}`, () => {
  const train = (...more: string[]) => zz(['train', 'tiny.zz', '--backend', 'webgpu', '--limit', '8', '--json', ...more], { cwd, env: { ZZ_CACHE: join(cwd, 'cache'), ZZ_DEBUG: '2' } });
  const lossOf = (stdout: string): number => (JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { train: { loss: number } }).train.loss;
  beforeAll(() => writeFile(join(cwd, 'tiny.zz'), TINY));

  test('tiles are measured once, said, kept and used again', async () => {
    const first = await train('--tune', 'quick');
    expect(first.status).toBe(0);
    expect(first.stderr).toMatch(/\ntuning (\d) products for .*, once for these sizes …\n(groups .* µs; usually .*\n)+tuned in .*: \d of \1 take other tiles than usual\n/);
    const [file = ''] = await readdir(join(cwd, 'cache/tuning'));
    const kept = await readFile(join(cwd, 'cache/tuning', file), 'utf8');
    const second = await train('--tune', 'quick');
    expect(second.status).toBe(0);
    expect(second.stderr).not.toContain('tuning');
    expect(lossOf(second.stdout)).toBe(lossOf(first.stdout));
    expect(await readFile(join(cwd, 'cache/tuning', file), 'utf8')).toBe(kept);
  });

  test('a word that is no level is refused', async () => {
    const ran = await train('--tune', 'ful');
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('Did you mean full?');
  });
});
