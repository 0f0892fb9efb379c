// fuse, schedule and memory: which operations share a kernel, why others do not, the order, and where values lie.

import { describe, expect, test } from 'vitest';
import type { Graph, Node, ValueId } from '../../compiler/2-graph/graph.ts';
import { groupOf } from '../../compiler/2-graph/ops.ts';
import { parseGraph } from '../../compiler/2-graph/parse.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { costOf, kernelsOf } from '../../compiler/3-passes/cost.ts';
import { fuse, verifyKernels } from '../../compiler/3-passes/fuse.ts';
import { lifetimesOf, peakBytes } from '../../compiler/3-passes/lifetimes.ts';
import { memory } from '../../compiler/3-passes/memory.ts';
import { memoryPlan, planProblems, verifyPlan } from '../../compiler/3-passes/memory-plan.ts';
import { svgPicture, textPicture } from '../../compiler/3-passes/memory-picture.ts';
import { slotOf } from '../../compiler/3-passes/places.ts';
import { createQueue } from '../../compiler/3-passes/queue.ts';
import { schedule } from '../../compiler/3-passes/schedule.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { seeded } from '../gradients/numeric.ts';
import { graphFrom, type Made } from './expressions.ts';
import { example, expectSameMeaning, run, trainingGraph } from './nets.ts';

type Make = (made: Made) => ValueId | readonly ValueId[];

/** The kinds in each kernel after fuse, data movement left out; checks that the meaning stays. */
function kernels(make: Make): string[] {
  const graph = graphFrom(make);
  const fused = run(graph, fuse());
  verifyKernels(fused);
  expectSameMeaning(graph, fused);
  return kernelsOf(fused).map((members) => members.filter((node) => groupOf(node.kind) !== 'movement').map((node) => node.kind).join(' '));
}

const notes = (graph: Graph): string[] => graph.nodes.flatMap((node) => node.tags.note ?? []);
const conv = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
const image = (made: Made, name = 'x', size = 4, channels = 8): ValueId => made.w(name, 2, size, size, channels);
const convolved = (made: Made, x: ValueId, filter = 'f', outputs = 8, channels = 8): ValueId => made.b.add('conv2d', [x, made.w(filter, 3, 3, channels, outputs)], conv);

