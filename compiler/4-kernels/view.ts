// Where a tensor's elements lie when they are copied from buffers as they are: what data movement makes of addresses, for emitters that copy runs of elements.

import type { ValueId } from '../2-graph/graph.ts';
import { stridesOf } from './rule.ts';
import type { Piece, View } from './rule.ts';

export const bufferView = (buffer: ValueId, shape: readonly number[]): View => [{ start: shape.map(() => 0), shape, source: { buffer, offset: 0, strides: stridesOf(shape) } }];

export const zerosView = (shape: readonly number[]): View => (shape.includes(0) ? [] : [{ start: shape.map(() => 0), shape }]);

/** The one piece that a view is, or undefined. */
export const onlyPiece = (view: View): Piece | undefined => (view.length === 1 ? view[0] : undefined);

const moved = (piece: Piece, axis: number, by: number): Piece => ({ ...piece, start: piece.start.with(axis, (piece.start[axis] ?? 0) + by) });

/** `size` places of an axis from `start`. */
export const sliceView = (view: View, axis: number, start: number, size: number): View =>
  view.flatMap((piece): Piece[] => {
    const first = piece.start[axis] ?? 0;
    const from = Math.max(first, start);
    const to = Math.min(first + (piece.shape[axis] ?? 1), start + size);
    if (from >= to) return [];
    const { source } = piece;
    const cut = { start: piece.start.with(axis, from - start), shape: piece.shape.with(axis, to - from) };
    return [source ? { ...cut, source: { ...source, offset: source.offset + (from - first) * (source.strides[axis] ?? 0) } } : cut];
  });

/** Parts one after the other along an axis; `lengths` are theirs. */
export function concatView(parts: readonly (View | undefined)[], axis: number, lengths: readonly number[]): View | undefined {
  let start = 0;
  const pieces: Piece[] = [];
  for (const [i, part] of parts.entries()) {
    if (!part) return undefined;
    for (const piece of part) pieces.push(moved(piece, axis, start));
    start += lengths[i] ?? 0;
  }
  return pieces;
}

/** Zeros before and after, along one axis of a tensor of this shape. */
export const padView = (view: View, shape: readonly number[], axis: number, before: number, after: number): View =>
  concatView([zerosView(shape.with(axis, before)), view, zerosView(shape.with(axis, after))], axis, [before, shape[axis] ?? 1, after]) ?? view;

export const transposeView = (view: View, perm: readonly number[]): View => {
  const turned = (list: readonly number[]): number[] => perm.map((from) => list[from] ?? 0);
  return view.map(({ start, shape, source }) => ({ start: turned(start), shape: turned(shape), ...(source ? { source: { ...source, strides: turned(source.strides) } } : {}) }));
};

/** The same elements in another shape: of one piece that lies without gaps, or where axes of length 1 come and go. */
export function reshapeView(view: View, from: readonly number[], to: readonly number[]): View | undefined {
  const long = (shape: readonly number[]): number[] => shape.map((_, axis) => axis).filter((axis) => shape[axis] !== 1);
  const [kept, target] = [long(from), long(to)];
  if (kept.length === target.length && kept.every((axis, i) => from[axis] === to[target[i] ?? -1])) {
    const renamed = (list: readonly number[], otherwise: number): number[] => to.map((_, axis) => list[kept[target.indexOf(axis)] ?? -1] ?? otherwise);
    return view.map(({ start, shape, source }) => ({ start: renamed(start, 0), shape: renamed(shape, 1), ...(source ? { source: { ...source, strides: renamed(source.strides, 0) } } : {}) }));
  }
  const only = onlyPiece(view);
  if (!only) return undefined;
  if (!only.source) return zerosView(to);
  const dense = stridesOf(from);
  const { source } = only;
  return kept.every((axis) => source.strides[axis] === dense[axis]) ? [{ start: to.map(() => 0), shape: to, source: { ...source, strides: stridesOf(to) } }] : undefined;
}

/** Repeated as NumPy broadcasts. */
export function broadcastView(view: View, from: readonly number[], to: readonly number[]): View {
  const missing = to.length - from.length;
  const isRepeated = (axis: number): boolean => axis < missing || from[axis - missing] === 1;
  const spread = (list: readonly number[], repeated: (axis: number) => number): number[] => to.map((_, axis) => (isRepeated(axis) ? repeated(axis) : (list[axis - missing] ?? 0)));
  return view.map(({ start, shape, source }) => ({
    start: spread(start, () => 0),
    shape: spread(shape, (axis) => to[axis] ?? 1),
    ...(source ? { source: { ...source, strides: spread(source.strides, () => 0) } } : {}),
  }));
}

/** Readable text: `%x`, or every piece with its range along the axes it is cut along, `axis 0: 0..24 %a, 25..49 0`. */
export function showView(view: View, shape: readonly number[]): string {
  const text = ({ source, shape: lengths }: Piece): string => {
    if (!source) return '0';
    const dense = stridesOf(lengths).every((stride, axis) => lengths[axis] === 1 || stride === source.strides[axis]);
    return `%${source.buffer}${source.offset === 0 ? '' : ` + ${source.offset}`}${dense ? '' : ` by [${source.strides.join(',')}]`}`;
  };
  const only = onlyPiece(view);
  if (only) return text(only);
  const axes = shape.map((_, axis) => axis).filter((axis) => view.some((piece) => piece.shape[axis] !== shape[axis]));
  const range = (piece: Piece): string => axes.map((axis) => `${piece.start[axis] ?? 0}..${(piece.start[axis] ?? 0) + (piece.shape[axis] ?? 1) - 1}`).join(' x ');
  return `axis ${axes.join(' x ')}: ${view.map((piece) => `${range(piece)} ${text(piece)}`).join(', ')}`;
}
