// Every production of the grammar, precedence, and words that are keywords in one place and names in another.

import { describe, expect, it } from 'vitest';
import { ZigZagParser } from '../../compiler/1-syntax/grammar.ts';
import { parse } from '../../compiler/1-syntax/parse.ts';
import { printTokens, tokensToJson } from '../../compiler/inspect/tokens.ts';
import { printTree } from '../../compiler/inspect/tree.ts';
import { bare, CONTEXTUAL, RESERVED } from './trees.ts';
import { errorsOf, exprOf, itemsOf, netOf } from './helpers.ts';

const treeOf = (items: string): unknown => bare(itemsOf(items));
const names = (...list: string[]) => list.map((name) => ({ name }));
const name = (text: string) => ({ kind: 'name', name: text });

describe('the grammar', () => {
  it('passes the checks of the parser library: no ambiguity, no left recursion', () => {
    expect(() => new ZigZagParser({ skipValidations: false })).not.toThrow();
  });

  it('file: imports, then nets', () => {
    const { file } = parse({ file: 't.zz', text: 'import "a.zz" import "b c.zz" net A { } net B { output x }' });
    expect(file.imports.map(({ path }) => path)).toEqual(['a.zz', 'b c.zz']);
    expect(file.nets.map((net) => net.name.name)).toEqual(['A', 'B']);
    expect(parse({ file: 't.zz', text: '' }).file).toMatchObject({ imports: [], nets: [], comments: [] });
  });

  it('input, view, let, layer, output, loss', () => {
    expect(treeOf('input image: [32, 32, 3]')).toMatchObject([{ kind: 'input', name: { name: 'image' }, shape: [{ value: 32 }, { value: 32 }, { value: 3 }] }]);
    expect(treeOf('view v = image -> hflip')).toMatchObject([{ kind: 'view', name: { name: 'v' }, value: { kind: 'flow' } }]);
    expect(treeOf('let a = 1 b = 2 c, d = split(a, 2) let e, f, g = split(a, 3)')).toMatchObject([
      { kind: 'let', names: names('a'), keyword: true },
      { kind: 'let', names: names('b'), keyword: false },
      { kind: 'let', names: names('c', 'd'), keyword: false },
      { kind: 'let', names: names('e', 'f', 'g'), keyword: true },
    ]);
    expect(treeOf('layer f = conv(8, k: 3)')).toMatchObject([{ kind: 'layer', name: { name: 'f' }, value: { kind: 'call', callee: { name: 'conv' } } }]);
    expect(treeOf('output a output b = a + 1 loss 0.3 * mse(a, b)')).toEqual([
      { kind: 'output', name: { name: 'a' } },
      expect.objectContaining({ kind: 'output', name: { name: 'b' }, value: expect.objectContaining({ kind: 'binary' }) }),
      expect.objectContaining({ kind: 'loss' }),
    ]);
  });

  it('cell: parameters, lets with and without the word, the new state', () => {
    expect(treeOf('cell C(x, h, k) { let a = x b = a -> elu  a + b }')).toMatchObject([
      { kind: 'cell', params: names('x', 'h', 'k'), body: [{ keyword: true }, { keyword: false }], result: { kind: 'binary' } },
    ]);
  });

  it('streams: shared, init, steps, repeats and every route', () => {
    expect(treeOf('streams L, R of C shared { init zeros(3) step a: straight repeat 2 { step b: zigzag repeat 3 { } } step c -> f: (L <- 0.5 * (L + R), R <- L) }')).toMatchObject([
      {
        kind: 'streams', names: names('L', 'R'), cell: { name: 'C' }, shared: true, init: { kind: 'call' },
        steps: [
          { kind: 'step', route: { form: 'straight' } },
          { kind: 'repeat', count: { value: 2 }, body: [{ kind: 'step', route: { form: 'zigzag' } }, { kind: 'repeat', body: [] }] },
          { kind: 'step', value: { kind: 'flow' }, route: { form: 'arms', arms: [{ stream: { name: 'L' } }, { stream: { name: 'R' }, value: name('L') }] } },
        ],
      },
    ]);
  });

  it('twin: every stage and cross', () => {
    expect(treeOf(`twin L, R from a, b -> f {
      both avgpool(2) -> conv(8) -> elu shared  L conv(4)  L, R relu -> elu
      cross swap cross concat cross add cross mean cross (L <- L + l0, R <- R)
      repeat 2 { both elu cross swap }
    }`)).toMatchObject([
      {
        kind: 'twin', names: names('L', 'R'), from: [name('a'), { kind: 'flow' }],
        stages: [
          { kind: 'pipe', streams: 'both', shared: true, pipe: [{ kind: 'call' }, { kind: 'call' }, name('elu')] },
          { kind: 'pipe', streams: names('L'), shared: false },
          { kind: 'pipe', streams: names('L', 'R'), pipe: [name('relu'), name('elu')] },
          { form: 'swap' }, { form: 'concat' }, { form: 'add' }, { form: 'mean' }, { form: 'arms', arms: [{ stream: { name: 'L' } }, { stream: { name: 'R' } }] },
          { kind: 'repeat', body: [{ kind: 'pipe' }, { kind: 'cross' }] },
        ],
      },
    ]);
  });

  it('backward and train', () => {
    expect(treeOf('backward { grad(y7) = upsample(grad(p9), 2) grad(y1) += grad(y7) }')).toMatchObject([
      { kind: 'backward', routes: [{ target: { name: 'y7' }, mode: '=' }, { target: { name: 'y1' }, mode: '+=', value: { kind: 'call', callee: { name: 'grad' } } }] },
    ]);
    expect(treeOf('train { optimizer adam(lr: 8e-5) schedule step(every: 10) dataset synthetic batch 25 normalize per_batch rate -1 nesterov true sizes [1, "a", 0..0.5] loss 3 }')).toMatchObject([
      {
        kind: 'train',
        settings: [
          { key: { name: 'optimizer' }, value: { kind: 'call' } }, { key: { name: 'schedule' }, value: { callee: { name: 'step' } } }, { key: { name: 'dataset' }, value: name('synthetic') },
          { key: { name: 'batch' }, value: { value: 25 } }, { key: { name: 'normalize' } }, { key: { name: 'rate' }, value: { kind: 'negate' } },
          { key: { name: 'nesterov' }, value: { kind: 'boolean', value: true } },
          { key: { name: 'sizes' }, value: { kind: 'list', items: [{ kind: 'number' }, { kind: 'string', value: 'a' }, { kind: 'range', low: { text: '0' }, high: { text: '0.5' } }] } },
          { key: { name: 'loss' }, value: { value: 3 } },
        ],
      },
    ]);
  });
});

