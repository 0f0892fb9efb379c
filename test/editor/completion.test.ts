// What is offered at a cursor. On all sound files, whatever word stands in the text is among what would have been offered there.

import { describe, expect, it } from 'vitest';
import { formatSource } from '../../compiler/1-syntax/print.ts';
import { completionsAt, signatureAt } from '../../editor/service/index.ts';
import { SOUND, analysisAt, analysisOf, cursor, inNet, textOf, tokensOf } from './helpers.ts';

const offered = (marked: string, files: readonly string[] = [], others: Readonly<Record<string, string>> = {}): string[] => {
  const { analysis, offset } = cursor(marked, others);
  return completionsAt(analysis, offset, () => files).items.map(({ label }) => label);
};

describe.each(SOUND)('%s', (file) => {
  const analysis = analysisAt(file);
  const text = textOf(file);
  const known = new Map(analysis.names.occurrences.map((each) => [each.loc.span.start, each]));

  it('offers what is written', () => {
    const missing = tokensOf(analysis).flatMap((token) => {
      const { span } = token;
      // New names are not to be guessed.
      if (!/^[A-Za-z]/.test(token.text) || known.get(span.start)?.defines) return [];
      const { items, span: typed } = completionsAt(analysis, span.start);
      expect(typed).toEqual({ start: span.start, end: span.start });
      return items.some(({ label }) => label === token.text || label === `${token.text}:`) ? [] : [`${token.text} at ${span.start}`];
    });
    expect(missing).toEqual([]);
  });

  it('offers it too where the text breaks off', () => {
    const missing = tokensOf(analysis).flatMap(({ span, text: word }) => {
      const meaning = known.get(span.start)?.meaning;
      const later = meaning && 'definition' in meaning && meaning.definition.loc.span.start > span.start;
      if (!/^[A-Za-z]/.test(word) || known.get(span.start)?.defines || later) return [];
      const { items } = completionsAt(analysisOf(text.slice(0, span.start + 1)), span.start + 1);
      return items.some(({ label }) => label === word || label === `${word}:`) ? [] : [`${word} at ${span.start}`];
    });
    expect(missing).toEqual([]);
  });
});

