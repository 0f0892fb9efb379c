// The reference evaluator against numbers worked out by hand, and convolutions against a naive definition written another way.

import { describe, expect, test } from 'vitest';
import type { Attrs, ElementwiseKind, OpKind } from '../../compiler/2-graph/ops.ts';
import { inferType } from '../../compiler/2-graph/shapes.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { build, draws, graphOf, oneOf, pick, relativeError, seeded } from '../gradients/numeric.ts';

interface Given {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
  readonly labels?: boolean;
}

const given = (shape: readonly number[], ...data: readonly number[]): Given => ({ shape, data });
const labels = (...data: readonly number[]): Given => ({ shape: [data.length], data, labels: true });

/** One operation's result. */
function run<K extends OpKind>(kind: K, attrs: Attrs<K>, operands: readonly Given[], precision: 'f32' | 'f64' = 'f64'): number[] {
  const b = build();
  const ids = operands.map(({ shape, labels: isLabels }, i) =>
    isLabels ? b.add('labels', [], { shape }, { id: `x${i}` }) : b.add('state', [], { name: `x${i}`, shape, value: 0 }, { id: `x${i}` }),
  );
  const y = b.add(kind, ids, attrs);
  const feeds = new Map(operands.map(({ data }, i) => [`x${i}`, data]));
  return [...(evaluate(graphOf(b), feeds, { precision, wanted: [y] }).get(y) ?? [])];
}

const close = (found: readonly number[], wanted: readonly number[], tolerance = 1e-12): void => {
  expect(relativeError(found, wanted), `found ${found.join(' ')}, wanted ${wanted.join(' ')}`).toBeLessThan(tolerance);
};

const { log, E, PI, SQRT2 } = Math;
const NONE = {};

/** For each kind: attributes, operands, results. */
const ELEMENTWISE: { readonly [K in ElementwiseKind]: readonly [attrs: Attrs<K>, operands: readonly (readonly number[])[], result: readonly number[]] } = {
  identity: [NONE, [[-2, 3]], [-2, 3]],
  cast: [{ to: 'f16' }, [[1.0004, 1.0005, -1e6, 6e-8, 65519, 0.1]], [1, 1.0009765625, -Infinity, 2 ** -24, 65504, 0.0999755859375]],
  stop_gradient: [NONE, [[-2, 3]], [-2, 3]],
  neg: [NONE, [[-2, 3]], [2, -3]],
  abs: [NONE, [[-2, 3]], [2, 3]],
  sign: [NONE, [[-2, 0, 3]], [-1, 0, 1]],
  floor: [NONE, [[-1.5, -1, 0.99, 2]], [-2, -1, 0, 2]],
  exp: [NONE, [[0, 1, -1000]], [1, E, 0]],
  expm1: [NONE, [[0, 1e-12, log(3)]], [0, 1e-12, 2]],
  log: [NONE, [[1, E, 0]], [0, 1, -Infinity]],
  sqrt: [NONE, [[0, 2, 9]], [0, SQRT2, 3]],
  square: [NONE, [[-3, 0.5]], [9, 0.25]],
  cos: [NONE, [[0, PI, PI / 3]], [1, -1, 0.5]],
  tanh: [NONE, [[0, log(2), 1000]], [0, 0.6, 1]],
  sigmoid: [NONE, [[0, log(3), -1000]], [0.5, 0.75, 0]],
  softplus: [NONE, [[0, 1000, -1000, log(2)]], [log(2), 1000, 0, log(3)]],
  relu: [NONE, [[-2, 0, 3]], [0, 0, 3]],
  leaky_relu: [{ slope: 0.1 }, [[-2, 0, 3]], [-0.2, 0, 3]],
  elu: [{ alpha: 2 }, [[-log(2), 0, 3, -1000]], [-1, 0, 3, -2]],
  // gelu(1) of the tanh form, from Hendrycks and Gimpel's reference implementation.
  gelu: [NONE, [[0, 1, -100, 100]], [0, 0.8411919906082768, 0, 100]],
  silu: [NONE, [[0, log(3), -1000]], [0, 0.75 * log(3), 0]],
  relu_grad: [NONE, [[-1, 0, 2], [5, 6, 7]], [0, 0, 7]],
  leaky_relu_grad: [{ slope: 0.5 }, [[-1, 0, 2], [5, 6, 7]], [2.5, 3, 7]],
  elu_grad: [{ alpha: 2 }, [[-1, 0, 3], [5, 6, 7]], [5, 12, 7]],
  gelu_grad: [NONE, [[0, 100, -100], [3, 3, 3]], [1.5, 3, 0]],
  silu_grad: [NONE, [[0, 1000, -1000], [3, 3, 3]], [1.5, 3, 0]],
  tanh_grad: [NONE, [[0, 0.6, 1], [2, 2, 2]], [2, 1.28, 0]],
  sigmoid_grad: [NONE, [[0.5, 0.75, 1], [2, 16, 2]], [0.5, 3, 0]],
  add: [NONE, [[1, 2], [10, 20]], [11, 22]],
  sub: [NONE, [[1, 2], [10, 20]], [-9, -18]],
  mul: [NONE, [[1, 2], [10, 20]], [10, 40]],
  div: [NONE, [[1, 2, 1], [10, 4, 0]], [0.1, 0.5, Infinity]],
  minimum: [NONE, [[1, 5], [2, -3]], [1, -3]],
  maximum: [NONE, [[1, 5], [2, -3]], [2, 5]],
  greater: [NONE, [[1, 2, 3], [2, 2, 2]], [0, 0, 1]],
  equal: [NONE, [[1, 2, 3], [2, 2, 2]], [0, 1, 0]],
  select: [NONE, [[1, 0, -0.5], [1, 2, 3], [4, 5, 6]], [1, 5, 3]],
};

