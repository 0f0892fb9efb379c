// What is said of the place under the pointer.

import { describe, expect, it } from 'vitest';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { hintsIn, hoverAt } from '../../editor/service/index.ts';
import { parameterCount } from '../build/helpers.ts';
import { SOUND, analysisAt, analysisOf, cursor, inNet, textOf, tokensOf } from './helpers.ts';

const at = (marked: string, others: Readonly<Record<string, string>> = {}): string => {
  const { analysis, offset } = cursor(marked, others);
  const found = hoverAt(analysis, offset);
  if (!found) return '';
  expect(found.span.start).toBeLessThanOrEqual(offset);
  expect(found.span.end).toBeGreaterThanOrEqual(offset);
  return found.text;
};

const CELL = 'cell C(x, h) { elu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) }\n  streams L, R of C { step image: straight step image: zigzag }\n  output y = concat(L, R)';

describe('names', () => {
  it.each([
    ['an input', inNet('y = im|age -> relu'), ['input image: f32[B,8,8,3]', 'An input.', 'Defined in line 2.']],
    ['a definition', inNet('y| = image -> conv(4)'), ['y: f32[B,8,8,4]', 'A value.']],
    ['a use', inNet('y = image -> conv(4)\n  z = y| -> relu'), ['y: f32[B,8,8,4]', 'Defined in line 3.']],
    ['parts', inNet('a|, b = split(image -> conv(4), 2)'), ['a: f32[B,8,8,2]']],
    ['a number', inNet('n = 2 * 3\n  y = image -> conv(n|)'), ['n: 6']],
    ['a view', inNet('view v| = each(image, image -> hflip)'), ['view v: f32[2B,8,8,3]', 'A view of an input.']],
    ['a layer', inNet('layer f| = conv(4, k: 1)\n  y = image -> f -> conv(1) -> relu'), ['layer f = conv(4, k: 1)', 'A layer.', '12 weights in 1 tensor.']],
    ['a layer in use', inNet('layer f = conv(4, k: 1)\n  y = image -> f| -> relu'), ['Gives `f32[B,8,8,4]` here.', '12 weights in 1 tensor.', 'Defined in line 3.']],
    ['a cell', inNet(CELL.replace('of C', 'of C|')), ['cell C(x, h)', 'A cell.', `${(4 * 3 * 9 + 16) * 2} weights in 4 tensors.`]],
    ['a parameter', inNet(CELL.replace('conv(h', 'conv(h|')), ['h: f32[B,8,8,4]', 'A parameter of cell C.']],
    ['a stream', inNet(CELL.replace('(L,', '(L|,')), ['stream L: f32[B,8,8,4]', 'A stream, of the cell C.', `${4 * 3 * 9 + 16} weights in 2 tensors.`]],
    ['a step', inNet(CELL.replace('concat(L, R)', 'L|[0]')), ['stream L: f32[B,8,8,4]']],
    ['a net', `net B|lock { input a: [8, 8, 3] output z = a -> conv(2, k: 1) }\n${inNet('y = image -> Block')}`, ['net Block(a)', 'A net.', '6 weights in 1 tensor.']],
  ])('%s', (_, marked, parts) => {
    const text = at(marked);
    for (const part of parts) expect(text).toContain(part);
  });

  it('of another file', () => {
    const others = { 'blocks.zz': '\nnet Block {\n  input x: [8, 8, 3]\n  output y = x -> conv(3)\n}\n' };
    const text = at(`import "blocks.zz"\n${inNet('y = image -> Blo|ck')}`, others);
    expect(text).toContain('net Block(x)');
    expect(text).toContain('Gives `f32[B,8,8,3]` here.');
    expect(text).toContain('Defined in blocks.zz, line 2.');
  });

  it('remarks above a definition are its documentation', () => {
    expect(at(inNet('// not this\n\n  // What is seen.\n  // Twice.\n  y = image -> relu // nor this\n  z = y|'))).toContain('\n\nWhat is seen.\nTwice.\n\n');
  });

  it('nothing of names that mean nothing', () => {
    expect(at(inNet('y = nothi|ng'))).toBe('');
  });
});

