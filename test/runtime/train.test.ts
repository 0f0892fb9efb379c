// The training loop on a fake session: what it feeds, what it writes, and that any break continues to the same numbers.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Session } from '../../runtime/backend.ts';
import { persistent, restore, START } from '../../runtime/checkpoint.ts';
import { readCheckpoint } from '../../runtime/checkpoint-file.ts';
import { initialValues } from '../../runtime/init.ts';
import { readMetrics, rewindMetrics, type EpochMetrics } from '../../runtime/metrics.ts';
import { hash, toUnit } from '../../runtime/random.ts';
import { keeperOf } from '../../runtime/run-dir.ts';
import { hostFed } from '../../runtime/runner.ts';
import { train, type TrainEvent, type TrainJob } from '../../runtime/train.ts';
import { fakeBatches, fakeModel, fakeSession } from './fake.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zz-train-'));
});
afterEach(() => rm(dir, { recursive: true }));

const model = fakeModel();
const paths = (name: string) => ({ metrics: join(dir, `${name}.jsonl`), checkpoint: join(dir, `${name}.safetensors`) });

const keeper = (name: string) => keeperOf(paths(name));

const fresh = async (options?: Parameters<typeof fakeSession>[0]) => {
  const session = fakeSession(options);
  for (const [id, values] of initialValues(persistent(model), model.train.seed)) await session.write(id, values);
  return session;
};

type Job = Omit<TrainJob, 'runner' | 'batches'>;

/** Trains on made-up batches, fed by the host. */
function trainFed(job: Job): AsyncGenerator<TrainEvent> {
  const batches = fakeBatches();
  return train({ ...job, batches, runner: hostFed(job.model, job.session, batches) });
}

async function collect(job: Job): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of trainFed(job)) events.push(event);
  return events;
}

const untimed = ({ seconds: _s, imagesPerSecond: _i, ...rest }: EpochMetrics) => rest;
/** The first letters of the events, those of scored batches as one. */
const kinds = (events: TrainEvent[]): string => events.map(({ event }) => (event === 'evaluate' ? 'v' : event[0])).join('').replace(/v+/g, 'v');

/** Continues from the files as `--resume` does. */
async function resume(name: string, session: Session, more: Partial<Job> = {}): Promise<TrainEvent[]> {
  const checkpoint = await readCheckpoint(paths(name).checkpoint);
  await restore(model, session, checkpoint);
  await rewindMetrics(paths(name).metrics, checkpoint.progress.epoch);
  return collect({ model, session, from: checkpoint.progress, keep: keeper(name), ...more });
}

async function uninterrupted(): Promise<{ metrics: unknown[]; tensors: unknown }> {
  await collect({ model, session: await fresh(), from: START, keep: keeper('whole') });
  return { metrics: (await readMetrics(paths('whole').metrics)).map(untimed), tensors: (await readCheckpoint(paths('whole').checkpoint)).tensors };
}

