// hoist and twin-fuse: where equal operations of steps and streams become one, where they must not, and that graphs keep their meaning.

import { describe, expect, test } from 'vitest';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import type { OpKind } from '../../compiler/2-graph/ops.ts';
import { costOf } from '../../compiler/3-passes/cost.ts';
import { hoist } from '../../compiler/3-passes/hoist.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { twinFuse } from '../../compiler/3-passes/twin-fuse.ts';
import { expressions, graphFrom } from './expressions.ts';
import { expectSameMeaning, run, trainingGraph } from './nets.ts';

const count = (graph: Graph, kind: OpKind): number => graph.nodes.filter((node) => node.kind === kind).length;
const net = (body: string): string => `net N { input image: [8, 8, 3] view mirrored = image -> hflip ${body} output logits loss softmax_cross_entropy(logits) train { optimizer sgd(lr: 0.1) } }`;
const recurrent = (steps: string, shared = ''): string =>
  net(`cell C(x, h) { elu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) } streams L, R of C ${shared} { ${steps} } logits = concat(L, R) -> globalavgpool -> dense(3)`);
const prepared = (source: string): Graph => run(trainingGraph(source, { batch: 2 }), simplify);

const conv = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;

describe('hoist', () => {
  test('input convolutions of several steps become one over the concatenated batch', () => {
    const before = prepared(recurrent('step image: straight step mirrored: zigzag step image: zigzag'));
    const after = run(before, hoist);
    expectSameMeaning(before, after);
    // Two images and two streams; steps 1 and 2 with a convolution of each stream's state.
    expect([count(before, 'conv2d'), count(after, 'conv2d')]).toEqual([4 + 4, 2 + 4]);
    expect(after.nodes.filter((node) => node.kind === 'conv2d' && node.type.shape[0] === 4)).toHaveLength(2);
    expect(costOf(after).total.contractions).toBe(costOf(before).total.contractions);
  });

  test('the filter gradients of all steps become one reduction', () => {
    const before = prepared(recurrent('step image: straight repeat 3 { step mirrored: zigzag }'));
    const after = run(before, hoist);
    expectSameMeaning(before, after);
    // Of each stream, one for the images and one for the states.
    expect(count(after, 'conv2d_filter_grad')).toBe(4);
    expect(count(before, 'conv2d_filter_grad')).toBeGreaterThan(8);
  });

  test('states of different steps stay apart: each waits for the one before', () => {
    const before = prepared(recurrent('repeat 4 { step image: straight }'));
    const after = run(before, hoist);
    expectSameMeaning(before, after);
    expect(after.nodes.filter((node) => node.kind === 'conv2d' && node.tags.step !== undefined && node.type.shape[0] !== 2)).toEqual([]);
  });

  test('streams that share a filter are one convolution of a step', () => {
    const before = prepared(recurrent('step image: straight step mirrored: straight step image: zigzag', 'shared'));
    const after = run(before, hoist);
    expectSameMeaning(before, after);
    // Both images through the one filter, and the states of steps 1 and 2, left and right alike.
    expect(count(after, 'conv2d')).toBe(3);
  });

  const images = (other: { readonly stride?: number; readonly filter?: string }) => graphFrom(({ b, w }) => [
    b.add('conv2d', [w('x', 2, 6, 6, 2), w('f', 3, 3, 2, 4)], conv),
    b.add('conv2d', [w('z', 3, 6, 6, 2), w(other.filter ?? 'f', 3, 3, 2, 4)], { ...conv, stride: other.stride ?? 1 }),
  ]);

  test('batches of different sizes are cut apart again', () => {
    const before = images({});
    const after = run(before, hoist);
    expectSameMeaning(before, after);
    expect(expressions(after)).toEqual(['slice{0,0,2}(conv2d{1,same,1,1}(concat{0}(x, z), f))', 'slice{0,2,3}(conv2d{1,same,1,1}(concat{0}(x, z), f))']);
  });

  test.each([{ stride: 2 }, { filter: 'g' }])('not with %j', (other) => {
    expect(count(run(images(other), hoist), 'conv2d')).toBe(2);
  });

  test('a convolution of another one\'s result is left alone', () => {
    const before = graphFrom(({ b, w }) => b.add('conv2d', [b.add('conv2d', [w('x', 1, 4, 4, 2), w('f', 3, 3, 2, 2)], conv), w('f')], conv));
    const after = run(before, hoist);
    expectSameMeaning(before, after);
    expect(count(after, 'conv2d')).toBe(2);
  });

  test('a sum with anything but filter gradients is left alone, and so are gradients of other sizes', () => {
    const gradient = (b: Parameters<Parameters<typeof graphFrom>[0]>[0]['b'], x: ValueId, dy: ValueId): ValueId => b.add('conv2d_filter_grad', [x, dy], { ...conv, k: 3 });
    const mixed = graphFrom(({ b, w }) => b.add('add', [gradient(b, w('x', 1, 4, 4, 2), w('d', 1, 4, 4, 3)), w('f', 3, 3, 2, 3)], {}));
    const sizes = graphFrom(({ b, w }) => b.add('add', [gradient(b, w('x', 1, 4, 4, 2), w('d', 1, 4, 4, 3)), gradient(b, w('z', 1, 6, 6, 2), w('e', 1, 6, 6, 3))], {}));
    for (const before of [mixed, sizes]) {
      const after = run(before, hoist);
      expectSameMeaning(before, after);
      expect(expressions(after)).toEqual(expressions(before));
    }
  });
});

