import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGraph, GraphTextError } from '../../compiler/2-graph/parse.ts';
import { TAG_FIELDS } from '../../compiler/2-graph/fields.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { verify, VerifyError } from '../../compiler/2-graph/verify.ts';
import { permutation, uniforms } from '../../runtime/random.ts';
import { EMPTY, everything, randomGraph, SETTINGS, smallGraph } from './graphs.ts';

const SMALL = `net Small train
train {dataset=cifar10, batch=25, epochs=21, seed=678, normalize=per_batch, weightDecay=0, clipNorm=0}
optimizer adam {lr=0.00008, beta1=0.9, beta2=0.9, eps=1e-8}
schedule constant
view image = image -> hflip {p=1} -> sometimes {p=0.1, then=blur {sigma=0..0.5}}

region Recurrent.L(%x: f32[B,4,4,3]) {
  %0: f32[B,4,4,8] = conv2d(%x, %w.L.1) {stride=1, pad=same, dilation=1, groups=1} @case-b.zz:6:34+12#103
  return %0
}

%image: f32[B,4,4,3] = input() {name=image, shape=[B,4,4,3]} @case-b.zz:2:3+24#20
%labels: i32[B] = labels() {shape=[B]}
%w.L.1: f32[3,3,3,8] = weight() {name=w.L.1, shape=[3,3,3,8], init=he, std=0.05, decay=true}
%m.w.L.1: f32[3,3,3,8] = state() {name=m.w.L.1, shape=[3,3,3,8], value=0}
%0: f32[B,4,4,8] = call(%image) {region=Recurrent.L} @case-b.zz:9:5+4#200,case-b.zz:6:3+40#90 stream=L step=0 name=h
%1: f32[B,8] = reduce_mean(%0) {axes=[1,2], keep=false} name=logits
%2: f32[] = softmax_cross_entropy(%1, %labels) {label_smoothing=0.1}
%3: f32[] = count_correct(%1, %labels)
%4: f32[B,4,4,8] = adjoint(%0) phase=backward
%5: f32[3,3,3,8] = square(%w.L.1) phase=backward
%6: f32[3,3,3,8] = sub(%w.L.1, %5) phase=update

output logits = %1
loss %2
classifier logits=%1 correct=%3
route %0 = %4
gradient %w.L.1 = %5
update %w.L.1 = %6
update %m.w.L.1 = %5
`;

