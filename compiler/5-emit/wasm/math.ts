// Elementary functions on four f32 lanes. Polynomials are those of the Cephes library's single-precision functions (S. Moshier, netlib.org/cephes):
// a reduced argument, Horner's rule, and the exponent put back by scaling. A scalar is a vector of which one lane is looked at.

import type { UnaryOp } from '../../4-kernels/expr.ts';
import type { Code, Fn, Ref } from './code.ts';

/** Gives each value a local, so that it can be used more than once. */
type Keep = (value: Ref) => () => Ref;
type MathCall = (op: UnaryOp, x: Ref) => Ref;
type Formula = (code: Code, keep: Keep, x: () => Ref, call: MathCall) => Ref;

/** How each unary operation is made: by one instruction, or by a formula. */
const UNARY: { readonly [K in UnaryOp]: { readonly instruction: (code: Code, x: Ref) => Ref } | { readonly formula: Formula } } = {
  neg: { instruction: ({ m }, x) => m.f32x4.neg(x) },
  abs: { instruction: ({ m }, x) => m.f32x4.abs(x) },
  floor: { instruction: ({ m }, x) => m.f32x4.floor(x) },
  // x - x is 0 for finite numbers alone.
  finite: { formula: ({ m, v }, _, x) => m.v128.and(m.f32x4.eq(m.f32x4.sub(x(), x()), v(0)), v(1)) },
  sqrt: { instruction: ({ m }, x) => m.f32x4.sqrt(x) },
  exp: { formula: exp },
  expm1: { formula: expm1 },
  log: { formula: log },
  log1p: { formula: log1p },
  tanh: { formula: tanh },
  cos: { formula: cos },
};

/** The operation's value. Formulas are written out where they are used: a call would load their coefficients anew for every vector. */
export function emitUnary(fn: Fn, op: UnaryOp, x: Ref): Ref {
  const rule = UNARY[op];
  if ('instruction' in rule) return rule.instruction(fn.code, x);
  const statements: Ref[] = [];
  const keep: Keep = (value) => {
    const local = fn.v128();
    statements.push(local.set(value));
    return local.get;
  };
  const result = rule.formula(fn.code, keep, keep(x), (inner, value) => emitUnary(fn, inner, value));
  return fn.code.m.block(null, [...statements, result], fn.code.vector);
}

/** Horner's rule, the highest power first. */
const polynomial = (code: Code, x: () => Ref, [first = 0, ...others]: readonly number[]): Ref =>
  others.reduce((sum, coefficient) => code.madd(sum, x(), code.v(coefficient)), code.v(first));

/** x between two numbers, and NaN where x is: `pmin` and `pmax` are one instruction each. */
const clamp = ({ m, v }: Code, x: Ref, low: number, high: number): Ref => m.f32x4.pmin(m.f32x4.pmax(x, v(low)), v(high));
const ints = ({ m }: Code, value: number): Ref => m.i32x4.splat(m.i32.const(value));

/** 2^n for whole n from -126 to 127. */
const powerOfTwo = (code: Code, n: Ref): Ref => code.m.i32x4.shl(code.m.i32x4.add(n, ints(code, 127)), code.c(23));

/** value * 2^n for n from -252 to 254, in two steps, so that it may overflow or become subnormal only at the end. */
function scale(code: Code, value: Ref, n: () => Ref): Ref {
  const { m, c } = code;
  const half = (): Ref => m.i32x4.shr_s(n(), c(1));
  return m.f32x4.mul(m.f32x4.mul(value, powerOfTwo(code, half())), powerOfTwo(code, m.i32x4.sub(n(), half())));
}

/** 1.5 * 2^23: a number of up to 22 bits that is added to it is rounded to a whole one, which then stands in the sum's low bits. */
const ROUNDER = 12_582_912;
const ROUNDER_BITS = 0x4b400000;

/** x = n ln 2 + r with |r| <= ln 2 / 2: n in the low bits of a sum, and e^r - 1. */
function reduceExp(code: Code, keep: Keep, x: () => Ref): { shifted: () => Ref; tail: () => Ref } {
  const { m, v, madd } = code;
  const shifted = keep(madd(x(), v(Math.LOG2E), v(ROUNDER)));
  const whole = keep(m.f32x4.sub(shifted(), v(ROUNDER)));
  // ln 2 in two parts, of which the first has so few bits that its product with n is exact.
  const high = keep(madd(whole(), v(-0.693359375), x()));
  const r = keep(madd(whole(), v(2.12194440e-4), high()));
  const series = polynomial(code, r, [1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1]);
  return { shifted, tail: keep(madd(series, m.f32x4.mul(r(), r()), r())) };
}

/** e^x within 2 units in the last place. */
function exp(code: Code, keep: Keep, x: () => Ref): Ref {
  const { shifted, tail } = reduceExp(code, keep, keep(clamp(code, x(), -104, 89)));
  return scale(code, code.m.f32x4.add(tail(), code.v(1)), keep(code.m.i32x4.sub(shifted(), ints(code, ROUNDER_BITS))));
}