describe('twin-fuse', () => {
  const twin = (stages: string, names = 'L, R', from = 'a, b'): string => net(`a = image -> conv(4, k: 3) -> elu b = a -> conv(4, k: 3) -> elu twin ${names} from ${from} { ${stages} } logits = concat(${names}) -> globalavgpool -> dense(3)`);
  const fused = (source: string): { before: Graph; after: Graph } => {
    const before = run(prepared(source), hoist);
    const after = run(before, twinFuse);
    expectSameMeaning(before, after);
    expect(costOf(after).total.contractions).toBe(costOf(before).total.contractions);
    return { before, after };
  };

  test('convolutions of both streams become grouped ones, forward and both gradients', () => {
    const { after } = fused(twin('both conv(6, k: 3) -> elu both avgpool(2) -> conv(6, k: 1) -> elu'));
    const groups = (kind: OpKind): number[] => after.nodes.flatMap((node) => (node.kind === kind && 'groups' in node.attrs ? [node.attrs.groups] : [])).sort();
    expect([groups('conv2d'), groups('conv2d_input_grad'), groups('conv2d_filter_grad')]).toEqual([[1, 1, 2, 2], [1, 2, 2], [1, 1, 2, 2]]);
    expect(count(after, 'elu')).toBe(4);
    expect(count(after, 'avgpool')).toBe(1);
  });

  test('the streams stay visible', () => {
    const { after } = fused(twin('both conv(6, k: 3) -> elu'));
    expect(after.nodes.filter((node) => node.tags.stream === 'L+R').map((node) => node.kind)).toEqual(expect.arrayContaining(['conv2d', 'elu', 'conv2d_filter_grad']));
    expect(after.nodes.find((node) => node.kind === 'conv2d' && node.tags.stream === 'L+R')?.locs).toHaveLength(1);
  });

  test('one image through both filters needs no groups', () => {
    const { after } = fused(recurrent('step image: straight'));
    expect(after.nodes.flatMap((node) => (node.kind === 'conv2d' ? [node.attrs.groups] : []))).toEqual([1]);
  });

  test.each([
    ['crossed by concat', 'both conv(4, k: 3) -> elu cross concat both conv(4, k: 1) -> elu', 2],
    ['crossed by swap', 'both conv(4, k: 3) -> elu cross swap both conv(4, k: 1) -> elu', 2],
    ['crossed by mean', 'both conv(4, k: 3) -> elu cross mean both conv(4, k: 1) -> elu', 2],
    ['crossed by arms', 'both conv(4, k: 3) -> elu cross (L <- L + R, R <- 0.5 * R) both conv(4, k: 1) -> elu', 2],
  ])('%s', (_, stages, wanted) => {
    const { after } = fused(twin(stages));
    expect(after.nodes.filter((node) => node.kind === 'conv2d' && node.tags.stage !== undefined).length).toBe(wanted);
  });

  test('three streams', () => {
    const { after } = fused(twin('both conv(6, k: 3) -> relu both maxpool(2) -> conv(6, k: 1) -> relu', 'L, M, R', 'a, b, a'));
    expect(after.nodes.some((node) => node.kind === 'conv2d' && node.attrs.groups === 3)).toBe(true);
    expect(count(after, 'maxpool_grad')).toBe(1);
  });

  test('different work of the streams stays apart', () => {
    const { before, after } = fused(twin('L conv(6, k: 3) -> elu R conv(6, k: 1) -> relu'));
    expect(count(after, 'conv2d')).toBe(count(before, 'conv2d'));
    expect(after.nodes.flatMap((node) => (node.kind === 'conv2d' ? [node.attrs.groups] : []))).toEqual([1, 1, 1, 1]);
  });

  test('streams that wait for each other stay apart', () => {
    const { before, after } = fused(twin('L conv(4, k: 3) -> elu cross (L <- L, R <- L + R) R conv(4, k: 3) -> elu'));
    expect(count(after, 'conv2d')).toBe(count(before, 'conv2d'));
  });
});
