// Whole runs on data that lie on the device: the numbers of runs that the host feeds, breaks, resumption, and results that come back now and then.

import { create } from 'webgpu';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import type { BufferSpec, Model, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { compileModel } from '../../compiler/compile.ts';
import type { Finished, Runner, Session } from '../../runtime/backend.ts';
import { webgpuBackend, type WebGpuBackendOptions } from '../../runtime/backends/webgpu.ts';
import { persistent, restore, START, type Checkpoint } from '../../runtime/checkpoint.ts';
import { batchesOf, type Batches } from '../../runtime/data/batches.ts';
import type { Split } from '../../runtime/data/dataset.ts';
import { evaluationBatch, makePlan } from '../../runtime/data/loader.ts';
import { syntheticDataset } from '../../runtime/data/synthetic.ts';
import { initialValues } from '../../runtime/init.ts';
import type { EpochMetrics } from '../../runtime/metrics.ts';
import { hostFed, openRunner } from '../../runtime/runner.ts';
import { train, type TrainEvent } from '../../runtime/train.ts';
import { missing, skipped } from './harness.ts';

const dataset = syntheticDataset({ shape: [8, 8, 3], train: 44, test: 25 });

function compile(lr: number): Model<WebGpuStep> {
  const text = `net Small {
    input image: [8, 8, 3]
    view seen = image -> hflip(p: 0.5) -> crop(pad: 1)
    logits = seen -> conv(4, k: 3) -> batchnorm -> relu -> globalavgpool -> dropout(0.2) -> dense(10)
    output logits
    loss softmax_cross_entropy(logits)
    train { optimizer sgd(lr: ${lr}, momentum: 0.9)  schedule cosine(warmup: 2)  batch 8  epochs 2  seed 5  normalize per_batch }
  }`;
  const compiled = compileModel(loadProgram('small.zz', memoryReader({ 'small.zz': text })), undefined, {
    train: { mode: 'train', batch: 8 },
    evaluate: { mode: 'evaluate', batch: 8 },
    'evaluate-rest': { mode: 'evaluate', batch: 1, filledTo: 8 },
  }, { fused: true, emit: (graph, batch, filledTo) => emitWebGpu(graph, {}, batch, filledTo) }, {});
  if ('diagnostics' in compiled) throw new Error(compiled.diagnostics.map(({ message }) => message).join('\n'));
  return compiled.model;
}

const MODEL = compile(0.05);

interface Opened {
  readonly session: Session;
  readonly batches: Batches;
  readonly runner: Runner;
}

/** Opens the model on a device of its own. The session is gone when the test is. */
async function open(model = MODEL, { by = 'device', ...options }: WebGpuBackendOptions & { readonly by?: 'host' | 'device' } = {}): Promise<Opened> {
  const session = await webgpuBackend({ software: true, ...options }).open(model);
  sessions.push(session);
  const { batch, seed, normalize } = model.train;
  const plan = makePlan(dataset, { batch, seed, normalize, views: model.programs['train']?.views ?? [] });
  const batches = batchesOf(dataset, plan, model.programs['evaluate']?.views ?? []);
  expect(evaluationBatch(plan)).toBe(8);
  const runner = by === 'host' ? hostFed(model, session, batches) : await openRunner(model, session, batches, { splits: { train: dataset.train, test: dataset.test } });
  expect(runner.fedBy).toBe(by);
  return { session, batches, runner };
}

const sessions: Session[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const session of sessions.splice(0)) await session.dispose();
});

interface Ran {
  readonly events: TrainEvent[];
  readonly epochs: EpochMetrics[];
  readonly checkpoints: Checkpoint[];
  error?: unknown;
}

