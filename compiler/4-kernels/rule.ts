// What a lowering rule sees of a node and what it answers, and the addressing of row-major tensors.

import type { Node, ValueId } from '../2-graph/graph.ts';
import type { Attrs, ComputeKind } from '../2-graph/ops.ts';
import type { Expr } from './expr.ts';
import { int, plus, quotient, remainder, times } from './indexing.ts';
import type { Index } from './indexing.ts';
import type { KernelKind } from './kernel.ts';

/** A tensor that a kernel reads. */
export interface Operand {
  readonly shape: readonly number[];
  /** The element at one index for each axis. */
  at(...indices: readonly Index[]): Expr;
  /** The element at a row-major place. */
  flat(index: Index): Expr;
  /** Where the elements lie, if they are copied from buffers as they are. */
  readonly view?: View;
}

/** A box of a tensor: elements of one buffer, or zeros where there is none. */
export interface Piece {
  /** Where the box begins, and its extents. */
  readonly start: readonly number[];
  readonly shape: readonly number[];
  /** The element at some indices, counted from the box's start, lies at offset + sum of strides * indices. In elements. */
  readonly source?: { readonly buffer: ValueId; readonly offset: number; readonly strides: readonly number[] };
}

/** Boxes that together are a tensor. */
export type View = readonly Piece[];

/** A tensor as a function of the indices of a loop nest. */
export interface Loops {
  readonly kind: KernelKind;
  /** The extents of the loop nest where they are not the output's shape. */
  readonly extents?: readonly number[];
  readonly body: (...indices: Index[]) => Expr;
}

export interface Lowering<K extends ComputeKind = ComputeKind> {
  readonly node: Node<K>;
  readonly attrs: Attrs<K>;
  readonly inputs: readonly Operand[];
  /** The output's shape. */
  readonly shape: readonly number[];
  /** Computes a tensor of its own first, in another kernel. */
  stage(suffix: string, shape: readonly number[], loops: Loops): Operand;
}

/** A rule says what each element of the output is. */
export type LowerRule<K extends ComputeKind = ComputeKind> = (lowering: Lowering<K>, ...inputs: Operand[]) => Loops;

/** Row-major strides, in elements. */
export const stridesOf = (shape: readonly number[]): number[] => shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));

/** The row-major place of an element. */
export function flatten(indices: readonly Index[], shape: readonly number[]): Index {
  const strides = stridesOf(shape);
  return plus(...indices.map((index, axis) => times(index, strides[axis] ?? 1)));
}

/** The index along each axis of the element at a row-major place. */
export const unflatten = (place: Index, shape: readonly number[]): Index[] =>
  stridesOf(shape).map((stride, axis) => (axis === 0 ? quotient(place, stride) : remainder(quotient(place, stride), shape[axis] ?? 1)));

/** The strides with which a tensor of shape `from` is read when it is broadcast to `to`: 0 along repeated axes. */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : (strides[axis - missing] ?? 0)));
}

export const dot = (indices: readonly Index[], strides: readonly number[]): Index => plus(int(0), ...indices.map((index, axis) => times(index, strides[axis] ?? 0)));
