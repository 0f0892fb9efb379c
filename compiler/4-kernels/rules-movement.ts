// Lowering rules of data movement: where each output element comes from.

import { elementCount } from '../2-graph/types.ts';
import { mergeAxes } from './elementwise.ts';
import { all, atLeastZero, number, select } from './expr.ts';
import type { Expr } from './expr.ts';
import { int, minus, plus, quotient } from './indexing.ts';
import type { Index } from './indexing.ts';
import { broadcastStrides, dot } from './rule.ts';
import type { Loops, LowerRule, Operand } from './rule.ts';

/** The same elements in the same order. */
export const copy: LowerRule<'reshape'> = ({ shape }, x) => ({ kind: 'map', extents: [elementCount(shape)], body: (i) => operand(x).flat(i ?? int(0)) });

export const broadcast: LowerRule<'broadcast'> = ({ shape }, x) => {
  const { extents, strides } = mergeAxes(shape, [broadcastStrides(operand(x).shape, shape)]);
  return { kind: 'map', extents, body: (...indices) => operand(x).flat(dot(indices, strides[0] ?? [])) };
};

export const transpose: LowerRule<'transpose'> = ({ attrs }, x) => ({
  kind: 'map',
  body: (...indices) => operand(x).at(...attrs.perm.map((_, axis) => indices[attrs.perm.indexOf(axis)] ?? int(0))),
});

export const slice: LowerRule<'slice'> = ({ attrs }, x) => {
  const { axis } = attrs;
  return { kind: 'map', body: (...indices) => operand(x).at(...indices.with(axis, plus(at(indices, axis), int(attrs.start)))) };
};

export const pad: LowerRule<'pad'> = ({ attrs }, x) => {
  const { axis } = attrs;
  return {
    kind: 'map',
    body: (...indices) => {
      const place = minus(at(indices, axis), int(attrs.before));
      return select(inside(place, operand(x).shape[axis] ?? 1), operand(x).at(...indices.with(axis, place)), number(0));
    },
  };
};

/** How many operands one kernel joins: devices bind few buffers at a time, so that more are joined in stages. */
const CONCAT_OPERANDS = 6;

export const concat: LowerRule<'concat'> = ({ attrs, shape, stage }, ...xs) => {
  const { axis } = attrs;
  const lengthOf = (parts: readonly Operand[]): number => parts.reduce((total, part) => total + (part.shape[axis] ?? 1), 0);
  const join = (parts: readonly Operand[]): Loops => ({
    kind: 'map',
    body: (...indices) => {
      const along = at(indices, axis);
      const from = ([first, ...others]: readonly Operand[], start: number): Expr => {
        const next = start + lengthOf([operand(first)]);
        const here = operand(first).at(...indices.with(axis, minus(along, int(start))));
        return others.length === 0 ? here : select(atLeastZero(minus(int(next - 1), along)), here, from(others, next));
      };
      return from(parts, 0);
    },
  });
  const inStages = (parts: readonly Operand[], round: number): readonly Operand[] => {
    if (parts.length <= CONCAT_OPERANDS) return parts;
    const count = Math.ceil(parts.length / CONCAT_OPERANDS);
    const joined = Array.from({ length: count }, (_, i) => {
      const some = parts.slice(i * CONCAT_OPERANDS, (i + 1) * CONCAT_OPERANDS);
      return stage(`part${round}.${i}`, shape.with(axis, lengthOf(some)), join(some));
    });
    return inStages(joined, round + 1);
  };
  return join(inStages(xs, 0));
};

export const upsample: LowerRule<'upsample'> = ({ attrs }, x) => ({
  kind: 'map',
  body: (n = int(0), y = int(0), column = int(0), c = int(0)) => operand(x).at(n, quotient(y, attrs.k), quotient(column, attrs.k), c),
});

/** 0 <= index < length. */
export const inside = (index: Index, length: number) => all(atLeastZero(index), atLeastZero(minus(int(length - 1), index)));

export const at = (indices: readonly Index[], axis: number): Index => indices[axis] ?? int(0);

export function operand(x: Operand | undefined): Operand {
  if (!x) throw new Error('an operand is missing');
  return x;
}
