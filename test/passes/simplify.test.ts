// simplify: every rule where it fires, where it must not, and that the graph keeps its meaning.

import { describe, expect, test } from 'vitest';
import { printGraph } from '../../compiler/2-graph/print.ts';
import type { ValueId } from '../../compiler/2-graph/graph.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { graphOf as netGraph } from '../build/helpers.ts';
import { computing, expressions, graphFrom, type Made } from './expressions.ts';
import { expectSameMeaning, run } from './nets.ts';

type Make = (made: Made) => ValueId | readonly ValueId[];

/** The outputs after simplify, as expressions; checks that they mean the same. */
function simplified(make: Make): string[] {
  const graph = graphFrom(make);
  const result = run(graph, simplify);
  expectSameMeaning(graph, result);
  return expressions(result);
}

const conv = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
const CONV = '{1,same,1,1}';

const FIRES: readonly (readonly [title: string, make: Make, ...wanted: string[]])[] = [
  ['element-wise operations of constants', ({ b, c }) => b.add('exp', [b.add('sub', [c(3, 2), c(3, 2)], {})], {}), '1[2]'],
  ['f32 rounding of what is folded', ({ b, c }) => b.add('add', [c(0.1), c(0.2)], {}), String(Math.fround(0.1 + 0.2))],
  ['moved constants', ({ b, c }) => b.add('transpose', [b.add('reshape', [c(2, 6), ], { shape: [2, 3] })], { perm: [1, 0] }), '2[3,2]'],
  ['a concatenation of equal constants', ({ b, c }) => b.add('concat', [c(1, 2), c(1, 3)], { axis: 0 }), '1[5]'],
  ['the mean of a constant', ({ b, c }) => b.add('reduce_mean', [c(7, 2, 3)], { axes: [1], keep: false }), '7[2]'],
  ['a convolution of zeros', ({ b, c, w }) => b.add('conv2d', [c(0, 1, 4, 4, 2), w('f', 3, 3, 2, 5)], conv), '0[1,4,4,5]'],
  ['both gradients of a zero adjoint', ({ b, c, w }) => [
    b.add('conv2d_input_grad', [c(0, 1, 4, 4, 5), w('f', 3, 3, 2, 5)], { ...conv, size: [4, 4] }),
    b.add('conv2d_filter_grad', [w('x', 1, 4, 4, 2), c(0, 1, 4, 4, 5)], { ...conv, k: 3 }),
  ], '0[1,4,4,2]', '0[3,3,2,5]'],
  ['a matrix product with zeros', ({ b, c, w }) => b.add('matmul', [w('a', 2, 3), c(0, 3, 4)], { transpose_a: false, transpose_b: false }), '0[2,4]'],
  ['the derivative of an activation at a zero adjoint', ({ b, c, w }) => b.add('elu_grad', [w('y', 3), c(0, 3)], { alpha: 1 }), '0[3]'],
  ['x + 0', ({ b, c, w }) => b.add('add', [w('x', 3), c(0)], {}), 'x'],
  ['0 + x', ({ b, c, w }) => b.add('add', [c(0, 3), w('x', 3)], {}), 'x'],
  ['x + 0 of a larger shape', ({ b, c, w }) => b.add('add', [w('x', 3), c(0, 2, 3)], {}), 'broadcast{[2,3]}(x)'],
  ['x - 0', ({ b, c, w }) => b.add('sub', [w('x', 3), c(0)], {}), 'x'],
  ['0 - x', ({ b, c, w }) => b.add('sub', [c(0), w('x', 3)], {}), 'neg(x)'],
  ['x * 1 and x / 1', ({ b, c, w }) => b.add('div', [b.add('mul', [c(1), w('x', 3)], {}), c(1)], {}), 'x'],
  ['x * 0', ({ b, c, w }) => b.add('mul', [w('x', 3), c(0)], {}), '0[3]'],
  ['a double negation', ({ b, w }) => b.add('neg', [b.add('neg', [w('x', 3)], {})], {}), 'x'],
  ['identity and stop_gradient', ({ b, w }) => b.add('identity', [b.add('stop_gradient', [w('x', 3)], {})], {}), 'x'],
  ['a known condition', ({ b, c, w }) => [b.add('select', [c(1), w('x', 3), w('y', 3)], {}), b.add('select', [c(0), w('x', 3), w('y', 3)], {})], 'x', 'y'],
  ['two constant factors', ({ b, c, w }) => b.add('mul', [c(2), b.add('mul', [w('x', 3), c(3)], {})], {}), 'mul(x, 6)'],
  ['reshapes of reshapes', ({ b, w }) => b.add('reshape', [b.add('reshape', [w('x', 2, 3)], { shape: [6] })], { shape: [3, 2] }), 'reshape{[3,2]}(x)'],
  ['a reshape there and back', ({ b, w }) => b.add('reshape', [b.add('reshape', [w('x', 2, 3)], { shape: [6] })], { shape: [2, 3] }), 'x'],
  ['a transpose there and back', ({ b, w }) => b.add('transpose', [b.add('transpose', [w('x', 2, 3, 4)], { perm: [1, 2, 0] })], { perm: [2, 0, 1] }), 'x'],
  ['two transposes', ({ b, w }) => b.add('transpose', [b.add('transpose', [w('x', 2, 3, 4)], { perm: [1, 2, 0] })], { perm: [1, 2, 0] }), 'transpose{[2,0,1]}(x)'],
  ['broadcasts of broadcasts', ({ b, w }) => b.add('broadcast', [b.add('broadcast', [w('x', 3)], { shape: [2, 3] })], { shape: [4, 2, 3] }), 'broadcast{[4,2,3]}(x)'],
  ['a broadcast that the operation does itself', ({ b, w }) => b.add('mul', [b.add('broadcast', [w('x', 3)], { shape: [2, 3] }), w('y', 2, 3)], {}), 'mul(x, y)'],
  ['an element-wise operation between reshapes', ({ b, w }) => b.add('reshape', [b.add('exp', [b.add('reshape', [w('x', 2, 3)], { shape: [6] })], {})], { shape: [2, 3] }), 'exp(x)'],
  ['a slice of a slice', ({ b, w }) => b.add('slice', [b.add('slice', [w('x', 9)], { axis: 0, start: 2, size: 6 })], { axis: 0, start: 1, size: 3 }), 'slice{0,3,3}(x)'],
  ['a slice of everything', ({ b, w }) => b.add('slice', [w('x', 9)], { axis: 0, start: 0, size: 9 }), 'x'],
  ['a slice within one part of a concatenation', ({ b, w }) => b.add('slice', [b.add('concat', [w('x', 4), w('y', 5)], { axis: 0 })], { axis: 0, start: 5, size: 3 }), 'slice{0,1,3}(y)'],
  ['slices side by side', ({ b, w }) => {
    const part = (start: number, size: number): ValueId => b.add('slice', [w('x', 9)], { axis: 0, start, size });
    return b.add('concat', [part(2, 3), part(5, 4)], { axis: 0 });
  }, 'slice{0,2,7}(x)'],
  ['a concatenation of one', ({ b, w }) => b.add('concat', [w('x', 4)], { axis: 0 }), 'x'],
  ['an operation on neighbouring slices', ({ b, w }) => {
    const part = (start: number): ValueId => b.add('exp', [b.add('slice', [w('x', 6)], { axis: 0, start, size: 3 })], {});
    return b.add('concat', [part(0), part(3)], { axis: 0 });
  }, 'exp(x)'],
  ['concatenations along two axes', ({ b, w }) => {
    const part = (name: string, start: number): ValueId => b.add('slice', [w(name, 4, 2)], { axis: 0, start, size: 2 });
    const row = (start: number): ValueId => b.add('concat', [part('x', start), part('y', start)], { axis: 1 });
    return b.add('concat', [row(0), row(2)], { axis: 0 });
  }, 'concat{1}(x, y)'],
  ['pooling of reordered channels', ({ b, w }) => {
    const part = (start: number): ValueId => b.add('slice', [w('x', 1, 2, 2, 4)], { axis: 3, start, size: 2 });
    return b.add('maxpool', [b.add('concat', [part(2), part(0)], { axis: 3 })], { k: 2 });
  }, 'concat{3}(slice{3,2,2}(maxpool{2}(x)), slice{3,0,2}(maxpool{2}(x)))'],
  ['an element-wise operation between transposes', ({ b, w }) => b.add('transpose', [b.add('mul', [b.add('transpose', [w('x', 2, 3)], { perm: [1, 0] }), b.add('transpose', [w('y', 2, 3)], { perm: [1, 0] })], {})], { perm: [1, 0] }), 'mul(x, y)'],
  ['a product of a transposed matrix', ({ b, w }) => b.add('matmul', [b.add('transpose', [w('x', 3, 2)], { perm: [1, 0] }), w('y', 3, 4)], { transpose_a: false, transpose_b: false }), 'matmul{true,false}(x, y)'],
  ['a padding of nothing', ({ b, w }) => b.add('pad', [w('x', 3)], { axis: 0, before: 0, after: 0 }), 'x'],
  ['a sum over axes of one element', ({ b, w }) => b.add('reduce_sum', [w('x', 3, 1)], { axes: [1], keep: false }), 'reshape{[3]}(x)'],
  ['a sum of convolutions of one image', ({ b, w }) => b.add('add', [b.add('conv2d', [w('x', 1, 4, 4, 2), w('f', 3, 3, 2, 5)], conv), b.add('conv2d', [w('x', 1, 4, 4, 2), w('g', 3, 3, 2, 5)], conv)], {}), `conv2d${CONV}(x, add(f, g))`],
  ['filter gradients of one image, anywhere in a sum', ({ b, w }) => {
    const term = (x: string, d: string): ValueId => b.add('conv2d_filter_grad', [w(x, 1, 4, 4, 2), w(d, 1, 4, 4, 5)], { ...conv, k: 3 });
    return b.add('add', [b.add('add', [term('x', 'd0'), term('z', 'd1')], {}), term('x', 'd2')], {});
  }, `add(conv2d_filter_grad{1,same,1,1,3}(x, add(d0, d2)), conv2d_filter_grad{1,same,1,1,3}(z, d1))`],
  ['matrix products of one factor', ({ b, w }) => {
    const product = (a: string): ValueId => b.add('matmul', [w(a, 2, 3), w('m', 3, 4)], { transpose_a: false, transpose_b: false });
    return b.add('add', [product('a'), product('c')], {});
  }, 'matmul{false,false}(add(a, c), m)'],
];

