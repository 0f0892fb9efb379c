// Names, arguments, weights, layers, nets and imports.

import { describe, expect, it } from 'vitest';
import { buildNet, checkProgram } from '../../compiler/2-graph/build.ts';
import { FUNCTION_NAMES, FUNCTIONS } from '../../compiler/2-graph/functions.ts';
import { check, graphOf, itemsOf, messages, netOf, ofKind, outputShape, programOf, showDiagnostic, weightsOf } from './helpers.ts';

/** Diagnostics of some items in a net; the items start on line 3. */
const checkItems = (items: string): string[] => check(netOf(items));

describe('names', () => {
  it('reports every independent mistake once, and nothing that only follows', () => {
    expect(checkItems('a = imag -> conv(8)\nb = image -> conv(8, strid: 2, pad: full)\nc = a + b\ny = c -> relo -> conv(k: 3)')).toEqual([
      'ZZ2001 3:5', 'ZZ2004 4:22', 'ZZ2006 4:37', 'ZZ2003 6:10', 'ZZ2005 6:18',
    ]);
  });

  it('reports a mistake in a cell once, however many streams and steps run it', () => {
    expect(checkItems('cell C(x, h) { relu(conv(x, 4) + conv(h, 5)) }\nstreams A, B, D of C { step image : straight step image : zigzag }\ny = A + B + D')).toEqual(['ZZ3001 3:21']);
  });

  it.each([
    ['y = imag -> relu', 'image'], ['y = image -> reul', 'relu'], ['y = image -> conv(8, strid: 1)', 'stride'], ['y = image -> conv(8, pad: sam)', 'same'],
    ['y = image -> conv(8, init: glrot)', 'glorot'], ['layer fast = conv(8) y = image -> fsat', 'fast'], ['view v = image -> hfilp y = v', 'hflip'],
    ['cell Keep(x, h) { x + h } streams L of Kep { step image : straight } y = L', 'Keep'], ['y = image train { epoch 3 }', 'epochs'], ['y = image train { optimizer adm }', 'adam'],
    ['y = image train { normalize perbatch }', 'per_batch'],
  ])('%s: proposes %s', (items, name) => {
    expect(checkProgram(programOf(netOf(items))).flatMap(({ suggestion }) => suggestion ?? [])).toEqual([name]);
  });

  it('proposes nothing for a name like no other', () => {
    expect(checkProgram(programOf(netOf('y = xylophone'))).map(({ suggestion }) => suggestion)).toEqual([undefined]);
  });

  it('tells a name that comes later from one that never does', () => {
    expect(messages(netOf('a = b -> relu\nb = image\ny = a + b'))).toEqual(["'b' is used before it is defined"]);
  });

  it('a cell sees its own names and layers, not the net\'s values', () => {
    expect(checkItems('n = 4\nlayer f = conv(n)\ncell C(x, h) { f(x) + h }\nstreams L of C { step image : straight }\ny = L')).toEqual([]);
    expect(checkItems('cell C(x, h) { x + h + image }\nstreams L of C { step image : straight }\ny = L')).toEqual(['ZZ2001 3:24']);
  });

  it('the names of cell parameters and twin streams hide those outside', () => {
    expect(checkItems('x = image\ncell C(x, h) { x + h }\nstreams L of C { step x : straight }\ny = L')).toEqual([]);
  });

  it('words of the grammar are ordinary names elsewhere', () => {
    expect(checkItems('step = image\nzigzag = step -> conv(6)\nshared, swap = (zigzag + zigzag) -> split(2, axis: 3)\ny = shared + swap')).toEqual([]);
  });

  it.each([
    ['y = image\ny = image', 'ZZ2002 4:1'], ['image = 3\ny = image', 'ZZ2002 3:1'], ['layer y = conv(8)\ny = image', 'ZZ2002 4:1'],
    ['cell C(x, x) { x }\nstreams y of C { step image : straight }', 'ZZ2002 3:11'], ['cell C(x, h) { x + h }\nstreams y, y of C { step image : straight }', 'ZZ2002 4:12'],
    ['y = image output y', 'ZZ2002 4:8'],
  ])('%s', (items, expected) => {
    expect(checkItems(items)).toContain(expected);
  });

  it('shape errors show where both shapes come from', () => {
    const [found] = checkProgram(programOf(netOf('a = image -> conv(4)\nb = image -> conv(8, stride: 2)\ny = a + b')));
    expect(found?.message).toContain('[B,8,8,4] and [B,4,4,8]');
    expect(found?.related?.map(({ message, loc }) => `${message} ${loc.line}:${loc.column}`)).toEqual(['[B,8,8,4] comes from here 3:14', '[B,4,4,8] comes from here 4:14']);
  });
});

