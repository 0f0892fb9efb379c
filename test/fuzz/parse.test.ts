// The parser, the formatter and the rendering of errors over mutated and random sources: always an answer, soon, and with places inside the text.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeSource, parse } from '../../compiler/1-syntax/parse.ts';
import { formatFile } from '../../compiler/1-syntax/print.ts';
import { printTokens } from '../../compiler/inspect/tokens.ts';
import { printTree } from '../../compiler/inspect/tree.ts';
import { diagnosticToJson, hasErrors, renderDiagnostic } from '../../compiler/diagnostics.ts';
import { slowness, timed } from '../pace.ts';
import { bare } from '../syntax/trees.ts';
import { randomBytes, sources } from './mutate.ts';

const examples = new URL('../../dsl-examples/', import.meta.url);
const corpus = readdirSync(examples).filter((name) => name.endsWith('.zz')).map((name) => readFileSync(new URL(name, examples), 'utf8'));

describe('parsing anything', () => {
  it('has examples to mutate', () => {
    expect(corpus.length).toBeGreaterThan(5);
    for (const text of corpus) expect(parse({ file: 'f.zz', text }).diagnostics).toEqual([]);
  });

  it('answers 2,000 bad sources', () => {
    let [clean, slowest] = [0, 0];
    for (const text of sources(2000, 678, corpus)) {
      const source = { file: 'f.zz', text };
      const { value: { file, tokens, diagnostics }, ms } = timed(() => parse(source));
      slowest = Math.max(slowest, ms);
      for (const d of diagnostics) {
        expect(d.loc.span.start).toBeGreaterThanOrEqual(0);
        expect(d.loc.span.start).toBeLessThanOrEqual(text.length);
        expect(d.loc.span.end).toBeGreaterThan(d.loc.span.start);
        expect(renderDiagnostic(d, () => text)).toMatch(/^f\.zz:\d+:\d+: error ZZ1\d{3}: /);
        expect(diagnosticToJson(d)['code']).toBe(d.code);
      }
      printTokens(tokens, source);
      printTree(file);
      if (hasErrors(diagnostics)) continue;
      clean++;
      const once = formatFile(file, source);
      const again = parse({ file: 'f.zz', text: once });
      expect(again.diagnostics).toEqual([]);
      expect(bare(again.file)).toEqual(bare(file));
      expect(formatFile(again.file, { file: 'f.zz', text: once })).toBe(once);
    }
    // Some mutations leave a text valid: they test the formatter too.
    expect(clean).toBeGreaterThan(50);
    expect(slowest).toBeLessThan(2000 * slowness());
  });

  it('decodes or refuses any bytes', () => {
    for (let i = 0; i < 2000; i++) {
      const bytes = randomBytes(42, i);
      const { source, diagnostics } = decodeSource('f.zz', bytes);
      const valid = Buffer.from(bytes.buffer).equals(Buffer.from(new TextDecoder().decode(bytes), 'utf8')) && !bytes.includes(0);
      expect(source !== undefined).toBe(valid);
      expect(diagnostics.map((d) => d.code)).toEqual(valid ? [] : ['ZZ1006']);
    }
  });
});
