// Bad and odd sources for fuzzing, drawn from a seed: mutations of real files, splices of two, random tokens, byte noise and deep nesting.

import { uniforms } from '../../runtime/random.ts';

/** Source fragments: every token of the language, near misses, and what a lexer stumbles over. */
const FRAGMENTS = [
  'net', 'input', 'view', 'let', 'layer', 'cell', 'streams', 'twin', 'backward', 'output', 'loss', 'train', 'import', 'step', 'from', 'of', 'init', 'repeat', 'both', 'cross',
  'shared', 'straight', 'zigzag', 'swap', 'concat', 'add', 'mean', 'grad', 'true', 'false', 'x', 'h', 'L', 'R', 'image', 'conv', 'elu', 'dense', 'split', 'zeros', 'A', 'outptu', 'straigt',
  '{', '}', '(', ')', '[', ']', ',', ':', '=', '+=', '+', '-', '*', '/', '->', '<-', '..', '.', '<', '>', ';', '0', '1', '3', '-1', '0.5', '8e-5', '1e', '1.', '.5', '12ab', '1e999', '99999999999',
  '"cifar10"', '"', '"a.zz"', '// note\n', '# note\n', '\n', '\t', ' ', '\r\n', '$', '@', '\\', '\u0000', 'é', '→', '😀', '\ud800', '\ufeff', '\u202e', '`', "'",
  'net A {', 'input image: [8, 8, 3]', 'x = image -> conv(4)', 'loss softmax_cross_entropy(x)', 'output x', 'streams L, R of C {', 'step image: zigzag', 'cell C(x, h) { elu(x + h) }',
  'cross (L <- R, R <- L)', 'both conv(4) -> elu', 'grad(x) = x', 'backward {', 'train { batch 4 }', 'twin L, R from x, x {', 'repeat 3 {', 'L[-1]', 'repeat 99999 {',
] as const;

interface Dice {
  /** A whole number in [0, end). */
  below(end: number): number;
  pick<T>(from: readonly T[]): T;
}

function dice(...key: readonly number[]): Dice {
  const next = uniforms(...key);
  const below = (end: number): number => Math.floor(next() * end);
  return {
    below,
    pick: (from) => {
      const part = from[below(from.length)];
      if (part === undefined) throw new Error('nothing to pick from');
      return part;
    },
  };
}

/** Words, numbers, strings, comments, spaces and signs: joined, they are the text. */
const pieces = (text: string): string[] => text.match(/\w+|"[^"\n]*"|\/\/[^\n]*|->|<-|\+=|\.\.|\s+|[^]/g) ?? [];

type Mutation = (text: string, dice: Dice, other: string) => string;

/** Changes a list of pieces at one place. */
const atPiece = (change: (all: string[], at: number, dice: Dice) => void): Mutation => (text, d) => {
  const all = pieces(text);
  if (all.length === 0) return text;
  change(all, d.below(all.length), d);
  return all.join('');
};

/** A cut of up to `most` characters. */
const cut = (text: string, d: Dice, most: number): string => {
  const start = d.below(text.length + 1);
  return text.slice(start, start + d.below(most));
};

/** Small mutations, at one place. */
const EDITS: readonly Mutation[] = [
  atPiece((all, at) => void all.splice(at, 1)),
  atPiece((all, at, d) => void all.splice(at, d.below(12))),
  atPiece((all, at) => void all.splice(at, 0, all[at] ?? '')),
  atPiece((all, at, d) => {
    const to = d.below(all.length);
    [all[at], all[to]] = [all[to] ?? '', all[at] ?? ''];
  }),
  atPiece((all, at, d) => void all.splice(at, 0, ` ${d.pick(FRAGMENTS)} `)),
  atPiece((all, at, d) => void (all[at] = d.pick(FRAGMENTS))),
  // A letter less, twice, or in another's place: misspelt words.
  atPiece((all, at, d) => {
    const word = all[at] ?? '';
    const i = d.below(word.length);
    all[at] = d.pick([word.slice(0, i) + word.slice(i + 1), word.slice(0, i) + word.slice(i).charAt(0) + word.slice(i), `${word.slice(0, i)}q${word.slice(i + 1)}`]);
  }),
];

const MUTATIONS: readonly Mutation[] = [
  ...EDITS,
  (text, d) => text.slice(0, d.below(text.length + 1)),
  (text, d) => text.slice(d.below(text.length + 1)),
  (text, d, other) => text.slice(0, d.below(text.length + 1)) + other.slice(d.below(other.length + 1)),
  (text, d, other) => {
    const at = d.below(text.length + 1);
    return text.slice(0, at) + cut(other, d, 400) + text.slice(at);
  },
  (text, d) => {
    const at = d.below(text.length + 1);
    return text.slice(0, at) + String.fromCharCode(d.below(d.pick([128, 256, 65536]))) + text.slice(at + d.below(2));
  },
  (text, d) => {
    const at = d.below(text.length + 1);
    return text.slice(0, at) + nest(d) + text.slice(at);
  },
];

/** Something inside itself many times, closed or not. */
function nest(d: Dice): string {
  const depth = d.pick([3, 50, 199, 200, 201, 1000]);
  const [open, close] = d.pick([['(', ')'], ['[', ']'], ['{', '}'], ['f(', ')'], ['repeat 2 {', '}'], ['-', ''], ['x -> ', ''], ['x + ', ''], ['f(a: [', '])']] as const);
  return open.repeat(depth) + d.pick(['x', '1', '']) + close.repeat(d.pick([depth, 0, depth - 1]));
}

/** A text with one to eight mutations, drawn from the seed. `corpus` are valid sources. */
export function mutate(corpus: readonly string[], ...seed: readonly number[]): string {
  const d = dice(...seed);
  let text = d.pick(corpus);
  for (let count = 1 + d.below(8); count > 0; count--) text = d.pick(MUTATIONS)(text, d, d.pick(corpus));
  return text;
}

/** A text with one small mutation, drawn from the seed. */
export function edited(text: string, ...seed: readonly number[]): string {
  const d = dice(...seed);
  return d.pick(EDITS)(text, d, text);
}

/** Random fragments, with or without spaces between them. */
export function randomTokens(...seed: readonly number[]): string {
  const d = dice(...seed);
  const separator = d.pick([' ', '\n', '']);
  return Array.from({ length: d.below(120) }, () => d.pick(FRAGMENTS)).join(separator);
}

/** Random bytes, most of them ASCII. */
export function randomBytes(...seed: readonly number[]): Uint8Array {
  const d = dice(...seed);
  return Uint8Array.from({ length: d.below(300) }, () => d.below(d.below(8) === 0 ? 256 : 128));
}

/** `count` sources: eight of ten are mutations of the corpus, one is random fragments, one decoded random bytes. */
export function* sources(count: number, seed: number, corpus: readonly string[]): Generator<string> {
  for (let i = 0; i < count; i++) {
    if (i % 10 < 8) yield mutate(corpus, seed, i);
    else if (i % 10 === 8) yield randomTokens(seed, i);
    else yield new TextDecoder().decode(randomBytes(seed, i));
  }
}
