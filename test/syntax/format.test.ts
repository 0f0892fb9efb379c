// The canonical form, compared exactly.

import { describe, expect, it } from 'vitest';
import { formatSource } from '../../compiler/1-syntax/print.ts';
import { fmt } from './helpers.ts';

/** The canonical text of items, without the net around them. */
const items = (text: string): string => fmt(`net A {\n${text}\n}`).split('\n').slice(1, -2).map((line) => line.slice(2)).join('\n');

describe('the formatter', () => {
  it('sets spaces, and one statement on a line', () => {
    expect(fmt('import"a.zz"net A{input x:[3 , 4]y=x->f(1,k :2)->g output y}')).toBe('import "a.zz"\nnet A {\n  input x: [3, 4]\n  y = x -> f(1, k: 2) -> g\n  output y\n}\n');
    expect(fmt('')).toBe('');
    expect(fmt('\n\n  // alone\n\n')).toBe('// alone\n');
    expect(fmt('net A { }')).toBe('net A {}\n');
  });

  it('drops needless parentheses and keeps the others', () => {
    expect(items('v = ((a)+(b))*(c)-((d)-(e))+(f*g)')).toBe('v = (a + b) * c - (d - e) + f * g');
    expect(items('v = a+(b+c) w = (a+b)+c x = -(-(a)) y = -(a->f) z = (-a)->f')).toBe('v = a + (b + c)\nw = a + b + c\nx = --a\ny = -(a -> f)\nz = -a -> f');
    expect(items('v = f((true), true, k: (false), (a))')).toBe('v = f((true), true, k: (false), a)');
  });

  it('keeps the spelling of numbers', () => {
    expect(items('v = f(1.0, 8e-5, 1E+3, 007, 0..0.50)')).toBe('v = f(1.0, 8e-5, 1E+3, 007, 0..0.50)');
  });

  it('keeps a let and its word, and single blank lines', () => {
    expect(items('\n\nlet a = 1\n\n\n\nb = 2\nc, d = split(b, 2)\n\n')).toBe('let a = 1\n\nb = 2\nc, d = split(b, 2)');
  });

  it('keeps apart what would run together in a cell', () => {
    expect(items('cell C(x, h) { a = (x) (-h) }')).toBe('cell C(x, h) { a = (x)  (-h) }');
    expect(items('cell C(x, h) { a = x * (h -> f) ((x + h) * 2) }')).toBe('cell C(x, h) { a = (x * h -> f)  (x + h) * 2 }');
    expect(items('cell C(x, h) { a = f(x) (x + h) -> elu }')).toBe('cell C(x, h) { a = f(x)  (x + h) -> elu }');
  });

  it('leaves blocks on one line where they were and fit, and opens the others', () => {
    expect(items('train{batch 25 epochs 3}')).toBe('train { batch 25  epochs 3 }');
    expect(items('train {\nbatch 25 epochs 3}')).toBe('train {\n  batch 25\n  epochs 3\n}');
    expect(items('streams L,R of C shared{init zeros(3) repeat 2{step x:straight step y:(L<-R)}}')).toBe(
      'streams L, R of C shared { init zeros(3)  repeat 2 { step x: straight  step y: (L <- R) } }',
    );
    expect(items(`train { optimizer adam(lr: 8e-5, beta1: 0.9, beta2: 0.9) batch 25 epochs 21 seed 678 normalize per_batch }`)).toBe(
      'train {\n  optimizer adam(lr: 8e-5, beta1: 0.9, beta2: 0.9)\n  batch 25\n  epochs 21\n  seed 678\n  normalize per_batch\n}',
    );
    expect(items('twin L,R from a,b{both avgpool(2)->elu shared\nL,R relu cross swap}')).toBe('twin L, R from a, b { both avgpool(2) -> elu shared  L, R relu  cross swap }');
    expect(items('backward{\ngrad(y)=f(grad(x))grad(z)+=y}')).toBe('backward {\n  grad(y) = f(grad(x))\n  grad(z) += y\n}');
  });

  it('wraps a chain at 100 columns, and keeps its line ends if it must be wrapped', () => {
    const link = ' -> conv(192, k: 3)';
    expect(items(`v = x\n${link}\n${link}`)).toBe(`v = x${link}${link}`);
    expect(items(`v = x${link.repeat(6)}`)).toBe(`v = x${link.repeat(4)}\n  ${(link + link).trim()}`);
    expect(items(`v = x\n${link}${link}\n${link.repeat(4)}`)).toBe(`v = x\n  ${link.repeat(2).trim()}\n  ${link.repeat(4).trim()}`);
    expect(fmt(`net A {\n  v = x${' -> f'.repeat(300)}\n}`).split('\n').every((line) => line.length <= 100)).toBe(true);
  });

  it('wraps sums and arguments', () => {
    const long = (c: string): string => c.repeat(40);
    expect(items(`v = ${long('a')} + ${long('b')} * ${long('c')} - d`)).toBe(`v = ${long('a')}\n  + ${long('b')} * ${long('c')} - d`);
    expect(items(`v = f(${long('a')}, k: ${long('b')}, ${long('c')})`)).toBe(`v = f(\n  ${long('a')},\n  k: ${long('b')},\n  ${long('c')}\n)`);
  });

  it('keeps every comment, where it was', () => {
    const text = `// head
import "a.zz" // first
# second

net A { // open
  input x: [3, 4] // shape

  // about y
  y = x // tail
    // own
    -> h( // in h
      3, // three
      4
      // end of h
    )
  cell C(x, h) {
    a = x // a

    // result
    a + h
  } // closed
  train { // settings
    batch 3
    // last setting
  }
  // last
}
// eof
`;
    expect(fmt(text)).toBe(text);
    expect(fmt('net A {//a\nx=1//b\n}//c\n#d')).toBe('net A { //a\n  x = 1 //b\n} //c\n#d\n');
    expect(fmt('net A { x = ( // why\n a // a\n + b) }')).toBe('net A {\n  x = // why\n  a // a\n    + b\n}\n');
  });

  it('leaves no space at the end of a line', () => {
    for (const gap of [' // a\n', '\n// b\n', '\n\n']) {
      const spread = 'net A { x = ( a + b ) -> f ( 3 , k : 4 ) let c , d = e }'.replaceAll(' ', gap);
      expect(fmt(spread)).not.toMatch(/[ \t]\n/);
    }
  });

  it('leaves a text with errors alone', () => {
    const { text, diagnostics } = formatSource({ file: 't.zz', text: 'net A { x = }' });
    expect(text).toBeUndefined();
    expect(diagnostics.map((d) => d.code)).toEqual(['ZZ1003']);
  });
});
