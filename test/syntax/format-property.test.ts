// Properties of the formatter over random trees: reading the text gives the tree back, formatting is idempotent, and comments anywhere survive.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from '../../compiler/1-syntax/parse.ts';
import { formatFile, formatSource } from '../../compiler/1-syntax/print.ts';
import { lex } from '../../compiler/1-syntax/tokens.ts';
import type { File } from '../../compiler/1-syntax/ast.ts';
import { renderDiagnostic } from '../../compiler/diagnostics.ts';
import { anyFile, bare } from './trees.ts';

const printed = (file: File): string => formatFile(file, { file: 't.zz', text: '' });
const formatted = (text: string): string => {
  const once = formatSource({ file: 't.zz', text }).text;
  if (once === undefined) throw new Error(`not formatted:\n${text}`);
  return once;
};
const complaints = (text: string): string => parse({ file: 't.zz', text }).diagnostics.map((d) => renderDiagnostic(d, () => text)).join('\n');

describe('the formatter', () => {
  it('prints what reads back to the same tree', () => {
    fc.assert(
      fc.property(anyFile, (file) => {
        const text = printed(file);
        expect(complaints(text)).toBe('');
        expect(bare(parse({ file: 't.zz', text }).file)).toEqual(bare(file));
      }),
      { numRuns: 1500, seed: 678 },
    );
  });

  it('leaves its own text alone', () => {
    fc.assert(
      fc.property(anyFile, (file) => {
        const once = formatted(printed(file));
        expect(formatted(once)).toBe(once);
        expect(bare(parse({ file: 't.zz', text: once }).file)).toEqual(bare(file));
        for (const line of once.split('\n')) expect(line).toBe(line.trimEnd());
      }),
      { numRuns: 500, seed: 679 },
    );
  });

  it('keeps comments and line ends between any two tokens', () => {
    const gap = fc.constantFrom(' ', '\n', '\n\n\n', ' // a\n', ' # b {(\n', '\n// own\n', '\n\n  # far "\n\n', ' // a\n// b\n\n// c\n', '\t\r\n');
    fc.assert(
      fc.property(anyFile, fc.array(gap, { minLength: 1, maxLength: 40 }), (file, gaps) => {
        const text = lex(printed(file)).tokens.map((token, i) => (gaps[i % gaps.length] ?? ' ') + token.image).join('') + (gaps[0] ?? '');
        const source = { file: 't.zz', text };
        expect(complaints(text)).toBe('');
        const once = formatted(text);
        const again = parse({ file: 't.zz', text: once });
        expect(complaints(once)).toBe('');
        expect(bare(again.file)).toEqual(bare(file));
        expect(again.file.comments.map((c) => c.text)).toEqual(parse(source).file.comments.map((c) => c.text));
        expect(formatted(once)).toBe(once);
      }),
      { numRuns: 700, seed: 680 },
    );
  });
});
