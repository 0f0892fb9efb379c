// The reference backend: programs of the emitted steps, what is kept between runs, and what is refused.

import { describe, expect, test } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { optimizer } from '../../compiler/3-passes/optimizer.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import type { Model, ReferenceStep } from '../../compiler/5-emit/model.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { draws, graphOf, pick, seeded, TRAIN } from '../gradients/numeric.ts';

const BATCH = 3;

/** A small classifier with one convolution, entered twice per image, as a net for training with Adam. */
function net(): Graph {
  const b = createBuilder();
  b.add('input', [], { name: 'both', shape: ['2B', 4, 4, 2] }, { id: 'both' });
  b.add('labels', [], { shape: ['2B'] }, { id: 'labels.2' });
  b.add('weight', [], { name: 'w.1', shape: [3, 3, 2, 4], init: 'he', std: 0, decay: true }, { id: 'w.1' });
  b.add('weight', [], { name: 'w.2', shape: [16, 3], init: 'he', std: 0, decay: true }, { id: 'w.2' });
  b.add('state', [], { name: 'mean', shape: [4], value: 0 }, { id: 'mean' });
  const conv = b.add('conv2d', ['both', 'w.1'], { stride: 1, pad: 'same', dilation: 1, groups: 1 });
  const y = b.add('maxpool', [b.add('elu', [conv], { alpha: 1 })], { k: 2 });
  const mean = b.add('reduce_mean', [conv], { axes: [0, 1, 2], keep: false });
  const logits = b.add('matmul', [b.add('reshape', [y], { shape: ['2B', 16] }), 'w.2'], { transpose_a: false, transpose_b: false }, { id: 'logits' });
  const loss = b.add('softmax_cross_entropy', [logits, 'labels.2'], { label_smoothing: 0.1 });
  const correct = b.add('count_correct', [logits, 'labels.2'], {});
  return graphOf(b, {
    loss, classifier: { logits, correct }, outputs: [{ name: 'logits', value: logits }], updates: [{ target: 'mean', value: mean }],
    views: [{ name: 'both', parts: [{ source: 'image', steps: [] }, { source: 'image', steps: [] }] }],
    train: { ...TRAIN, optimizer: { kind: 'adam', lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8 } },
  });
}

const trainGraph = (): Graph => bindBatch(optimizer.run(autodiff.run(net())), BATCH);

function modelOf(): Model<ReferenceStep> {
  const programs = { train: emitReference(trainGraph()), evaluate: emitReference(bindBatch({ ...net(), mode: 'evaluate', updates: [] }, 1)) };
  return { net: 'Test', train: TRAIN, programs };
}

const random = seeded(5);
const images = (count: number): Float32Array => Float32Array.from(draws(count * 32, random));
const labels = (count: number): Int32Array => Int32Array.from({ length: count }, () => pick(random, 0, 2));
const feeds = (step: number): Map<string, Float32Array | Int32Array> => new Map<string, Float32Array | Int32Array>([['both', images(6)], ['labels.2', labels(6)], ['run.step', Float32Array.of(step)]]);
const W1 = Float32Array.from(draws(72, random));
const W2 = Float32Array.from(draws(48, random));

async function open() {
  const session = await referenceBackend.open(modelOf());
  await session.write('w.1', W1);
  await session.write('w.2', W2);
  return session;
}

test('a program says what it takes and gives', () => {
  const program = emitReference(trainGraph());
  expect(program.batch).toBe(BATCH);
  expect(program.buffers.find(({ id }) => id === 'both')).toEqual({ id: 'both', dtype: 'f32', shape: [6, 4, 4, 2], role: { kind: 'input', view: 'both' } });
  expect(program.buffers.find(({ id }) => id === 'labels.2')).toEqual({ id: 'labels.2', dtype: 'i32', shape: [6], role: { kind: 'labels' } });
  expect(program.buffers.find(({ id }) => id === 'w.2')?.role).toEqual({ kind: 'weight', init: 'he', std: 0 });
  expect(program.buffers.find(({ id }) => id === 'run.step')?.role).toEqual({ kind: 'scalar', name: 'step' });
  expect(program.updates.map(({ target }) => target)).toEqual(['mean', 'w.1', 'm.w.1', 'v.w.1', 'w.2', 'm.w.2', 'v.w.2']);
  expect(program.outputs).toEqual([{ name: 'logits', buffer: 'logits' }]);
  expect(() => emitReference(net())).toThrow(RangeError);
});

