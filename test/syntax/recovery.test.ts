// Errors of syntax: each mistake is reported once, at its place, with what was expected, and the rest of the file is still read.

import { describe, expect, it } from 'vitest';
import { parse } from '../../compiler/1-syntax/parse.ts';
import { errorsOf } from './helpers.ts';

const first = (text: string) => parse({ file: 't.zz', text }).diagnostics[0];

describe('one mistake, one error', () => {
  it.each([
    // Lexis
    ['net A { x = $ + 3 }', ['ZZ1001 1:13']],
    ['net A { x = a ; y = b ;; }', ['ZZ1001 1:15', 'ZZ1001 1:23']],
    ['net A { x = f("abc) \n y = 3 }', ['ZZ1002 1:15']],
    ['net A { x = 12ab  y = 1.  z = .5  w = 1e  v = f(0..1.2.3) }', ['ZZ1004 1:13', 'ZZ1004 1:23', 'ZZ1004 1:31', 'ZZ1004 1:39', 'ZZ1004 1:52']],
    ['net A { x = 1e999 }', ['ZZ1004 1:13']],
    // File and net
    ['x = 3', ['ZZ1003 1:1']],
    ['net { output x }', ['ZZ1003 1:5']],
    ['net A output x }', ['ZZ1003 1:7']],
    ['net A { x = 3', ['ZZ1003 1:14']],
    ['net A { output x } } output y\nnet B { output }', ['ZZ1003 1:20', 'ZZ1003 2:16']],
    ['net A { x = 3\nnet B { y = 4 }', ['ZZ1003 2:1']],
    ['import 3\nimport "a"\nnet A { }\nimport "b"', ['ZZ1003 1:8', 'ZZ1003 4:1']],
    // Statements
    ['net A { x = conv(y, 8) relu  output x }', ['ZZ1003 1:24']],
    ['net A { input image [32]  input b: 32  input c: [3.5]  input : [3] }', ['ZZ1003 1:21', 'ZZ1003 1:36', 'ZZ1003 1:50', 'ZZ1003 1:62']],
    ['net A { view v image  layer f = 3  layer g conv(8)  let = 4 }', ['ZZ1003 1:16', 'ZZ1003 1:33', 'ZZ1003 1:44', 'ZZ1003 1:57']],
    ['net A { x =\n output y\n z = a +\n loss z\n w = a ->\n q = 3 }', ['ZZ1003 2:2', 'ZZ1003 4:2', 'ZZ1003 6:2']],
    ['net A { loss = 3  output = 4  x = 1 }', ['ZZ1003 1:14', 'ZZ1003 1:26']],
    // Expressions
    ['net A { x = conv(8,, 3)  y = conv(8 k: 3)  z = conv(8, k = 3)  w = f(a,) }', ['ZZ1003 1:20', 'ZZ1003 1:37', 'ZZ1003 1:58', 'ZZ1003 1:72']],
    ['net A { x = (3 + 4  output x }', ['ZZ1003 1:21']],
    ['net A { x = f(a  output x  y = 3 }', ['ZZ1003 1:18']],
    ['net A { x = f(a))  y = 3 }', ['ZZ1003 1:17']],
    ['net A { x = L[a]  y = L[1.5]  z = L[]  w = [1]  v = f([]) }', ['ZZ1003 1:15', 'ZZ1003 1:25', 'ZZ1003 1:37', 'ZZ1003 1:44', 'ZZ1003 1:56']],
    ['net A { x = a -> 3  y = a -> (f)  z = f(-1..3) }', ['ZZ1003 1:18', 'ZZ1003 1:30', 'ZZ1003 1:43']],
    // Cells
    ['net A { cell C(x) { x }  cell D(x, h) { }  cell E { x }  output y y }', ['ZZ1003 1:17', 'ZZ1003 1:41', 'ZZ1003 1:51', 'ZZ1003 1:67']],
    ['net A { cell D(x, h) { a = conv(x,,8)  elu(a + h) }  output }', ['ZZ1003 1:35', 'ZZ1003 1:61']],
    ['net A { cell D(x, h) { elu(x)) }  output }', ['ZZ1003 1:30', 'ZZ1003 1:42']],
    ['net A { cell D(x, h) { elu(x)  streams L of D { step a: straight }  output }', ['ZZ1003 1:32', 'ZZ1003 1:76']],
    ['net A { cell D(x, h) elu(x) }  output }', ['ZZ1003 1:22', 'ZZ1003 1:39']],
    // Streams
    ['net A { streams L, R of C { step a straight  step : zigzag  step c: (L <- x, R = y)  step d: } output }', ['ZZ1003 1:36', 'ZZ1003 1:51', 'ZZ1003 1:80', 'ZZ1003 1:94', 'ZZ1003 1:103']],
    ['net A { streams L of C { step a: straight  output L  output }', ['ZZ1003 1:44', 'ZZ1003 1:61']],
    ['net A { streams L of C step a: straight } output }', ['ZZ1003 1:24', 'ZZ1003 1:50']],
    ['net A { streams L R of C { step a: straight } output }', ['ZZ1003 1:19', 'ZZ1003 1:54']],
    ['net A { streams L, R C { step a: straight } output }', ['ZZ1003 1:22', 'ZZ1003 1:52']],
    ['net A { streams L of C { repeat { step a: straight } repeat 1.5 { } } output }', ['ZZ1003 1:33', 'ZZ1003 1:61', 'ZZ1003 1:78']],
    // Twins
    ['net A { twin L, R from a, b { L -> elu  cross  cross (L < R)  both elu } output }', ['ZZ1003 1:33', 'ZZ1003 1:48', 'ZZ1001 1:57', 'ZZ1003 1:81']],
    ['net A { twin L, R from a, b { both elu  output L  output }', ['ZZ1003 1:41', 'ZZ1003 1:58']],
    ['net A { twin L, R from a, b both elu } output }', ['ZZ1003 1:29', 'ZZ1003 1:47']],
    ['net A { twin L, R a, b { both elu } output }', ['ZZ1003 1:19', 'ZZ1003 1:44']],
    // Backward and train
    ['net A { backward { grad(y) x  y8 = 3  grad(z) = 3  grad w = 4 } output }', ['ZZ1003 1:28', 'ZZ1003 1:57', 'ZZ1003 1:72']],
    ['net A { backward { y8 = upsample(x)  grad(z) = 3 } output }', ['ZZ1003 1:20', 'ZZ1003 1:59']],
    ['net A { train { batch = 25  epochs: 3  optimizer adam(lr 8e-5)  seed 3  normalize } output }', ['ZZ1003 1:23', 'ZZ1003 1:35', 'ZZ1003 1:58', 'ZZ1003 1:83', 'ZZ1003 1:92']],
    ['net A { train batch 25 } output }', ['ZZ1003 1:15', 'ZZ1003 1:33']],
  ])('%s', (text, expected) => {
    expect(errorsOf(text)).toEqual(expected);
  });
});