describe('expressions', () => {
  it.each([
    ['a + b * c', '(a + (b * c))'],
    ['a - b - c', '((a - b) - c)'],
    ['a / b * c', '((a / b) * c)'],
    ['a - (b - c)', '(a - (b - c))'],
    ['a * b + c * d - e', '(((a * b) + (c * d)) - e)'],
    ['a + b -> f', '(a + (b -> f))'],
    ['(a + b) -> f -> g(1)', '(((a + b) -> f) -> g(1))'],
    ['2 * a -> f', '(2 * (a -> f))'],
    ['-a -> f', '((-a) -> f)'],
    ['-(a -> f)', '(-(a -> f))'],
    ['- -a', '(-(-a))'],
    ['a  -b', '(a - b)'],
    ['a --b', '(a - (-b))'],
    ['a*-b', '(a * (-b))'],
    ['L[2] + L[-1]', '(L[2] + L[-1])'],
    ['f(x, k: 3, loss: -1)', 'f(x, k:3, loss:(-1))'],
    ['f(sigma: 0..0.5, b: [1, 2], c: "s", d: true)', 'f(sigma:range, b:list, c:string, d:boolean)'],
    ['f(true, (true), true + 1, true(2))', 'f(boolean, true, (true + 1), true(2))'],
    ['f(g())', 'f(g())'],
    ['a->f', '(a -> f)'],
    ['a<x', 'syntax'],
  ])('%s', (text, expected) => {
    if (expected === 'syntax') expect(errorsOf(`net A { v = ${text} }`)).toEqual(['ZZ1001 1:14']);
    else expect(exprOf(text)).toBe(expected);
  });

  it('numbers and ranges', () => {
    const [item] = itemsOf('v = f(0..0.5, 0.25..1, 8e-5, 1.0, 1E+3, 007)');
    expect(bare(item)).toMatchObject({
      value: {
        args: [
          { value: { kind: 'range', low: { value: 0 }, high: { value: 0.5 } } }, { value: { kind: 'range', low: { value: 0.25 }, high: { value: 1 } } },
          { value: { value: 8e-5, text: '8e-5' } }, { value: { value: 1, text: '1.0' } }, { value: { value: 1000 } }, { value: { value: 7, text: '007' } },
        ],
      },
    });
  });

  it('places count lines of every kind, and span the parentheses of operands', () => {
    const text = 'net A {\r\n\r  v = (a + b) -> f\n}';
    const [item] = netOf(text).items;
    if (item?.kind !== 'let' || item.value.kind !== 'flow') throw new Error('unexpected tree');
    expect(item.loc).toMatchObject({ line: 3, column: 3 });
    expect(text.slice(item.value.loc.span.start, item.value.loc.span.end)).toBe('(a + b) -> f');
    expect(text.slice(item.value.value.loc.span.start, item.value.value.loc.span.end)).toBe('a + b');
  });
});

