// Case e, manual: the adjoints of its declared routes, against the same back-propagation written by hand on plain arrays.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { exampleGraph, exampleValues } from './examples.ts';
import { gradientsOf, relativeError } from './numeric.ts';
import type { Values } from './numeric.ts';

/** A square image tensor, [images][rows][columns][channels] in one array. */
interface Images {
  readonly count: number;
  readonly size: number;
  readonly channels: number;
  readonly at: Float64Array;
}

/** A k by k filter, HWIO. */
interface Filter {
  readonly k: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly at: Float64Array;
}

const blank = (count: number, size: number, channels: number): Images => ({ count, size, channels, at: new Float64Array(count * size * size * channels) });
const place = ({ size, channels }: Images, n: number, i: number, j: number, c: number): number => ((n * size + i) * size + j) * channels + c;
const get = (x: Images, n: number, i: number, j: number, c: number): number => x.at[place(x, n, i, j, c)] as number;
const map = (x: Images, f: (value: number, i: number) => number): Images => ({ ...x, at: x.at.map(f) });

/** Calls f for every product x * filter -> y of a convolution with stride 1 and the border filled with zeros. */
function eachProduct(x: Images, filter: Filter, f: (x: number, filter: number, y: number) => void): void {
  const border = (filter.k - 1) / 2;
  const y = { ...x, channels: filter.outputs };
  for (let n = 0; n < x.count; n++) for (let i = 0; i < x.size; i++) for (let j = 0; j < x.size; j++) {
    for (let u = 0; u < filter.k; u++) for (let v = 0; v < filter.k; v++) {
      const [row, column] = [i + u - border, j + v - border];
      if (row < 0 || column < 0 || row >= x.size || column >= x.size) continue;
      for (let c = 0; c < filter.inputs; c++) for (let o = 0; o < filter.outputs; o++) {
        f(place(x, n, row, column, c), ((u * filter.k + v) * filter.inputs + c) * filter.outputs + o, place(y, n, i, j, o));
      }
    }
  }
}

const add = (to: Float64Array, at: number, value: number): void => {
  to[at] = (to[at] as number) + value;
};

function conv(x: Images, filter: Filter): Images {
  const y = blank(x.count, x.size, filter.outputs);
  eachProduct(x, filter, (a, b, c) => add(y.at, c, (x.at[a] as number) * (filter.at[b] as number)));
  return y;
}

/** What a convolution hands back to its input. */
function convBack(dy: Images, filter: Filter): Images {
  const dx = blank(dy.count, dy.size, filter.inputs);
  eachProduct(dx, filter, (a, b, c) => add(dx.at, a, (filter.at[b] as number) * (dy.at[c] as number)));
  return dx;
}

function filterGradient(x: Images, dy: Images, filter: Filter): Float64Array {
  const gradient = new Float64Array(filter.at.length);
  eachProduct(x, filter, (a, b, c) => add(gradient, b, (x.at[a] as number) * (dy.at[c] as number)));
  return gradient;
}

const elu = (z: Images): Images => map(z, (value) => (value > 0 ? value : Math.exp(value) - 1));
const eluBack = (z: Images, dy: Images): Images => map(dy, (value, i) => value * ((z.at[i] as number) > 0 ? 1 : Math.exp(z.at[i] as number)));

function pool(x: Images): Images {
  const y = blank(x.count, x.size / 2, x.channels);
  for (let n = 0; n < y.count; n++) for (let i = 0; i < y.size; i++) for (let j = 0; j < y.size; j++) for (let c = 0; c < y.channels; c++) {
    const four = get(x, n, 2 * i, 2 * j, c) + get(x, n, 2 * i, 2 * j + 1, c) + get(x, n, 2 * i + 1, 2 * j, c) + get(x, n, 2 * i + 1, 2 * j + 1, c);
    y.at[place(y, n, i, j, c)] = four / 4;
  }
  return y;
}

/** Each pixel as two by two of the same value, not divided. */
function up(x: Images): Images {
  const y = blank(x.count, x.size * 2, x.channels);
  for (let n = 0; n < y.count; n++) for (let i = 0; i < y.size; i++) for (let j = 0; j < y.size; j++) for (let c = 0; c < y.channels; c++) {
    y.at[place(y, n, i, j, c)] = get(x, n, Math.floor(i / 2), Math.floor(j / 2), c);
  }
  return y;
}

