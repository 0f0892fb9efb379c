// The TextMate grammar: made from the compiler's tables (UPDATE=1 writes it anew), and every token of every sound file gets the scope that it should.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import oniguruma from 'vscode-oniguruma';
import textmate from 'vscode-textmate';
import { describe, expect, it } from 'vitest';
import { CONTEXTUAL, LEXED, RESERVED, STARTERS, wordOf } from '../../compiler/1-syntax/tokens.ts';
import type { TokenKind } from '../../editor/service/index.ts';
import { semanticTokens } from '../../editor/service/index.ts';
import { textMateGrammar } from '../../editor/textmate/grammar.ts';
import { keywordScopes, lexedScopes, scopeOfKeyword, scopeOfName, scopeOfToken } from '../../editor/textmate/scopes.ts';
import { ROOT, SOUND, analysisAt, analysisOf, textOf, tokensOf } from './helpers.ts';

const FILE = join(ROOT, 'editor/vscode/syntaxes/zz.tmLanguage.json');
const written = `${JSON.stringify(textMateGrammar(), null, 2)}\n`;

it('the file is what the tables give', () => {
  if (process.env['UPDATE'] === '1') writeFileSync(FILE, written);
  expect(readFileSync(FILE, 'utf8')).toBe(written);
});

it('every token and every keyword of the lexer has a scope', () => {
  expect(lexedScopes().map(([{ name }]) => name)).toEqual(LEXED.map(({ name }) => name).filter((name) => name !== 'Space' && name !== 'Word'));
  const words = [...RESERVED.keys(), ...CONTEXTUAL.keys(), ...[...STARTERS].map(wordOf)].filter((word) => /^[a-z]/.test(word));
  expect([...keywordScopes().keys()].sort()).toEqual([...new Set(words)].sort());
  expect(() => scopeOfToken('Semicolon')).toThrow('no scope for Semicolon');
});

await oniguruma.loadWASM(readFileSync(createRequire(import.meta.url).resolve('vscode-oniguruma/release/onig.wasm')));
const registry = new textmate.Registry({
  onigLib: Promise.resolve({ createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns), createOnigString: (text) => new oniguruma.OnigString(text) }),
  loadGrammar: (scope) => Promise.resolve(scope === 'source.zz' ? textmate.parseRawGrammar(written, 'zz.tmLanguage.json') : null),
});
const grammar = await registry.loadGrammar('source.zz');
if (!grammar) throw new Error('the grammar does not load');

/** The innermost scope at every offset of a text. */
function scopesOf(text: string): string[] {
  let state = textmate.INITIAL;
  return text.split('\n').flatMap((line) => {
    const { tokens, ruleStack } = grammar?.tokenizeLine(line, state) ?? { tokens: [], ruleStack: state };
    state = ruleStack;
    return [...Array.from(line, (_, i) => tokens.findLast(({ startIndex }) => startIndex <= i)?.scopes.at(-1) ?? ''), ''];
  });
}

/** Where a name is defined, and where it is used: a grammar of patterns does not know what was defined before. */
const SCOPES: { readonly [K in Exclude<TokenKind, 'keyword'>]: readonly [defined: readonly string[], used: readonly string[]] } = {
  net: [[scopeOfName('net')], [scopeOfName('called')]],
  cell: [[scopeOfName('cell')], [scopeOfName('cell')]],
  layer: [[scopeOfName('layer')], [scopeOfName('called')]],
  function: [[], [scopeOfName('builtin'), scopeOfKeyword('grad')]],
  value: [[scopeOfName('value'), scopeOfName('name')], [scopeOfName('name')]],
  input: [[scopeOfName('value')], [scopeOfName('name')]],
  stream: [[scopeOfName('stream')], [scopeOfName('stream'), scopeOfName('name')]],
  parameter: [[scopeOfName('parameter')], [scopeOfName('name')]],
  argument: [[], [scopeOfName('argument')]],
  setting: [[], [scopeOfName('setting')]],
  choice: [[], [scopeOfName('choice'), scopeOfKeyword('true')]],
};

describe.each(SOUND)('%s', (file) => {
  const analysis = analysisAt(file);
  const text = textOf(file);
  const scopes = scopesOf(text);
  const words = new Map(semanticTokens(analysis).map((token) => [token.span.start, token]));

  it('tokens', () => {
    const wrong = tokensOf(analysis).flatMap(({ type, text: image, span }) => {
      const word = words.get(span.start);
      const wanted = !word ? [scopeOfToken(type)] : word.kind === 'keyword' ? [scopeOfKeyword(image)] : SCOPES[word.kind][word.defines ? 0 : 1];
      const found = [...new Set(scopes.slice(span.start, span.end))];
      return found.length === 1 && wanted.includes(found[0] ?? '') ? [] : [`${span.start}: ${image} is ${found.join(' and ')}, not ${wanted.join(' or ')}`];
    });
    expect(wrong).toEqual([]);
  });

  it('comments, and nothing between tokens', () => {
    const comments = analysis.comments.map(({ loc }) => loc.span);
    for (const { start, end } of comments) expect([...new Set(scopes.slice(start, end))]).toEqual([scopeOfToken('Comment')]);
    const covered = [...tokensOf(analysis).map(({ span }) => span), ...comments];
    const between = scopes.filter((_, i) => !covered.some(({ start, end }) => start <= i && i < end) && /\S/.test(text[i] ?? ''));
    expect(between).toEqual([]);
  });
});

describe('what is wrong shows', () => {
  it.each([
    ['BadNumber', 'net A { input image: [8, 8, 3] y = image * 12ab }', '12ab'],
    ['BadNumber', 'net A { input image: [8, 8, 3] y = image * 1. }', '1.'],
    ['BadString', 'net A { input image: [8, 8, 3] train { dataset "abc', '"abc'],
    ['Unknown', 'net A { input image: [8, 8, 3] y = image $ 2 }', '$'],
  ])('%s', (name, text, part) => {
    const at = text.indexOf(part);
    expect([...new Set(scopesOf(text).slice(at, at + part.length))]).toEqual([scopeOfToken(name)]);
    expect(analysisOf(text).diagnostics.length).toBeGreaterThan(0);
  });

  it('a block ends where it does, whatever is in it', () => {
    const text = 'net A {\n  streams L, R of C {\n    repeat 2 { step x: (L <- R, R <- L) }\n  }\n  train { batch 4 }\n}\nnet B {\n  loss y\n}\n';
    expect(scopesOf(text)[text.indexOf('train')]).toBe(scopeOfKeyword('train'));
    expect(scopesOf(text)[text.indexOf('batch')]).toBe(scopeOfName('setting'));
    expect(scopesOf(text)[text.indexOf('B {')]).toBe(scopeOfName('net'));
    expect(scopesOf(text)[text.indexOf('loss')]).toBe(scopeOfKeyword('loss'));
  });
});
