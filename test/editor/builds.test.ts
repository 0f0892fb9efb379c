// Builds that are kept from one text to the next: what an analysis that follows another one says is what one from nothing says, and only what an edit changes is built again.

import { describe, expect, it, test } from 'vitest';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import { uniforms } from '../../runtime/random.ts';
import { analyze, hintsIn, hoverAt } from '../../editor/service/index.ts';
import type { Analysis } from '../../editor/service/index.ts';
import { sources } from '../fuzz/mutate.ts';
import { BROKEN, SOUND, textOf } from './helpers.ts';

const net = (name: string, items: string): string => `net ${name} {\n  input image: [8, 8, 3]\n  ${items}\n  output y\n}\n`;
const THREE = [net('One', 'y = image -> conv(4)'), net('Two', 'y = image -> One -> conv(5)'), net('Three', 'y = image -> conv(6)')] as const;

const next = (text: string, before?: Analysis, others: Readonly<Record<string, string>> = {}): Analysis => {
  const after = analyze('main.zz', memoryReader({ ...others, 'main.zz': text }), before);
  for (const each of after.ast.nets) after.prepare(each);
  return after;
};

/** The names of the nets that are built anew. */
const rebuilt = (before: Analysis, after: Analysis): string[] => {
  const old = new Set([...before.builds.builds.values()].map(({ built }) => built));
  return [...after.builds.builds.values()].filter(({ built }) => !old.has(built)).map(({ built }) => built.checked.net.name.name);
};

/** All that is said of a text by what its builds found out. */
function said(analysis: Analysis, offsets: readonly number[]): unknown {
  const { diagnostics, source: { text } } = analysis;
  return {
    diagnostics,
    hints: hintsIn(analysis, { start: 0, end: text.length }),
    hovers: offsets.map((offset) => hoverAt(analysis, Math.min(offset, text.length))),
    weights: analysis.ast.nets.map((each) => [[...analysis.facts(each).weights], [...analysis.facts(each).weightsIn(each.loc)]]),
  };
}

describe('what is built again', () => {
  const [one, two, three] = THREE;
  const first = next(THREE.join('\n'));

  it.each<readonly [what: string, text: string, built: readonly string[]]>([
    ['nothing below a line that is new', `\n\n${THREE.join('\n')}`, []],
    ['nothing between lines that are new', THREE.join('\n\n// Another.\n'), []],
    ['a net that changes', [one, two, three.replace('6', '7')].join('\n'), ['Three']],
    ['a net and those that use it', [one.replace('4', '3'), two, three].join('\n'), ['One', 'Two']],
    ['all for a name that is new, as errors propose it', [...THREE, net('Four', 'y = image')].join('\n'), ['One', 'Two', 'Three', 'Four']],
  ])('%s', (_, text, built) => {
    const after = next(text, first);
    expect(rebuilt(first, after)).toEqual(built);
    expect(said(after, [])).toEqual(said(next(text), []));
  });

  it('nothing after a syntax error that has come and gone', () => {
    const broken = next([one, two, three.replace('}', '')].join('\n'), first);
    expect(broken.diagnostics.map(({ code }) => code)).toContain('ZZ1003');
    expect(rebuilt(first, next(`\n${THREE.join('\n')}`, broken))).toEqual([]);
  });

  it('all after a change in an imported file, and nothing after none', () => {
    const text = `import "cells.zz"\n${net('Main', 'streams L, R of Cell { step image: zigzag }\n  y = L')}`;
    const cells = (k: number): string => `net Cells {\n  cell Cell(x, h) { elu(conv(x, 4, k: ${k}) + h) }\n}\n`;
    const before = next(text, undefined, { 'cells.zz': cells(3) });
    expect(rebuilt(before, next(`\n${text}`, before, { 'cells.zz': cells(3) }))).toEqual([]);
    const after = next(text, before, { 'cells.zz': cells(1) });
    expect(rebuilt(before, after)).toEqual(['Main']);
    expect(said(after, [])).toEqual(said(next(text, undefined, { 'cells.zz': cells(1) }), []));
  });
});

test('places move with a net, in its first line to the side too, and so do those in nets that it uses', () => {
  const [one, two] = ['net One { input image: [8, 8, 3] y = image -> conv(4, bias: 3) output y }', net('Two', 'z = image -> One\n  y = image -> conv(99999999)')];
  const before = next(`${one}\n${two}`);
  const text = `// A comment.\n  ${one} ${two}`;
  const after = next(text, before);
  expect(rebuilt(before, after)).toEqual([]);
  expect(after.diagnostics.length).toBeGreaterThan(1);
  expect(said(after, [30, 60, 80])).toEqual(said(next(text), [30, 60, 80]));
});

test('declared routes that are refused move too', () => {
  const routed = net('Routed', 'p = image -> conv(4)\n  y = p -> globalavgpool -> dense(2)\n  loss softmax_cross_entropy(y)\n  backward { grad(p) = grad(image) grad(image) = grad(p) }');
  const before = next(routed);
  expect(before.diagnostics.map(({ severity }) => severity)).toContain('error');
  const after = next(`\n${routed}`, before);
  expect(rebuilt(before, after)).toEqual([]);
  expect(said(after, [])).toEqual(said(next(`\n${routed}`), []));
});

test('two thousand edits, each after the one before', { timeout: 300_000 }, () => {
  const random = uniforms(31, 5);
  const corpus = [...SOUND, ...BROKEN].map(textOf);
  let before: Analysis | undefined;
  let kept = 0;
  const check = (text: string): void => {
    const after = next(text, before);
    kept += before && after !== before ? after.ast.nets.length - rebuilt(before, after).length : 0;
    const offsets = Array.from({ length: 6 }, () => Math.floor(random() * text.length));
    expect(said(after, offsets)).toEqual(said(next(text), offsets));
    before = after;
  };
  // Each mutated text stands beside sound ones, which move when it changes.
  for (const text of sources(1000, 41, corpus)) {
    check([THREE[0], text, THREE[1], THREE[2]].join('\n'));
    check(['// Above.', THREE[0], text, ...THREE.slice(1)].join('\n'));
  }
  expect(kept).toBeGreaterThan(1000);
});
