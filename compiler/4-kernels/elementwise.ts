// The element-wise operations as scalar expressions, and the loop nest they run in: axes that all operands walk alike become one.

import type { Attrs, ElementwiseKind } from '../2-graph/ops.ts';
import { add, bind, binary, compare, div, exp, log, mul, neg, number, select, sub, unary } from './expr.ts';
import type { Expr } from './expr.ts';
import { broadcastStrides, dot } from './rule.ts';
import type { LowerRule } from './rule.ts';

type ScalarRule<K extends ElementwiseKind> = (attrs: Attrs<K>, ...operands: Expr[]) => Expr;

const ZERO = number(0);
const ONE = number(1);

const one = (f: (x: Expr) => Expr) => (_: object, x: Expr = ZERO): Expr => f(x);
/** As `one`, for a formula that uses x more than once. */
const named = (f: (x: Expr) => Expr) => (_: object, x: Expr = ZERO): Expr => bind('x', x, f);
const two = (f: (a: Expr, b: Expr) => Expr) => (_: object, a: Expr = ZERO, b: Expr = ZERO): Expr => f(a, b);

const square = (x: Expr): Expr => mul(x, x);
const sigmoid = (x: Expr): Expr => div(ONE, add(ONE, exp(neg(x))));

/** The argument of gelu's tanh (Hendrycks and Gimpel, 2016), and its derivative; x is a local. */
const geluArgument = (x: Expr): Expr => mul(number(Math.sqrt(2 / Math.PI)), add(x, mul(number(0.044715), mul(x, square(x)))));
const geluSlope = (x: Expr): Expr => mul(number(Math.sqrt(2 / Math.PI)), add(ONE, mul(number(3 * 0.044715), square(x))));

export const SCALAR_RULES: { readonly [K in ElementwiseKind]: ScalarRule<K> } = {
  identity: one((x) => x),
  // Kernels compute in f32: what is stored is rounded as it is stored, and what is not keeps its digits.
  cast: one((x) => x),
  stop_gradient: one((x) => x),
  neg: one(neg),
  abs: one((x) => unary('abs', x)),
  sign: named((x) => select(compare('<', ZERO, x), ONE, select(compare('<', x, ZERO), number(-1), ZERO))),
  floor: one((x) => unary('floor', x)),
  exp: one(exp),
  expm1: one((x) => unary('expm1', x)),
  log: one(log),
  sqrt: one((x) => unary('sqrt', x)),
  square: named(square),
  cos: one((x) => unary('cos', x)),
  tanh: one((x) => unary('tanh', x)),
  sigmoid: one(sigmoid),
  softplus: named((x) => add(binary('max', x, ZERO), unary('log1p', exp(neg(unary('abs', x)))))),
  relu: one((x) => binary('max', x, ZERO)),
  leaky_relu: ({ slope }, x = ZERO) => bind('x', x, (v) => select(compare('<', ZERO, v), v, mul(number(slope), v))),
  elu: ({ alpha }, x = ZERO) => bind('x', x, (v) => select(compare('<', ZERO, v), v, mul(number(alpha), unary('expm1', v)))),
  gelu: named((x) => mul(mul(number(0.5), x), add(ONE, unary('tanh', geluArgument(x))))),
  silu: named((x) => mul(x, sigmoid(x))),

  relu_grad: two((y, dy) => select(compare('<', ZERO, y), dy, ZERO)),
  leaky_relu_grad: ({ slope }, x = ZERO, dy = ZERO) => bind('dy', dy, (g) => select(compare('<', ZERO, x), g, mul(number(slope), g))),
  elu_grad: ({ alpha }, y = ZERO, dy = ZERO) =>
    bind('y', y, (v) => bind('dy', dy, (g) => select(compare('<', ZERO, v), g, mul(g, add(v, number(alpha)))))),
  gelu_grad: two((x, dy) =>
    bind('x', x, (v) =>
      bind('t', unary('tanh', geluArgument(v)), (t) =>
        mul(dy, add(mul(number(0.5), add(ONE, t)), mul(mul(mul(number(0.5), v), sub(ONE, square(t))), geluSlope(v)))),
      ),
    ),
  ),
  silu_grad: two((x, dy) => bind('x', x, (v) => bind('s', sigmoid(v), (s) => mul(mul(dy, s), add(ONE, mul(v, sub(ONE, s))))))),
  tanh_grad: two((y, dy) => bind('y', y, (v) => mul(dy, sub(ONE, square(v))))),
  sigmoid_grad: two((y, dy) => bind('y', y, (v) => mul(mul(dy, v), sub(ONE, v)))),

  add: two(add),
  sub: two(sub),
  mul: two(mul),
  div: two(div),
  minimum: two((a, b) => binary('min', a, b)),
  maximum: two((a, b) => binary('max', a, b)),
  greater: two((a, b) => select(compare('<', b, a), ONE, ZERO)),
  equal: two((a, b) => select(compare('==', a, b), ONE, ZERO)),
  select: (_, condition = ZERO, a = ZERO, b = ZERO) => select(compare('==', condition, ZERO), b, a),
};

/** The rule of an element-wise kind, over a loop nest with as few axes as its broadcasting allows. */
export const elementwise =
  <K extends ElementwiseKind>(kind: K): LowerRule<K> =>
  ({ attrs, shape }, ...inputs) => {
    const { extents, strides } = mergeAxes(shape, inputs.map((input) => broadcastStrides(input.shape, shape)));
    const rule: ScalarRule<K> = SCALAR_RULES[kind];
    return { kind: 'map', extents, body: (...indices) => rule(attrs, ...inputs.map((input, i) => input.flat(dot(indices, strides[i] ?? [])))) };
  };

/** Merges each axis with the next wherever every operand steps over both as over one; axes of length 1 vanish. */
export function mergeAxes(shape: readonly number[], strides: readonly (readonly number[])[]): { extents: number[]; strides: number[][] } {
  const extents: number[] = [];
  const merged: number[][] = strides.map(() => []);
  shape.forEach((extent, axis) => {
    if (extent === 1) return;
    const last = extents.length - 1;
    const joins = last >= 0 && strides.every((of, i) => merged[i]?.[last] === (of[axis] ?? 0) * extent);
    if (joins) extents[last] = (extents[last] ?? 1) * extent;
    else extents.push(extent);
    strides.forEach((of, i) => {
      const row = merged[i] ?? [];
      row[joins ? last : last + 1] = of[axis] ?? 0;
    });
  });
  return { extents, strides: merged };
}