/** Trains to the end, or to where it breaks. */
async function run({ session, batches, runner }: Opened, { model = MODEL, from, onEvent, signal }: { model?: Model<WebGpuStep>; from?: Checkpoint | undefined; onEvent?: (event: TrainEvent) => void; signal?: AbortSignal } = {}): Promise<Ran> {
  if (from) await restore(model, session, from);
  else for (const [id, values] of initialValues(persistent(model), model.train.seed)) await session.write(id, values);
  const record: Ran = { events: [], epochs: [], checkpoints: [] };
  const keep = {
    epoch: async (metrics: EpochMetrics) => void record.epochs.push(metrics),
    checkpoint: async (checkpoint: Checkpoint) => void record.checkpoints.push(checkpoint),
  };
  try {
    for await (const event of train({ model, session, runner, batches, from: from?.progress ?? START, keep, classes: 10, ...(signal && { signal }) })) {
      record.events.push(event);
      onEvent?.(event);
    }
  } catch (error) {
    record.error = error;
  }
  return record;
}

let unbroken: Promise<Ran> | undefined;
/** A run that nothing breaks, once for all tests. */
const wholeRun = (): Promise<Ran> => (unbroken ??= open().then((opened) => run(opened)));

const numbers = ({ epochs }: Pick<Ran, 'epochs'>) => epochs.map(({ seconds: _s, imagesPerSecond: _i, ...rest }) => rest);
const last = <T>(list: readonly T[]): T => list.at(-1) ?? fail();
const fail = (): never => {
  throw new Error('there is none');
};

describe.skipIf(missing !== undefined)(`a run on the device's data${skipped}`, () => {
  it('trains, scores and finds mistakes as one that the host feeds', async () => {
    const [own, fed] = [await wholeRun(), await run(await open(MODEL, { by: 'host' }))];
    expect([own.error, fed.error]).toEqual([undefined, undefined]);
    const [found, expected] = [own, fed].map(({ events }) => events.flatMap((event) => (event.event === 'details' ? [event.evaluation] : [])));
    expect(found).toHaveLength(2);
    found?.forEach(({ score, images, confusion, mistakes }, epoch) => {
      const other = expected?.[epoch] ?? fail();
      expect(images).toBe(25);
      expect(score.loss).toBeCloseTo(other.score.loss, 5);
      expect(confusion).toEqual(other.confusion);
      expect(mistakes.map(({ index, label, predicted }) => [index, label, predicted])).toEqual(other.mistakes.map(({ index, label, predicted }) => [index, label, predicted]));
    });
    own.epochs.forEach(({ train: { loss, accuracy } }, i) => {
      expect(loss).toBeCloseTo(fed.epochs[i]?.train.loss ?? NaN, 5);
      expect(accuracy).toBe(fed.epochs[i]?.train.accuracy);
    });
  });

  it('an interrupt saves what is done; resumed, the numbers are those of an unbroken run, bit for bit', async () => {
    const whole = await wholeRun();
    const stop = new AbortController();
    let began = 0;
    const opened = await open();
    const counting: Runner = { ...opened.runner, begin: (each) => (++began === 3 && stop.abort(), opened.runner.begin(each)) };
    const first = await run({ ...opened, runner: counting }, { signal: stop.signal });
    expect(last(first.events)).toMatchObject({ event: 'interrupted', progress: { epoch: 0, step: 3, sums: { steps: 3 } } });
    const second = await run(await open(), { from: last(first.checkpoints) });
    expect(numbers(second)).toEqual(numbers(whole));
    expect(last(second.checkpoints).tensors).toEqual(last(whole.checkpoints).tensors);
  });

  it('a loss that is not finite stops it at the next reading, with its step, and nothing is saved', async () => {
    const model = compile(1e30);
    const broken = await run(await open(model), { model });
    expect(broken.error).toMatchObject({ name: 'RunError', message: expect.stringMatching(/^the loss became (NaN|Infinity) at step [2-5] \(epoch 1\)$/) as string });
    expect(broken.checkpoints).toEqual([]);
  });

  it('a device lost in the second epoch ends it with the way out; another goes on from the checkpoint to the same numbers', async () => {
    const whole = await wholeRun();
    let device: GPUDevice | undefined;
    const first = await run(await open(MODEL, { onDevice: (gpu) => (device = gpu) }), { onEvent: (event) => { if (event.event === 'epoch') device?.destroy(); } });
    expect(first.error).toMatchObject({ name: 'BackendError', message: expect.stringContaining('the GPU was lost') as string, advice: expect.stringContaining('zz train --resume') as string });
    expect(first.checkpoints).toHaveLength(1);
    const second = await run(await open(), { from: last(first.checkpoints) });
    expect([...numbers(first), ...numbers(second)]).toEqual(numbers(whole));
  });

  it('a device lost between two steps of an epoch is met at the next', async () => {
    let device: GPUDevice | undefined;
    const opened = await open(MODEL, { onDevice: (gpu) => (device = gpu) });
    let began = 0;
    const losing: Runner = { ...opened.runner, begin: async (each) => {
      if (++began === 3) device?.destroy();
      return opened.runner.begin(each);
    } };
    const broken = await run({ ...opened, runner: losing });
    expect(broken.error).toMatchObject({ name: 'BackendError', message: expect.stringContaining('the GPU was lost') as string });
  });
});

