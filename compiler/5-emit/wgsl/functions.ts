// Functions of numbers that WGSL lacks, or whose builtins give too few digits near 0 or overflow. Shaders hold those that they call.

import type { UnaryOp } from '../../4-kernels/expr.ts';

/** The functions that a shader's text calls, by name. Writers add to it. */
export type Helpers = Map<string, string>;

export const helpersText = (helpers: Helpers): string => [...helpers.values()].map((text) => `${text}\n`).join('');

interface Helper {
  readonly needs: readonly UnaryOp[];
  readonly text: (type: string) => string;
}

/** The name of the function that computes an operation of values of a type; it is added to the helpers unless WGSL has it. */
export function functionFor(op: UnaryOp, type: 'f32' | 'vec4f', helpers: Helpers): string {
  const helper = HELPERS[op];
  if (!helper) return op;
  for (const name of helper.needs) functionFor(name, type, helpers);
  helpers.set(`${op}_${type}`, helper.text(type));
  return `${op}_${type}`;
}

const HELPERS: Partial<Record<UnaryOp, Helper>> = {
  // exp(x) - 1 loses its digits near 0: its series there.
  expm1: {
    needs: [],
    text: (type) => `fn expm1_${type}(x: ${type}) -> ${type} {
  let series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x / 5040.0))))));
  return select(exp(x) - 1.0, series, abs(x) < ${type}(0.4));
}
`,
  },
  // log(1 + x) = 2 artanh(x / (2 + x)): its series for -0.5 < x <= 1.
  log1p: {
    needs: [],
    text: (type) => `fn log1p_${type}(x: ${type}) -> ${type} {
  let s = x / (2.0 + x);
  let t = s * s;
  let series = 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t / 13.0))))));
  return select(log(1.0 + x), series, abs(x - 0.25) <= ${type}(0.75));
}
`,
  },
  // Beyond 9.1 it is 1 in f32.
  tanh: {
    needs: ['expm1'],
    text: (type) => `fn tanh_${type}(x: ${type}) -> ${type} {
  let e = expm1_${type}(2.0 * clamp(x, ${type}(-9.1), ${type}(9.1)));
  return e / (e + 2.0);
}
`,
  },
};
