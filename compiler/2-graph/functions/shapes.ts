// Functions that pool, move and reshape, and constants.

import { axis, int, ints, or, value, values } from '../build/arguments.ts';
import { Refusal } from '../build/context.ts';
import { axisOf, define, imageShape } from '../build/define.ts';
import type { Maker } from '../build/maker.ts';
import type { ValueId } from '../graph.ts';
import type { Dim } from '../types.ts';
import { dimProduct, elementCount, showShape } from '../types.ts';

const pool = define('pooling');
const shape = define('shape');
const constant = define('constant');

const window = or(int({ min: 1, max: 65_536 }), 2);
const channelAxis = or(axis, -1, 'channel');
const dimensions = ints({ min: 1 });

/** Repeats constants, whose batch is 1, so that they go along with the others. */
function sameBatch(m: Maker, xs: readonly ValueId[]): ValueId[] {
  const batch = xs.map((x) => m.shape(x)[0]).find((dim) => typeof dim === 'string');
  return xs.map((x) => (batch !== undefined && m.shape(x)[0] === 1 ? m.op('broadcast', [x], { shape: [batch, ...m.shape(x).slice(1)] }) : x));
}

/** The shape for each image, with its one -1 replaced by what is left. */
function resolveShape(dims: readonly number[], from: readonly Dim[]): Dim[] {
  const [batch = 1, ...rest] = from;
  const total = Number(dimProduct(rest));
  const open = dims.filter((dim) => dim === -1).length;
  if (open > 1 || dims.includes(0)) throw new Refusal('ZZ3013', `[${dims.join(',')}]: dimensions are whole numbers from 1, at most one of them -1`);
  const known = elementCount(dims.filter((dim) => dim !== -1));
  if (open > 0 && total % known !== 0) throw new Refusal('ZZ3007', `${showShape(from)} has ${total} elements for each image, which ${known} does not divide`);
  return [batch, ...dims.map((dim) => (dim === -1 ? total / known : dim))];
}

const filled = (m: Maker, dims: readonly number[], fill: number): ValueId => m.op('constant', [], { shape: [1, ...dims], value: fill });

export const SHAPE_FUNCTIONS = {
  avgpool: pool({ x: value, k: window }, 'Mean of each k by k window; the windows do not overlap.', (m, { x, k }) => m.op('avgpool', [x], { k })),
  maxpool: pool({ x: value, k: window }, 'Largest value of each k by k window; the windows do not overlap.', (m, { x, k }) => m.op('maxpool', [x], { k })),
  globalavgpool: pool({ x: value }, 'Mean over height and width: [batch, channels].', (m, { x }) => {
    imageShape(m.shape(x), 'globalavgpool');
    return m.op('reduce_mean', [x], { axes: [1, 2], keep: false });
  }),
  upsample: pool({ x: value, k: window }, 'Nearest neighbour: each value k by k times, not scaled.', (m, { x, k }) => m.op('upsample', [x], { k })),

  concat: shape({ values, axis: channelAxis }, 'The values one after the other along an axis.', (m, a) =>
    m.op('concat', sameBatch(m, a.values), { axis: axisOf(m.shape(a.values[0] as ValueId), a.axis) }),
  ),
  split: shape({ x: value, n: int({ min: 1, max: 65_536 }), axis: channelAxis }, 'n equal parts along an axis: `a, b = split(x, 2)`.', (m, a) => {
    const at = axisOf(m.shape(a.x), a.axis);
    const length = m.shape(a.x)[at];
    if (typeof length !== 'number') throw new Refusal('ZZ3008', `axis ${at} of ${showShape(m.shape(a.x))} is the batch, which is not split`);
    if (length % a.n !== 0) throw new Refusal('ZZ3005', `${a.n} parts do not divide axis ${at} of ${showShape(m.shape(a.x))}, which has ${length}`);
    return Array.from({ length: a.n }, (_, i) => m.op('slice', [a.x], { axis: at, start: (i * length) / a.n, size: length / a.n }));
  }),
  flatten: shape({ x: value }, 'All axes but the batch become one.', (m, { x }) => {
    const [batch, ...rest] = m.shape(x);
    if (batch === undefined) throw new Refusal('ZZ3002', 'flatten takes a tensor with a batch, found a scalar');
    return m.op('reshape', [x], { shape: [batch, dimProduct(rest)] });
  }),
  reshape: shape({ x: value, shape: ints({ min: -1 }) }, 'The same elements in another shape, given without the batch; one dimension may be -1.', (m, a) =>
    m.op('reshape', [a.x], { shape: resolveShape(a.shape, m.shape(a.x)) }),
  ),
  slice: shape(
    { x: value, axis: channelAxis, start: or(int({ min: 0 }), 0), size: or(int({ min: 1 }), undefined, 'the rest') },
    '`size` elements of one axis from `start`.',
    (m, a) => {
      const at = axisOf(m.shape(a.x), a.axis);
      const length = m.shape(a.x)[at];
      if (typeof length === 'number' && a.start >= length) throw new Refusal('ZZ3008', `${showShape(m.shape(a.x))} has no element ${a.start} along axis ${at}`);
      return m.op('slice', [a.x], { axis: at, start: a.start, size: a.size ?? Number(length) - a.start });
    },
  ),
  pad: shape({ x: value, amount: int({ min: 0, max: 65_536 }) }, 'Zeros around an image, `amount` on every side.', (m, { x, amount }) => {
    imageShape(m.shape(x), 'pad');
    return m.op('pad', [m.op('pad', [x], { axis: 1, before: amount, after: amount })], { axis: 2, before: amount, after: amount });
  }),
  transpose: shape({ x: value, perm: or(ints({ min: -64, max: 63 }), undefined, 'the last two swapped') }, 'Axes reordered: axis i of the result is axis perm[i] of x, the batch included.', (m, a) => {
    const rank = m.shape(a.x).length;
    if (rank < 2) throw new Refusal('ZZ3002', `transpose takes a tensor of two axes or more, found ${showShape(m.shape(a.x))}`);
    const swapped = Array.from({ length: rank }, (_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
    return m.op('transpose', [a.x], { perm: a.perm?.map((each) => axisOf(m.shape(a.x), each)) ?? swapped });
  }),

  zeros: constant({ shape: dimensions }, 'A constant of zeros; the shape is given without the batch, along which it repeats.', (m, a) => filled(m, a.shape, 0)),
  ones: constant({ shape: dimensions }, 'A constant of ones; the shape is given without the batch, along which it repeats.', (m, a) => filled(m, a.shape, 1)),
};