/** e^x - 1 as 2^n (e^r - 1) + (2^n - 1), which near 0, where n = 0, is e^r - 1 itself; all by half, so that 2^n does not overflow before the sum does. */
function expm1(code: Code, keep: Keep, x: () => Ref): Ref {
  const { m, c, v, madd } = code;
  const { shifted, tail } = reduceExp(code, keep, keep(clamp(code, x(), -30, 89)));
  const half = keep(m.i32x4.add(m.i32x4.shl(shifted(), c(23)), ints(code, 126 << 23)));
  const sum = keep(madd(half(), tail(), m.f32x4.sub(half(), v(0.5))));
  return m.f32x4.add(sum(), sum());
}

/** The natural logarithm: -Infinity at 0, NaN below. */
function log(code: Code, keep: Keep, x: () => Ref): Ref {
  const { m, c, v, madd } = code;
  // Subnormal numbers are made normal first.
  const small = keep(m.f32x4.lt(x(), v(1.17549435e-38)));
  const y = keep(m.v128.bitselect(m.f32x4.mul(x(), v(2 ** 24)), x(), small()));
  // y = mantissa * 2^exponent with a mantissa from sqrt(1/2) to sqrt(2).
  const shifted = keep(m.i32x4.sub(y(), ints(code, 0x3f3504f3)));
  const exponent = keep(m.f32x4.sub(m.f32x4.convert_i32x4_s(m.i32x4.shr_s(shifted(), c(23))), m.v128.and(small(), v(24))));
  const mantissa = m.i32x4.add(m.v128.and(shifted(), ints(code, 0x7fffff)), ints(code, 0x3f3504f3));
  const r = keep(m.f32x4.sub(mantissa, v(1)));
  const series = polynomial(code, r, [
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
  ]);
  const square = keep(m.f32x4.mul(r(), r()));
  const cubic = m.f32x4.mul(m.f32x4.mul(series, r()), square());
  const low = madd(exponent(), v(-2.12194440e-4), cubic);
  const sum = m.f32x4.add(madd(square(), v(-0.5), low), r());
  const result = keep(madd(exponent(), v(0.693359375), sum));
  const finite = m.v128.bitselect(x(), result(), m.f32x4.eq(x(), v(Infinity)));
  const positive = m.v128.bitselect(finite, v(NaN), m.f32x4.gt(x(), v(0)));
  return m.v128.bitselect(v(-Infinity), positive, m.f32x4.eq(x(), v(0)));
}

/** log(1 + x), accurate near 0: log(u) x / (u - 1), where u is 1 + x as it was rounded (W. Kahan). */
function log1p(code: Code, keep: Keep, x: () => Ref, call: MathCall): Ref {
  const { m, v } = code;
  const u = keep(m.f32x4.add(x(), v(1)));
  const whole = keep(call('log', u()));
  const corrected = m.f32x4.div(m.f32x4.mul(whole(), x()), m.f32x4.sub(u(), v(1)));
  const large = m.v128.bitselect(whole(), corrected, m.f32x4.gt(x(), v(1e8)));
  return m.v128.bitselect(x(), large, m.f32x4.eq(u(), v(1)));
}

/** tanh as t / (t + 2) with t = e^(2|x|) - 1, and the sign of x. */
function tanh(code: Code, keep: Keep, x: () => Ref, call: MathCall): Ref {
  const { m, v } = code;
  const t = keep(call('expm1', m.f32x4.min(m.f32x4.mul(m.f32x4.abs(x()), v(2)), v(40))));
  const size = m.f32x4.div(t(), m.f32x4.add(t(), v(2)));
  return m.v128.bitselect(x(), size, ints(code, -0x80000000));
}

/** The cosine: octants of pi/4 taken off in three parts, then a sine or cosine series. For |x| up to 8192. */
function cos(code: Code, keep: Keep, x: () => Ref): Ref {
  const { m, c, v, madd } = code;
  const size = keep(m.f32x4.abs(x()));
  const octant = keep(m.i32x4.trunc_sat_f32x4_s(m.f32x4.mul(size(), v(4 / Math.PI))));
  const even = keep(m.v128.and(m.i32x4.add(octant(), ints(code, 1)), ints(code, -2)));
  const count = keep(m.f32x4.convert_i32x4_s(even()));
  const first = keep(madd(count(), v(-0.78515625), size()));
  const second = keep(madd(count(), v(-2.4187564849853515625e-4), first()));
  const r = keep(madd(count(), v(-3.774894977445941e-8), second()));
  const square = keep(m.f32x4.mul(r(), r()));
  const sine = madd(m.f32x4.mul(polynomial(code, square, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]), square()), r(), r());
  const series = polynomial(code, square, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]);
  const cosine = madd(m.f32x4.mul(series, square()), square(), madd(square(), v(-0.5), v(1)));
  // Quadrants 1 and 3 take the sine, quadrants 1 and 2 are negative.
  const quadrant = keep(m.i32x4.shr_s(even(), c(1)));
  const odd = m.i32x4.eq(m.v128.and(quadrant(), ints(code, 1)), ints(code, 1));
  const sign = m.i32x4.shl(m.v128.and(m.i32x4.add(quadrant(), ints(code, 1)), ints(code, 2)), c(30));
  return m.v128.xor(m.v128.bitselect(sine, cosine, odd), sign);
}