describe('arguments', () => {
  it.each([
    ['conv()', ['ZZ2005 3:14']], ['conv(0)', ['ZZ2007 3:19']], ['conv(2.5)', ['ZZ2006 3:19']], ['conv(-1)', ['ZZ2007 3:19']], ['conv("8")', ['ZZ2006 3:19']], ['conv(image)', ['ZZ2006 3:19']],
    ['conv(8, 3, 1, same, 1, 1, false, he, 9)', ['ZZ2004 3:51']], ['conv(8, channels: 8)', ['ZZ2008 3:22']], ['conv(8, x: image)', ['ZZ2008 3:22']], ['conv(8, bias: 1)', ['ZZ2006 3:28']],
    ['conv(8, init: normal)', ['ZZ2005 3:28']], ['conv(8, init: normal(0))', ['ZZ2007 3:35']], ['conv(8, init: normal(sd: 1))', ['ZZ2005 3:28', 'ZZ2004 3:35']], ['conv(8, pad: true)', ['ZZ2006 3:27']],
    ['elu(alpha: 0)', ['ZZ2007 3:25']], ['dropout(1)', ['ZZ2007 3:22']], ['concat(axis: [1])', ['ZZ2006 3:27']], ['reshape(192)', ['ZZ2006 3:22']], ['max(image, axis: 1)', ['ZZ2004 3:14']],
    ['mean(axis: -5)', ['ZZ3008 3:14']], ['reshape([-1, -1])', ['ZZ3013 3:14']], ['split(2)', ['ZZ3005 3:14']], ['slice(axis: 1, start: 8)', ['ZZ3008 3:14']], ['conv(8, k: 9, pad: valid)', ['ZZ3004 3:14']],
    ['groupnorm(2)', ['ZZ3005 3:14']], ['mse(conv(image, 1))', ['ZZ3001 3:14']], ['flatten -> globalavgpool', ['ZZ3002 3:25']], ['zeros([0])', ['ZZ2006 3:5', 'ZZ2004 3:20']],
  ])('image -> %s', (call, expected) => {
    expect(checkItems(`y = image -> ${call}`)).toEqual(expected);
  });

  it('a number above the limit of all whole numbers is told of it', () => {
    const [found] = checkProgram(programOf(netOf('y = image -> slice(start: 3000000000)')));
    expect(found?.message).toBe('expected a whole number from 0 to 2147483647, found 3000000000');
  });

  it('a number that is not finite is refused', () => {
    expect(checkItems('n = 3 / (1 - 1)\ny = image * n + 1e308 * 10')).toEqual(['ZZ2007 3:5', 'ZZ2007 4:17']);
  });

  it('numbers may be computed and named', () => {
    expect(outputShape(itemsOf('n = 2 * 3\ny = image -> conv(n + 1, k: n / 2, stride: -(-2))'))).toBe('[B,4,4,7]');
  });

  it('constants repeat along the batch', () => {
    expect(outputShape(itemsOf('y = concat(image, ones([8, 8, 2]))'))).toBe('[B,8,8,5]');
  });

  it('a reshape finds its one open dimension', () => {
    expect(outputShape(itemsOf('y = image -> reshape([4, -1])'))).toBe('[B,4,48]');
  });

  it('every function of the table builds, with a summary and described parameters', () => {
    const calls: Partial<Record<keyof typeof FUNCTIONS, string>> = {
      conv: 'conv(2)', conv_transpose: 'conv_transpose(2)', dense: 'dense(2)', concat: 'concat(image)', split: 'split(3)', reshape: 'reshape([192])', slice: 'slice(size: 1)', pad: 'pad(1)',
      matmul: 'matmul(image, transpose_b: true)', groupnorm: 'groupnorm(3)', softmax_cross_entropy: 'softmax_cross_entropy', mse: 'mse(0)',
    };
    for (const name of FUNCTION_NAMES as (keyof typeof FUNCTIONS)[]) {
      const call = calls[name] ?? name;
      const items = name === 'zeros' || name === 'ones' ? `y = image + ${name}([8, 8, 3])` : name === 'split' ? 'a, b, c = split(image, 3) y = a + b + c' : `y = image -> ${name === 'softmax_cross_entropy' ? 'globalavgpool -> ' : ''}${call}`;
      expect([name, checkItems(items)]).toEqual([name, []]);
      expect(FUNCTIONS[name].summary).toMatch(/^.+[.]$/);
      for (const param of Object.values(FUNCTIONS[name].params)) expect(param.takes).not.toBe('');
    }
  });
});

