// Lowering rules of reductions, pooling and the classifier heads.

import { add, all, atLeastZero, bind, compare, div, exp, indexValue, largest, log, mul, number, reduce, select, sub, sum, unary } from './expr.ts';
import type { Expr, Reducer } from './expr.ts';
import { elementCount } from '../2-graph/types.ts';
import { int, minus, plus, quotient, remainder, times } from './indexing.ts';
import type { Index } from './indexing.ts';
import { at, inside, operand } from './rules-movement.ts';
import type { Loops, Lowering, LowerRule, Operand } from './rule.ts';

const ZERO = number(0);
const ONE = number(1);

/** From how many terms an element on, and up to how many elements, a reduction is worth two kernels. */
const STAGED = { terms: 4096, elements: 4096 };

/**
 * A reduction over some axes, then `finish` of the result and how many elements went in. A long reduction to few elements leaves them on few threads: it first
 * keeps the longest of its axes, and reduces that in a kernel of its own.
 */
const reduction =
  <K extends 'reduce_sum' | 'reduce_mean' | 'reduce_max'>(op: Reducer, finish: (value: Expr, count: number) => Expr): LowerRule<K> =>
  ({ attrs, stage }, input) => reduced(op, operand(input), attrs.axes, stage, finish);

function reduced(op: Reducer, x: Operand, among: readonly number[], stage: Lowering['stage'], finish: (value: Expr, count: number) => Expr): Loops {
  const axes = [...new Set(among)];
  const lengthOf = (axis: number): number => x.shape[axis] ?? 1;
  const count = elementCount(axes.map(lengthOf));
  const keptAxes = (reduced: readonly number[]): number[] => x.shape.map((_, axis) => axis).filter((axis) => !reduced.includes(axis));
  const kept = keptAxes(axes);
  const longest = axes.reduce((best, axis) => (lengthOf(axis) > lengthOf(best) ? axis : best), axes[0] ?? 0);
  if (axes.length < 2 || count < STAGED.terms || elementCount(kept.map(lengthOf)) > STAGED.elements) {
    return { kind: 'reduce', extents: kept.map(lengthOf), body: (...indices) => finish(over(op, x, kept, indices), count) };
  }
  const inner = keptAxes(axes.filter((axis) => axis !== longest));
  const parts = stage('parts', inner.map(lengthOf), { kind: 'reduce', body: (...indices) => over(op, x, inner, indices) });
  const place = inner.indexOf(longest);
  const outer = inner.map((_, axis) => axis).filter((axis) => axis !== place);
  return { kind: 'reduce', extents: kept.map(lengthOf), body: (...indices) => finish(over(op, parts, outer, indices), count) };
}

/** The reduction of x over every axis that is not kept, at these indices of the kept ones. */
function over(op: Reducer, x: Operand, kept: readonly number[], indices: readonly Index[]): Expr {
  const from = (axis: number, places: readonly Index[]): Expr => {
    if (axis === x.shape.length) return x.at(...places);
    const outer = kept.indexOf(axis);
    if (outer >= 0) return from(axis + 1, [...places, at(indices, outer)]);
    return reduce(op, `r${axis}`, x.shape[axis] ?? 1, (r) => from(axis + 1, [...places, r]));
  };
  return from(0, []);
}

export const reduceSum = reduction<'reduce_sum'>('sum', (value) => value);
export const reduceMean = reduction<'reduce_mean'>('sum', (value, count) => div(value, number(count)));
export const reduceMax = reduction<'reduce_max'>('max', (value) => value);

/** 1 - the largest of 1 - finite(x). */
export const allFinite: LowerRule<'all_finite'> = ({ stage }, input) => {
  const { shape, at: element, flat } = operand(input);
  const isBad = (x: Expr): Expr => sub(ONE, unary('finite', x));
  const bad: Operand = { shape, at: (...places) => isBad(element(...places)), flat: (place) => isBad(flat(place)) };
  return reduced('max', bad, shape.map((_, axis) => axis), stage, (value) => sub(ONE, value));
};

/** For each row of the last axis, in kernels of their own: the largest element, and log(sum(exp(x - largest))) or the sum itself. */
function rowStatistics({ stage }: Pick<Lowering, 'stage'>, x: Operand): { largest: Operand; total: Operand; log: Operand } {
  const rows = x.shape.slice(0, -1);
  const classes = x.shape.at(-1) ?? 1;
  const most = stage('max', rows, { kind: 'reduce', body: (...row) => largest('c', classes, (c) => x.at(...row, c)) });
  const totals = (suffix: string, finish: (value: Expr) => Expr): Operand =>
    stage(suffix, rows, {
      kind: 'reduce',
      body: (...row) => bind('m', most.at(...row), (m) => finish(sum('c', classes, (c) => exp(sub(x.at(...row, c), m))))),
    });
  return {
    largest: most,
    get total() {
      return totals('total', (value) => value);
    },
    get log() {
      return totals('log', log);
    },
  };
}

export const softmax: LowerRule<'softmax'> = (lowering, input) => {
  const x = operand(input);
  const { largest: most, total } = rowStatistics(lowering, x);
  return { kind: 'map', body: (...i) => div(exp(sub(x.at(...i), most.at(...i.slice(0, -1)))), total.at(...i.slice(0, -1))) };
};

export const logSoftmax: LowerRule<'log_softmax'> = (lowering, input) => {
  const x = operand(input);
  const { largest: most, log: logTotal } = rowStatistics(lowering, x);
  return { kind: 'map', body: (...i) => sub(sub(x.at(...i), most.at(...i.slice(0, -1))), logTotal.at(...i.slice(0, -1))) };
};