describe('words of the language', () => {
  it.each([
    ['a function', inNet('y = image -> co|nv(4, k: 1)'), ['conv(x, channels, k: 3, stride: 1,', 'Convolution with a k by k filter', 'Gives `f32[B,8,8,4]` here, with 12 weights in 1 tensor.', '- `pad`: same or valid, `same` where it is left out']],
    ['a function without brackets', inNet('y = image -> batch|norm'), ['Gives `f32[B,8,8,3]` here, with 6 weights in 2 tensors.']],
    ['an inner call', inNet('y = relu(con|v(image, 4))'), ['Gives `f32[B,8,8,4]` here']],
    ['an argument', inNet('y = image -> conv(4, st|ride: 1)'), ['stride: 1', 'Argument of `conv`: a whole number from 1 to 1024, `1` where it is left out.']],
    ['a choice', inNet('y = image -> conv(4, pad: val|id)'), ['valid', 'For `pad`, which takes same or valid.']],
    ['an initialiser', inNet('y = image -> conv(4, init: nor|mal(0.1))'), ['normal(std)', 'standard deviation']],
    ['an augmentation', inNet('view v = image -> cro|p(pad: 2)'), ['crop(pad: 4)', 'zeros come in']],
    ['a setting', inNet('train { opti|mizer adam }'), ['How weights follow their gradients.', '`adam(lr: 0.001, beta1: 0.9, beta2: 0.999, eps: 1e-8)` where it is left out', '- `sgd(lr: 1e-2, momentum: 0, nesterov: false)`']],
    ['an optimizer', inNet('train { optimizer ad|am(lr: 0.1) }'), ['adam(lr: 1e-3,', 'Kingma and Ba']],
    ['a keyword', inNet('cell C(x, h) { x + h }\n  streams L, R of C { st|ep image: zigzag }'), ['One step of all streams']],
    ['a route', inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: zig|zag }'), ['the state of the one before it']],
    ['a crossing', inNet('twin A, B from image, image { cross sw|ap }'), ['the value of the one before it']],
  ])('%s', (_, marked, parts) => {
    const text = at(marked);
    for (const part of parts) expect(text).toContain(part);
  });
});

describe('expressions', () => {
  it.each([
    [inNet('y = image -> conv(4) -|> relu -> globalavgpool'), 'f32[B,8,8,4]'],
    [inNet('y = image -> conv(4) -> relu -|> globalavgpool'), 'f32[B,8,8,4]'],
    [inNet('y = (image -> conv(4) -> globalavgpool) *| 2'), 'f32[B,4]'],
    [inNet('y = -| image'), 'f32[B,8,8,3]'],
    [inNet('y = image *| conv(image, 2)'), ''],
  ])('%# %s', (marked, shown) => {
    expect(at(marked)).toBe(shown === '' ? '' : `\`\`\`zz\n${shown}\n\`\`\``);
  });

  it('different shapes of one expression stand side by side', () => {
    const text = at(inNet('cell C(x, h) { h + mean(x|) }\n  z = image -> avgpool(2)\n  streams L of C { init ones([8, 8, 3]) step image: straight step z: straight }\n  output L'));
    expect(text).toContain('x: f32[B,8,8,3] or f32[B,4,4,3]');
  });
});

describe.each(SOUND)('%s', (file) => {
  const analysis = analysisAt(file);

  it('every word is explained', () => {
    const silent = tokensOf(analysis).filter(({ text, span }) => /^[A-Za-z]/.test(text) && hoverAt(analysis, span.start) === undefined);
    expect(silent.map(({ text, span }) => `${text} at ${span.start}`)).toEqual([]);
  });

  it('every named value has its shape, and nets their weights', () => {
    const program = loadProgram(file, memoryReader({ [file]: textOf(file) }));
    for (const net of analysis.ast.nets) {
      const { graph } = buildNet(program, net.name.name, { mode: 'train' });
      const text = hoverAt(analysis, net.name.loc.span.start)?.text ?? '';
      if (graph && parameterCount(graph) > 0) expect(text).toContain(`${parameterCount(graph).toLocaleString('en')} weights`);
    }
    const bare = analysis.names.definitions.filter(({ kind, loc }) => !['net', 'layer', 'cell'].includes(kind) && !/: (f32\[|\d)/.test(hoverAt(analysis, loc.span.start)?.text ?? ''));
    expect(bare.map(({ name, loc }) => `${name} ${loc.line}`)).toEqual([]);
  });
});

it('hints: shapes at names and at the ends of the lines of a chain', () => {
  const text = inNet('view v = image -> hflip\n  h = v\n    -> conv(4) -> relu\n    -> avgpool(2)\n    -> globalavgpool\n  n = 3\n  a, b = split(h, 2)\n  output y = a');
  const hints = hintsIn(analysisOf(text), { start: 0, end: text.length });
  const marked = [...hints].reverse().reduce((all, { offset, text: hint }) => `${all.slice(0, offset)}«${hint}»${all.slice(offset)}`, text);
  expect(marked).toBe(inNet('view v«[B,8,8,3]» = image -> hflip\n  h«[B,4]» = v«[B,8,8,3]»\n    -> conv(4) -> relu«[B,8,8,4]»\n    -> avgpool(2)«[B,4,4,4]»\n    -> globalavgpool\n  n = 3\n  a«[B,2]», b«[B,2]» = split(h, 2)\n  output y«[B,2]» = a'));
  expect(hintsIn(analysisOf(text), { start: 0, end: text.indexOf('h =') })).toHaveLength(1);
});
