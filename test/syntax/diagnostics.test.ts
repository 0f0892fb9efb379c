// Places, rendering compared exactly, the JSON form, and proposals for misspelt names.

import { describe, expect, it } from 'vitest';
import { diagnostic, diagnosticToJson, locate, locator, nearest, quote, renderDiagnostic } from '../../compiler/diagnostics.ts';
import type { Source } from '../../compiler/diagnostics.ts';
import { slowness, timed } from '../pace.ts';

const source = (text: string): Source => ({ file: 'a.zz', text });
const rendered = (text: string, start: number, end: number, color = false): string =>
  renderDiagnostic(diagnostic('ZZ2001', locate(source(text), { start, end }), 'oh'), () => text, { color });

describe('places', () => {
  it('count lines ended by LF, CRLF or CR', () => {
    const text = 'a\nbc\r\nd\re\n';
    const at = locator(source(text));
    expect([...text, ''].map((_, i) => `${at({ start: i, end: i }).line}:${at({ start: i, end: i }).column}`)).toEqual(['1:1', '1:2', '2:1', '2:2', '2:3', '2:4', '3:1', '3:2', '4:1', '4:2', '5:1']);
    expect(locate(source(''), { start: 0, end: 0 })).toEqual({ file: 'a.zz', line: 1, column: 1, span: { start: 0, end: 0 } });
  });
});

describe('rendering', () => {
  it('shows the line, the caret, what was expected and found, a proposal and related places', () => {
    const text = 'net A {\n  x = foo(y)\n}\n';
    const at = locator(source(text));
    const full = diagnostic('ZZ2003', at({ start: 14, end: 17 }), "unknown function 'foo'", {
      expected: 'an operation', found: "'foo'", suggestion: 'for', related: [{ message: 'in this net', loc: at({ start: 4, end: 5 }) }],
    });
    expect(renderDiagnostic(full, () => text)).toBe(`a.zz:2:7: error ZZ2003: unknown function 'foo'
  2 |   x = foo(y)
    |       ^^^
  expected an operation
  found 'foo'
  did you mean 'for'?
a.zz:1:5: note: in this net
  1 | net A {
    |     ^`);
    expect(renderDiagnostic(full, () => undefined)).toBe(
      "a.zz:2:7: error ZZ2003: unknown function 'foo'\n  expected an operation\n  found 'foo'\n  did you mean 'for'?\na.zz:1:5: note: in this net",
    );
    expect(diagnosticToJson(full)).toEqual({
      code: 'ZZ2003', severity: 'error', message: "unknown function 'foo'", file: 'a.zz', line: 2, column: 7, start: 14, end: 17, expected: 'an operation', found: "'foo'", suggestion: 'for',
      related: [{ message: 'in this net', file: 'a.zz', line: 1, column: 5, start: 4, end: 5 }],
    });
  });

  it('names the severity', () => {
    const at = locate(source('x'), { start: 0, end: 1 });
    expect(renderDiagnostic(diagnostic('ZZ2101', at, 'm'), () => undefined)).toBe('a.zz:1:1: warning ZZ2101: m');
    expect(renderDiagnostic(diagnostic('ZZ4101', at, 'm'), () => undefined)).toBe('a.zz:1:1: note ZZ4101: m');
  });

  it('sets tabs at four columns', () => {
    expect(rendered('\tab\tcd', 4, 6)).toBe('a.zz:1:5: error ZZ2001: oh\n  1 |     ab  cd\n    |         ^^');
    expect(rendered('\tab', 0, 1)).toBe('a.zz:1:1: error ZZ2001: oh\n  1 |     ab\n    | ^^^^');
  });

  it('marks the first line of a longer span, and a place after the end', () => {
    expect(rendered('ab cd\nef', 3, 8)).toBe('a.zz:1:4: error ZZ2001: oh\n  1 | ab cd\n    |    ^^');
    expect(rendered('ab', 2, 3)).toBe('a.zz:1:3: error ZZ2001: oh\n  1 | ab\n    |   ^');
    expect(rendered('', 0, 0)).toBe('a.zz:1:1: error ZZ2001: oh\n  1 |\n    | ^');
    expect(rendered('ab\r\ncd', 4, 6)).toBe('a.zz:2:1: error ZZ2001: oh\n  2 | cd\n    | ^^');
  });

  it('clips long lines around the caret', () => {
    const text = `${'a'.repeat(5000)}bcd${'e'.repeat(5000)}`;
    expect(rendered(text, 5000, 5003)).toBe(`a.zz:1:5001: error ZZ2001: oh\n  1 | …${'a'.repeat(50)}bcd${'e'.repeat(47)}…\n    | ${' '.repeat(51)}^^^`);
    expect(rendered(text, 0, 3)).toBe(`a.zz:1:1: error ZZ2001: oh\n  1 | ${'a'.repeat(100)}…\n    | ^^^`);
    expect(rendered(text, 10002, 10003)).toBe(`a.zz:1:10003: error ZZ2001: oh\n  1 | …${'e'.repeat(100)}\n    | ${' '.repeat(100)}^`);
    // A span as long as the line runs to the clipped end.
    expect(rendered(text, 0, 10003)).toBe(`a.zz:1:1: error ZZ2001: oh\n  1 | ${'a'.repeat(100)}…\n    | ${'^'.repeat(100)}`);
    expect(rendered('a'.repeat(100), 99, 100)).toBe(`a.zz:1:100: error ZZ2001: oh\n  1 | ${'a'.repeat(100)}\n    | ${' '.repeat(99)}^`);
  });

  it('lets no control character through', () => {
    expect(rendered('a\u001b[31mb\u202e', 0, 1)).toBe('a.zz:1:1: error ZZ2001: oh\n  1 | a\ufffd[31mb\ufffd\n    | ^');
    expect(renderDiagnostic(diagnostic('ZZ2001', locate(source(''), { start: 0, end: 0 }), 'a\u0007b'), () => undefined)).toBe('a.zz:1:1: error ZZ2001: a\ufffdb');
    expect(quote('\u001b')).toBe("'\\u001b'");
    expect(quote('é😀')).toBe("'é😀'");
  });

  it('colours on request', () => {
    expect(rendered('ab', 0, 1, true)).toBe('\u001b[1ma.zz:1:1:\u001b[0m \u001b[31merror ZZ2001:\u001b[0m oh\n\u001b[2m  1 |\u001b[0m ab\n\u001b[2m    |\u001b[0m \u001b[31m^\u001b[0m');
  });
});

