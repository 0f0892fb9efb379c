// What is drawn on a text and done to it: diagnostics and their fixes, the canonical form, colours, folds, outline, selections.

import { describe, expect, it } from 'vitest';
import { formatSource } from '../../compiler/1-syntax/print.ts';
import { checkNets } from '../../compiler/check.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { fixesAt, folds, formatEdit, outline, selectionsAt, semanticTokens } from '../../editor/service/index.ts';
import type { Entry } from '../../editor/service/index.ts';
import { BROKEN, SOUND, analysisAt, analysisOf, edited, inNet, textOf, tokensOf } from './helpers.ts';

const codesOf = (text: string): string[] => analysisOf(text).diagnostics.map(({ code }) => code);

describe.each(BROKEN)('%s', (file) => {
  const analysis = analysisAt(file);

  it('has the diagnostics of zz check', () => {
    expect(analysis.diagnostics).toEqual(checkNets(loadProgram(file, memoryReader({ [file]: textOf(file) }))));
  });

  it('every fix mends what it is for, and breaks nothing', () => {
    const text = textOf(file);
    for (const { edits, diagnostic, title } of fixesAt(analysis, { start: 0, end: text.length })) {
      const after = codesOf(edited(text, edits));
      const before = codesOf(text);
      expect(after.filter((code) => code === diagnostic.code).length, title).toBe(before.filter((code) => code === diagnostic.code).length - 1);
      expect(after.filter((code) => !before.includes(code)), title).toEqual([]);
    }
  });
});

describe('fixes', () => {
  const fixed = (text: string): string[] => fixesAt(analysisOf(text), { start: 0, end: text.length }).map(({ title, edits }) => `${title}: ${edited(text, edits)}`);

  it.each([
    ['y = imag -> relu\n  output y', "Change to 'image'", 'y = image -> relu\n  output y'],
    ['y = image -> rleu\n  output y', "Change to 'relu'", 'y = image -> relu\n  output y'],
    ['outptu image', "Change to 'output'", 'output image'],
    ['y = image -> conv(4, k = 3)\n  output y', "Change to ':'", 'y = image -> conv(4, k: 3)\n  output y'],
    ['y = image -> conv(4, k=3)\n  output y', "Change to ':'", 'y = image -> conv(4, k: 3)\n  output y'],
    ['output image\n  train { batch = 25 }', "Remove '='", 'output image\n  train { batch 25 }'],
    ['layer f = conv(4)\n  output image', 'Remove the unused layer', 'output image'],
    ['a = image -> relu\n  output image', 'Remove the unused value', 'output image'],
    ['output logits = image -> globalavgpool', "Add 'loss softmax_cross_entropy(logits)'", 'output logits = image -> globalavgpool\n  loss softmax_cross_entropy(logits)'],
    ['y = image -> relu', "Add 'output y'", 'y = image -> relu\n  output y'],
    ['cell C(x, h) { x + h }\n  streams L, R of C { step image: (L <- R) }\n  output L', 'Add the arm of R', 'cell C(x, h) { x + h }\n  streams L, R of C { step image: (L <- R, R <- R) }\n  output L'],
    ['cell C(x, h) { x + h }\n  streams L of C { step image: zigzag }\n  output L', "Change to 'straight'", 'cell C(x, h) { x + h }\n  streams L of C { step image: straight }\n  output L'],
    ['output image\n  train { batch 4 epochs 2 batch 5 }', 'Remove the second setting', 'output image\n  train { batch 4 epochs 2 }'],
  ])('%s', (items, title, after) => {
    expect(fixed(inNet(items))).toContain(`${title}: ${inNet(after)}`);
  });

  it('one that could mean several names is not made', () => {
    expect(fixed(inNet('a, b = split(image -> conv(2), 2)\n  output y = a')).filter((each) => each.startsWith('Remove'))).toEqual([]);
  });
});

