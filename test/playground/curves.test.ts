// What the playground makes of a run's events: the values of single steps, smooth curves, the time that is left, and the state after each piece of news.

import { describe, expect, test } from 'vitest';
import type { News, Opened } from '../../playground/train/messages.ts';
import { pointsOf, smoother } from '../../playground/train/points.ts';
import { numbersOf, SETUP, setupOf } from '../../playground/train/setup.ts';
import { after, createPlotter, IDLE, secondsLeft } from '../../playground/train/state.ts';

const OPENED: Opened = {
  net: 'Net', backend: 'wasm', device: 'WebAssembly', epochs: 3, stepsPerEpoch: 10, batch: 20, notes: [], canPredict: true,
  data: { name: 'synthetic', shape: [8, 8, 3], classes: ['a', 'b'], train: 200, test: 120 },
};

describe('points', () => {
  const losses = [4, 2, 9, 1, 5, 5, 3];
  const event = (n: number, epoch = 1) => ({ epoch, step: n, stepOfEpoch: n, score: { loss: losses.slice(0, n).reduce((a, b) => a + b, 0) / n, accuracy: n / 10 } });

  test('are the values of single steps, from the running means', () => {
    const point = pointsOf();
    expect(losses.map((_, i) => point(event(i + 1))).map(({ step, steps, loss }) => [step, steps, Math.round(loss * 1e9) / 1e9])).toEqual(losses.map((loss, i) => [i + 1, 1, loss]));
  });

  test('are means where results of several steps come together', () => {
    const point = pointsOf();
    expect(point(event(2))).toMatchObject({ step: 2, steps: 2, loss: 3 });
    expect(point(event(6))).toMatchObject({ step: 6, steps: 4, loss: 5 });
  });

  test('begin anew with each epoch', () => {
    const point = pointsOf();
    point(event(5));
    expect(point({ epoch: 2, step: 6, stepOfEpoch: 1, score: { loss: 7, accuracy: null } })).toEqual({ step: 6, steps: 1, loss: 7, accuracy: null });
  });
});

describe('the moving average', () => {
  test('of equal values is that value from the first on', () => {
    const smooth = smoother();
    for (const steps of [1, 3, 1, 20]) expect(smooth(2.5, steps)).toBeCloseTo(2.5, 12);
  });

  test('of a mean of n steps is that of n values', () => {
    const [whole, single] = [smoother(), smoother()];
    for (const smooth of [whole, single]) smooth(10, 1);
    for (let i = 0; i < 4; i++) single(2, 1);
    expect(whole(2, 5)).toBeCloseTo(single(2, 1), 12);
  });
});

describe('the time left', () => {
  const progress = { epoch: 2, stepOfEpoch: 4, imagesPerSecond: 10, evaluationSeconds: 6 };

  test('is that of the steps and of the scoring that are left', () => {
    // 2 s a step: 6 steps of this epoch, 10 of the next, and both times the test images.
    expect(secondsLeft(OPENED, progress)).toBeCloseTo(6 * 2 + 10 * 2 + 2 * 6, 9);
  });

  test('takes scoring for three times as fast as training until it is known', () => {
    expect(secondsLeft(OPENED, { ...progress, evaluationSeconds: 0 })).toBeCloseTo(32 + 2 * (120 / 30), 9);
  });

  test('counts what is scored already, and ends at 0', () => {
    expect(secondsLeft(OPENED, { ...progress, epoch: 3, stepOfEpoch: 10, scoring: { done: 90, total: 120 } })).toBeCloseTo(6 / 4, 9);
    expect(secondsLeft(OPENED, { ...progress, epoch: 3, stepOfEpoch: 10, scoring: { done: 120, total: 120 } })).toBe(0);
  });
});

describe('news', () => {
  const steps = (epoch: number, stepOfEpoch: number): News => ({ kind: 'steps', epoch, stepOfEpoch, imagesPerSecond: 50, score: { loss: 1, accuracy: 0.5 }, points: [{ step: (epoch - 1) * 10 + stepOfEpoch, steps: 1, loss: 1, accuracy: 0.5 }] });
  const epoch = (n: number): News => ({ kind: 'epoch', evaluationSeconds: 3, metrics: { epoch: n, step: n * 10, train: { loss: 1, accuracy: 0.5 }, test: { loss: 2, accuracy: 0.25 }, seconds: 5, imagesPerSecond: 50 } });
  const all = [{ kind: 'phase', text: 'compiling' }, { kind: 'opened', opened: OPENED }, steps(1, 1), steps(1, 10), { kind: 'evaluate', done: 20, total: 120 }, epoch(1), steps(2, 1)] as const satisfies readonly News[];

  test('make the state', () => {
    const state = all.reduce(after, { ...IDLE, phase: 'opening' as const });
    expect(state).toMatchObject({ phase: 'training', opened: OPENED, progress: { epoch: 2, stepOfEpoch: 1, evaluationSeconds: 3 } });
    expect(state.progress).not.toHaveProperty('scoring');
    expect(state.epochs).toHaveLength(1);
  });

  test('make the curves: the test values stand at the ends of epochs', () => {
    const { curves, add } = createPlotter();
    for (const news of all) add(news, 10);
    expect(curves.x).toEqual([0.1, 1, 1.1]);
    expect(curves.loss.test).toEqual([null, 2, null]);
    expect(curves.accuracy.test).toEqual([null, 25, null]);
    expect(curves.accuracy.train.map((value) => Math.round(value ?? 0))).toEqual([50, 50, 50]);
  });
});

describe('a setup', () => {
  test('from an address keeps what makes sense, and never the user\'s own images', () => {
    expect(setupOf({ data: 'own', images: '500', width: '0.25', epochs: 7, backend: 'cuda' })).toEqual({ ...SETUP, images: '500', width: '0.25' });
    for (const junk of [undefined, null, 3, 'x', [], { images: '1e99', width: '<b>' }]) expect(setupOf(junk)).toEqual(SETUP);
  });

  test.each([
    [{}, { width: 1 }],
    [{ images: '500', width: '0.25', epochs: '3' }, { images: 500, width: 0.25, epochs: 3 }],
    [{ width: '' }, { width: 1 }],
    [{ images: '0' }, undefined],
    [{ images: '2.5' }, undefined],
    [{ epochs: '-1' }, undefined],
    [{ width: '0' }, undefined],
    [{ width: '17' }, undefined],
    [{ width: 'x' }, undefined],
  ])('%j gives %j', (change, numbers) => {
    expect(numbersOf({ ...SETUP, ...change })).toEqual(numbers);
  });
});