describe.skipIf(missing !== undefined)(`runs on the device's data${skipped}`, () => {
  it('give results in order, however many buffers they fill', async () => {
    const { runner, batches } = await open();
    const wanted = ['seen', MODEL.programs['train']?.loss ?? ''];
    const clock = { stepsPerEpoch: batches.stepsPerEpoch, totalSteps: 1000 };
    const finished: Finished[] = [];
    // 6 KB a run, of 256 KB that are collected at most.
    for (let step = 0; step < 100; step++) finished.push(...(await runner.begin({ program: 'train', selection: batches.train(step), clock: { ...clock, step }, wanted })));
    expect(finished.length).toBeGreaterThan(0);
    finished.push(...(await runner.finish()));
    expect(finished.map(({ run: { clock: { step } } }) => step)).toEqual(Array.from({ length: 100 }, (_, step) => step));
    expect(new Set(finished.map(({ results }) => results.get('seen')?.slice(0, 8).join())).size).toBe(100);
    expect(finished.every(({ results }) => results.get('seen')?.length === 8 * 192 && Number.isFinite(results.get(wanted[1] ?? '')?.[0]))).toBe(true);
    expect(await runner.finish()).toEqual([]);
  });

  it('give results when a second has passed, while the device goes on', async () => {
    const { runner, batches } = await open();
    const wanted = [MODEL.programs['train']?.loss ?? ''];
    const begin = (step: number): Promise<readonly Finished[]> => runner.begin({ program: 'train', selection: batches.train(step), clock: { step, stepsPerEpoch: 5, totalSteps: 1000 }, wanted });
    let time = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => time);
    const early: Finished[] = [];
    for (let step = 0; step < 10; step++) early.push(...(await begin(step)));
    expect(early).toEqual([]);
    time = 999;
    expect(await begin(10)).toEqual([]);
    time = 1000;
    const later: Finished[] = [];
    for (let step = 11; step < 40; step++) later.push(...(await begin(step)));
    // Those of one reading, the step that began it included.
    expect(later.map(({ run }) => run.clock.step)).toEqual(Array.from({ length: 12 }, (_, step) => step));
    expect((await runner.finish()).map(({ run }) => run.clock.step)).toEqual(Array.from({ length: 28 }, (_, i) => 12 + i));
  });

  it('refuse what does not fit, and go on', async () => {
    const { runner, batches } = await open();
    const run = { program: 'train', selection: batches.train(0), clock: { step: 0, stepsPerEpoch: 5, totalSteps: 10 }, wanted: [] };
    await expect(runner.begin({ ...run, program: 'other' })).rejects.toThrow('the model has no program "other"');
    await expect(runner.begin({ ...run, wanted: ['nothing'] })).rejects.toThrow('%nothing is no result of the program "train"');
    await expect(runner.begin({ ...run, selection: { ...run.selection, batch: 9 } })).rejects.toThrow('the program "train" reads 8 images, not 9');
    await runner.begin(run);
    expect((await runner.finish()).map(({ results }) => results.size)).toEqual([0]);
  });

  it('are fed by the host where a split is larger than the device binds', async () => {
    const session = await webgpuBackend({ software: true }).open(MODEL);
    sessions.push(session);
    const huge: Split = { ...dataset.train, images: { length: 2 ** 40, BYTES_PER_ELEMENT: 1 } as Uint8Array };
    expect(await session.load?.({ splits: { train: huge, test: dataset.test } })).toBeUndefined();
    expect(await session.load?.({ splits: { test: dataset.test } })).toMatchObject({ fedBy: 'device' });
  });

  it('and with checks, which look at what the host has fed', async () => {
    const session = await webgpuBackend({ software: true }).open(MODEL, { checkNumerics: true });
    sessions.push(session);
    expect(await session.load?.({ splits: { test: dataset.test } })).toBeUndefined();
  });
});