describe('misspelt keywords', () => {
  it.each([
    ['netw A { output x }', '1:1', 'net'],
    ['improt "a.zz"', '1:1', 'import'],
    ['net A { outptu logits  loss x }', '1:9', 'output'],
    ['net A { x = a  losss x  output x }', '1:16', 'loss'],
    ['net A { inptu i: [3] output i }', '1:9', 'input'],
    ['net A { layr f = conv(8) output x }', '1:9', 'layer'],
    ['net A { strems L of C { step a: straight } output x }', '1:9', 'streams'],
    ['net A { trian { batch 3 } output x }', '1:9', 'train'],
    ['net A { streams L, R fo C { step a: straight } output L }', '1:22', 'of'],
    ['net A { streams L, R of C { step a: straigt  step b: zigzag } output L }', '1:37', 'straight'],
    ['net A { streams L, R of C { step a: straight  setp b: zigzag } output L }', '1:47', 'step'],
    ['net A { streams L, R of C { repaet 3 { step b: zigzag } } output L }', '1:29', 'repeat'],
    ['net A { streams L, R of C { inti x  step a: straight } output L }', '1:29', 'init'],
    ['net A { twin L, R form a, b { both elu } output L }', '1:19', 'from'],
    ['net A { twin L, R from a, b { bth elu } output L }', '1:31', 'both'],
    ['net A { twin L, R from a, b { corss swap } output L }', '1:31', 'cross'],
    ['net A { twin L, R from a, b { cross conact } output L }', '1:37', 'concat'],
    ['net A { backward { grda(y) = x } output L }', '1:20', 'grad'],
  ])('%s', (text, place, suggestion) => {
    const { diagnostics } = parse({ file: 't.zz', text });
    expect(diagnostics.map(({ code, loc, suggestion: near }) => [code, `${loc.line}:${loc.column}`, near])).toEqual([['ZZ1003', place, suggestion]]);
  });

  it('are read as what was meant', () => {
    const { file } = parse({ file: 't.zz', text: 'netw A { outptu y  strems L of C { setp a: zigzg } }' });
    expect(file.nets[0]?.items).toMatchObject([{ kind: 'output' }, { kind: 'streams', steps: [{ kind: 'step', route: { form: 'zigzag' } }] }]);
  });
});