/** The adjoint of the last layer: of the mean cross-entropy of the mean over all pixels. */
function headBack(y: Images, labels: ArrayLike<number>): Images {
  const pixels = y.size * y.size;
  const logits = Array.from({ length: y.count }, (_, n) =>
    Array.from({ length: y.channels }, (_c, c) => Array.from({ length: pixels }, (_p, p) => y.at[(n * pixels + p) * y.channels + c] as number).reduce((a, b) => a + b, 0) / pixels),
  );
  return map(y, (_, i) => {
    const [n, c] = [Math.floor(i / y.channels / pixels), i % y.channels];
    const row = logits[n] ?? [];
    const p = Math.exp(row[c] as number) / row.reduce((sum, value) => sum + Math.exp(value), 0);
    return (p - (labels[n] === c ? 1 : 0)) / y.count / pixels;
  });
}

/** The gradients of the filters w.1 to w.10 by the routes of two twins, odd and even. */
function byHand(x: Images, w: readonly Filter[], labels: ArrayLike<number>): Float64Array[] {
  const filter = (i: number): Filter => w[i - 1] as Filter;
  const inputs: Images[] = [];
  const sums: Images[] = [];
  const layer = (i: number, input: Images): Images => {
    inputs[i] = input;
    sums[i] = conv(input, filter(i));
    return elu(sums[i] as Images);
  };
  const y2 = layer(2, layer(1, x));
  const y4 = layer(4, layer(3, pool(y2)));
  const y6 = layer(6, layer(5, pool(y4)));
  const y8 = layer(8, layer(7, pool(y6)));
  const y10 = layer(10, layer(9, pool(y8)));

  const gradients: Float64Array[] = [];
  /** From the adjoint of layer i's result: keeps its filter's gradient, and gives the adjoint of its input. */
  const back = (i: number, dy: Images): Images => {
    const dz = eluBack(sums[i] as Images, dy);
    gradients[i - 1] = filterGradient(inputs[i] as Images, dz, filter(i));
    return convBack(dz, filter(i));
  };
  const p9 = back(9, back(10, headBack(y10, labels)));
  const in8 = back(8, up(p9));
  const p7 = back(7, up(p9));
  const in6 = back(6, up(in8));
  const p5 = back(5, up(p7));
  back(4, up(in6));
  const p3 = back(3, up(p5));
  const y1 = back(2, up(p3));
  const more = up(p3);
  back(1, map(y1, (value, i) => value + (more.at[i] as number)));
  return gradients;
}

const NAMES = Array.from({ length: 10 }, (_, i) => `w.${i + 1}`);
/** Upstream of a route. Only the last two layers are not. */
const ROUTED = NAMES.slice(0, 8);

describe('case e, manual', () => {
  let graph: Graph;
  let values: Values;
  let found: Values;

  beforeAll(() => {
    graph = exampleGraph('case-e-manual:', 0.05, 1);
    values = exampleValues(graph, 5);
    found = gradientsOf(autodiff.run(graph), values);
  });

  test('the adjoints follow the declared routes exactly', () => {
    const filters = NAMES.map((name): Filter => {
      const node = graph.nodes.find(({ id }) => id === name);
      const [k = 0, , inputs = 0, outputs = 0] = (node?.type.shape ?? []) as number[];
      return { k, inputs, outputs, at: values.get(name) ?? new Float64Array() };
    });
    const leaf = (kind: string): Float64Array => values.get(graph.nodes.find((node) => node.kind === kind)?.id ?? '') ?? new Float64Array();
    const wanted = byHand({ count: 2, size: 32, channels: 3, at: leaf('input') }, filters, leaf('labels'));
    expect([...found.keys()].sort()).toEqual([...NAMES].sort());
    NAMES.forEach((name, i) => expect(relativeError(found.get(name) ?? [], wanted[i] ?? []), name).toBeLessThan(1e-10));
  });

  test('and differ from the true gradient, except in the layers that no route reaches', () => {
    const truth = gradientsOf(autodiff.run({ ...graph, routes: [] }), values);
    for (const name of NAMES) {
      const error = relativeError(found.get(name) ?? [], truth.get(name) ?? []);
      if (ROUTED.includes(name)) expect(error, name).toBeGreaterThan(0.1);
      else expect(error, name).toBe(0);
    }
  });
});