describe.each(SOUND)('%s', (file) => {
  const analysis = analysisAt(file);
  const text = textOf(file);

  it('the edit gives the canonical form', () => {
    const shuffled = text.replace(/ {2,}/g, '   ').replace(/, /g, ',');
    for (const each of [text, shuffled, text.replace(/\n/g, '\r\n')]) {
      const edit = formatEdit(analysisOf(each));
      expect(edited(each, edit ? [edit] : [])).toBe(formatSource({ file, text: each }).text);
    }
    expect(formatEdit(analysisOf(formatSource(analysis.source).text ?? ''))).toBeUndefined();
    expect(formatEdit(analysisOf(`${text} }`))).toBeUndefined();
  });

  it('every word has its colour, in order', () => {
    const all = semanticTokens(analysis);
    expect(all.map(({ span }) => text.slice(span.start, span.end))).toEqual(tokensOf(analysis).filter(({ text: word }) => /^[A-Za-z]/.test(word)).map(({ text: word }) => word));
    // Keywords are those of the grammar, and no others.
    const reserved = ['net', 'input', 'view', 'layer', 'cell', 'streams', 'twin', 'backward', 'output', 'loss', 'train', 'of', 'from', 'both'];
    const first = all.filter(({ kind }) => kind === 'keyword').map(({ span }) => text.slice(span.start, span.end));
    expect(first.filter((word) => ![...reserved, 'let', 'step', 'repeat', 'init', 'cross', 'grad', 'shared', 'straight', 'zigzag', 'swap', 'concat', 'add', 'mean'].includes(word))).toEqual([]);
  });

  it('outline entries lie in each other', () => {
    const check = (entries: readonly Entry[], { start, end }: { readonly start: number; readonly end: number }): void => {
      for (const { span, selection, children, name } of entries) {
        expect(name).not.toBe('');
        expect([start <= span.start, span.end <= end, span.start <= selection.start, selection.end <= span.end]).toEqual([true, true, true, true]);
        check(children, span);
      }
    };
    check(outline(analysis), { start: 0, end: text.length });
    expect(outline(analysis).flatMap(({ children }) => children).length).toBe(analysis.ast.nets.flatMap(({ items }) => items).length);
  });

  it('selections grow', () => {
    for (let offset = 0; offset <= text.length; offset += 7) {
      const spans = selectionsAt(analysis, offset);
      expect(spans.at(-1)).toEqual({ start: 0, end: text.length });
      spans.slice(1).forEach((span, i) => expect([span.start <= (spans[i]?.start ?? 0), span.end >= (spans[i]?.end ?? 0)]).toEqual([true, true]));
    }
  });
});

const FOLDED = `// One
// two.
import "a.zz"
import "b.zz"
net Test { // here
  input image: [8, 8, 3]
  // Three.
  cell C(x, h) {
    x + h
  }
  y = image
    -> relu
    -> relu
  output z = concat(
    y,
    y
  )
  train { batch 4 }
}
`;

it('folds', () => {
  const shown = folds(analysisOf(FOLDED)).map(({ span, kind }) => {
    const lines = (offset: number): number => FOLDED.slice(0, offset).split('\n').length;
    return `${lines(span.start)}-${lines(span.end)}${kind ? ` ${kind}` : ''}`;
  });
  expect(shown).toEqual(['1-2 comment', '3-4 imports', '5-19', '8-10', '11-13', '14-17']);
});

it('outline', () => {
  const show = (entries: readonly Entry[], depth = 0): string[] => entries.flatMap(({ name, kind, detail, children }) => [`${' '.repeat(depth)}${kind} ${name}${detail === undefined ? '' : ` | ${detail}`}`, ...show(children, depth + 1)]);
  expect(show(outline(analysisAt('dsl-examples/case-b.zz')))).toEqual([
    'net DualZigZag', ' input image | [32, 32, 3]', ' view flipped | image -> hflip(p: 1.0) -> sometimes(0.1…', ' cell Recurrent | (x, h)', ' streams L, R | of Recurrent', ' let logits', ' output logits | output',
    ' loss loss | softmax_cross_entropy(logits)', ' train train',
  ]);
});

it('colours tell the word of a program from that of the language', () => {
  const text = 'net step {\n  input concat: [8, 8, 3]\n  mean = concat -> conv(3, pad: same)\n  twin add, from from mean, mean { both relu cross concat add relu }\n  output y = concat(add, from)\n  train { optimizer adam }\n}\n';
  const analysis = analysisOf(text);
  expect(analysis.diagnostics.map(({ message }) => message)).toEqual(["'step' has no loss, so it cannot be trained"]);
  expect(semanticTokens(analysis).map(({ span, kind, defines }) => `${text.slice(span.start, span.end)} ${kind}${defines ? ' defined' : ''}`)).toEqual([
    'net keyword', 'step net defined', 'input keyword', 'concat input defined', 'mean value defined', 'concat input', 'conv function', 'pad argument', 'same choice',
    'twin keyword', 'add stream defined', 'from stream defined', 'from keyword', 'mean value', 'mean value', 'both keyword', 'relu function', 'cross keyword', 'concat keyword', 'add stream', 'relu function',
    'output keyword', 'y value defined', 'concat function', 'add stream', 'from stream', 'train keyword', 'optimizer setting', 'adam choice',
  ]);
});