/** Dawn's device that computes nothing, but checks everything; it has 512 MiB. */
const source = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

describe('a device with little memory', () => {
  const split = (bytes: number): Split => ({ count: bytes / 192, images: new Uint8Array(bytes), labels: new Uint8Array(bytes / 192) });

  it('is fed by the host where the data have no room', async () => {
    let device: GPUDevice | undefined;
    const session = await webgpuBackend({ source, software: true, onDevice: (gpu) => (device = gpu) }).open(MODEL);
    sessions.push(session);
    const taken = [1, 2, 3].map(() => device?.createBuffer({ size: 120_000_000, usage: 8 }));
    const large = split(192 * 500_000);
    for (let i = 0; i < 3; i++) expect(await session.load?.({ splits: { train: large, test: large } })).toBeUndefined();
    // What was taken for them is free again, and nothing is amiss.
    expect(await session.load?.({ splits: { train: large } })).toMatchObject({ fedBy: 'device' });
    for (const buffer of taken) buffer?.destroy();
  });

  it('says what to do where there is none left for a run', async () => {
    let device: GPUDevice | undefined;
    const session = await webgpuBackend({ source, software: true, onDevice: (gpu) => (device = gpu) }).open(MODEL);
    sessions.push(session);
    device?.pushErrorScope('out-of-memory');
    for (let size = 2 ** 27; size >= 4; size /= 2) for (let i = 0; i < 4; i++) device?.createBuffer({ size, usage: 8 });
    await device?.popErrorScope();
    await expect(session.read('w.1')).rejects.toMatchObject({ name: 'BackendError', message: expect.stringContaining('the GPU is out of memory while running') as string, advice: expect.stringContaining('--batch') as string });
  });

  it('says what to do where the model does not fit', async () => {
    const states = Array.from({ length: 5 }, (_, i): BufferSpec => ({ id: `large${i}`, dtype: 'f32', shape: [30_000_000], role: { kind: 'state', value: 0 } }));
    const { train: program } = MODEL.programs;
    if (!program) throw new Error('no program');
    await expect(webgpuBackend({ source, software: true }).open({ ...MODEL, programs: { train: { ...program, buffers: [...program.buffers, ...states] } } })).rejects.toMatchObject({
      name: 'BackendError', message: expect.stringMatching(/^the GPU is out of memory while making room for the model: /) as string, advice: expect.stringContaining('--batch') as string,
    });
  });

  it('says so where the checks do not fit', async () => {
    // Three large states leave room for the model, but not for summaries that are made large here.
    const states = Array.from({ length: 3 }, (_, i): BufferSpec => ({ id: `state${i}`, dtype: 'f32', shape: [30_000_000], role: { kind: 'state', value: 0 } }));
    const { train: program } = MODEL.programs;
    if (!program) throw new Error('no program');
    const onDevice = (gpu: GPUDevice): void => {
      const createBuffer = gpu.createBuffer.bind(gpu);
      vi.spyOn(gpu, 'createBuffer').mockImplementation((descriptor) => createBuffer(descriptor.label === 'summaries' ? { ...descriptor, size: 250_000_000 } : descriptor));
    };
    await expect(webgpuBackend({ source, software: true, onDevice }).open({ ...MODEL, programs: { train: { ...program, buffers: [...program.buffers, ...states] } } }, { checkNumerics: true })).rejects.toMatchObject({
      name: 'BackendError', message: expect.stringMatching(/^the GPU is out of memory while making room for the checks: /) as string,
    });
  });
});