test.each(FIRES.map(([title, make, ...wanted]) => [title, make, wanted] as const))('%s', (_, make, wanted) => {
  expect(simplified(make)).toEqual(wanted);
});

const STAYS: typeof FIRES = [
  ['a value that may not be finite is not folded', ({ b, c }) => b.add('exp', [b.add('log', [c(0)], {})], {}), 'exp(log(0))'],
  ['a concatenation of unequal constants', ({ b, c }) => b.add('concat', [c(1, 2), c(2, 2)], { axis: 0 }), 'concat{0}(1[2], 2[2])'],
  ['1 - x and 1 / x', ({ b, c, w }) => [b.add('sub', [c(1), w('x', 3)], {}), b.add('div', [c(1), w('x', 3)], {})], 'sub(1, x)', 'div(1, x)'],
  ['factors whose product is out of range', ({ b, c, w }) => b.add('mul', [c(1e-30), b.add('mul', [w('x', 3), c(1e-30)], {})], {}), 'mul(1e-30, mul(x, 1e-30))'],
  ['a factor of a product that is needed elsewhere', ({ b, c, w }) => {
    const inner = b.add('mul', [w('x', 3), c(3)], {});
    return [b.add('mul', [c(2), inner], {}), inner];
  }, 'mul(2, mul(x, 3))', 'mul(x, 3)'],
  ['a slice across two parts', ({ b, w }) => b.add('slice', [b.add('concat', [w('x', 4), w('y', 5)], { axis: 0 })], { axis: 0, start: 3, size: 2 }), 'slice{0,3,2}(concat{0}(x, y))'],
  ['slices in another order', ({ b, w }) => {
    const part = (start: number): ValueId => b.add('slice', [w('x', 6)], { axis: 0, start, size: 3 });
    return b.add('concat', [part(3), part(0)], { axis: 0 });
  }, 'concat{0}(slice{0,3,3}(x), slice{0,0,3}(x))'],
  ['a product of a matrix whose other axes move', ({ b, w }) => b.add('matmul', [b.add('transpose', [w('x', 3, 5, 2)], { perm: [1, 0, 2] }), w('y', 2, 4)], { transpose_a: false, transpose_b: false }), 'matmul{false,false}(transpose{[1,0,2]}(x), y)'],
  ['operands that move differently', ({ b, w }) => b.add('add', [b.add('transpose', [w('x', 3, 3)], { perm: [1, 0] }), b.add('reshape', [w('y', 9)], { shape: [3, 3] })], {}), 'add(transpose{[1,0]}(x), reshape{[3,3]}(y))'],
  ['both operands broadcast', ({ b, w }) => b.add('mul', [b.add('broadcast', [w('x', 3)], { shape: [2, 3] }), b.add('broadcast', [w('y', 3)], { shape: [2, 3] })], {}), 'mul(broadcast{[2,3]}(x), broadcast{[2,3]}(y))'],
  ['convolutions of other strides', ({ b, w }) => {
    const term = (f: string, dilation: number): ValueId => b.add('conv2d', [w('x', 1, 4, 4, 2), w(f, 3, 3, 2, 5)], { ...conv, dilation });
    return b.add('add', [term('f', 1), term('g', 2)], {});
  }, `add(conv2d${CONV}(x, f), conv2d{1,same,2,1}(x, g))`],
  ['a convolution that is needed elsewhere too', ({ b, w }) => {
    const first = b.add('conv2d', [w('x', 1, 4, 4, 2), w('f', 3, 3, 2, 5)], conv);
    return [b.add('add', [first, b.add('conv2d', [w('x', 1, 4, 4, 2), w('g', 3, 3, 2, 5)], conv)], {}), first];
  }, `add(conv2d${CONV}(x, f), conv2d${CONV}(x, g))`, `conv2d${CONV}(x, f)`],
  ['a pool over the axis that is reordered', ({ b, w }) => {
    const part = (start: number): ValueId => b.add('slice', [w('x', 1, 4, 2, 4)], { axis: 1, start, size: 2 });
    return b.add('avgpool', [b.add('concat', [part(2), part(0)], { axis: 1 })], { k: 2 });
  }, 'avgpool{2}(concat{1}(slice{1,2,2}(x), slice{1,0,2}(x)))'],
];