describe('weights', () => {
  it('are numbered by call, whatever they hold', () => {
    expect(weightsOf(itemsOf('y = image -> conv(4, bias: true) -> layernorm -> flatten -> dense(2)'))).toEqual({
      'w.1': '[3,3,3,4]', 'b.1': '[4]', 'gamma.2': '[4]', 'beta.2': '[4]', 'w.3': '[256,2]', 'b.3': '[2]',
    });
  });

  it('groups, depthwise and transposed convolutions', () => {
    expect(weightsOf(itemsOf('y = image -> conv(6, groups: 3) -> depthwise(k: 5, multiplier: 2) -> conv_transpose(4, k: 2, stride: 2)'))).toEqual({
      'w.1': '[3,3,1,6]', 'w.2': '[5,5,1,12]', 'w.3': '[2,2,4,12]',
    });
  });

  it('decay applies to filters and matrices only', () => {
    const graph = itemsOf('y = image -> conv(4, bias: true) -> batchnorm -> dense(2)');
    expect(ofKind(graph, 'weight').filter(({ attrs }) => attrs.decay).map(({ id }) => id)).toEqual(['w.1', 'w.3']);
  });

  it.each([
    ['he', 'he', Math.sqrt(2 / 27)], ['glorot', 'glorot', Math.sqrt(2 / (27 + 36))], ['normal(0.3)', 'normal', 0.3], ['truncated_normal(std: 0.05)', 'truncated_normal', 0.05], ['orthogonal', 'orthogonal', 1], ['zeros', 'zeros', 0],
  ])('init %s', (init, kind, std) => {
    const [weight] = ofKind(itemsOf(`y = image -> conv(4, init: ${init})`), 'weight');
    expect([weight?.attrs.init, weight?.attrs.std]).toEqual([kind, std]);
  });

  it('a layer has one set for all its uses', () => {
    expect(weightsOf(itemsOf('layer f = conv(3, bias: true)\ny = image -> f -> f -> conv(3) -> f'))).toEqual({ 'w.f': '[3,3,3,3]', 'b.f': '[3]', 'w.1': '[3,3,3,3]' });
  });

  it('a layer may be a net, and its uses share all of it', () => {
    const files = `${netOf('layer f = Two()\ny = image -> f -> f')}net Two { input a: [8, 8, 3] output b = a -> conv(3) -> conv(3) }`;
    expect(weightsOf(graphOf(files, { net: 'Test' }))).toEqual({ 'w.f.1': '[3,3,3,3]', 'w.f.2': '[3,3,3,3]' });
  });
});