/** A label smoothed over the classes: the part that every class gets, and what the labelled class gets besides. */
const smoothed = (smoothing: number, classes: number, label: Expr, c: Index): Expr =>
  add(number(smoothing / classes), select(compare('==', label, indexValue(c)), number(1 - smoothing), ZERO));

export const softmaxCrossEntropy: LowerRule<'softmax_cross_entropy'> = (lowering, logits, labels) => {
  const x = operand(logits);
  const [rows = 1, classes = 1] = x.shape;
  const smoothing = lowering.attrs.label_smoothing;
  const { largest: most, log: logTotal } = rowStatistics(lowering, x);
  const losses = lowering.stage('rows', [rows], {
    kind: 'reduce',
    body: (n = int(0)) =>
      bind('label', operand(labels).at(n), (label) =>
        bind('m', add(most.at(n), logTotal.at(n)), (m) => sum('c', classes, (c) => weighted(smoothing, classes, label, c, sub(m, x.at(n, c))))),
      ),
  });
  return { kind: 'reduce', body: () => div(sum('n', rows, (n) => losses.at(n)), number(rows)) };
};

/** `value` times the smoothed label; without smoothing the other classes are not looked at. */
const weighted = (smoothing: number, classes: number, label: Expr, c: Index, value: Expr): Expr =>
  smoothing === 0 ? select(compare('==', label, indexValue(c)), value, ZERO) : mul(smoothed(smoothing, classes, label, c), value);

export const softmaxCrossEntropyGrad: LowerRule<'softmax_cross_entropy_grad'> = (lowering, logits, labels, dloss) => {
  const x = operand(logits);
  const [rows = 1, classes = 1] = x.shape;
  const { largest: most, total } = rowStatistics(lowering, x);
  return {
    kind: 'map',
    body: (n = int(0), c = int(0)) => {
      const probability = div(exp(sub(x.at(n, c), most.at(n))), total.at(n));
      const target = smoothed(lowering.attrs.label_smoothing, classes, operand(labels).at(n), c);
      return mul(div(operand(dloss).flat(int(0)), number(rows)), sub(probability, target));
    },
  };
};

/** A row is right where no class before the label reaches its logit and none after it passes it. */
export const countCorrect: LowerRule<'count_correct'> = ({ stage }, logits, labels) => {
  const x = operand(logits);
  const [rows = 1, classes = 1] = x.shape;
  const right = stage('rows', [rows], {
    kind: 'reduce',
    body: (n = int(0)) =>
      bind('label', operand(labels).at(n), (label) =>
        bind('score', sum('c', classes, (c) => select(compare('==', label, indexValue(c)), x.at(n, c), ZERO)), (score) =>
          sub(
            ONE,
            largest('c', classes, (c) =>
              bind('other', x.at(n, c), (other) =>
                select(compare('<', score, other), ONE, select(compare('<', indexValue(c), label), select(compare('<', other, score), ZERO, ONE), ZERO)),
              ),
            ),
          ),
        ),
      ),
  });
  return { kind: 'reduce', body: () => sum('n', rows, (n) => right.at(n)) };
};

/** The elements of a pooling window, reduced row by row. */
const overWindow = (op: Reducer, k: number, of: (y: Index, x: Index) => Expr): Expr => reduce(op, 'ky', k, (ky) => reduce(op, 'kx', k, (kx) => of(ky, kx)));

export const avgpool: LowerRule<'avgpool'> = ({ attrs: { k } }, x) => ({
  kind: 'reduce',
  body: (n = int(0), y = int(0), column = int(0), c = int(0)) =>
    div(overWindow('sum', k, (ky, kx) => operand(x).at(n, plus(times(y, k), ky), plus(times(column, k), kx), c)), number(k * k)),
});

export const maxpool: LowerRule<'maxpool'> = ({ attrs: { k } }, x) => ({
  kind: 'reduce',
  body: (n = int(0), y = int(0), column = int(0), c = int(0)) =>
    overWindow('max', k, (ky, kx) => operand(x).at(n, plus(times(y, k), ky), plus(times(column, k), kx), c)),
});

/** dy goes to x where no element of the window is larger and none before x (row by row) is as large. */
export const maxpoolGrad: LowerRule<'maxpool_grad'> = ({ attrs: { k } }, input, dy) => {
  const x = operand(input);
  const [, height = 1, width = 1] = x.shape;
  return {
    kind: 'reduce',
    body: (n = int(0), y = int(0), column = int(0), c = int(0)) => {
      const py = quotient(y, k);
      const px = quotient(column, k);
      const own = plus(times(remainder(y, k), k), remainder(column, k)); // the place in the window, row by row
      const beaten = bind('value', x.at(n, y, column, c), (value) =>
        overWindow('max', k, (ky, kx) =>
          bind('other', x.at(n, plus(times(py, k), ky), plus(times(px, k), kx), c), (other) => {
            const before = atLeastZero(minus(own, plus(times(ky, k), kx, int(1))));
            return select(compare('<', value, other), ONE, select(all(before, compare('==', value, other)), ONE, ZERO));
          }),
        ),
      );
      const kept = select(compare('==', beaten, ZERO), operand(dy).at(n, py, px, c), ZERO);
      const rows = Math.floor(height / k);
      const columns = Math.floor(width / k);
      return select(all(inside(py, rows), inside(px, columns)), kept, ZERO);
    },
  };
};
