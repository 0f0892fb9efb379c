// Fused kernels, interpreted in the memory that the plan gives them, against the evaluator of the graph before all optimising passes.

import { describe, expect, test } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Builder } from '../../compiler/2-graph/builder.ts';
import type { Graph, ValueId } from '../../compiler/2-graph/graph.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { optimizer } from '../../compiler/3-passes/optimizer.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import type { FusedKernel } from '../../compiler/4-kernels/fused.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import { load, number } from '../../compiler/4-kernels/expr.ts';
import { int } from '../../compiler/4-kernels/indexing.ts';
import type { Kernel } from '../../compiler/4-kernels/kernel.ts';
import { lowerFused } from '../../compiler/4-kernels/lower-fused.ts';
import { separate } from '../../compiler/4-kernels/separate.ts';
import { EXAMPLES, exampleGraph, exampleValues } from '../gradients/examples.ts';
import { draws, feedLeaf, graphOf } from './cases.ts';
import type { Feeds } from './cases.ts';
import { errorsOf, fused } from './fused-run.ts';

const worst = (errors: readonly { what: string; error: number }[]): { what: string; error: number } => errors.reduce((a, b) => (b.error > a.error ? b : a));

describe('a whole training step of the example nets', () => {
  test.each(EXAMPLES)('%s', (example) => {
    const net = exampleGraph(example, 0.03, 2);
    const step = optimizer.run(autodiff.run(net));
    const errors = errorsOf(step, exampleValues(step, 5), fused(simplify.run(step)));
    expect(errors.length).toBeGreaterThan(5);
    expect(worst(errors).error, worst(errors).what).toBeLessThan(1e-5);
  });
});

const WINDOW = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;

/** A graph made by hand, its fused form's kernels, and the largest error of their results. */
function check(make: (builder: Builder, leaf: (id: ValueId, ...shape: number[]) => ValueId) => readonly ValueId[] | Partial<Graph>): { kernels: FusedKernel[]; error: number } {
  const builder = createBuilder();
  const feeds: Feeds = new Map();
  const made = make(builder, (id, ...shape) => feedLeaf(builder, feeds, id, { shape }));
  const graph = Array.isArray(made) ? graphOf(builder, made as readonly ValueId[]) : graphOf(builder, [], made as Partial<Graph>);
  const optimised = fused(graph);
  return { kernels: lowerFused(optimised), error: worst(errorsOf(graph, feeds, optimised)).error };
}
const forms = (kernel: FusedKernel | undefined): string[] => (kernel?.stages ?? []).flat().flatMap((nest) => nest.stores.map((store) => (store.pool ? `${store.pool.op} pool` : store.part ? 'part' : 'whole')));