describe('the text form', () => {
  it('is what it is', () => {
    expect(printGraph(smallGraph())).toBe(SMALL);
  });

  it('reads back to an equal graph', () => {
    expect(parseGraph(SMALL)).toStrictEqual(smallGraph());
    expect(parseGraph(printGraph(everything()))).toStrictEqual(everything());
    expect(parseGraph(printGraph(EMPTY))).toStrictEqual(EMPTY);
  });

  it.each([
    { optimizer: { kind: 'adamw', lr: 1, beta1: 0, beta2: 0.1, eps: 0 }, schedule: { kind: 'cosine', warmup: 100 } },
    { optimizer: { kind: 'rmsprop', lr: 0.01, alpha: 0.99, eps: 1e-8, momentum: 0.5 }, schedule: { kind: 'constant' } },
    { optimizer: { kind: 'amsgrad', lr: 1e-300, beta1: 0, beta2: 0.1, eps: 0 }, schedule: { kind: 'step', every: 10, factor: 0.5 } },
    { optimizer: { kind: 'sgd', lr: 2.53e-4, momentum: 0.9, nesterov: false }, schedule: { kind: 'inverse', rate: 1 / 3 } },
  ] as const)('reads back the settings $optimizer.kind and $schedule.kind', (change) => {
    const graph = { ...EMPTY, train: { ...SETTINGS, ...change } };
    expect(parseGraph(printGraph(graph))).toStrictEqual(graph);
  });

  it('reads random graphs back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0 }), (seed) => {
        const graph = randomGraph(seed);
        expect(parseGraph(printGraph(graph))).toStrictEqual(graph);
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  it('skips comments, blank lines, and other blanks and line ends', () => {
    const loose = SMALL.replaceAll('\n', ' \t\r\n\r\n  // a comment\r\n').replaceAll(', ', '  ,\t');
    expect(parseGraph(loose)).toStrictEqual(smallGraph());
  });

  it('reads tags and attributes in any order', () => {
    const shuffled = SMALL.replace('{axes=[1,2], keep=false} name=logits', '{keep=false, axes=[1,2]} name=logits').replace('stream=L step=0 name=h', 'name=h step=0 stream=L');
    expect(shuffled).not.toBe(SMALL);
    expect(parseGraph(shuffled)).toStrictEqual(smallGraph());
  });
});

/** A change of one place of the small graph's text, with ^ where the complaint must point, and the complaint. */
const BAD: readonly (readonly [from: string, to: string, message: string])[] = [
  ['net Small train', 'net Small ^eval', 'expected a mode, found eval'],
  ['schedule constant', 'schedule constant\nschedule constant^', 'this line is given twice'],
  ['schedule constant', 'schedule ^linear', 'expected one of constant, cosine, step, inverse, found linear'],
  ['batch=25, epochs=21, seed=678, normalize=per_batch, weightDecay=0, clipNorm=0}', 'epochs=21, seed=678, normalize=none, weightDecay=0}^', 'train lacks batch, clipNorm'],
  ['batch=25', 'batch=^25.5', 'expected a whole number, found 25.5'],
  ['eps=1e-8', 'eps=^tiny', 'expected a number, found tiny'],
  ['sigma=0..0.5', 'sigma=0^', 'expected .., found }'],
  ['hflip {p=1}', 'hflip {p=1, p^=1}', 'hflip has the attribute p twice'],
  ['then=blur', 'then=^fog', 'expected one of hflip, crop, blur, cutout, brightness, noise, sometimes, found fog'],
  ['region Recurrent.L(', 'region ^(', 'expected a name, found ('],
  ['  return %0\n', '^', 'expected return, found }'],
  ['return %0\n', 'return %0\n  ^return %0\n', 'expected }, found return'],
  ['  return %0\n}\n\n', '  return %0\n^', 'expected }, found %'],
  ['%image: f32', '%image ^f32', 'expected :, found f32'],
  ['%image: f32', '^image: f32', 'expected a value or a line of the header, found image'],
  ['%image: f32', '%image: ^f64', 'expected a dtype, found f64'],
  ['%image: f32[B,4,4,3]', '%image: f32[B,^-4,4,3]', 'expected a dimension, found -'],
  ['%image: f32[B,4,4,3] =', '%image: f32[B,4,4,3 ^=', 'expected ], found ='],
  ['= input()', '= ^inputs()', 'expected an operation, found inputs'],
  ['= input()', '= ^constructor()', 'expected an operation, found constructor'],
  ['name=image, shape', 'name=^"image, shape', 'this text has no closing quote'],
  ['name=image, shape', 'name=^"\\q", shape', 'this text has an escape that JSON does not know'],
  ['name=image, shape', '^nam=image, shape', 'expected one of name, shape, found nam'],
  ['call(%image)', 'call(^image)', 'expected %, found image'],
  ['call(%image)', 'call(%^)', 'expected the id of a value, found )'],
  ['@case-b.zz:9:5+4', '@case-b.zz:9^+4', 'expected :, found +'],
  ['@case-b.zz:9:5+4', '@^:9:5+4', 'expected a file, found :'],
  ['step=0', 'step=^-', 'expected a whole number, found -'],
  ['step=0', 'step=0 step^=1', 'a node has the tag step twice'],
  ['step=0', '^stride=1', `expected one of ${Object.keys(TAG_FIELDS).join(', ')}, found stride`],
  ['keep=false', 'keep=^no', 'expected true or false, found no'],
  [', keep=false}', '}^', 'reduce_mean lacks keep'],
  ['{axes=[1,2], keep=false} ', '^', 'reduce_mean lacks axes, keep'],
  ['axes=[1,2]', 'axes=[1,^2.5]', 'expected a whole number, found 2.5'],
  ['init=he', 'init=^hee', 'expected one of he, glorot, normal, truncated_normal, orthogonal, zeros, ones, found hee'],
  ['count_correct(%1, %labels)', 'count_correct(%1, %labels) {^k=1}', 'expected }, found k'],
  ['count_correct(%1, %labels)', 'count_correct(%1, %labels^', 'expected ), found the end of the line'],
  ['phase=update', 'phase=^forward', 'expected one of backward, update, found forward'],
  ['loss %2', 'loss %2 ^%3', 'expected the end of the line, found %'],
  ['route %0 = %4', 'route %0 ^-= %4', 'expected = or +=, found -'],
  ['net Small train\n', '', 'the line "net" is missing'],
  ['schedule constant\n', '', 'the line "schedule" is missing'],
  ['}\n\n%image', '\n^%image', 'expected }, found %'],
];

describe('what the text parser refuses', () => {
  it.each(BAD)('%j for %j: %s', (from, to, message) => {
    expect(SMALL.split(from).length).toBeGreaterThan(1);
    const marked = SMALL.replace(from, () => to);
    const before = (marked.includes('^') ? marked.slice(0, marked.indexOf('^')) : marked).split('\n');
    let thrown: unknown;
    try {
      parseGraph(marked.replace('^', ''));
    } catch (error) {
      thrown = error;
    }
    const [line, column] = [before.length, (before.at(-1)?.length ?? 0) + 1];
    expect(thrown).toBeInstanceOf(GraphTextError);
    expect(thrown).toMatchObject({ message: `line ${line}, column ${column}: ${message}`, line, column });
  });

  it.each([
    ['a line of two million characters', `net "${'x'.repeat(2_000_000)}" train`, 'line 1, column 1: a line has at most 1048576 characters'],
    ['a line full of escapes', `net "${'\\n'.repeat(500_000)}`, 'line 1, column 5: this text has no closing quote'],
    ['sometimes 40,000 deep', `view v = x -> ${'sometimes {p=1, then='.repeat(40_000)}`, 'line 1, column 2136: nested more than 100 deep'],
    ['100,000 lines of nothing', `${'\n'.repeat(100_000)}x`, 'line 100001, column 1: expected a value or a line of the header, found x'],
    ['an empty text', '', 'line 1, column 1: the line "net" is missing'],
    ['NUL bytes', '\u0000', 'line 1, column 1: expected a value or a line of the header, found \u0000'],
    ['an open region', 'region R() {', 'line 1, column 1: the end of region R is missing'],
  ])('%s', (_name, text, message) => {
    expect(() => parseGraph(text)).toThrow(message);
  });

  it('gives a graph or a GraphTextError for mutated texts, and the verifier takes whatever it gives', () => {
    const sources = [SMALL, printGraph(everything())];
    const pieces = ['%', '{', '}', '(', ')', '[', ']', '=', '..', ',', '->', '"', '\\', '@', ':', '#', '+', '-', '1e999', 'B', '0B', 'nan', 'return', 'each(', '\n', '\u0000', '🙂', '99999999999999999999', '__proto__'];
    const counts = { read: 0, sound: 0, refused: 0 };
    for (let run = 0; run < 3000; run++) {
      const next = uniforms(5, run);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
      // Mostly the small text: a change to it meets every part of the form sooner.
      let text = sources[run % 20 === 0 ? 1 : 0] as string;
      for (let change = 0; change <= run % 4; change++) {
        const from = Math.floor(next() * text.length);
        const to = from + Math.floor(next() * 5);
        const lines = text.split('\n');
        text = pick([
          () => text.slice(0, from) + text.slice(to),
          () => text.slice(0, from) + pick(pieces) + text.slice(to),
          () => text.slice(0, from) + text.slice(from, from + 40) + text.slice(from),
          () => lines.filter((line) => line !== pick(lines)).join('\n'),
          () => (run % 50 === 0 ? [...permutation(lines.length, 6, run)].map((i) => lines[i]).join('\n') : [...lines.slice(1), lines[0]].join('\n')),
        ])();
      }
      try {
        const graph = parseGraph(text);
        counts.read++;
        verify(graph);
        counts.sound++;
        expect(parseGraph(printGraph(graph))).toStrictEqual(graph);
      } catch (error) {
        if (!(error instanceof VerifyError)) expect(error, text).toBeInstanceOf(GraphTextError);
        if (error instanceof GraphTextError) counts.refused++;
      }
    }
    // Each outcome is met often enough to mean something.
    expect(counts.read - counts.sound).toBeGreaterThan(100);
    expect(counts.sound).toBeGreaterThan(100);
    expect(counts.refused).toBeGreaterThan(1000);
  });
});