/** A marked text, some of what is offered, and some of what is not. */
const CASES: readonly (readonly [marked: string, some: readonly string[], none: readonly string[]])[] = [
  ['|', ['net', 'import'], ['input', 'conv']],
  ['ne|', ['net', 'import'], []],
  [inNet('|'), ['view', 'let', 'streams', 'train', 'output'], ['net', 'conv', 'image']],
  [inNet('y = |'), ['image', 'conv', 'zeros'], ['y', 'view', 'hflip']],
  [inNet('y = image -> |'), ['conv', 'elu', 'dense'], ['image', 'hflip']],
  [inNet('y = image -> co|'), ['conv'], []],
  [inNet('y = image -> conv(|)'), ['k:', 'stride:', 'pad:'], ['conv', 'x:', 'image']],
  [inNet('y = image -> conv(4, k: 3, |)'), ['stride:', 'pad:'], ['k:', 'channels:']],
  [inNet('y = image -> conv(4, pad: |)'), ['same', 'valid'], ['he', 'conv', 'image', 'k:']],
  [inNet('y = image -> conv(4, bias: |)'), ['true', 'false'], ['same']],
  [inNet('y = image -> conv(4, init: |)'), ['he', 'glorot', 'normal', 'truncated_normal'], ['same']],
  [inNet('width = 4\n  y = image -> conv(|)'), ['width'], []],
  [inNet('width = 4\n  y = image -> conv(4, k: |)'), ['width'], ['same', 'conv']],
  [inNet('y = concat(image, |)'), ['image', 'conv', 'axis:'], []],
  [inNet('y = concat(image, image, axis: |)'), ['channel'], ['conv']],
  [inNet('y = conv(|'), ['image', 'relu', 'k:'], ['view']],
  [inNet('layer head = dense(3)\n  y = image -> |'), ['head', 'conv'], []],
  // A cell that is being typed: its brace has not come.
  [inNet('cell Rec(x, h) { |'), ['x', 'h', 'conv'], ['image']],
  ['net Test {\n  input image: [8, 8, 3]\n  cell Rec(x, h) { |', ['x', 'h', 'conv'], ['image']],
  ['net Test {\n  input image: [8, 8, 3]\n  cell Rec(x, h) { c = x + |', ['x', 'h', 'conv'], ['c', 'image']],
  [inNet('cell Rec(x, h) { c = x -> conv(3) c + |\n  streams L, R of Rec { step image: straight }'), ['x', 'h', 'c'], ['image']],
  [inNet('cell Rec(x, h) { x + h\n  layer head = dense(3)\n  y = |'), ['image', 'head'], ['x', 'h']],
  [inNet('layer head = |'), ['dense', 'conv'], ['head']],
  [inNet('layer head = dense(|)'), ['units:', 'bias:'], ['x:']],
  [inNet('view v = |'), ['image', 'each'], ['conv']],
  [inNet('view v = image -> |'), ['hflip', 'sometimes', 'cutout'], ['conv', 'relu']],
  [inNet('view v = image -> hflip(|)'), ['p:'], ['image', 'conv']],
  [inNet('view v = image -> sometimes(0.5, |)'), ['blur', 'hflip'], ['conv', 'p:']],
  [inNet('view v = image -> hflip\n  view w = each(image, |)'), ['v', 'image', 'hflip'], ['conv', 'w']],
  [inNet('cell C(x, h) { | }'), ['let', 'x', 'h', 'elu'], ['image', 'view']],
  [inNet('layer f = conv(4)\n  n = 3\n  y = image -> relu\n  cell C(x, h) { x + | }'), ['x', 'h', 'f', 'n', 'relu'], ['image', 'y']],
  [inNet('cell C(x, h) { a = x + h  relu(|) }'), ['a', 'x', 'h'], ['image']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R |'), ['of'], ['shared']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of |'), ['C'], ['image', 'conv']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C |'), ['shared'], ['of']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C { | }'), ['step', 'repeat', 'init'], ['view', 'L']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step | }'), ['image', 'relu'], ['straight', 'L']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: | }'), ['straight', 'zigzag', '(L <- …)'], ['image', 'swap']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C { repeat 2 { step image: zig| } }'), ['zigzag'], []],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: (|) }'), ['L', 'R'], ['image']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: (L <- R, |) }'), ['R'], ['L']],
  [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: (L <- |, R <- L) }'), ['L', 'R', 'image'], []],
  [inNet('twin A, B |'), ['from'], ['of']],
  [inNet('twin A, B from |'), ['image', 'relu'], []],
  [inNet('twin A, B from image, image { | }'), ['both', 'cross', 'repeat', 'A', 'B'], ['step', 'shared']],
  [inNet('twin A, B from image, image { both relu | }'), ['both', 'cross', 'shared'], ['step']],
  [inNet('twin A, B from image, image { both | }'), ['conv', 'relu'], ['image', 'both']],
  [inNet('twin A, B from image, image { A, | }'), ['B'], []],
  [inNet('twin A, B from image, image { cross | }'), ['swap', 'concat', 'add', 'mean', '(A <- …)'], ['straight']],
  [inNet('y = image -> relu\n  backward { | }'), ['grad'], ['y', 'view']],
  [inNet('y = image -> relu\n  backward { grad(|) }'), ['y', 'image'], ['relu']],
  [inNet('y = image -> relu\n  backward { grad(y) = | }'), ['grad', 'y', 'upsample'], []],
  [inNet('y = image -> relu\n  output |'), ['y', 'image'], ['relu', 'view']],
  [inNet('y = image -> relu\n  loss |'), ['softmax_cross_entropy', 'mse', 'y'], ['view']],
  [inNet('train { | }'), ['batch', 'optimizer', 'clip_norm'], ['conv', 'view']],
  [inNet('train { batch 4 | }'), ['epochs', 'optimizer'], ['batch']],
  [inNet('train { optimizer | }'), ['adam', 'sgd'], ['batch', 'cosine']],
  [inNet('train { optimizer adam(|) }'), ['lr:', 'beta1:'], ['momentum:', 'image', 'conv']],
  [inNet('train { optimizer sgd(lr: 0.1, nesterov: |) }'), ['true', 'false'], ['lr:', 'image']],
  [inNet('train { schedule | }'), ['cosine', 'step', 'constant'], ['adam']],
  [inNet('train { normalize | }'), ['per_batch', 'channel', 'none'], []],
  [inNet('train { dataset | }'), ['cifar10', 'synthetic'], []],
  [inNet('y = image // |'), [], ['conv', 'view']],
  [inNet('input |'), [], ['conv', 'view', 'image']],
  [inNet('input other: |'), ['[32, 32, 3]'], ['conv']],
  [inNet('y = 3|'), [], []],
];