describe('words', () => {
  it.each([...CONTEXTUAL, ...RESERVED])('%s is a name away from the start of a statement', (word) => {
    expect(errorsOf(`net ${word} {
      input ${word}: [3]  view ${word} = ${word} -> ${word}(${word}: ${word})  let ${word} = ${word}  let x, ${word} = split(${word})  layer ${word} = ${word}(8)
      cell ${word}(x, ${word}) { let ${word} = ${word} -> f  ${word} + x }
      streams ${word}, L of ${word} shared { init ${word} step ${word}: straight repeat 2 { step ${word} + 1: (${word} <- ${word}, L <- ${word}[1]) } }
      twin L, R from ${word}, ${word} { both ${word} -> ${word}(3) shared L ${word} R elu cross (L <- ${word}, R <- -${word}) }
      backward { grad(${word}) = ${word} grad(x) += f(grad(${word})) }
      output ${word} output ${word} = ${word} * ${word} loss ${word} loss ${word}(${word})
      train { ${word} 3 a ${word} ${word} ${word} b ${word}(${word}: 3) }
    }`)).toEqual([]);
  });

  it.each(CONTEXTUAL)('%s names a value without let, also in a cell', (word) => {
    expect(errorsOf(`net A { ${word} = 3  ${word}, b = split(x)  cell C(x, h) { ${word} = x  ${word} + h } }`)).toEqual([]);
  });

  it.each(RESERVED)('%s begins a statement, so it is no value there without let', (word) => {
    expect(errorsOf(`net A { x = 1  ${word} = 3 }`)).toHaveLength(1);
    expect(errorsOf(`net A { x = 1  let ${word} = 3  y = ${word}  z = ${word} }`)).toEqual([]);
  });

  it('a stream may be called like a stage', () => {
    expect(treeOf('twin both, repeat, L from a, b, c { both, repeat elu  both relu  repeat, cross elu }')).toMatchObject([
      { stages: [{ streams: names('both', 'repeat') }, { streams: 'both' }, { streams: names('repeat', 'cross') }] },
    ]);
    expect(treeOf('twin output, train from a, b { output elu train relu both elu output, train elu }')).toMatchObject([
      { stages: [{ streams: names('output') }, { streams: names('train') }, { streams: 'both' }, { streams: names('output', 'train') }] },
    ]);
  });

  it('shared after a pipe is the keyword, and in it a name', () => {
    expect(treeOf('twin L, R from a, b { both shared shared L elu -> shared R elu shared }')).toMatchObject([
      { stages: [{ pipe: [name('shared')], shared: true }, { pipe: [name('elu'), name('shared')], shared: false }, { shared: true }] },
    ]);
  });
});

describe('dumps', () => {
  const text = 'net A { x = a + f(b, k: 3) -> g // c\n  streams L of C { step x: zigzag } }';

  it('tokens with their roles', () => {
    const source = { file: 't.zz', text: 'net A { step = 3\n output step }' };
    expect(printTokens(parse(source).tokens, source).split('\n')).toEqual(
      ['1:1 Net net', '1:5 Word A', '1:7 LBrace {', '1:9 LetName step', '1:14 Equal =', '1:16 Number 3', '2:2 Output output', '2:9 Word step', '2:14 RBrace }', ''].map((line) => line.replaceAll(' ', '\t')),
    );
    expect(tokensToJson(parse(source).tokens.slice(0, 1), source)).toEqual([{ type: 'Net', text: 'net', line: 1, column: 1, start: 0, end: 3 }]);
  });

  it('trees', () => {
    expect(printTree(parse({ file: 't.zz', text }).file)).toBe(`file @1:1
  nets @1:1
    name name="A" @1:5
    items let keyword=false @1:9
      names name="x" @1:9
      value binary op="+" @1:13
        left name name="a" @1:13
        right flow @1:17
          value call @1:17
            callee name="f" @1:17
            args @1:19
              value name name="b" @1:19
            args @1:22
              name name="k" @1:22
              value number value=3 text="3" @1:25
          target name name="g" @1:31
    items streams shared=false @2:3
      names name="L" @2:11
      cell name="C" @2:16
      steps step @2:20
        value name name="x" @2:25
        route form="zigzag" @2:28
  comments text="// c" @1:33
`);
  });
});