describe('a whole run', () => {
  test('takes the steps, evaluates and saves after each epoch', async () => {
    const session = await fresh();
    const events = await collect({ model, session, from: START, keep: keeper('a') });
    expect(kinds(events)).toBe('sssssvedsssssvedsssssved');
    expect(session.runs.map(({ program }) => program).slice(0, 8)).toEqual(['train', 'train', 'train', 'train', 'train', 'evaluate', 'evaluate', 'evaluate-rest']);
    const metrics = await readMetrics(paths('a').metrics);
    expect(metrics.map(({ epoch, step }) => [epoch, step])).toEqual([[1, 5], [2, 10], [3, 15]]);
    expect((await readCheckpoint(paths('a').checkpoint)).progress).toEqual({ epoch: 3, step: 15, sums: { steps: 0, rows: 0, loss: 0, correct: 0, seconds: 0 } });
  });

  test('reads back the loss and the right answers only', async () => {
    const session = await fresh();
    await collect({ model, session, from: START, keep: keeper('a') });
    expect(new Set(session.runs.map(({ wanted }) => wanted.join()))).toEqual(new Set(['loss,correct']));
  });

  test('feeds counters and random numbers of the step', async () => {
    const session = await fresh();
    await collect({ model, session, from: START, keep: keeper('a') });
    const trained = session.runs.filter(({ program }) => program === 'train');
    trained.forEach(({ feeds }, step) => {
      expect(feeds.get('7')).toEqual(Float32Array.of(step));
      expect(feeds.get('8')).toEqual(Float32Array.of(15));
      expect(feeds.get('9')).toEqual(Float32Array.from([0, 1, 2, 3], (i) => toUnit(hash(1, 5, step, i))));
    });
  });

  test('scores the rest of the test split by its own images alone', async () => {
    const session = await fresh();
    const events = await collect({ model, session, from: START, keep: keeper('a') });
    const rest = session.runs.find(({ program }) => program === 'evaluate-rest');
    expect(rest?.feeds.get('labels')).toHaveLength(3);
    expect(rest?.feeds.get('image')).toHaveLength(6);
    const labels = session.runs.filter(({ program }) => program !== 'train').slice(0, 3).flatMap(({ feeds }) => [...(feeds.get('labels') ?? [])]);
    const epoch = events.find((event) => event.event === 'epoch');
    expect(epoch?.test.accuracy).toBeCloseTo(labels.filter((label) => label === 0).length / 11, 12);
  });

  test('says how much of the test split is scored', async () => {
    const events = await collect({ model, session: await fresh(), from: START, keep: keeper('a') });
    expect(events.flatMap((event) => (event.event === 'evaluate' && event.epoch === 2 ? [[event.done, event.total]] : []))).toEqual([[0, 11], [4, 11], [8, 11], [11, 11]]);
  });

  test('with classes, finds the confusion matrix and the surest mistakes, by their place in the split', async () => {
    const session = await fresh();
    const events = await collect({ model, session, from: START, keep: keeper('a'), classes: 3 });
    const details = events.find((event) => event.event === 'details');
    const labels = session.runs.filter(({ program }) => program !== 'train').slice(0, 3).flatMap(({ feeds }) => [...(feeds.get('labels') ?? [])]);
    // The session gives class 1 to images of class 2, and class 0 to all others.
    const count = (label: number): number => labels.filter((each) => each === label).length;
    expect(details?.evaluation.confusion).toEqual([[count(0), 0, 0], [count(1), 0, 0], [0, count(2), 0]]);
    const { mistakes = [] } = details?.evaluation ?? {};
    expect(mistakes).toHaveLength(count(1) + count(2));
    expect(mistakes.every(({ label, predicted }) => predicted === (label === 2 ? 1 : 0))).toBe(true);
    for (const { probability } of mistakes) expect(probability).toBeCloseTo(Math.E / (Math.E + 2), 12);
    expect(details?.checkpoint.progress).toMatchObject({ epoch: 1, step: 5 });
    expect([...(details?.checkpoint.tensors.keys() ?? [])]).toEqual(['w.1', 'm.w.1']);
  });

  test('a net without a classifier has no accuracy', async () => {
    const { correct: _c, logits: _l, ...regression } = fakeModel().programs['train'] as NonNullable<(typeof model.programs)[string]>;
    const without = { ...model, programs: { train: regression, evaluate: regression, 'evaluate-rest': { ...regression, batch: 3 } } };
    const events = await collect({ model: without, session: await fresh(), from: START, keep: keeper('a') });
    const epoch = events.find((event) => event.event === 'epoch');
    expect([epoch?.train.accuracy, epoch?.test.accuracy]).toEqual([null, null]);
  });
});

