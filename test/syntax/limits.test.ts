// Sources at and beyond the limits: an answer within two seconds on a usual machine, never an exception.

import { describe, expect, it } from 'vitest';
import { decodeSource, MAX_BYTES, MAX_NESTING, parse } from '../../compiler/1-syntax/parse.ts';
import { MAX_HEIGHT } from '../../compiler/1-syntax/expressions.ts';
import { MAX_FAULTS } from '../../compiler/1-syntax/recovery.ts';
import { printTokens } from '../../compiler/inspect/tokens.ts';
import { printTree } from '../../compiler/inspect/tree.ts';
import { renderDiagnostic } from '../../compiler/diagnostics.ts';
import { slowness, timed } from '../pace.ts';
import { errorsOf, fmt } from './helpers.ts';

const net = (items: string): string => `net A { ${items} }`;
const N = 10_000;

/** The codes and places, in less than two seconds of a usual machine's processor time, the rendering included. */
function answer(text: string): string[] {
  const { value: { parsed: { file, tokens, diagnostics }, shown }, ms } = timed(() => {
    const parsed = parse({ file: 't.zz', text });
    return { parsed, shown: parsed.diagnostics.slice(0, 3).map((d) => renderDiagnostic(d, () => text)) };
  });
  expect(ms).toBeLessThan(2000 * slowness());
  for (const one of shown) for (const line of one.split('\n')) expect(line.length).toBeLessThan(250);
  printTree(file);
  printTokens(tokens, { file: 't.zz', text });
  return diagnostics.map(({ code, loc }) => `${code} ${loc.line}:${loc.column}`);
}

describe('nesting', () => {
  it.each([
    ['parentheses', (n: number) => net(`x = ${'('.repeat(n)}1${')'.repeat(n)}`), 12],
    ['calls', (n: number) => net(`x = ${'f('.repeat(n)}1${')'.repeat(n)}`), 13],
    ['lists', (n: number) => net(`x = f(${'['.repeat(n)}1${']'.repeat(n)})`), 14],
    ['repeats of steps', (n: number) => net(`streams L of C { ${'repeat 1 {'.repeat(n)}step a: straight${'}'.repeat(n)} }`), 35],
    ['repeats of stages', (n: number) => net(`twin L from a { ${'repeat 1 {'.repeat(n)}both elu${'}'.repeat(n)} }`), 34],
  ])('%s', (_, source, start) => {
    expect(answer(source(MAX_NESTING - 3))).toEqual([]);
    const [first, ...others] = answer(source(N));
    expect(first).toMatch(/^ZZ1005 1:\d+$/);
    expect(Number(first?.split(':')[1])).toBeGreaterThan(start + MAX_NESTING - 3);
    expect(others).toEqual([]);
  });

  it('unclosed', () => {
    expect(answer(net(`x = ${'('.repeat(N)}`)).slice(0, 1)).toEqual([`ZZ1005 1:${13 + MAX_NESTING - 1}`]);
    expect(answer('net A {'.repeat(N)).length).toBeGreaterThan(1);
    expect(answer('{'.repeat(N)).length).toBeGreaterThan(0);
  });

  it('minuses, with the statements after them still read', () => {
    expect(answer(net(`x = ${'-'.repeat(MAX_NESTING)}1`))).toEqual([]);
    expect(answer(net(`x = ${'-'.repeat(N)}1 output`))).toEqual([`ZZ1005 1:${13 + MAX_NESTING}`, `ZZ1003 1:${13 + N + 9}`]);
  });
});

describe('chains', () => {
  it.each([[' -> f'], [' + a'], [' * a'], [' - f(a)']])('%s', (link) => {
    const chain = (n: number): string => net(`x = a${link.repeat(n)}`);
    const long = chain(MAX_HEIGHT - 1);
    expect(answer(long)).toEqual([]);
    expect(errorsOf(fmt(long))).toEqual([]);
    expect(answer(chain(MAX_HEIGHT + 2))).toEqual(['ZZ1005 1:13']);
    expect(answer(chain(N))).toEqual(['ZZ1005 1:13']);
  });

  it('inside brackets count together', () => {
    const nested = (n: number, inner: number): string => `${'('.repeat(n)}a${`${' + a'.repeat(inner)})`.repeat(n)}`;
    expect(answer(net(`x = ${nested(9, 100)}`))).toEqual([]);
    expect(answer(net(`x = ${nested(11, 100)} y = 1 +`))).toHaveLength(2);
  });
});

