// Functions of numbers that WGSL lacks, or whose builtins give too few digits near 0, overflow, or lose what is not a number: min and max may take the other operand
// for it, an exponential make a number of it, and a logarithm of a negative number may be any. Shaders hold those that they call.

import type { UnaryOp } from '../../4-kernels/expr.ts';

/** The functions that a shader's text calls, by name. Writers add to it. */
export type Helpers = Map<string, string>;

export const helpersText = (helpers: Helpers): string => [...helpers.values()].map((text) => `${text}\n`).join('');

/** `nan` tells whether it is not a number: by its bits, for shaders may be compiled as if all numbers were finite. */
type FunctionName = UnaryOp | 'min' | 'max' | 'nan';

interface Helper {
  readonly needs: readonly FunctionName[];
  readonly text: (type: string) => string;
}

/** The name of the function that computes an operation of values of a type; it is added to the helpers unless WGSL has it. */
export function functionFor(op: FunctionName, type: 'f32' | 'vec4f', helpers: Helpers): string {
  const helper = HELPERS[op];
  if (!helper) return op;
  for (const name of helper.needs) functionFor(name, type, helpers);
  helpers.set(`${op}_${type}`, helper.text(type));
  return `${op}_${type}`;
}

const extreme = (op: 'min' | 'max'): Helper => ({
  needs: ['nan'],
  text: (type) => `fn ${op}_${type}(a: ${type}, b: ${type}) -> ${type} {
  return select(select(${op}(a, b), b, nan_${type}(b)), a, nan_${type}(a));
}
`,
});

const HELPERS: Partial<Record<FunctionName, Helper>> = {
  nan: {
    needs: [],
    text: (type) => {
      const [result, bits] = type === 'f32' ? ['bool', 'u32'] : ['vec4<bool>', 'vec4u'];
      return `fn nan_${type}(x: ${type}) -> ${result} {
  return (bitcast<${bits}>(x) & ${bits}(0x7fffffffu)) > ${bits}(0x7f800000u);
}
`;
    },
  },
  // By the bits of the exponent: shaders may be compiled as if all numbers were finite.
  finite: {
    needs: [],
    text: (type) => {
      const [bits, mask] = type === 'f32' ? ['u32', '0x7f800000u'] : ['vec4u', 'vec4u(0x7f800000u)'];
      return `fn finite_${type}(x: ${type}) -> ${type} {
  return select(${type}(1.0), ${type}(0.0), (bitcast<${bits}>(x) & ${mask}) == ${mask});
}
`;
    },
  },
  exp: {
    needs: ['nan'],
    text: (type) => `fn exp_${type}(x: ${type}) -> ${type} {
  return select(exp(x), x, nan_${type}(x));
}
`,
  },
  min: extreme('min'),
  max: extreme('max'),
  log: {
    needs: ['nan'],
    text: (type) => `fn log_${type}(x: ${type}) -> ${type} {
  let above = select(log(x), -1.0 / abs(x), x == ${type}());
  return select(above, sqrt(x), (x < ${type}()) | nan_${type}(x));
}
`,
  },
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
    needs: ['log'],
    text: (type) => `fn log1p_${type}(x: ${type}) -> ${type} {
  let s = x / (2.0 + x);
  let t = s * s;
  let series = 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t / 13.0))))));
  return select(log_${type}(1.0 + x), series, abs(x - 0.25) <= ${type}(0.75));
}
`,
  },
  // Beyond 9.1 it is 1 in f32.
  tanh: {
    needs: ['expm1', 'nan'],
    text: (type) => `fn tanh_${type}(x: ${type}) -> ${type} {
  let e = expm1_${type}(2.0 * clamp(x, ${type}(-9.1), ${type}(9.1)));
  return select(e / (e + 2.0), x, nan_${type}(x));
}
`,
  },
};