describe('breaks', () => {
  test.each([1, 3, 5, 6, 11, 15])('an interrupt when step %i is counted continues to the same numbers', async (stopAt) => {
    const whole = await uninterrupted();
    const stop = new AbortController();
    const session = await fresh();
    const events: TrainEvent[] = [];
    for await (const event of trainFed({ model, session, from: START, keep: keeper('a'), signal: stop.signal })) {
      events.push(event);
      if (event.event === 'step' && event.step === stopAt) stop.abort();
    }
    // The step under way ends first; none is begun after that, and none over an epoch's end.
    const steps = stopAt % 5 === 0 ? stopAt : stopAt + 1;
    expect(events.at(-1)).toMatchObject({ event: 'interrupted', progress: { step: steps } });
    expect(session.runs.filter(({ program }) => program === 'train')).toHaveLength(steps);
    await resume('a', fakeSession());
    expect((await readMetrics(paths('a').metrics)).map(untimed)).toEqual(whole.metrics);
    expect((await readCheckpoint(paths('a').checkpoint)).tensors).toEqual(whole.tensors);
  });

  test('an interrupt during evaluation repeats the evaluation, not the epoch', async () => {
    const whole = await uninterrupted();
    const stop = new AbortController();
    const session = await fresh({ onRun: ({ program }) => { if (program === 'evaluate') stop.abort(); } });
    const events = await collect({ model, session, from: START, keep: keeper('a'), signal: stop.signal });
    expect(kinds(events)).toBe('sssssvi');
    expect(await readMetrics(paths('a').metrics)).toEqual([]);
    const second = fakeSession();
    const resumed = await resume('a', second);
    expect(kinds(resumed)).toMatch(/^veds/);
    expect(second.runs[0]?.program).toBe('evaluate');
    expect((await readMetrics(paths('a').metrics)).map(untimed)).toEqual(whole.metrics);
  });

  test.each([2, 5, 7, 9, 13, 14])('a crash at run %i continues to the same numbers', async (crashAt) => {
    const whole = await uninterrupted();
    const crash = await fresh({ onRun: (_, count) => { if (count === 8 + crashAt) throw new Error('power cut'); } });
    await expect(collect({ model, session: crash, from: START, keep: keeper('a') })).rejects.toThrow('power cut');
    await resume('a', fakeSession());
    expect((await readMetrics(paths('a').metrics)).map(untimed)).toEqual(whole.metrics);
    expect((await readCheckpoint(paths('a').checkpoint)).tensors).toEqual(whole.tensors);
  });

  test('a metrics line beyond the checkpoint, and a torn one, are dropped', async () => {
    const whole = await uninterrupted();
    const stop = new AbortController();
    for await (const event of trainFed({ model, session: await fresh(), from: START, keep: keeper('a'), signal: stop.signal })) {
      if (event.event === 'step' && event.step === 7) stop.abort();
    }
    const line = await readFile(paths('a').metrics, 'utf8');
    await writeFile(paths('a').metrics, `${line}${line.replace('"epoch":1', '"epoch":2')}{"epoch":3,"st`);
    await resume('a', fakeSession());
    expect((await readMetrics(paths('a').metrics)).map(untimed)).toEqual(whole.metrics);
    expect(await readFile(paths('a').metrics, 'utf8')).toMatch(/^(\{.*\}\n){3}$/);
  });

  test.each([NaN, Infinity, -Infinity])('a loss of %s stops and keeps the last checkpoint', async (loss) => {
    const session = await fresh({ lossAt: (count) => (count === 10 ? loss : undefined) });
    await expect(collect({ model, session, from: START, keep: keeper('a') })).rejects.toThrow(`the loss became ${loss} at step 7 (epoch 2)`);
    expect((await readCheckpoint(paths('a').checkpoint)).progress).toMatchObject({ epoch: 1, step: 5 });
  });

  test('a finished run has nothing left to do', async () => {
    await collect({ model, session: await fresh(), from: START, keep: keeper('a') });
    expect(await resume('a', fakeSession())).toEqual([]);
  });
});

test('the loop lets signals through between steps that never wait', async () => {
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  await collect({ model, session: await fresh(), from: START, keep: keeper('a') });
  clearImmediate(timer);
  expect(turns).toBeGreaterThanOrEqual(15);
});