describe('fuse', () => {
  test.each<[string, Make, string[]]>([
    ['a chain of element-wise operations', ({ b, w }) => b.add('neg', [b.add('exp', [b.add('add', [w('x', 5), w('y', 5)], {})], {})], {}), ['add exp neg']],
    ['operands that broadcast', ({ b, w }) => b.add('mul', [b.add('add', [w('x', 4, 5), w('bias', 5)], {}), w('scale', 4, 1)], {}), ['add mul']],
    ['an epilogue: residual, bias and activation', (m) => m.b.add('elu', [m.b.add('add', [m.b.add('add', [convolved(m, image(m)), image(m, 'skip')], {}), m.w('bias', 8)], {})], { alpha: 1 }), ['conv2d add add elu']],
    ['an epilogue of a matrix product', ({ b, w }) => b.add('relu', [b.add('add', [b.add('matmul', [w('x', 4, 6), w('m', 6, 5)], { transpose_a: false, transpose_b: false }), w('bias', 5)], {})], {}), ['matmul add relu']],
    ['an activation\'s derivative on the input gradient', (m) => m.b.add('elu_grad', [image(m, 'y'), m.b.add('conv2d_input_grad', [image(m, 'd'), m.w('f', 3, 3, 8, 8)], { ...conv, size: [4, 4] })], { alpha: 1 }), ['conv2d_input_grad elu_grad']],
    ['pooling of whole windows', (m) => m.b.add('avgpool', [m.b.add('elu', [convolved(m, image(m))], { alpha: 1 })], { k: 2 }), ['conv2d elu avgpool']],
    ['a cheap prologue', (m) => convolved(m, m.b.add('mul', [image(m), m.c(0.5)], {})), ['mul conv2d']],
    ['data movement before a convolution', (m) => convolved(m, m.b.add('concat', [image(m, 'x', 4, 4), image(m, 'y', 4, 4)], { axis: 3 })), ['conv2d']],
    ['what feeds a reduction', ({ b, w }) => b.add('reduce_sum', [b.add('square', [w('x', 6, 7)], {})], { axes: [1], keep: false }), ['square reduce_sum']],
    ['what follows a reduction', ({ b, w }) => b.add('exp', [b.add('reduce_sum', [w('x', 6, 7)], { axes: [1], keep: false })], {}), ['reduce_sum exp']],
    ['movement that is an output is a kernel', ({ b, w }) => b.add('transpose', [w('x', 2, 3)], { perm: [1, 0] }), ['']],
  ])('joins %s', (_, make, wanted) => {
    expect(kernels(make)).toEqual(wanted);
  });

  test.each<[string, Make, string[]]>([
    ['two convolutions', (m) => convolved(m, convolved(m, image(m)), 'g'), ['conv2d', 'conv2d']],
    ['pooling that leaves a rest', (m) => m.b.add('maxpool', [convolved(m, image(m, 'x', 5))], { k: 2 }), ['conv2d', 'maxpool']],
    ['a value at other elements of the same kernel', ({ b, w }) => {
      const x = b.add('exp', [w('x', 4, 4)], {});
      return [b.add('add', [x, b.add('transpose', [x], { perm: [1, 0] })], {}), x];
    }, ['exp', 'add']],
    ['a reduction and what needs all of its rows', ({ b, w }) => {
      const x = w('x', 6, 7);
      return b.add('sub', [x, b.add('reduce_max', [x], { axes: [1], keep: true })], {});
    }, ['reduce_max', 'sub']],
  ])('keeps apart: %s', (_, make, wanted) => {
    expect(kernels(make)).toEqual(wanted);
  });

  test('cheap values that several kernels read are computed in each, and say so', () => {
    const graph = graphFrom((m) => {
      const half = m.b.add('mul', [image(m), m.c(0.5)], {});
      return [convolved(m, half, 'f'), convolved(m, half, 'g')];
    });
    const fused = run(graph, fuse());
    expect(kernelsOf(fused).map((members) => members.map((node) => node.kind))).toEqual([['mul', 'conv2d'], ['mul', 'conv2d']]);
    expect(notes(fused)).toEqual(['computed again, as in kernel 0']);
  });

  test.each<[string, Make, string]>([
    ['costly for an operation that reads elements often', (m) => convolved(m, m.b.add('exp', [image(m)], {})), 'conv2d would compute every element many times'],
    ['costly for several kernels', (m) => {
      const x = m.b.add('tanh', [m.w('x', 6, 7)], {});
      return [m.b.add('reduce_sum', [x], { axes: [0], keep: false }), m.b.add('reduce_sum', [x], { axes: [1], keep: false })];
    }, '2 kernels would each compute it'],
    ['cheap links of a chain that costs too much in all', (m) => {
      const link = (x: ValueId, i: number): ValueId => m.b.add('concat', [m.b.add('square', [m.b.add('neg', [m.b.add('abs', [x], {})], {})], {}), m.w(`r${i}`, 2, 4, 4, 1)], { axis: 3 });
      return convolved(m, [0, 1, 2].reduce(link, image(m, 'x', 4, 5)), 'f');
    }, 'conv2d would compute every element many times'],
    ['more to read than to store', (m) => {
      const inputs = Array.from({ length: 6 }, (_, i) => m.w(`x${i}`, 64, 64, 64));
      const sum = inputs.slice(1).reduce<ValueId>((a, x) => m.b.add('add', [a, x], {}), inputs[0] ?? '');
      return Array.from({ length: 4 }, (_, axis) => m.b.add('reduce_sum', [m.b.add('reshape', [sum], { shape: [64, 8, 8, 64] })], { axes: [axis], keep: false }));
    }, 'its readers would read 11.6 MB more'],
  ])('refuses what is %s, and says why', (_, make, wanted) => {
    expect(notes(run(graphFrom(make), fuse()))).toContain(wanted);
  });

  test('an activation follows a hoisted convolution on its own images', () => {
    expect(kernels((m) => {
      const y = convolved(m, m.w('x', 4, 4, 4, 8));
      const part = (start: number): ValueId => m.b.add('slice', [y], { axis: 0, start, size: 2 });
      return [m.b.add('elu', [part(0)], { alpha: 1 }), m.b.add('add', [part(0), part(2)], {})];
    })).toEqual(['conv2d elu', 'add']);
  });

  test('a loss, its gradient and the count of right answers are one kernel; all updates are one', () => {
    const fused = run(trainingGraph(example('case-d'), { batch: 4, width: 0.1 }), simplify, fuse());
    const all = kernelsOf(fused);
    const of = (kind: Node['kind']): number[] => all.flatMap((members, i) => (members.some((node) => node.kind === kind) ? [i] : []));
    expect(of('softmax_cross_entropy')).toHaveLength(1);
    expect([of('softmax_cross_entropy_grad'), of('count_correct')]).toEqual([of('softmax_cross_entropy'), of('softmax_cross_entropy')]);
    expect(all.filter((members) => members.some((node) => node.tags.phase === 'update'))).toHaveLength(1);
  });

  test('two losses of different scores are two kernels', () => {
    const fused = run(trainingGraph(example('three-streams'), { batch: 2, width: 0.1 }), simplify, fuse());
    expect(kernelsOf(fused).filter((members) => members.some((node) => node.kind === 'softmax_cross_entropy'))).toHaveLength(2);
  });

  test('clipping by the global norm comes between gradients and updates', () => {
    const graph = trainingGraph(example('mlp'), { batch: 4, width: 0.1 }); // has clip_norm
    const fused = run(graph, simplify, fuse());
    verifyKernels(fused);
    expectSameMeaning(graph, fused);
    const last = new Set(kernelsOf(fused).at(-1)?.map((node) => node.id));
    expect(graph.updates.length).toBeGreaterThan(10);
    expect(fused.updates.every(({ value }) => last.has(value))).toBe(true);
  });

  test('gradients without updates are results', () => {
    const graph = { ...trainingGraph(example('mlp'), { batch: 2, width: 0.1 }), updates: [] };
    const fused = run(graph, simplify, fuse(), schedule, memory);
    expectSameMeaning(graph, fused);
    expect(fused.gradients.every(({ value }) => fused.nodes.find((node) => node.id === value)?.tags.at !== undefined)).toBe(true);
  });
});

