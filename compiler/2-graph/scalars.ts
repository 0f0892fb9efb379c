// What every element-wise operation does to plain numbers: for constant folding, and for the reference evaluator.

import { roundToHalf } from './half.ts';
import type { Attrs, ElementwiseKind } from './ops.ts';

type Scalar<K extends ElementwiseKind> = (attrs: Attrs<K>, ...operands: readonly number[]) => number;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** The argument of gelu's tanh (Hendrycks and Gimpel, 2016), and its derivative. */
const geluArgument = (x: number): number => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
const geluSlope = (x: number): number => Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);

const unary = (f: (x: number) => number) => (_: object, x = NaN): number => f(x);
const binary = (f: (a: number, b: number) => number) => (_: object, a = NaN, b = NaN): number => f(a, b);

export const SCALARS: { readonly [K in ElementwiseKind]: Scalar<K> } = {
  identity: unary((x) => x),
  cast: ({ to }: Attrs<'cast'>, x = NaN) => (to === 'f16' ? roundToHalf(x) : x),
  stop_gradient: unary((x) => x),
  neg: unary((x) => -x),
  abs: unary(Math.abs),
  sign: unary(Math.sign),
  floor: unary(Math.floor),
  exp: unary(Math.exp),
  expm1: unary(Math.expm1),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  square: unary((x) => x * x),
  cos: unary(Math.cos),
  tanh: unary(Math.tanh),
  sigmoid: unary(sigmoid),
  softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  relu: unary((x) => Math.max(x, 0)),
  leaky_relu: ({ slope }: Attrs<'leaky_relu'>, x = NaN) => (x > 0 ? x : slope * x),
  elu: ({ alpha }: Attrs<'elu'>, x = NaN) => (x > 0 ? x : alpha * Math.expm1(x)),
  gelu: unary((x) => 0.5 * x * (1 + Math.tanh(geluArgument(x)))),
  silu: unary((x) => x * sigmoid(x)),

  relu_grad: binary((y, dy) => (y > 0 ? dy : 0)),
  leaky_relu_grad: ({ slope }: Attrs<'leaky_relu_grad'>, x = NaN, dy = NaN) => (x > 0 ? dy : slope * dy),
  elu_grad: ({ alpha }: Attrs<'elu_grad'>, y = NaN, dy = NaN) => (y > 0 ? dy : dy * (y + alpha)),
  gelu_grad: binary((x, dy) => {
    const t = Math.tanh(geluArgument(x));
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * geluSlope(x));
  }),
  silu_grad: binary((x, dy) => dy * sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
  tanh_grad: binary((y, dy) => dy * (1 - y * y)),
  sigmoid_grad: binary((y, dy) => dy * y * (1 - y)),

  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  minimum: binary(Math.min),
  maximum: binary(Math.max),
  greater: binary((a, b) => (a > b ? 1 : 0)),
  equal: binary((a, b) => (a === b ? 1 : 0)),
  select: (_: object, condition = NaN, a = NaN, b = NaN) => (condition !== 0 ? a : b),
};