describe('size', () => {
  it('10,000 lines', () => {
    const text = `net A {\n${Array.from({ length: N }, (_, i) => `  y${i + 1} = y${i} -> conv(192, k: 3, pad: same) -> elu`).join('\n')}\n}`;
    expect(answer(text)).toEqual([]);
    // Each line wrong: the first thousand are reported.
    expect(answer(text.replaceAll(', pad', ' pad'))).toHaveLength(MAX_FAULTS);
  });

  it('a megabyte: of a name, a number, a comment, a string, unknown characters, brackets', () => {
    const M = 1 << 20;
    expect(answer(net(`x = ${'a'.repeat(M)}`))).toEqual(['ZZ1007 1:13']);
    expect(answer(net(`x = ${'1'.repeat(M)}`))).toEqual(['ZZ1004 1:13']);
    expect(answer(net(`x = ${'1'.repeat(M)}.${'1'.repeat(M / 4)}a`))).toEqual(['ZZ1004 1:13']);
    expect(answer(net(`x = 1 // ${'a'.repeat(M)}\n`))).toEqual([]);
    expect(answer(`import "${'a'.repeat(M)}"`)).toEqual([]);
    expect(answer(`import "${'a)'.repeat(M / 2)}`)).toEqual(['ZZ1002 1:8']);
    expect(answer('$'.repeat(M))).toEqual(['ZZ1001 1:1']);
    expect(answer('$ '.repeat(M / 2))).toHaveLength(MAX_FAULTS);
    expect(answer('('.repeat(M))).toEqual(['ZZ1007 1:1']);
    expect(answer(')'.repeat(250_000)).slice(0, 1)).toEqual(['ZZ1003 1:1']);
    expect(answer(net('x = f(a '.repeat(50_000))).length).toBeGreaterThan(100);
    expect(answer(net('outptu y '.repeat(90_000)))).toHaveLength(MAX_FAULTS);
    expect(answer(net(`x = (${'1 '.repeat(250_000)}`))).toHaveLength(1);
    expect(answer(net(`streams L of C { ${'repeat 1 { '.repeat(MAX_NESTING - 10)} ${'1 '.repeat(200_000)}`))).toHaveLength(2);
    expect(answer(`${'a'.repeat(MAX_BYTES)}b`)).toEqual(['ZZ1007 1:1']);
  });

  it('identifiers of 255 characters are the longest', () => {
    expect(answer(net(`${'a'.repeat(255)} = 1`))).toEqual([]);
    expect(answer(net(`${'a'.repeat(256)} = 1`))).toEqual(['ZZ1007 1:9']);
  });
});

describe('bytes', () => {
  const decode = (...bytes: number[]) => {
    const { source, diagnostics } = decodeSource('t.zz', Uint8Array.from(bytes));
    return source?.text ?? diagnostics.map(({ code, loc, message }) => `${code} ${loc.line}:${loc.column} ${message}`);
  };
  const text = (s: string): number[] => [...Buffer.from(s)];

  it('UTF-8, with and without a byte order mark', () => {
    expect(decode(...text('net é → 😀'))).toBe('net é → 😀');
    expect(decode(0xef, 0xbb, 0xbf, ...text('net'))).toBe('net');
    expect(decode()).toBe('');
    expect(errorsOf('\ufeffnet A { }')).toEqual([]);
  });

  it.each([
    ['a lone continuation byte', [...text('net\n é'), 0x80, 0x41], 'ZZ1006 2:3 byte 0x80 is not UTF-8'],
    ['a character cut short', [...text('ab'), 0xe2, 0x82], 'ZZ1006 1:3 byte 0xe2 is not UTF-8'],
    ['a character broken off', [...text('ab'), 0xe2, 0x28, 0xa1], 'ZZ1006 1:3 byte 0xe2 is not UTF-8'],
    ['an overlong form', [0xc0, 0xaf], 'ZZ1006 1:1 byte 0xc0 is not UTF-8'],
    ['Latin-1', [...text('net caf'), 0xe9, 0x20], 'ZZ1006 1:8 byte 0xe9 is not UTF-8'],
    ['UTF-16', [0xff, 0xfe, 0x6e, 0], 'ZZ1006 1:1 the file is UTF-16, not UTF-8'],
    ['a NUL byte', [...text('net A\n{ '), 0, ...text('}')], 'ZZ1006 2:3 the file has a NUL byte'],
  ])('%s', (_, bytes, expected) => {
    expect(decode(...bytes)).toEqual([expected]);
  });

  it('too many', () => {
    expect(decodeSource('t.zz', new Uint8Array(MAX_BYTES + 1)).diagnostics.map((d) => d.code)).toEqual(['ZZ1007']);
    expect(decodeSource('t.zz', new Uint8Array(MAX_BYTES).fill(0x20)).diagnostics).toEqual([]);
  });

  it('a NUL in a text', () => {
    expect(answer('net A { \0 }')).toEqual(['ZZ1006 1:9']);
  });
});