describe('rematerialisation', () => {
  const net = `net N { input image: [16, 16, 3] a = image -> conv(8, k: 3) -> gelu b = a -> conv(8, k: 3) -> silu c = b -> conv(8, k: 3) -> gelu
    logits = c -> globalavgpool -> dense(3) output logits loss softmax_cross_entropy(logits) train { optimizer sgd(lr: 0.1) } }`;
  const planned = (remat: boolean): Graph => run(trainingGraph(net, { batch: 8 }), simplify, fuse({ remat }), schedule, memory);

  test('lowers the peak, keeps the meaning, and shows what is computed again', () => {
    const [kept, again] = [planned(false), planned(true)];
    expectSameMeaning(trainingGraph(net, { batch: 8 }), again);
    expect(memoryPlan(again).peak).toBeLessThan(0.8 * memoryPlan(kept).peak);
    expect(costOf(again).total.elementwise).toBeGreaterThan(costOf(kept).total.elementwise);
    expect(costOf(again).total.contractions).toBe(costOf(kept).total.contractions);
    const repeated = again.nodes.filter((node) => /^computed again/.test(node.tags.note ?? '')).map((node) => node.kind);
    expect(repeated).toContain('gelu');
    expect(repeated).toContain('silu');
    expect(kept.nodes.filter((node) => node.kind === 'gelu')).toHaveLength(2);
  });

  test('what only the result is needed of is kept as before', () => {
    const elu = net.replaceAll(/gelu|silu/g, 'elu');
    const graph = trainingGraph(elu, { batch: 2 });
    expect(printGraph(run(graph, simplify, fuse({ remat: true })))).toBe(printGraph(run(graph, simplify, fuse())));
  });
});

