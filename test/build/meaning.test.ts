// What topologies compute: small linear nets on single numbers, unrolled and evaluated, against values worked out by hand or by a loop.

import { describe, expect, it } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { uniforms } from '../../runtime/random.ts';
import { graphOf, ofKind } from './helpers.ts';

/** The outputs of a net on one image each, by name. */
function run(source: string, feeds: Readonly<Record<string, readonly number[]>>): Record<string, number[]> {
  const graph = bindBatch(unroll.run(graphOf(source)), 1);
  const given = new Map(Object.entries(feeds));
  for (const { id, type } of ofKind(graph, 'weight')) if (!given.has(id)) given.set(id, new Array(Number(type.shape.reduce<number>((n, dim) => n * Number(dim), 1))).fill(1));
  const values = evaluate(graph, given, { precision: 'f64', wanted: graph.outputs.map(({ value }) => value) });
  return Object.fromEntries(graph.outputs.map(({ name, value }) => [name, [...(values.get(value) ?? [])]]));
}

const net = (items: string): string => `net T { input x: [1] ${items} loss mean(x) }`;
/** Remembers its own first: h' = x + 10 h. */
const CELL = 'cell C(a, h) { a + 10 * h }';

describe('streams', () => {
  it('straight keeps states apart', () => {
    expect(run(net(`${CELL} streams L, R of C { init 1 step x : straight step 2 * x : straight } output l = L output r = R`), { x: [3] })).toEqual({
      l: [6 + 10 * (3 + 10)], r: [6 + 10 * (3 + 10)],
    });
  });

  it('zigzag shifts the states by one stream', () => {
    const source = net(`${CELL}
      streams A, B, D of C { step x : (A <- 1, B <- 2, D <- 3) step x : zigzag step x : zigzag }
      output a = A output b = B output d = D output first = A[0] output second = A[1] output last = B[-1] output before = D[-2]`);
    // States after step 0: x + 10, x + 20, x + 30.
    expect(run(source, { x: [0] })).toEqual({ a: [2000], b: [3000], d: [1000], first: [10], second: [300], last: [3000], before: [200] });
  });

  it('arms mean the states before the step, not those just made', () => {
    const source = net(`${CELL} streams L, R of C { step x : (L <- 1, R <- 2) step x : (L <- R, R <- L) } output l = L output r = R`);
    expect(run(source, { x: [0] })).toEqual({ l: [200], r: [100] });
  });

  it('repeat multiplies and nests', () => {
    const source = net(`${CELL} streams L of C { repeat 2 { step x : straight repeat 2 { step 0 * x : straight } } } output l = L`);
    expect(run(source, { x: [1] })).toEqual({ l: [100_100] });
  });

  it('follows a loop on random routes of three streams', () => {
    const next = uniforms(42);
    const names = ['P', 'Q', 'S'];
    const steps = Array.from({ length: 6 }, () => names.map(() => names.map(() => Math.floor(next() * 5) / 4)));
    const written = steps.map((rows) => `step x : (${rows.map((row, i) => `${names[i]} <- ${row.map((factor, j) => `${factor} * ${names[j]}`).join(' + ')}`).join(', ')})`);
    let states = [2, 2, 2];
    for (const rows of steps) states = rows.map((row) => 0.5 + 10 * row.reduce((sum, factor, j) => sum + factor * (states[j] ?? 0), 0));
    const found = run(net(`${CELL} streams ${names.join(', ')} of C { init 2 ${written.join(' ')} } ${names.map((name) => `output o${name} = ${name}`).join(' ')}`), { x: [0.5] });
    names.forEach((name, i) => {
      expect(found[`o${name}`]?.[0]).toBeCloseTo(states[i] ?? NaN, 6);
    });
  });

  it('own weights by stream, one set when shared', () => {
    const items = (shared: string): string => net(`cell D(a, h) { dense(a, 1, bias: false) + h } streams L, R of D${shared} { step x : straight step x : straight } output l = L output r = R`);
    expect(run(items(''), { x: [1], 'w.L.1': [2], 'w.R.1': [5] })).toEqual({ l: [4], r: [10] });
    expect(run(items(' shared'), { x: [1], 'w.D.1': [3] })).toEqual({ l: [6], r: [6] });
  });

  it('init takes a number, zeros, ones, a constant or a value', () => {
    const init = (text: string): string => net(`${CELL} streams L of C { ${text} step x : straight } output l = L`);
    expect(['', 'init zeros', 'init ones', 'init 7', 'init ones([1])', 'init 2 * x'].map((text) => run(init(text), { x: [1] })['l']?.[0])).toEqual([1, 1, 11, 71, 11, 21]);
  });

  it('a cell that gives its input or its state back stands for what it is given', () => {
    const graph = unroll.run(graphOf(net('cell Keep(a, h) { h } cell Copy(a, h) { a } streams L of Keep { init x step 2 * x : straight } streams R of Copy { step x : straight } output l = L output r = R')));
    expect(graph.outputs.map(({ value }) => value)).toEqual(['x', 'x']);
  });
});