test.each(STAYS.map(([title, make, ...wanted]) => [title, make, wanted] as const))('stays: %s', (_, make, wanted) => {
  expect(simplified(make)).toEqual(wanted);
});

describe('common subexpressions', () => {
  test('equal operations are one, in either order of a sum', () => {
    const graph = run(graphFrom(({ b, w }) => [b.add('exp', [b.add('add', [w('x', 3), w('y', 3)], {})], {}), b.add('exp', [b.add('add', [w('y', 3), w('x', 3)], {})], {})]), simplify);
    expect(computing(graph)).toBe(2);
    expect(graph.outputs[0]?.value).toBe(graph.outputs[1]?.value);
  });

  test('a difference in order, attributes or sign of zero keeps them apart', () => {
    const graph = run(graphFrom(({ b, w, c }) => [
      b.add('sub', [w('x', 3), w('y', 3)], {}), b.add('sub', [w('y', 3), w('x', 3)], {}),
      b.add('elu', [w('x', 3)], { alpha: 1 }), b.add('elu', [w('x', 3)], { alpha: 2 }),
      b.add('div', [w('x', 3), c(0)], {}), b.add('div', [w('x', 3), c(-0)], {}),
      b.add('minimum', [w('x', 3), c(Infinity)], {}), b.add('minimum', [w('x', 3), c(-Infinity)], {}),
    ]), simplify);
    expect(computing(graph)).toBe(8);
  });

  test('leaves keep their identity', () => {
    const graph = run(graphFrom(({ b }) => [0, 1].map((salt) => b.add('random', [], { shape: [3], salt }))), simplify);
    expect(graph.nodes).toHaveLength(2);
  });
});

test('dead values go; weights and inputs stay, for they are the interface', () => {
  const graph = graphFrom(({ b, w }) => {
    b.add('exp', [w('unused', 3)], {});
    return b.add('neg', [w('x', 3)], {});
  });
  expect(run(graph, simplify).nodes.map((node) => node.id)).toEqual(['unused', 'x', graph.outputs[0]?.value]);
});

test('a recurrence from zeros: the first state has no convolution, and one image through one filter is convolved once', () => {
  const source = 'net N { input image: [8, 8, 3] cell C(x, h) { elu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) } streams L, R of C { repeat 2 { step image: zigzag } } output y = concat(L, R) }';
  const graph = unroll.run(netGraph(source));
  const result = run(graph, simplify);
  const convolutions = (of: typeof graph): number => of.nodes.filter((node) => node.kind === 'conv2d').length;
  expect([convolutions(graph), convolutions(result)]).toEqual([8, 4]);
  expect(result.nodes.every((node) => node.type.shape[0] !== 'B' || node.kind !== 'constant')).toBe(true);
  expect(printGraph(run(result, simplify))).toBe(printGraph(result));
});