describe('cases', () => {
  it.each(CASES)('%# %s', (marked, some, none) => {
    const labels = offered(marked);
    expect(some.filter((label) => !labels.includes(label)), 'missing').toEqual([]);
    expect(none.filter((label) => labels.includes(label)), 'out of place').toEqual([]);
  });

  it('other nets, and those of imports, but not the net itself', () => {
    const others = { 'blocks.zz': 'net Block {\n  input x: [8, 8, 3]\n  cell Mix(u, v) { u + v }\n  output y = x\n}\n' };
    expect(offered(`import "blocks.zz"\n${inNet('y = image -> |')}`, [], others)).toEqual(expect.arrayContaining(['Block', 'conv']));
    expect(offered(`import "blocks.zz"\n${inNet('y = image -> |')}`, [], others)).not.toContain('Test');
    expect(offered(`import "blocks.zz"\n${inNet('streams S of |')}`, [], others)).toEqual(['Mix']);
  });

  it('files in paths', () => {
    const { analysis, offset } = cursor('import "parts/b|"\n');
    const asked: string[] = [];
    const found = completionsAt(analysis, offset, (folder) => {
      asked.push(folder);
      return ['blocks.zz', 'more/'];
    });
    expect(asked).toEqual(['parts/']);
    expect(found.items.map(({ label, kind }) => `${kind} ${label}`)).toEqual(['file blocks.zz', 'folder more/']);
    expect(found.span).toEqual({ start: 'import "parts/'.length, end: offset });
    expect(offered('import "|', ['a.zz'])).toEqual(['a.zz']);
    expect(offered('import "a.zz"\n|', ['a.zz'])).toEqual(['net', 'import']);
    expect(offered(inNet('train { dataset "|" }'), ['a.zz', 'images/'])).toEqual(['images/']);
  });

  it('shapes and signatures stand beside names', () => {
    const { analysis, offset } = cursor(inNet('h = image -> conv(4)\n  y = |'));
    const { items } = completionsAt(analysis, offset);
    expect(items.find(({ label }) => label === 'h')?.detail).toBe('f32[B,8,8,4]');
    expect(items.find(({ label }) => label === 'avgpool')?.detail).toBe('avgpool(x, k: 2)');
  });
});

/** A snippet with its places filled. */
const filled = (snippet: string): string => {
  const inner = snippet.replace(/\$\{\d+:([^${}]*)\}/g, '$1');
  return inner === snippet ? snippet.replace(/^\s*\$0$/m, '').replace(/\$\d/g, 'image') : filled(inner);
};