describe('the forms of a kernel', () => {
  test('several values of a convolution at the element', () => {
    const { kernels, error } = check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 2, 5, 5, 3), leaf('f', 3, 3, 3, 4)], WINDOW);
      const biased = b.add('add', [conv, leaf('bias', 4)], {});
      return [b.add('elu', [biased], { alpha: 1 }), b.add('mul', [biased, leaf('gate', 2, 5, 5, 4)], {}), conv];
    });
    expect(kernels.map(forms)).toEqual([['whole', 'whole', 'whole']]);
    expect(error).toBeLessThan(1e-6);
  });

  test.each(['avgpool', 'maxpool'] as const)('%s of a convolution, as a second result', (kind) => {
    const { kernels, error } = check((b, leaf) => {
      const active = b.add('tanh', [b.add('conv2d', [leaf('x', 2, 6, 9, 3), leaf('f', 3, 3, 3, 4)], WINDOW)], {});
      return [active, b.add(kind, [active], { k: 3 })];
    });
    expect(kernels.map(forms)).toEqual([['whole', kind === 'avgpool' ? 'mean pool' : 'max pool']]);
    expect(error).toBeLessThan(1e-6);
  });

  test('a pool with a rest at the edge is a kernel of its own', () => {
    const { kernels, error } = check((b, leaf) => [b.add('maxpool', [b.add('conv2d', [leaf('x', 2, 7, 7, 3), leaf('f', 3, 3, 3, 4)], WINDOW)], { k: 3 })]);
    expect(kernels.map(forms)).toEqual([['whole'], ['whole']]);
    expect(error).toBeLessThan(1e-6);
  });

  test('a convolution whose every tap lies in the padding still names what it reads, for emitters that multiply zeros', () => {
    const apart = { stride: 2, pad: 'same', dilation: 2, groups: 1 } as const;
    const { kernels, error } = check((b, leaf) => {
      const dx = b.add('conv2d_input_grad', [leaf('dy', 4, 1, 1, 5), leaf('f', 2, 2, 3, 5)], { ...apart, size: [1, 1] });
      return [b.add('add', [dx, leaf('x', 4, 1, 1, 3)], {})];
    });
    expect(kernels.flatMap(({ params }) => params.map(({ id }) => id)).sort()).toEqual(['dy', 'f', 'x']);
    expect(kernels.map((kernel) => separate(kernel).length)).toEqual([1]);
    expect(error).toBeLessThan(1e-6);
  });

  test('an element-wise value of some images of the result', () => {
    const { kernels, error } = check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 4, 3, 3, 2), leaf('f', 3, 3, 2, 5)], WINDOW);
      const part = b.add('slice', [conv], { axis: 0, start: 1, size: 2 });
      return [b.add('sub', [b.add('elu', [conv], { alpha: 1 }), leaf('y', 4, 3, 3, 5)], {}), b.add('mul', [part, leaf('gate', 2, 3, 3, 5)], {})];
    });
    expect(forms(kernels[0])).toContain('part');
    expect(error).toBeLessThan(1e-6);
  });

  test('swapped halves, padding, upsampling and transposition before and after a convolution', () => {
    const { kernels, error } = check((b, leaf) => {
      const x = leaf('x', 2, 4, 4, 6);
      const half = (start: number): ValueId => b.add('slice', [x], { axis: 3, start, size: 3 });
      const swapped = b.add('concat', [half(3), half(0)], { axis: 3 });
      const padded = b.add('pad', [b.add('upsample', [swapped], { k: 2 })], { axis: 1, before: 1, after: 2 });
      const turned = b.add('transpose', [padded], { perm: [0, 2, 1, 3] });
      const conv = b.add('conv2d', [b.add('relu', [turned], {}), leaf('f', 3, 3, 6, 4)], { ...WINDOW, stride: 2, pad: 'valid' });
      return [b.add('add', [conv, b.add('broadcast', [leaf('row', 1, 5, 1)], { shape: [2, 3, 5, 4] })], {})];
    });
    expect(kernels).toHaveLength(1);
    expect(error).toBeLessThan(1e-6);
  });

  test('a kernel reads another element of its own result from memory, in a later stage', () => {
    const { error } = check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 2, 4, 4, 3), leaf('f', 1, 1, 3, 4)], WINDOW);
      return [b.add('sub', [conv, b.add('avgpool', [conv], { k: 4 })], {}), b.add('mul', [conv, b.add('transpose', [conv], { perm: [0, 2, 1, 3] })], {})];
    });
    expect(error).toBeLessThan(1e-6);
  });

  test('softmax and norms keep what they share between stages', () => {
    const { error } = check((b, leaf) => {
      const logits = b.add('matmul', [leaf('x', 7, 5), leaf('w', 5, 4)], { transpose_a: false, transpose_b: false });
      const soft = b.add('softmax', [b.add('mul', [logits, logits], {})], {});
      const mean = b.add('reduce_mean', [soft], { axes: [0], keep: true });
      return [b.add('sub', [soft, mean], {}), b.add('sqrt', [b.add('reduce_sum', [b.add('square', [logits], {})], { axes: [0, 1], keep: false })], {})];
    });
    expect(error).toBeLessThan(1e-6);
  });

  test('a value used twice in a long chain is computed once', () => {
    const { kernels, error } = check((b, leaf) => {
      let value = leaf('x', 3, 4);
      for (let i = 0; i < 24; i++) value = b.add('tanh', [b.add('add', [value, value], {})], {});
      return [b.add('reduce_sum', [value], { axes: [1], keep: false })];
    });
    expect(JSON.stringify(kernels).length).toBeLessThan(40_000);
    expect(error).toBeLessThan(1e-6);
  });
});

test('the views of operands tell where their elements lie', () => {
  let seen = 0;
  for (const { graph } of [...EXAMPLES.map((example) => ({ graph: simplify.run(optimizer.run(autodiff.run(exampleGraph(example, 0.1, 2)))) })), ...Array.from({ length: 40 }, (_, seed) => randomGraph(seed))]) {
    for (const nest of lowerFused(fused(graph)).flatMap((kernel) => kernel.stages.flat())) {
      for (const { shape, view, at } of nest.root?.operands ?? []) {
        if (!view) continue;
        const random = draws(5, seen++);
        expect(view.reduce((total, piece) => total + elementCount(piece.shape), 0)).toBe(elementCount(shape));
        for (const { start, shape: extents, source } of view) {
          const inside = extents.map((extent) => random(0, extent - 1));
          const element = at(...inside.map((index, axis) => int(index + (start[axis] ?? 0))));
          const place = inside.reduce((sum, index, axis) => sum + index * (source?.strides[axis] ?? 0), source?.offset ?? 0);
          expect(element).toEqual(source ? load(source.buffer, int(place)) : number(0));
        }
      }
    }
  }
  expect(seen).toBeGreaterThan(500);
});

