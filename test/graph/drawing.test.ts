// Pictures of nets: which boxes there are, where they stand and what joins them.

import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { graphToSvg } from '../../compiler/2-graph/drawing.ts';

function draw(text: string, net?: string): string {
  const { graph, diagnostics } = buildNet(loadProgram('net.zz', memoryReader({ 'net.zz': text })), net, { mode: 'train' });
  if (!graph) throw new Error(diagnostics.map(({ message }) => message).join());
  return graphToSvg(graph, (loc) => text.slice(loc.span.start, loc.span.end)) ?? '';
}

interface Box { readonly title: string; readonly x: number; readonly y: number }
const boxes = (svg: string): Box[] => [...svg.matchAll(/<g data-call="[^"]*"><title>([^<]*)<\/title><rect x="([-\d]+)" y="([-\d]+)"/g)].map(([, title = '', x, y]) => ({ title, x: Number(x), y: Number(y) }));
const box = (svg: string, start: string): Box => {
  const found = boxes(svg).find(({ title }) => title.startsWith(start));
  if (!found) throw new Error(`there is no box ${start} among ${boxes(svg).map(({ title }) => title).join(', ')}`);
  return found;
};
const example = (name: string): string => readFileSync(new URL(`../../dsl-examples/${name}.zz`, import.meta.url), 'utf8');

test('a chain: one box a call, activations written with what they follow', () => {
  const svg = draw('net N { input image: [8, 8, 3] y = image -> conv(4, k: 3) -> batchnorm -> relu -> globalavgpool -> dense(10) output y loss softmax_cross_entropy(y) }');
  expect(boxes(svg).map(({ title }) => title)).toEqual([
    'image [B,8,8,3]', 'conv(4, k: 3) [B,8,8,4]', 'batchnorm -&gt; relu [B,8,8,4]', 'globalavgpool [B,4]', 'dense(10) [B,10]', 'softmax_cross_entropy(y) []',
  ]);
  expect(new Set(boxes(svg).map(({ x }) => x)).size).toBe(1);
  expect(svg.match(/<path/g)).toHaveLength(5);
});

test('streams: a column each, a row a step, and the lines of a swap in their own colour', () => {
  const svg = draw(example('case-b'));
  for (const step of [0, 1, 2, 3]) {
    expect(box(svg, `L[${step}]`).x).toBe(box(svg, 'L[0]').x);
    expect(box(svg, `R[${step}]`).x).toBeGreaterThan(box(svg, 'L[0]').x);
    expect(box(svg, `R[${step}]`).y).toBe(box(svg, `L[${step}]`).y);
  }
  expect(svg.match(/class="c"/g)).toHaveLength(6);
  expect(box(svg, 'L[1]').title).toBe('L[1] reads flipped [B,32,32,96]');
});

test('two uses of a net are two sets of boxes', () => {
  const svg = draw(example('residual'), 'Residual');
  expect(boxes(svg).filter(({ title }) => title.startsWith('relu(x + y)'))).toHaveLength(2);
});

describe.each(readdirSync(new URL('../../dsl-examples', import.meta.url)).filter((name) => name.endsWith('.zz')))('%s', (file) => {
  test('no two boxes overlap, none lies outside, and lines lead downwards', () => {
    const text = example(file.slice(0, -3));
    const svg = draw(text, [...text.matchAll(/^net (\w+)/gm)].at(-1)?.[1]);
    const [, width = 0, height = 0] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)?.map(Number) ?? [];
    const all = boxes(svg);
    expect(all.length).toBeGreaterThan(2);
    for (const [i, a] of all.entries()) {
      expect(a.x >= 0 && a.y >= 0 && a.x + 168 <= width && a.y + 40 <= height, a.title).toBe(true);
      for (const b of all.slice(i + 1)) expect(Math.abs(a.x - b.x) >= 168 || Math.abs(a.y - b.y) >= 40, `${a.title} and ${b.title}`).toBe(true);
    }
    for (const [, from, to] of svg.matchAll(/<path[^>]* d="M[\d.]+ ([\d.]+) .*? ([\d.]+)"/g)) expect(Number(from)).toBeLessThan(Number(to));
  });
});

test('names are escaped, and a graph of thousands of boxes is not drawn', () => {
  const many = `net N { input image: [4, 4, 3] x0 = image -> conv(3, k: 1)\n${Array.from({ length: 500 }, (_, i) => `x${i + 1} = x${i} -> conv(3, k: 1)`).join('\n')}\noutput y = x500 }`;
  expect(draw(many)).toBe('');
  expect(draw('net N { input a: [4] y = a -> dense(2) -> sum output y }')).not.toMatch(/<[^>]*->/);
});