describe('schedule', () => {
  test('frees large values before it makes others, and keeps the order where that is no better', () => {
    const graph = graphFrom(({ b, w }) => {
      const large = (name: string): ValueId => b.add('matmul', [w(`${name}1`, 64, 2), w(`${name}2`, 2, 64)], { transpose_a: false, transpose_b: false });
      const all = ['p', 'q', 'r', 's'].map(large);
      return all.map((x) => b.add('reduce_max', [x], { axes: [0, 1], keep: false }));
    });
    const fused = run(graph, fuse());
    const ordered = run(fused, schedule);
    expectSameMeaning(graph, ordered);
    const peak = (of: Graph): number => peakBytes(lifetimesOf(of), kernelsOf(of).length);
    expect([peak(fused), peak(ordered)]).toEqual([4 * 64 * 64 * 4 + 4, 64 * 64 * 4 + 4 * 4]);
    expect(printGraph(run(ordered, schedule))).toBe(printGraph(ordered));
  });

  test('the queue gives entries in order', () => {
    const random = seeded(5);
    const queue = createQueue<number>((a, b) => a < b);
    const entries = Array.from({ length: 500 }, () => Math.floor(random() * 100));
    entries.forEach(queue.add);
    const out = Array.from({ length: 501 }, () => queue.take());
    expect(out).toEqual([...entries.toSorted((a, b) => a - b), undefined]);
  });
});