describe('kernels of one result each', () => {
  const sums = (kernels: readonly Kernel[]): number => kernels.filter(({ kind }) => kind === 'contraction').length;

  test('what several results need of a contraction is stored first; it is never computed twice', () => {
    const { kernels } = check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 2, 4, 4, 3), leaf('f', 3, 3, 3, 4)], WINDOW);
      const [x, y] = [b.add('tanh', [conv], {}), b.add('abs', [conv], {})];
      return [x, y, b.add('maxpool', [y], { k: 2 })];
    });
    expect(kernels).toHaveLength(1);
    const [fusedKernel] = kernels;
    const apart = fusedKernel ? separate(fusedKernel) : [];
    expect(apart.map((kernel) => kernel.kind)).toEqual(['contraction', 'map', 'map', 'reduce']);
    expect(apart.at(-1)?.params.map(({ id }) => id)).toEqual([apart[1]?.output.id]);
  });

  test('a convolution with one activation is one kernel, and so is one of which another value is stored', () => {
    const { kernels } = check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 2, 4, 4, 3), leaf('f', 3, 3, 3, 4)], WINDOW);
      return [b.add('elu', [conv], { alpha: 1 })];
    });
    expect(kernels.flatMap(separate)).toHaveLength(1);
    const both = check((b, leaf) => {
      const conv = b.add('conv2d', [leaf('x', 2, 4, 4, 3), leaf('f', 3, 3, 3, 4)], WINDOW);
      return [b.add('elu', [conv], { alpha: 1 }), conv];
    });
    expect(both.kernels.flatMap(separate).map((kernel) => kernel.params.length)).toEqual([2, 1]);
  });

  test('every example net has a kernel for each of its contractions, and no more', () => {
    for (const example of EXAMPLES) {
      const graph = fused(simplify.run(optimizer.run(autodiff.run(exampleGraph(example, 0.1, 2)))));
      for (const kernel of lowerFused(graph)) expect(sums(separate(kernel)), kernel.name).toBeLessThanOrEqual(kernel.kind === 'contraction' ? 2 : 0);
    }
  });
});

/** A random graph of the operations that fuse, with several results. */
function randomGraph(seed: number): { graph: Graph; feeds: Feeds } {
  const random = draws(31, seed);
  const builder = createBuilder();
  const feeds: Feeds = new Map();
  let leaves = 0;
  const leaf = (...shape: number[]): ValueId => feedLeaf(builder, feeds, `x${leaves++}`, { shape });
  const values: ValueId[] = [leaf(2, 4, 4, 4), leaf(2, 4, 4, 4)];
  const pick = <T>(list: readonly T[]): T => list[random(0, list.length - 1)] as T;
  const shapeOf = (id: ValueId): number[] => builder.type(id).shape.map(Number);
  const alike = (id: ValueId): ValueId => pick(values.filter((other) => String(shapeOf(other)) === String(shapeOf(id))));
  const steps: ((x: ValueId) => ValueId | undefined)[] = [
    (x) => builder.add('conv2d', [x, leaf(3, 3, (shapeOf(x)[3] ?? 1) / 2, 4)], { ...WINDOW, groups: 2 }),
    (x) => builder.add('conv2d', [x, leaf(1, 1, shapeOf(x)[3] ?? 1, 4)], WINDOW),
    (x) => builder.add('conv2d_input_grad', [x, leaf(3, 3, 4, shapeOf(x)[3] ?? 1)], { ...WINDOW, size: shapeOf(x).slice(1, 3) }),
    (x) => builder.add('add', [x, alike(x)], {}),
    (x) => builder.add('mul', [alike(x), leaf(shapeOf(x)[3] ?? 1)], {}),
    (x) => builder.add('elu', [x], { alpha: 1 }),
    (x) => builder.add('tanh_grad', [builder.add('tanh', [x], {}), alike(x)], {}),
    (x) => builder.add('concat', [x, alike(x)], { axis: pick([0, 3]) }),
    (x) => builder.add('slice', [x], { axis: pick([0, 3]), start: 0, size: 2 }),
    (x) => builder.add('slice', [x], { axis: 3, start: (shapeOf(x)[3] ?? 2) - 2, size: 2 }),
    (x) => ((shapeOf(x)[1] ?? 1) > 2 ? builder.add(pick(['avgpool', 'maxpool'] as const), [x], { k: 2 }) : builder.add('upsample', [x], { k: 2 })),
    (x) => builder.add('sub', [x, builder.add('reduce_mean', [x], { axes: [1, 2], keep: true })], {}),
    (x) => builder.add('transpose', [x], { perm: [0, 2, 1, 3] }),
  ];
  while (values.length < 16) {
    const x = pick(values.slice(-6));
    const made = pick(steps)(x);
    if (made !== undefined && shapeOf(made).every((size) => size <= 8) && (shapeOf(made)[3] ?? 1) % 2 === 0) values.push(made);
  }
  const results = [values.at(-1), values.at(-2), values.at(-4)].filter((id) => id !== undefined);
  return { graph: graphOf(builder, [...new Set(results)]), feeds };
}

test('random graphs', () => {
  for (let seed = 0; seed < 80; seed++) {
    const { graph, feeds } = randomGraph(seed);
    const { what, error } = worst(errorsOf(graph, feeds));
    expect(error, `seed ${seed}, ${what}`).toBeLessThan(1e-5);
  }
});