describe('nets and imports', () => {
  const block = 'net Block { input a: [8, 8, 3] output b = a + conv(a, 3) cell Add(x, h) { x + h } streams L of Add { step a : straight } output c = L }';

  it('a net as a function has weights of its own at every use, and gives its first output', () => {
    const graph = graphOf({ 'main.zz': `import "lib/blocks.zz" ${netOf('y = image -> Block -> Block(a: image)')}`.replace('Block -> Block(a: image)', 'Block -> Block'), 'lib/blocks.zz': block });
    expect(weightsOf(graph)).toEqual({ 'w.Block.1.1': '[3,3,3,3]', 'w.Block.2.1': '[3,3,3,3]' });
  });

  it('an input may have any name, by which it is given too', () => {
    const source = `net Minus { input __proto__: [8, 8, 3] input toString: [8, 8, 3] output y = __proto__ - toString }\n${netOf('y = Minus(toString: image, __proto__: image * 2)')}`;
    expect(ofKind(graphOf(source, { net: 'Test' }), 'sub').map(({ inputs }) => inputs)).toEqual([['1', 'image']]);
    expect(check(`net Same { input __proto__: [8, 8, 3] output y = __proto__ }\n${netOf('y = image -> Same(__proto__: image)')}`)).toContain('ZZ2008 4:19');
  });

  it('cells of an imported file can run here', () => {
    expect(check({ 'main.zz': `import "b.zz"\n${netOf('streams P, Q of Add { step image : straight } y = P + Q')}`, 'b.zz': block })).toEqual([]);
  });

  it('imports are relative to their own file, and reach one file deep', () => {
    const files = { 'main.zz': `import "a/one.zz"\n${netOf('y = image -> One')}`, 'a/one.zz': 'import "two.zz" net One { input a: [8, 8, 3] output b = a -> Block }', 'a/two.zz': block };
    expect(weightsOf(graphOf(files))).toEqual({ 'w.One.1.Block.1.1': '[3,3,3,3]' });
    expect(check({ ...files, 'main.zz': `import "a/one.zz"\n${netOf('y = image -> Block')}` })).toEqual(['ZZ2003 4:14']);
  });

  it('a missing file, a cycle through others and a name from two files', () => {
    expect(check({ 'main.zz': `import "x.zz"\nimport "y.zz"\n${netOf('y = image')}`, 'y.zz': 'import "z.zz"', 'z.zz': 'import "main.zz"' })).toEqual(['ZZ2010 1:1', 'ZZ2011 1:1']);
    expect(check({ 'main.zz': `import "p.zz"\nimport "q.zz"\n${netOf('y = image -> Block')}`, 'p.zz': block, 'q.zz': block })).toEqual(['ZZ2002 2:1']);
  });

  it('a mistake in an imported net is shown in its own file', () => {
    const found = checkProgram(programOf({ 'main.zz': `import "b.zz" ${netOf('y = image -> Bad')}`, 'b.zz': 'net Bad {\ninput a: [8, 8, 3]\noutput b = a -> conv(0) }' }));
    expect(found.map((each) => `${each.loc.file} ${showDiagnostic(each)}`)).toEqual(['b.zz ZZ2007 3:22']);
  });

  it('a net cannot contain itself through others', () => {
    expect(check(`net A { input x: [1] output y = x -> B loss mean(y) }\nnet B { input x: [1] output y = x -> A loss mean(y) }`)).toEqual(['ZZ2017 1:38', 'ZZ2017 2:38']);
  });

  it('an input of another shape is refused', () => {
    expect(check(`${netOf('y = image -> avgpool(2) -> Block')}${block}`)).toContain('ZZ2006 3:28');
  });

  it('nets that nest endlessly deep, or double at every level, end in an error', () => {
    const chain = (count: number, body: (i: number) => string): string => Array.from({ length: count }, (_, i) => `net N${i} { input x: [1] output y = ${body(i)} }`).join('\n');
    const deep = chain(300, (i) => (i < 299 ? `N${i + 1}(x)` : 'x'));
    expect(buildNet(programOf(deep), 'N0', { mode: 'train' }).diagnostics.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual(['ZZ1005']);
    const wide = chain(40, (i) => (i < 39 ? `N${i + 1}(N${i + 1}(x))` : 'x'));
    expect(buildNet(programOf(wide), 'N0', { mode: 'train' }).diagnostics.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual(['ZZ4011']);
  });

  it('which net', () => {
    const two = programOf('net Alpha { input x: [1] output x loss mean(x) } net Beta { input x: [1] output x loss mean(x) }');
    const codes = (name?: string) => buildNet(two, name, { mode: 'train' }).diagnostics.map(({ code, suggestion }) => [code, suggestion]);
    expect(codes()).toEqual([['ZZ2013', undefined]]);
    expect(codes('Beta')).toEqual([]);
    expect(codes('Bata')).toEqual([['ZZ2001', 'Beta']]);
    expect(buildNet(programOf(''), undefined, { mode: 'train' }).diagnostics.map(({ code }) => code)).toEqual(['ZZ2012']);
  });
});

describe('warnings', () => {
  it.each([
    ['y = image', []], ['a = image -> relu\ny = image', ['ZZ2104 3:1']], ['a = image -> relu\nb = relu(a)\ny = image', ['ZZ2104 3:1', 'ZZ2104 4:1']],
    ['view v = image -> hflip\nview w = v -> crop\ny = image', ['ZZ2104 3:6', 'ZZ2104 4:6']], ['view v = image -> hflip\nview w = v -> crop\ny = w', []],
    ['a, b, c = split(image, 3)\ny = a + c', ['ZZ2104 3:4']], ['n = 3\ny = image', ['ZZ2104 3:1']], ['a = image -> relu\ny = image\noutput a', []],
    ['cell C(x, h) { a = x b = h x + h }\nstreams L, R of C { step image : straight }\ny = L', ['ZZ2104 3:16', 'ZZ2104 3:22', 'ZZ2104 4:12']],
    ['cell C(x, h) { x + h }\nstreams L, R of C { step image : zigzag step image : zigzag }\ny = L', []],
  ])('%s', (items, expected) => {
    expect(checkItems(items)).toEqual(expected);
  });

  it('values that lead nowhere leave no node', () => {
    const graph = itemsOf('a = image -> conv(64) -> batchnorm\ny = image');
    expect([weightsOf(graph), ofKind(graph, 'state'), graph.updates]).toEqual([{}, [], []]);
  });
});