describe('memory', () => {
  const planned = (make: Make): Graph => run(graphFrom(make), fuse(), memory);
  const placeOf = (graph: Graph, id: ValueId | undefined) => slotOf(graph.nodes.find((node) => node.id === id) ?? { tags: {} } as Node);

  test('offsets are multiples of 256, and weights keep their order in every arena', () => {
    const graph = run(trainingGraph(example('mlp'), { batch: 2, width: 0.1 }), simplify, fuse(), schedule, memory);
    const plan = memoryPlan(graph);
    expect(plan.buffers.every(({ offset }) => offset % 256 === 0)).toBe(true);
    const inOrder = (ids: readonly ValueId[]): number[] => ids.flatMap((id) => placeOf(graph, id)?.offset ?? []);
    const weights = graph.nodes.filter((node) => node.kind === 'weight').map((node) => node.id);
    for (const ids of [weights, weights.map((id) => `m.${id}`), weights.map((id) => graph.gradients.find(({ weight }) => weight === id)?.value ?? '')]) {
      const offsets = inOrder(ids);
      expect(offsets.length).toBeGreaterThan(3);
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    }
    for (const { target, value } of graph.updates) expect(placeOf(graph, value)).toEqual(placeOf(graph, target));
  });

  const reduced = (made: Made, x: ValueId): ValueId => made.b.add('reduce_max', [x], { axes: [0, 1], keep: false });
  const product = (made: Made, a: string): ValueId => made.b.add('matmul', [made.w(a, 8, 8), made.w('m', 8, 8)], { transpose_a: false, transpose_b: false });

  test('a result takes the place of an operand that is read for the last time at the same element', () => {
    let ids: ValueId[] = [];
    const graph = planned((m) => {
      const x = product(m, 'x');
      const y = m.b.add('add', [product(m, 'y'), x], {});
      ids = [x, y];
      return reduced(m, y);
    });
    expect(placeOf(graph, ids[1])).toEqual(placeOf(graph, ids[0]));
    expect(memoryPlan(graph).arenas.temporary).toBe(256 + 256);
  });

  test.each<[string, (m: Made, x: ValueId) => ValueId]>([
    ['is read at other elements', (m, x) => m.b.add('add', [product(m, 'y'), m.b.add('transpose', [x], { perm: [1, 0] })], {})],
    ['feeds a product', (m, x) => m.b.add('matmul', [x, m.w('n', 8, 8)], { transpose_a: false, transpose_b: false })],
    ['is read by the element and by a product', (m, x) => m.b.add('add', [m.b.add('matmul', [x, m.w('n', 8, 8)], { transpose_a: false, transpose_b: false }), x], {})],
  ])('not where it %s', (_, make) => {
    let ids: ValueId[] = [];
    const graph = planned((m) => {
      const x = product(m, 'x');
      const y = make(m, x);
      ids = [x, y];
      return reduced(m, y);
    });
    expect(placeOf(graph, ids[1])).not.toEqual(placeOf(graph, ids[0]));
  });

  test('a result of the graph is not overwritten, even by the last kernel', () => {
    const graph = planned((m) => {
      const x = product(m, 'x');
      return [x, m.b.add('add', [product(m, 'y'), x], {})];
    });
    const [a, b] = graph.outputs.map(({ value }) => placeOf(graph, value)?.offset ?? NaN);
    expect(Math.abs((a ?? 0) - (b ?? 0))).toBeGreaterThanOrEqual(256);
  });

  test('a state that its update reads as one number for many elements is not overwritten', () => {
    const graph = graphFrom((m) => m.w('x', 5));
    const b = graph.nodes;
    const text = printGraph({ ...graph, nodes: b });
    const source = text.replace('\noutput', `
%s: f32[1] = state() {name=s, shape=[1], value=0}
%90: f32[5] = add(%x, %s) phase=update
%91: f32[1] = add(%s, %s) phase=update

output`).replace(/\n*$/, '\nupdate %x = %90\nupdate %s = %91\n');
    const planned = run(parseGraph(source), fuse(), memory);
    expect(placeOf(planned, '90')).toEqual(placeOf(planned, 'x'));
    expect(placeOf(planned, '91')).not.toEqual(placeOf(planned, 's'));
  });

  test('the verifier finds buffers that share bytes while both are needed', () => {
    const graph = run(trainingGraph(example('mlp'), { batch: 2, width: 0.1 }), simplify, fuse(), schedule, memory);
    const plan = memoryPlan(graph);
    const temporaries = plan.buffers.filter(({ arena, from, to }) => arena === 'temporary' && to > from);
    const [one] = temporaries;
    const other = temporaries.find((buffer) => one && buffer !== one && buffer.from < one.to && buffer.from > one.from);
    if (!one || !other) throw new Error('no two buffers meet');
    const spoilt = { ...graph, nodes: graph.nodes.map((node) => (node.id === other.node.id ? { ...node, tags: { ...node.tags, at: `temporary+${one.offset}` } } : node)) };
    expect(planProblems(memoryPlan(spoilt)).some((problem) => problem.includes(`%${one.node.id}`) && problem.includes(`%${other.node.id}`))).toBe(true);
    expect(() => verifyPlan(spoilt)).toThrow(/share bytes at temporary/);
    const crooked = { ...graph, nodes: graph.nodes.map((node) => (node.id === other.node.id ? { ...node, tags: { ...node.tags, at: 'temporary+100000004' } } : node)) };
    expect(() => verifyPlan(crooked)).toThrow(/no multiple of 256/);
    const nowhere = { ...graph, nodes: graph.nodes.map(({ ...node }) => (node.id === other.node.id ? { ...node, tags: {} } : node)) };
    expect(() => verifyPlan(nowhere)).toThrow(/has no place/);
    expect(() => slotOf({ tags: { at: 'attic+0' }, id: '1' } as unknown as Node)).toThrow(/no place/);
  });

  test('the pictures show every kernel and every buffer', () => {
    const plan = memoryPlan(run(trainingGraph(example('mlp'), { batch: 2, width: 0.1 }), simplify, fuse(), schedule, memory));
    const [title, ...rows] = textPicture(plan);
    expect(title).toMatch(/^temporary arena, .* across/);
    expect(rows).toHaveLength(plan.kernels.length);
    for (const [i, row] of rows.entries()) expect(row).toMatch(new RegExp(`^ *${i} [.=#]{64} \\w`));
    const svg = svgPicture(plan, 'A <net>');
    expect(svg.match(/<title>/g)).toHaveLength(plan.buffers.filter(({ arena }) => arena === 'temporary' || arena === 'gradient').length);
    expect(svg).toContain('A &lt;net&gt;');
  });
});