describe('twin', () => {
  const twin = (stages: string): string => net(`twin L, R, S from x, 10 * x, 100 * x { ${stages} } output l = L output r = R output s = S`);

  it.each([
    ['', [1, 10, 100]],
    ['cross swap', [100, 1, 10]],
    ['cross swap cross swap cross swap', [1, 10, 100]],
    ['cross add', [111, 111, 111]],
    ['cross mean', [37, 37, 37]],
    ['cross (L <- R, R <- L + S, S <- S)', [10, 101, 100]],
    ['cross (L <- L + x, R <- R - x, S <- 2 * S)', [2, 9, 200]],
    ['R square', [1, 100, 100]],
    ['L, S square', [1, 10, 10000]],
    ['both square repeat 2 { cross swap R sqrt }', [100, Math.sqrt(10000), 1]],
  ])('%s', (stages, expected) => {
    const { l, r, s } = run(twin(stages), { x: [1] });
    [l, r, s].forEach((value, i) => {
      expect(value?.[0]).toBeCloseTo(expected[i] ?? NaN, 9);
    });
  });

  it('concat puts a stream before the others, which keep their order', () => {
    expect(run(twin('cross concat'), { x: [1] })).toEqual({ l: [1, 10, 100], r: [10, 1, 100], s: [100, 1, 10] });
  });

  it('both gives every stream weights of its own, unless they are shared', () => {
    expect(run(twin('both dense(1, bias: false)'), { x: [1], 'w.L.1': [2], 'w.R.1': [3], 'w.S.1': [4] })).toEqual({ l: [2], r: [30], s: [400] });
    expect(run(twin('both dense(1, bias: false) shared both dense(1, bias: false) shared'), { x: [1], 'w.L.R.S.1': [2], 'w.L.R.S.2': [5] })).toEqual({ l: [10], r: [100], s: [1000] });
  });
});

describe('expressions', () => {
  it.each([
    ['2 * x + 3', 11], ['2 * (x + 3)', 14], ['x - 1 - 1', 2], ['8 / x / 2', 1], ['-x + 1', -3], ['--x', 4], ['x -> square * 2', 32], ['2 + 3 * x -> square', 50],
    ['max(x, 3)', 4], ['max(x, 5)', 5], ['min(x, 3)', 3], ['sum(x)', 4], ['max(x)', 4], ['min(concat(x, 2 * x))', 4], ['relu(-x)', 0], ['abs(-x)', 4],
    ['x -> identity -> stop_gradient', 4], ['mse(x, 1)', 9], ['mse(2 * x, x)', 16], ['mean(concat(x, ones([1]), zeros([3])))', 1],
  ])('%s', (expr, expected) => {
    expect(run(net(`output y = ${expr}`), { x: [4] })['y']?.[0]).toBeCloseTo(expected, 9);
  });

  it('split, slice, concat and transpose move what they say', () => {
    const source = `net T { input m: [2, 3] a, b, c = split(m, 3) output y = concat(c, a) output t = transpose(m) output s = slice(m, start: 1) output p = slice(m, axis: 1, start: 1, size: 1) loss mean(b) }`;
    expect(run(source, { m: [1, 2, 3, 4, 5, 6] })).toEqual({ y: [3, 1, 6, 4], t: [1, 4, 2, 5, 3, 6], s: [2, 3, 5, 6], p: [4, 5, 6] });
  });

  it('norms have mean 0 and deviation 1', () => {
    const { y = [], g = [] } = run('net T { input m: [2, 2, 4] output y = layernorm(m) output g = groupnorm(m, 2) loss mean(m) }', {
      m: Array.from({ length: 16 }, (_, i) => i * i), 'beta.1': [0, 0, 0, 0], 'beta.2': [0, 0, 0, 0],
    });
    for (const pixel of [0, 4, 8, 12].map((i) => y.slice(i, i + 4))) {
      expect(pixel.reduce((a, b) => a + b)).toBeCloseTo(0, 9);
      expect(pixel.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 4);
    }
    for (const group of [0, 1].map((k) => g.filter((_, i) => Math.floor((i % 4) / 2) === k))) expect(group.reduce((a, b) => a + b * b, 0) / 8).toBeCloseTo(1, 4);
  });

  it('conv_transpose grows by its stride', () => {
    const { y = [] } = run('net T { input m: [2, 2, 1] output y = conv_transpose(m, 1, k: 2, stride: 2) loss mean(m) }', { m: [1, 2, 3, 4], 'w.1': [1, 10, 100, 1000] });
    expect(y).toEqual([1, 10, 2, 20, 100, 1000, 200, 2000, 3, 30, 4, 40, 300, 3000, 400, 4000]);
  });
});
