// Augmentations as WGSL, which draw and compute what runtime/data/augment.ts does. A layer is a function from a place to the value there, which asks the layer
// before it for the values that it is made of; what is drawn for an image is drawn once, into a field of the struct `Drawn`.

import type { Augmentation } from '../../model.ts';
import { numberText } from '../writer.ts';
import { hashed } from './text.ts';

export type ImageShape = readonly [height: number, width: number, channels: number];

/** A number that is drawn once for a reading. */
export interface Field {
  readonly name: string;
  readonly type: 'bool' | 'i32' | 'f32';
  readonly value: string;
}

export interface Layer {
  /** The draws that it uses; layers of one augmentation share them. */
  readonly fields: readonly Field[];
  /** Where one of these does not hold, the layer changes nothing. */
  readonly conditions: readonly string[];
  /** How many values it asks for at most. */
  readonly taps: number;
  /** Statements that return the value at (y, x, c); `before` is the text of a value of the layer before. */
  readonly body: (before: (y: string, x: string) => string) => readonly string[];
}

/** The `n`-th draw of the augmentation at place `at` of a chain: 32 random bits. */
const draw = (at: number, n: string): string => hashed(['d.key', `${at}u`, n]);

/** A whole number in 0..count-1, of the upper 16 bits. */
const below = (bits: string, count: number): string => `i32(((${bits} >> 16u) * ${count}u) >> 16u)`;

/** Whether draw 0 is below p, compared exactly: all of its 24 bits are whole numbers. */
function chance(name: string, p: number, at: number): { readonly fields: readonly Field[]; readonly conditions: readonly string[] } {
  if (p >= 1) return { fields: [], conditions: [] };
  return { fields: [{ name, type: 'bool', value: `(${draw(at, '0u')} >> 8u) < ${Math.ceil(p * 2 ** 24)}u` }], conditions: [`d.${name}`] };
}

/** Below this a Gaussian's weights beside the centre are 0 in f32: the image stays as it is. */
const SHARP = 0.01;

/** The reciprocal of the deviation of eight bytes' sum. */
const ROUGH = 1 / Math.sqrt((8 * (256 * 256 - 1)) / 12);

type Rule<A> = (attrs: A, shape: ImageShape, at: number) => readonly Layer[];

const RULES: { [K in Augmentation['op']]: Rule<Extract<Augmentation, { readonly op: K }>> } = {
  hflip: ({ p }, [, width], at) => (p <= 0 ? [] : [{ ...chance(`flip${at}`, p, at), taps: 1, body: (before) => [`return ${before('y', `${width - 1} - x`)};`] }]),

  crop: ({ pad }, [height, width], at) => [{
    fields: [
      { name: `down${at}`, type: 'i32', value: `${below(draw(at, '0u'), 2 * pad + 1)} - ${pad}` },
      { name: `across${at}`, type: 'i32', value: `${below(draw(at, '1u'), 2 * pad + 1)} - ${pad}` },
    ],
    conditions: [],
    taps: 1,
    body: (before) => [
      `let row = y + d.down${at};`,
      `let column = x + d.across${at};`,
      `if row < 0 || row >= ${height} || column < 0 || column >= ${width} { return 0.0; }`,
      `return ${before('row', 'column')};`,
    ],
  }],

  blur: ({ sigma: [low, high] }, [height, width], at) => {
    if (high < SHARP) return [];
    const sigma: Field = { name: `sigma${at}`, type: 'f32', value: `${numberText(low)} + ${numberText(high - low)} * unit(${draw(at, '0u')})` };
    const radius = Math.ceil(3 * high);
    const along = (place: (k: string) => readonly [y: string, x: string]): Layer => ({
      fields: [sigma],
      conditions: [`d.sigma${at} >= ${numberText(SHARP)}`],
      taps: 2 * radius + 1,
      body: (before) => [
        // What neighbours differ by is summed up: rounding is that of the differences, and even areas stay as they are.
        `let centre = ${before('y', 'x')};`,
        'var sum = 0.0;',
        'var total = 0.0;',
        `for (var k = ${-radius}; k <= ${radius}; k++) {`,
        `  let weight = exp(f32(k * k) * (-0.5 / (d.sigma${at} * d.sigma${at})));`,
        '  total += weight;',
        `  sum += weight * (${before(...place('k'))} - centre);`,
        '}',
        'return centre + sum / total;',
      ],
    });
    return [along((k) => ['y', `clamp(x + ${k}, 0, ${width - 1})`]), along((k) => [`clamp(y + ${k}, 0, ${height - 1})`, 'x'])];
  },

  cutout: ({ size }, [height, width], at) => [{
    fields: [
      { name: `top${at}`, type: 'i32', value: `${below(draw(at, '0u'), height)} - ${Math.floor(size / 2)}` },
      { name: `left${at}`, type: 'i32', value: `${below(draw(at, '1u'), width)} - ${Math.floor(size / 2)}` },
    ],
    conditions: [],
    taps: 1,
    body: (before) => [
      `if y >= d.top${at} && y < d.top${at} + ${size} && x >= d.left${at} && x < d.left${at} + ${size} { return 0.0; }`,
      `return ${before('y', 'x')};`,
    ],
  }],

  brightness: ({ delta }, _, at) => [{
    fields: [{ name: `shift${at}`, type: 'f32', value: `(2.0 * unit(${draw(at, '0u')}) - 1.0) * ${numberText(delta)}` }],
    conditions: [],
    taps: 1,
    body: (before) => [`return ${before('y', 'x')} + d.shift${at};`],
  }],

  noise: ({ sigma }, [, width, channels], at) => [{
    fields: [],
    conditions: [],
    taps: 1,
    body: (before) => [
      `let i = u32((y * ${width} + x) * ${channels} + c);`,
      `let bytes = sumOfBytes(${draw(at, '2u * i')}) + sumOfBytes(${draw(at, '2u * i + 1u')});`,
      `return ${before('y', 'x')} + ${numberText(sigma * ROUGH)} * (f32(bytes) - 1020.0);`,
    ],
  }],

  sometimes: ({ p, then }, shape, at) => {
    const { fields, conditions } = chance(`some${at}`, p, at);
    const inner = p <= 0 ? [] : layersOfOne(then, shape, at + 1);
    return inner.map((layer) => ({ ...layer, fields: [...fields, ...layer.fields], conditions: [...conditions, ...layer.conditions] }));
  },
};

const layersOfOne = (augmentation: Augmentation, shape: ImageShape, at: number): readonly Layer[] => (RULES[augmentation.op] as Rule<Augmentation>)(augmentation, shape, at);

/** How many places of a chain an augmentation takes: what stands inside `sometimes` has its own. */
const places = (augmentation: Augmentation): number => (augmentation.op === 'sometimes' ? 1 + places(augmentation.then) : 1);

/** The layers of a chain, the first to be applied first. */
export function layersOf(chain: readonly Augmentation[], shape: ImageShape): Layer[] {
  const starts = chain.reduce<number[]>((at, augmentation) => [...at, (at.at(-1) ?? 0) + places(augmentation)], [0]);
  return chain.flatMap((augmentation, i) => layersOfOne(augmentation, shape, starts[i] ?? 0));
}
