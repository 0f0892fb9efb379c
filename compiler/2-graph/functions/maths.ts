// Activations, arithmetic and reductions.

import { axes, bool, number, or, value } from '../build/arguments.ts';
import type { Args } from '../build/arguments.ts';
import { Refusal } from '../build/context.ts';
import type { FunctionGroup, FunctionSpec } from '../build/define.ts';
import { axisOf, define } from '../build/define.ts';
import type { Maker } from '../build/maker.ts';
import type { ValueId } from '../graph.ts';
import { OPS } from '../ops.ts';
import type { Attrs, OpKind } from '../ops.ts';
import { showShape } from '../types.ts';

const activation = define('activation');
const arithmetic = define('arithmetic');
const reduction = define('reduction');
const x = { x: value };

/** Kinds without attributes. */
type PlainKind = { [K in OpKind]: Attrs<K> extends Record<string, never> ? K : object extends Attrs<K> ? K : never }[OpKind];

/** A summary as a sentence; a formula begins as it is. */
const sentence = (text: string): string => `${text.replace(/^[a-z]{2,}(?![\w(])/, (word) => word.charAt(0).toUpperCase() + word.slice(1))}.`;

/** A function that is one operation of one operand. */
const plain = (group: FunctionGroup, kind: PlainKind): FunctionSpec => define(group)(x, sentence(OPS[kind].summary), (m, a) => m.op(kind, [a.x], {}));

const reducing = { x: value, axis: or(axes, undefined, 'all'), keep: or(bool, false) };

/** Without an axis all are reduced, to a scalar, as in NumPy. */
function reduceTo(m: Maker, kind: 'reduce_sum' | 'reduce_mean' | 'reduce_max', a: Omit<Args<typeof reducing>, 'y'>): ValueId {
  const shape = m.shape(a.x);
  const found = a.axis?.map((each) => axisOf(shape, each)) ?? shape.map((_, i) => i);
  return m.op(kind, [a.x], { axes: [...found].sort((p, q) => p - q), keep: a.keep });
}

const extreme = { x: value, y: or(value, undefined, 'none'), axis: or(axes, undefined, 'all'), keep: or(bool, false) };

/** With two operands element by element, with one over axes. */
const largest = (m: Maker, a: Args<typeof extreme>, kind: 'maximum' | 'minimum'): ValueId => {
  if (a.y !== undefined) {
    if (a.axis !== undefined) throw new Refusal('ZZ2004', 'of two operands the larger or smaller is taken element by element: there is no axis');
    return m.op(kind, [a.x, a.y], {});
  }
  const flip = (id: ValueId): ValueId => (kind === 'minimum' ? m.op('neg', [id], {}) : id);
  return flip(reduceTo(m, 'reduce_max', { ...a, x: flip(a.x) }));
};

export const MATHS = {
  relu: plain('activation', 'relu'),
  leaky_relu: activation({ x: value, slope: or(number(), 0.01) }, 'x where x > 0, else slope * x.', (m, a) => m.op('leaky_relu', [a.x], { slope: a.slope })),
  elu: activation({ x: value, alpha: or(number({ above: 0 }), 1) }, 'x where x > 0, else alpha * (e^x - 1).', (m, a) => m.op('elu', [a.x], { alpha: a.alpha })),
  gelu: plain('activation', 'gelu'),
  silu: plain('activation', 'silu'),
  tanh: plain('activation', 'tanh'),
  sigmoid: plain('activation', 'sigmoid'),
  softplus: plain('activation', 'softplus'),
  softmax: plain('activation', 'softmax'),
  log_softmax: plain('activation', 'log_softmax'),

  exp: plain('arithmetic', 'exp'),
  log: plain('arithmetic', 'log'),
  sqrt: plain('arithmetic', 'sqrt'),
  square: plain('arithmetic', 'square'),
  abs: plain('arithmetic', 'abs'),
  identity: plain('arithmetic', 'identity'),
  stop_gradient: plain('arithmetic', 'stop_gradient'),
  matmul: arithmetic(
    { a: value, b: value, transpose_a: or(bool, false), transpose_b: or(bool, false) },
    'Matrix product of the last two axes; b has two axes, or the leading ones of a.',
    (m, { a, b, transpose_a, transpose_b }) => {
      for (const id of [a, b]) if (m.shape(id).length < 2) throw new Refusal('ZZ3002', `matmul takes matrices, found ${showShape(m.shape(id))}`);
      return m.op('matmul', [a, b], { transpose_a, transpose_b });
    },
  ),

  mean: reduction(reducing, 'Mean over axes; over all without `axis`.', (m, a) => reduceTo(m, 'reduce_mean', a)),
  sum: reduction(reducing, 'Sum over axes; over all without `axis`.', (m, a) => reduceTo(m, 'reduce_sum', a)),
  max: reduction(extreme, 'Largest value over axes; of two operands the larger, element by element.', (m, a) => largest(m, a, 'maximum')),
  min: reduction(extreme, 'Smallest value over axes; of two operands the smaller, element by element.', (m, a) => largest(m, a, 'minimum')),
};