describe('nearest', () => {
  const words = ['input', 'output', 'conv', 'conv_transpose', 'dense', 'elu', 'relu', 'x', 'leaky_relu', 'batchnorm'];
  it.each([
    ['inptu', 'input'], ['outptu', 'output'], ['cnov', 'conv'], ['convv', 'conv'], ['con', 'conv'], ['Conv', 'conv'], ['RELU', 'relu'], ['leakyrelu', 'leaky_relu'], ['batch_norm', 'batchnorm'],
    ['dens', 'dense'], ['elu', 'relu'], ['conv_transposed', 'conv_transpose'],
  ])('%s: %s', (name, expected) => {
    expect(nearest(name, words)).toBe(expected);
  });

  it.each([['y'], ['softmax'], [''], ['xyz'], ['a'.repeat(1_000_000)]])('%s has none', (name) => {
    expect(nearest(name, words)).toBeUndefined();
  });

  it('is not slow on many or long names', () => {
    const many = Array.from({ length: 50_000 }, (_, i) => `name${i}`);
    const { value, ms } = timed(() => [nearest('nmae49999', many), nearest('a'.repeat(64), ['b'.repeat(1_000_000), `${'a'.repeat(63)}b`])]);
    expect(value).toEqual(['name49999', `${'a'.repeat(63)}b`]);
    expect(ms).toBeLessThan(2000 * slowness());
  });
});