describe('snippets', () => {
  const chosen = (marked: string, label: string): string => {
    const { analysis, offset } = cursor(marked);
    const { span, items } = completionsAt(analysis, offset);
    const item = items.find((each) => each.label === label);
    if (!item) throw new Error(`${label} is not offered`);
    const { text } = analysis.source;
    return text.slice(0, span.start) + filled(item.snippet) + text.slice(span.end);
  };

  it.each([
    ['|', 'net'],
    ['|', 'import'],
    ...['input', 'view', 'let', 'layer', 'cell', 'streams', 'twin', 'backward', 'output', 'loss', 'train'].map((label) => [inNet('|'), label]),
    ...['step', 'repeat', 'init'].map((label) => [inNet('streams L of C { | }'), label]),
    [inNet('streams L, R of C { step image: | }'), '(L <- …)'],
    [inNet('streams L, R of C { step image: zi| }'), 'zigzag'],
    [inNet('twin A, B from image, image { cross | }'), '(A <- …)'],
    ...['both', 'cross', 'repeat', 'A'].map((label) => [inNet('twin A, B from image, image { | }'), label]),
    [inNet('streams L, R |'), 'of'],
    [inNet('twin L, R |'), 'from'],
    [inNet('backward { | }'), 'grad'],
    [inNet('y = image -> |'), 'conv'],
    [inNet('y = image -> |'), 'elu'],
    [inNet('y = |'), 'concat'],
    [inNet('train { optimizer | }'), 'sgd'],
    [inNet('train { schedule | }'), 'step'],
  ] as [string, string][])('%# %s %s can be read', (marked, label) => {
    expect(formatSource({ file: 'main.zz', text: chosen(marked, label) }).diagnostics.map(({ message, expected }) => `${message} ${expected ?? ''}`)).toEqual([]);
  });

  it('operations that need no more arguments get no brackets', () => {
    expect(chosen(inNet('y = image -> |'), 'elu')).toContain('image -> elu\n');
    expect(chosen(inNet('y = image -> |'), 'conv')).toContain('image -> conv(channels)\n');
    expect(chosen(inNet('y = |'), 'elu')).toContain('y = elu(x)\n');
  });
});

describe('signatures', () => {
  const shown = (marked: string): string => {
    const { analysis, offset } = cursor(marked);
    const found = signatureAt(analysis, offset);
    if (!found) return 'none';
    const active = found.parameters[found.active ?? -1];
    return `${found.label} ${active === undefined ? '' : found.label.slice(active.place.start, active.place.end)}`.trim();
  };

  it.each([
    [inNet('y = avgpool(|)'), 'avgpool(x, k: 2) x'],
    [inNet('y = image -> avgpool(|)'), 'avgpool(x, k: 2) k: 2'],
    [inNet('y = avgpool(image, |)'), 'avgpool(x, k: 2) k: 2'],
    [inNet('y = avgpool(k: 2, |)'), 'avgpool(x, k: 2) x'],
    [inNet('y = image -> avgpool(2, |)'), 'avgpool(x, k: 2)'],
    [inNet('y = dropout(relu(|), 0.5)'), 'relu(x) x'],
    [inNet('y = dropout(relu(image), |0.5)'), 'dropout(x, p: 0.5) p: 0.5'],
    [inNet('y = concat(image, image, |)'), 'concat(...values, axis: channel) ...values'],
    [inNet('y = image -> relu|'), 'none'],
    [inNet('y = (image + |)'), 'none'],
    [inNet('y = nothing(|)'), 'none'],
    [inNet('layer f = dropout(|)'), 'dropout(x, p: 0.5) p: 0.5'],
    [inNet('layer f = dropout(0.1)\n  y = f(|'), 'f(x) x'],
    [inNet('view v = image -> crop(|)'), 'crop(pad: 4) pad: 4'],
    [inNet('view v = crop(image, |)'), 'crop(pad: 4) pad: 4'],
    [inNet('view v = image -> sometimes(0.1, blur(|))'), 'blur(sigma) sigma'],
    [inNet('y = image -> conv(4, init: normal(|))'), 'normal(std) std'],
    [inNet('train { schedule step(every: 2, factor: |) }'), 'step(every, factor: 0.1) factor: 0.1'],
    [inNet('y = image -> relu\n  backward { grad(|) }'), 'grad(y) y'],
    [`net Block { input a: [8, 8, 3] input b: [8, 8, 3] output y = a + b }\n${inNet('y = Block(image, |)')}`, 'Block(a, b) b'],
    [inNet('twin A, B from image, image { both avgpool(|) }'), 'avgpool(x, k: 2) k: 2'],
  ])('%# %s', (marked, wanted) => {
    expect(shown(marked)).toBe(wanted);
  });
});