describe('what an error says', () => {
  it('names what was expected and what was found', () => {
    expect(first('net A { x = conv(8 k: 3) }')).toMatchObject({
      message: "unexpected 'k'", expected: "',' or ')'", found: "'k'", related: [{ message: "the '(' that is still open", loc: { line: 1, column: 17 } }],
    });
    expect(first('cell C(x, h) { x + h }')?.expected).toBe("'net' or 'import'; 'cell' stands inside a net");
    expect(first('x = 3')?.expected).toBe("'net' or 'import'");
    expect(first('net A { x = y z }')?.expected).toBe("an operator, '->', a statement (input, view, let, layer, cell, streams, twin, backward, output, loss, train) or '}'");
    expect(first('net A {\n  output y')).toMatchObject({ message: 'unexpected end of the file', found: 'the end of the file', loc: { line: 2, column: 11 }, related: [{ loc: { line: 1, column: 7 } }] });
    expect(first('net A { cell C(x) { x } }')?.expected).toBe("',' and the name of the hidden state");
    expect(first('net A { train { batch = 25 } }')?.expected).toBe('a value, as in batch 25');
    expect(first('net A { x = f(k = 25) }')?.expected).toBe("':' after the name of an argument");
    expect(first('net A { streams L of C { step x: sideways } }')?.expected).toBe("'straight', 'zigzag' or '(' with an arm for every stream");
  });

  it('clips what was found, and shows no control characters', () => {
    expect(first(`net A { ${'a'.repeat(100)} b }`)?.found).toBe(`'${'a'.repeat(39)}…'`);
    expect(first('net A { \u001b[31m }')?.message).toBe("unexpected character '\\u001b'");
  });
});

describe('what is left after errors', () => {
  const { file } = parse({
    file: 't.zz',
    text: 'net A { input a: 3  view v = )  x = f(,)  y = x  layer g = 3  cell C(x, h) { b = } streams L of C { step (: zigzag  step v } twin M from x { both } output o = ]  loss *  train { a , b 3 } }\nnet B { output z }',
  });

  it('keeps the names of broken statements, with holes for what they lack', () => {
    const hole = { kind: 'name', name: '' };
    expect(file.nets[0]?.items).toMatchObject([
      { kind: 'let', names: [{ name: 'a' }], value: hole },
      { kind: 'view', name: { name: 'v' }, value: hole },
      { kind: 'let', names: [{ name: 'x' }], value: hole },
      { kind: 'let', names: [{ name: 'y' }], value: { name: 'x' } },
      { kind: 'layer', name: { name: 'g' }, value: { callee: { name: '' } } },
      { kind: 'cell', params: [{ name: 'x' }, { name: 'h' }], body: [{ names: [{ name: 'b' }], value: hole }], result: hole },
      { kind: 'streams', steps: [{ kind: 'step' }, { kind: 'step', value: hole }] },
      { kind: 'twin', names: [{ name: 'M' }] },
      { kind: 'output', name: { name: 'o' }, value: hole },
      { kind: 'loss', value: hole },
      { kind: 'train' },
    ]);
  });

  it.each([
    ['net A { image: [3]  x = image }', ['image', 'x']],
    ['net A { x = a  logits concat(a, x)  output logits }', ['x', 'logits', 'a', 'logits']],
    ['net A { streams L, R of of C { step a: straight }  y = L + R }', ['L', 'R', 'of', 'a', 'y']],
    ['net A { x = a b  y = x }', ['x', 'b', 'y']],
    ['net A { x = y  input z, 3]  output x }', ['x', 'z', 'x']],
  ])('what was skipped may have defined a name: %s', (text, names) => {
    const { file: { nets: [net] }, diagnostics } = parse({ file: 't.zz', text });
    expect(diagnostics).toHaveLength(1);
    expect(net?.items.flatMap((item) => ('names' in item ? item.names : 'name' in item ? [item.name] : [])).map(({ name }) => name)).toEqual(names);
  });

  it('takes no value from a statement whose rest is in error', () => {
    expect(parse({ file: 't.zz', text: 'net A { x = a -> f b }' }).file.nets[0]?.items[0]).toMatchObject({ value: { kind: 'name', name: '' } });
  });

  it('reads the next net', () => {
    expect(file.nets[1]).toMatchObject({ name: { name: 'B' }, items: [{ kind: 'output', name: { name: 'z' } }] });
  });
});