test('five steps equal the evaluator run by hand, for every value kept and every value of the last step', async () => {
  const session = await open();
  const graph = trainGraph();
  const states = graph.nodes.filter((node) => node.kind === 'state');
  let kept = new Map<string, ArrayLike<number>>([['w.1', W1], ['w.2', W2], ...states.map((node) => [node.id, new Float32Array(node.type.shape.reduce<number>((a, d) => a * Number(d), 1))] as const)]);
  for (let step = 0; step < 5; step++) {
    const fed = feeds(step);
    const all = emitReference(graph).buffers.map(({ id }) => id);
    const wanted = evaluate(graph, new Map([...kept, ...fed]), { precision: 'f32', wanted: all });
    kept = new Map(graph.updates.map(({ target, value }) => [target, wanted.get(value) ?? []]));
    const results = await session.run('train', fed, all);
    for (const id of all) expect(results.get(id), id).toEqual(new Float32Array(kept.get(id) ?? wanted.get(id) ?? []));
    for (const [id, values] of kept) expect(await session.read(id)).toEqual(values);
  }
});

test('programs share weights, and wanting less changes nothing', async () => {
  const [one, other] = [await open(), await open()];
  const program = modelOf().programs['train'];
  for (let step = 0; step < 3; step++) {
    const fed = feeds(step);
    const loss = program?.loss ?? '';
    const [a, b] = [await one.run('train', fed, []), await other.run('train', fed, [loss, program?.correct ?? '', 'logits'])];
    expect([a.size, b.size]).toEqual([0, 3]);
  }
  expect(await one.read('w.1')).toEqual(await other.read('w.1'));
  const fed = new Map<string, Float32Array | Int32Array>([['both', images(2)], ['labels.2', labels(2)]]);
  expect(await one.run('evaluate', fed, ['logits'])).toEqual(await other.run('evaluate', fed, ['logits']));
  await other.write('w.2', new Float32Array(48));
  expect((await other.run('evaluate', fed, ['logits'])).get('logits')).toEqual(new Float32Array(6));
});

test('updates take effect together: two states may swap', async () => {
  const b = createBuilder();
  b.add('input', [], { name: 'x', shape: [1] }, { id: 'x' });
  for (const id of ['a', 'b']) b.add('state', [], { name: id, shape: [2], value: 0 }, { id });
  const graph = graphOf(b, { updates: [{ target: 'a', value: 'b' }, { target: 'b', value: 'a' }], views: [{ name: 'x', parts: [{ source: 'x', steps: [] }] }] });
  const session = await referenceBackend.open({ net: 'Swap', train: TRAIN, programs: { train: emitReference(graph) } });
  await session.write('a', Float32Array.of(1, 2));
  await session.write('b', Float32Array.of(3, 4));
  const results = await session.run('train', new Map([['x', Float32Array.of(0)]]), ['a', 'b']);
  expect([...results]).toEqual([['a', Float32Array.of(3, 4)], ['b', Float32Array.of(1, 2)]]);
});

describe('refusals', () => {
  test('missing and wrong feeds, unknown programs and buffers', async () => {
    const session = await open();
    const without = feeds(0);
    without.delete('labels.2');
    await expect(session.run('train', without, [])).rejects.toThrow(new RangeError('no feed for labels.2'));
    await expect(session.run('train', new Map([...feeds(0), ['both', images(5)]]), [])).rejects.toThrow(new RangeError('the feed for both has 192 elements, not 160'));
    await expect(session.run('test', feeds(0), [])).rejects.toThrow(new RangeError('no program test'));
    await expect(session.run('train', feeds(0), ['nothing'])).rejects.toThrow(new RangeError('no buffer nothing'));
    await expect(session.read('logits')).rejects.toThrow(new RangeError('no weight or state logits'));
    await expect(session.write('w.2', new Float32Array(47))).rejects.toThrow(new RangeError('w.2 has 48 elements, not 47'));
  });

  test('what is read or returned is a copy', async () => {
    const session = await open();
    (await session.read('w.1')).fill(0);
    const wanted = await session.run('evaluate', new Map<string, Float32Array | Int32Array>([['both', images(2)], ['labels.2', labels(2)]]), ['w.1']);
    wanted.get('w.1')?.fill(0);
    expect(await session.read('w.1')).toEqual(W1);
  });
});
