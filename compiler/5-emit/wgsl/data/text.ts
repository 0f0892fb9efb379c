// What the shaders of a feed have in common: their buffers, and the counter-based random numbers that the host draws as well (runtime/random.ts).

import { CLOCK, DATA, type BufferId, type WebGpuStep } from '../../model.ts';

/** Buffers between the steps of a feed: the keys of the readings' draws, u32, and moments of the readings, f32. */
export const [KEYS, MOMENTS] = ['data.keys', 'data.moments'];

/** A buffer of a shader under construction. */
export interface Use {
  readonly name: string;
  readonly type: string;
  readonly id: BufferId;
  readonly access: WebGpuStep['bindings'][number]['access'];
}

/** The declarations of buffers, bound in this order. */
export const bound = (uses: readonly Use[]): { readonly text: string; readonly list: WebGpuStep['bindings'] } => ({
  text: uses.map(({ name, type, access }, i) => `@group(0) @binding(${i}) var<storage, ${access === 'write' ? 'read_write' : 'read'}> ${name}: ${type};\n`).join(''),
  list: uses.map(({ id, access }) => ({ buffer: id, access })),
});

/** The clock; shaders that use it declare `CLOCK_TYPE`. */
export const clock: Use = { name: 'clock', type: 'Clock', id: DATA.clock, access: 'read' };

export const CLOCK_TYPE = `struct Clock {
${CLOCK.map((word) => `  ${word}: u32,`).join('\n')}
}
`;

/** The state after these words, which `mix` makes a hash of. */
export const absorbed = (words: readonly string[], state = '0x9e3779b9u'): string => words.reduce((inner, word) => `absorb(${inner}, ${word})`, state);

/** 32 random bits for these words. */
export const hashed = (words: readonly string[], state?: string): string => `mix(${absorbed(words, state)})`;

const HASH = `fn mix(word: u32) -> u32 {
  var x = word;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn absorb(state: u32, word: u32) -> u32 {
  return mix(state ^ mix(word)) + 0x9e3779b9u;
}
`;

/** Functions by the name under which they are called; each is the text of all that it needs. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  absorb: HASH,
  // 24 random bits as a number in [0, 1), exact: WGSL rounds products as IEEE 754 does, but not quotients.
  unit: `fn unit(bits: u32) -> f32 {
  return f32(bits >> 8u) * ${2 ** -24};
}
`,
  sumOfBytes: `fn sumOfBytes(word: u32) -> u32 {
  return (word & 255u) + ((word >> 8u) & 255u) + ((word >> 16u) & 255u) + (word >> 24u);
}
`,
  // A byte of the images, in 0..1.
  byte: `fn byte(at: u32) -> f32 {
  return f32(extractBits(images[at / 4u], at % 4u * 8u, 8u)) * ${1 / 255};
}
`,
};

/** Those that the texts call, as the helpers of a module. */
export const called = (texts: readonly string[]): Map<string, string> =>
  new Map(Object.entries(FUNCTIONS).filter(([name]) => texts.some((text) => text.includes(`${name}(`))));