describe('element-wise operations', () => {
  for (const [kind, [attrs, operands, result]] of Object.entries(ELEMENTWISE) as [ElementwiseKind, (typeof ELEMENTWISE)[ElementwiseKind]][]) {
    test(kind, () => {
      const found = run<OpKind>(kind, attrs as Attrs, operands.map((data) => given([data.length], ...data)));
      found.forEach((value, i) => expect(value).toBeCloseTo(result[i] as number, 12));
      expect(found.length).toBe(result.length);
    });
  }

  test('operands broadcast as in NumPy', () => {
    expect(run('sub', {}, [given([2, 1], 10, 20), given([3], 1, 2, 3)])).toEqual([9, 8, 7, 19, 18, 17]);
    expect(run('add', {}, [given([], 5), given([2, 1, 2], 1, 2, 3, 4)])).toEqual([6, 7, 8, 9]);
    expect(run('select', {}, [given([2, 1], 0, 1), given([], 7), given([1, 2], 1, 2)])).toEqual([1, 2, 7, 7]);
    expect(run('mul', {}, [given([1, 1], 3), given([1], 4)])).toEqual([12]);
  });
});

describe('reductions', () => {
  const x = given([2, 3], 1, 5, 3, -4, -6, -5);
  test('over some, all and no axes', () => {
    expect(run('reduce_sum', { axes: [0], keep: false }, [x])).toEqual([-3, -1, -2]);
    expect(run('reduce_sum', { axes: [1], keep: true }, [x])).toEqual([9, -15]);
    expect(run('reduce_sum', { axes: [0, 1], keep: false }, [x])).toEqual([-6]);
    expect(run('reduce_sum', { axes: [], keep: false }, [x])).toEqual([1, 5, 3, -4, -6, -5]);
    expect(run('reduce_mean', { axes: [1], keep: false }, [x])).toEqual([3, -5]);
    expect(run('reduce_mean', { axes: [1, 0], keep: true }, [x])).toEqual([-1]);
    expect(run('reduce_max', { axes: [1], keep: false }, [x])).toEqual([5, -4]);
    expect(run('reduce_max', { axes: [0], keep: false }, [x])).toEqual([1, 5, 3]);
  });

  test('over axes that are not neighbours', () => {
    const y = given([2, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8);
    expect(run('reduce_sum', { axes: [0, 2], keep: false }, [y])).toEqual([14, 22]);
    expect(run('reduce_max', { axes: [0, 2], keep: true }, [y])).toEqual([6, 8]);
  });

  test('sums are added up in double, even where values are stored as f32', () => {
    const ones = Array.from({ length: 1000 }, () => 1);
    expect(run('reduce_sum', { axes: [0], keep: false }, [given([1002], 1e9, ...ones, -1e9)], 'f32')).toEqual([1000]);
    expect(run('matmul', { transpose_a: false, transpose_b: false }, [given([1, 3], 1e9, 1, -1e9), given([3, 1], 1, 1, 1)], 'f32')).toEqual([1]);
    expect(run('div', {}, [given([], 1), given([], 3)], 'f32')).toEqual([Math.fround(1 / 3)]);
  });

  test('softmax and its logarithm do not overflow', () => {
    close(run('softmax', {}, [given([2, 3], 0, log(2), log(5), 1000, 1000, -1000)]), [1 / 8, 2 / 8, 5 / 8, 0.5, 0.5, 0]);
    close(run('log_softmax', {}, [given([2, 2], 1000, 0, -1e8, -1e8)]), [0, -1000, -log(2), -log(2)]);
    close(run('softmax', {}, [given([3], 1e30, 0, -1e30)], 'f32'), [1, 0, 0]);
    expect(run('softmax', {}, [given([2, 1], 5, -7)])).toEqual([1, 1]);
  });
});

describe('movement', () => {
  const x = given([2, 3], 1, 2, 3, 4, 5, 6);
  test('reshape, broadcast, transpose, slice, pad, concat', () => {
    expect(run('reshape', { shape: [3, 2] }, [x])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(run('broadcast', { shape: [2, 2, 3] }, [x])).toEqual([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    expect(run('broadcast', { shape: [2, 3] }, [given([2, 1], 7, 8)])).toEqual([7, 7, 7, 8, 8, 8]);
    expect(run('transpose', { perm: [1, 0] }, [x])).toEqual([1, 4, 2, 5, 3, 6]);
    expect(run('slice', { axis: 1, start: 1, size: 2 }, [x])).toEqual([2, 3, 5, 6]);
    expect(run('slice', { axis: 0, start: 1, size: 1 }, [x])).toEqual([4, 5, 6]);
    expect(run('pad', { axis: 1, before: 1, after: 2 }, [x])).toEqual([0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0]);
    expect(run('concat', { axis: 1 }, [x, given([2, 1], 7, 8)])).toEqual([1, 2, 3, 7, 4, 5, 6, 8]);
    expect(run('concat', { axis: 0 }, [given([1, 2], 1, 2), given([2, 2], 3, 4, 5, 6)])).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a transpose of four axes puts input axis perm[i] at output axis i', () => {
    const shape = [2, 3, 4, 5];
    const data = Array.from({ length: 120 }, (_, i) => i);
    const found = run('transpose', { perm: [2, 0, 3, 1] }, [{ shape, data }]);
    for (let a = 0; a < 4; a++) for (let b = 0; b < 2; b++) for (let c = 0; c < 5; c++) for (let d = 0; d < 3; d++) {
      expect(found[((a * 2 + b) * 5 + c) * 3 + d]).toBe(((b * 3 + d) * 4 + a) * 5 + c);
    }
  });

  test('upsample repeats each pixel k by k', () => {
    expect(run('upsample', { k: 2 }, [given([1, 1, 2, 2], 1, 2, 3, 4)])).toEqual([1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4]);
    expect(run('upsample', { k: 3 }, [given([2, 1, 1, 1], 8, 9)])).toEqual([...Array(9).fill(8), ...Array(9).fill(9)]);
  });
});

describe('pools', () => {
  // Rows of 5; with k = 2 the last row and the last column are rests.
  const x = given([1, 3, 5, 1], 1, 2, 3, 4, 100, 5, 6, 7, 8, 100, 100, 100, 100, 100, 100);
  test('leave out the rest at the lower and right edges', () => {
    expect(run('avgpool', { k: 2 }, [x])).toEqual([3.5, 5.5]);
    expect(run('maxpool', { k: 2 }, [x])).toEqual([6, 8]);
    expect(run('maxpool', { k: 1 }, [x])).toEqual([...Array.from(x.data)]);
    expect(run('avgpool', { k: 3 }, [x])).toEqual([(1 + 2 + 3 + 5 + 6 + 7 + 300) / 9]);
  });

  test('keep channels and images apart', () => {
    const two = given([2, 2, 2, 2], 1, -1, 2, -2, 3, -3, 4, -4, 10, 0, 10, 0, 10, 0, 50, 8);
    expect(run('avgpool', { k: 2 }, [two])).toEqual([2.5, -2.5, 20, 2]);
    expect(run('maxpool', { k: 2 }, [two])).toEqual([4, -1, 50, 8]);
  });

  test('of what is not a number is none, wherever it stands in the window', () => {
    for (const at of [0, 1, 2, 3]) expect(run('maxpool', { k: 2 }, [given([1, 2, 2, 1], ...[1, 2, 3, 4].with(at, NaN))])).toEqual([NaN]);
  });

  test('the gradient of maxpool goes to the first largest value, and the rest gets none', () => {
    const ties = given([1, 2, 5, 1], 1, 3, 9, 9, 0, 3, 3, 9, 9, 0);
    expect(run('maxpool_grad', { k: 2 }, [ties, given([1, 1, 2, 1], 5, 7)])).toEqual([0, 5, 7, 0, 0, 0, 0, 0, 0, 0]);
    expect(run('maxpool_grad', { k: 2 }, [given([1, 2, 2, 1], -4, -3, -2, -1), given([1, 1, 1, 1], 5)])).toEqual([0, 0, 0, 5]);
  });
});

describe('classifier heads', () => {
  const logits = given([2, 3], 0, log(2), log(5), log(6), log(3), 0); // probabilities 1/8 2/8 5/8, 6/10 3/10 1/10
  test('cross-entropy, with and without label smoothing', () => {
    close(run('softmax_cross_entropy', { label_smoothing: 0 }, [logits, labels(2, 1)]), [-(log(5 / 8) + log(3 / 10)) / 2]);
    // Targets 0.1 / 3 everywhere and 0.9 more at the label.
    const all = log(1 / 8) + log(2 / 8) + log(5 / 8) + log(6 / 10) + log(3 / 10) + log(1 / 10);
    close(run('softmax_cross_entropy', { label_smoothing: 0.1 }, [logits, labels(2, 1)]), [-(0.9 * (log(5 / 8) + log(3 / 10)) + (0.1 / 3) * all) / 2]);
  });

  test('its gradient', () => {
    close(run('softmax_cross_entropy_grad', { label_smoothing: 0 }, [logits, labels(2, 1), given([], 4)]), [0.25, 0.5, -0.75, 1.2, -1.4, 0.2]);
  });

  test('logits far apart neither overflow nor lose the loss', () => {
    close(run('softmax_cross_entropy', { label_smoothing: 0 }, [given([2, 2], 1e4, -1e4, 0, 800), labels(1, 1)], 'f32'), [1e4]);
    expect(run('softmax_cross_entropy', { label_smoothing: 0 }, [given([1, 2], 0, -Infinity), labels(0)])).toEqual([0]);
  });

  test('right answers are counted by the first largest logit', () => {
    expect(run('count_correct', {}, [given([3, 2], 1, 2, 5, 5, 5, 5), labels(1, 0, 1)])).toEqual([2]);
  });

  test('a label that is no class is refused', () => {
    expect(() => run('count_correct', {}, [given([2, 2], 1, 2, 3, 4), labels(0, 2)])).toThrow('label 2 of image 1: there are 2 classes');
    expect(() => run('softmax_cross_entropy', { label_smoothing: 0 }, [given([1, 2], 1, 2), labels(-1)])).toThrow(RangeError);
  });
});

describe('matrix products', () => {
  const at = (data: ArrayLike<number>, columns: number, flip: boolean, row: number, column: number, offset = 0): number =>
    (flip ? data[offset + column * columns + row] : data[offset + row * columns + column]) as number;

  test('by hand', () => {
    const a = given([2, 3], 1, 2, 3, 4, 5, 6);
    expect(run('matmul', { transpose_a: false, transpose_b: false }, [a, given([3, 1], 1, 10, 100)])).toEqual([321, 654]);
    expect(run('matmul', { transpose_a: false, transpose_b: true }, [a, given([1, 3], 1, 10, 100)])).toEqual([321, 654]);
    expect(run('matmul', { transpose_a: true, transpose_b: false }, [a, given([2, 1], 1, 10)])).toEqual([41, 52, 63]);
  });

  test('every transposition, one matrix or a stack of them on the right', () => {
    const random = seeded(4);
    const [m, k, n, stack] = [3, 4, 5, 2];
    for (const transpose_a of [false, true]) for (const transpose_b of [false, true]) for (const stacked of [false, true]) {
      const a = { shape: [stack, ...(transpose_a ? [k, m] : [m, k])], data: draws(stack * m * k, random) };
      const b = { shape: [...(stacked ? [stack] : []), ...(transpose_b ? [n, k] : [k, n])], data: draws((stacked ? stack : 1) * k * n, random) };
      const wanted: number[] = [];
      for (let s = 0; s < stack; s++) for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
        let total = 0;
        for (let l = 0; l < k; l++) total += at(a.data, transpose_a ? m : k, transpose_a, i, l, s * m * k) * at(b.data, transpose_b ? k : n, transpose_b, l, j, stacked ? s * k * n : 0);
        wanted.push(total);
      }
      close(run('matmul', { transpose_a, transpose_b }, [a, b]), wanted);
    }
  });
});

describe('convolutions', () => {
  const plain = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
  const counting = given([1, 3, 3, 1], 1, 2, 3, 4, 5, 6, 7, 8, 9);

  test('by hand: same and valid, stride, an even filter', () => {
    const ones = given([3, 3, 1, 1], ...Array(9).fill(1));
    expect(run('conv2d', plain, [counting, ones])).toEqual([12, 21, 16, 27, 45, 33, 24, 39, 28]);
    expect(run('conv2d', { ...plain, pad: 'valid' }, [counting, ones])).toEqual([45]);
    expect(run('conv2d', { ...plain, stride: 2 }, [counting, ones])).toEqual([12, 16, 24, 28]);
    // An even filter under `same` pads after the last row and column alone: cross-correlation, not flipped.
    expect(run('conv2d', plain, [counting, given([2, 2, 1, 1], 1, 10, 100, 1000)])).toEqual([5421, 6532, 603, 8754, 9865, 906, 87, 98, 9]);
    // With stride 2 over 4 columns, `same` with k = 3 pads one column after and none before.
    const row = given([1, 1, 4, 1], 1, 2, 3, 4);
    const middleRow = given([3, 3, 1, 1], 0, 0, 0, 1, 10, 100, 0, 0, 0);
    expect(run('conv2d', { ...plain, stride: 2 }, [row, middleRow])).toEqual([321, 43]);
  });

  test('groups see only their own channels', () => {
    const x = given([1, 1, 1, 4], 1, 2, 3, 4);
    const filter = given([1, 1, 2, 2], 1, 10, 100, 1000); // rows: input channel of the group; columns: one output of each group
    expect(run('conv2d', { ...plain, groups: 2 }, [x, filter])).toEqual([201, 4030]);
    const depthwise = given([1, 1, 1, 4], 5, 6, 7, 8);
    expect(run('conv2d', { ...plain, groups: 4 }, [x, depthwise])).toEqual([5, 12, 21, 32]);
  });

  /** The definition, one output at a time, reading the image through a function that gives zero outside it. */
  function naive(x: Given, filter: Given, { stride, pad, dilation, groups }: Attrs<'conv2d'>): number[] {
    const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
    const [k = 0, , inputs = 0, outputs = 0] = filter.shape;
    const pixel = (n: number, i: number, j: number, c: number): number =>
      i < 0 || j < 0 || i >= height || j >= width ? 0 : (x.data[n * height * width * channels + i * width * channels + j * channels + c] as number);
    const side = (size: number): [count: number, before: number] => {
      const span = (k - 1) * dilation + 1;
      if (pad === 'valid') return [Math.floor((size - span) / stride) + 1, 0];
      const count = Math.ceil(size / stride);
      return [count, Math.floor(Math.max((count - 1) * stride + span - size, 0) / 2)];
    };
    const [rows, top] = side(height);
    const [columns, left] = side(width);
    return Array.from({ length: batch * rows * columns * outputs }, (_, at) => {
      const o = at % outputs;
      const column = Math.floor(at / outputs) % columns;
      const row = Math.floor(at / outputs / columns) % rows;
      const n = Math.floor(at / outputs / columns / rows);
      const firstChannel = Math.floor(o / (outputs / groups)) * inputs;
      let total = 0;
      for (let c = inputs - 1; c >= 0; c--) {
        for (let v = 0; v < k; v++) {
          for (let u = 0; u < k; u++) {
            const weight = filter.data[((u * k + v) * inputs + c) * outputs + o] as number;
            total += weight * pixel(n, row * stride - top + u * dilation, column * stride - left + v * dilation, firstChannel + c);
          }
        }
      }
      return total;
    });
  }

  interface Draw {
    readonly attrs: Attrs<'conv2d'>;
    readonly x: Given;
    readonly filter: Given;
  }

  const randomOf = (shape: readonly number[], random: () => number): Given => ({ shape, data: draws(elementCount(shape), random) });

  function draw(random: () => number): Draw {
    const [k, groups, dilation] = [pick(random, 1, 5), pick(random, 1, 3), pick(random, 1, 3)];
    const pad = oneOf(random, 'same' as const, 'valid' as const);
    const least = pad === 'valid' ? (k - 1) * dilation + 1 : 1;
    const attrs = { stride: pick(random, 1, 4), pad, dilation, groups };
    const [inputs, outputs] = [pick(random, 1, 3), pick(random, 1, 3)];
    const x = randomOf([pick(random, 1, 2), least + pick(random, 0, 5), least + pick(random, 0, 5), inputs * groups], random);
    return { attrs, x, filter: randomOf([k, k, inputs, outputs * groups], random) };
  }

  test('60 random ones equal the definition', () => {
    const random = seeded(11);
    for (let i = 0; i < 60; i++) {
      const { attrs, x, filter } = draw(random);
      close(run('conv2d', attrs, [x, filter]), naive(x, filter, attrs));
    }
  });

  /** <a, b> */
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * (b[i] as number), 0);

  test('both gradients are the transposes of the linear maps that the definition gives, entry by entry', () => {
    const random = seeded(12);
    for (let i = 0; i < 15; i++) {
      const { attrs, x, filter } = draw(random);
      const type = (tensor: Given) => ({ dtype: 'f32' as const, shape: tensor.shape });
      const dy = randomOf(inferType('conv2d', attrs, [type(x), type(filter)]).shape as number[], random);
      const unit = (tensor: Given, at: number): Given => ({ ...tensor, data: Array.from(tensor.data, (_, j) => (j === at ? 1 : 0)) });
      const dx = run('conv2d_input_grad', { ...attrs, size: x.shape.slice(1, 3) }, [dy, filter]);
      const wantedDx = dx.map((_, at) => dot(naive(unit(x, at), filter, attrs), dy.data));
      expect(relativeError(dx, wantedDx)).toBeLessThan(1e-12);
      const df = run('conv2d_filter_grad', { ...attrs, k: filter.shape[0] as number }, [x, dy]);
      expect(relativeError(df, df.map((_, at) => dot(naive(x, unit(filter, at), attrs), dy.data)))).toBeLessThan(1e-12);
    }
  });
});

describe('evaluation of a graph', () => {
  test('computes what is wanted alone, and needs only its feeds', () => {
    const b = build();
    b.add('state', [], { name: 'a', shape: [2], value: 0 }, { id: 'a' });
    b.add('state', [], { name: 'unfed', shape: [2], value: 0 }, { id: 'unfed' });
    const c = b.add('mul', ['a', b.add('constant', [], { shape: [], value: 3 })], {});
    b.add('mul', [c, 'unfed'], {});
    const results = evaluate(graphOf(b), new Map([['a', [1, 2]]]), { precision: 'f32', wanted: [c, 'a'] });
    expect([...results]).toEqual([[c, Float32Array.of(3, 6)], ['a', Float32Array.of(1, 2)]]);
  });

  test('refuses missing and wrong feeds, unknown values, structure and a symbolic batch', () => {
    const b = build();
    b.add('state', [], { name: 'a', shape: [2], value: 0 }, { id: 'a' });
    b.add('input', [], { name: 'image', shape: ['B', 2] }, { id: 'image' });
    const routed = b.add('route', ['a'], { form: 'straight' });
    const value = (id: string, feeds: [string, number[]][]) => () => evaluate(graphOf(b), new Map(feeds), { precision: 'f32', wanted: [id] });
    expect(value('a', [])).toThrow(new RangeError('no feed for %a'));
    expect(value('a', [['a', [1, 2, 3]]])).toThrow(new RangeError('the feed for %a has 3 elements, not 2'));
    expect(value('b', [])).toThrow(new RangeError('no value %b'));
    expect(value('image', [['image', [1, 2]]])).toThrow('the batch size of [B,2] is not known yet');
    expect(value(routed, [['a', [1, 2]]])).toThrow(`%${routed}: route is not evaluated`);
  });
});
