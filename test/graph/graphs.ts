// Graphs made by hand and at random for the tests of the verifier and of the text and JSON forms.

import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Augmentation, Graph, Node, Tags, TrainSettings, ValueId } from '../../compiler/2-graph/graph.ts';
import { OP_KINDS, OPS } from '../../compiler/2-graph/ops.ts';
import type { Attrs, AttrSpec, OpKind } from '../../compiler/2-graph/ops.ts';
import { ShapeError } from '../../compiler/2-graph/shapes.ts';
import { dimProduct } from '../../compiler/2-graph/types.ts';
import type { Dim, Shape } from '../../compiler/2-graph/types.ts';
import type { Loc } from '../../compiler/diagnostics.ts';
import { uniforms } from '../../runtime/random.ts';
import { ALL_CASES, type } from './cases.ts';

export const SETTINGS: TrainSettings = {
  dataset: 'cifar10',
  optimizer: { kind: 'adam', lr: 8e-5, beta1: 0.9, beta2: 0.9, eps: 1e-8 },
  schedule: { kind: 'constant' },
  batch: 25,
  epochs: 21,
  seed: 678,
  normalize: 'per_batch',
  weightDecay: 0,
  clipNorm: 0,
};

export const EMPTY: Graph = { name: 'Empty', mode: 'train', nodes: [], regions: [], outputs: [], routes: [], gradients: [], updates: [], views: [], train: SETTINGS };

export const at = (line: number, column: number, start: number, length: number, file = 'case-b.zz'): Loc => ({ file, line, column, span: { start, end: start + length } });

/** A small classifier with a cell, a route, a gradient and an update: something of everything. */
export function smallGraph(): Graph {
  const cell = createBuilder();
  const { builder, add } = recorder();
  add('input', [], { name: 'image', shape: ['B', 4, 4, 3] }, { id: 'image', locs: [at(2, 3, 20, 24)] });
  add('labels', [], { shape: ['B'] }, { id: 'labels' });
  add('weight', [], { name: 'w.L.1', shape: [3, 3, 3, 8], init: 'he', std: 0.05, decay: true }, { id: 'w.L.1' });
  add('state', [], { name: 'm.w.L.1', shape: [3, 3, 3, 8], value: 0 }, { id: 'm.w.L.1' });
  cell.push(builder.node('w.L.1'));
  cell.push({ id: 'x', kind: 'identity', inputs: [], attrs: {}, type: type('f32[B,4,4,3]'), locs: [], tags: {} });
  const y = cell.add('conv2d', ['x', 'w.L.1'], { stride: 1, pad: 'same', dilation: 1, groups: 1 }, { locs: [at(6, 34, 103, 12)] });
  const step = add('call', ['image'], { region: 'Recurrent.L' }, { type: cell.type(y), tags: { stream: 'L', step: 0, name: 'h' }, locs: [at(9, 5, 200, 4), at(6, 3, 90, 40)] });
  const pooled = add('reduce_mean', [step], { axes: [1, 2], keep: false }, { tags: { name: 'logits' } });
  const loss = add('softmax_cross_entropy', [pooled, 'labels'], { label_smoothing: 0.1 });
  const correct = add('count_correct', [pooled, 'labels'], {});
  const seed = add('adjoint', [step], {}, { tags: { phase: 'backward' } });
  const gradient = add('square', ['w.L.1'], {}, { tags: { phase: 'backward' } });
  const updated = add('sub', ['w.L.1', gradient], {}, { tags: { phase: 'update' } });
  return {
    ...EMPTY,
    name: 'Small',
    nodes: builder.nodes(),
    regions: [{ name: 'Recurrent.L', params: [{ id: 'x', type: type('f32[B,4,4,3]') }], nodes: [cell.node(y)], result: y }],
    outputs: [{ name: 'logits', value: pooled }],
    loss,
    classifier: { logits: pooled, correct },
    routes: [{ target: step, mode: '=', value: seed }],
    gradients: [{ weight: 'w.L.1', value: gradient }],
    updates: [
      { target: 'w.L.1', value: updated },
      { target: 'm.w.L.1', value: gradient },
    ],
    views: [{ name: 'image', parts: [{ source: 'image', steps: [{ op: 'hflip', p: 1 }, { op: 'sometimes', p: 0.1, then: { op: 'blur', sigma: [0, 0.5] } }] }] }],
  };
}

function recorder() {
  const builder = createBuilder();
  return { builder, add: builder.add };
}

export const AUGMENTATIONS: readonly Augmentation[] = [
  { op: 'hflip', p: 0.5 },
  { op: 'crop', pad: 4 },
  { op: 'blur', sigma: [0, 0.5] },
  { op: 'cutout', size: 8 },
  { op: 'brightness', delta: 1e-8 },
  { op: 'noise', sigma: 1e300 },
  { op: 'sometimes', p: 0.1, then: { op: 'sometimes', p: 1 / 3, then: { op: 'crop', pad: 0 } } },
];

/** Texts that a careless printer or parser would break. */
export const ODD_TEXTS = ['x', 'true', '1', '', ' ', 'a b', 'a"b', 'a\\', '//', 'ü→🙂', 'line\nbreak', '\u2028', '\u0000', '\ud800', 'each', 'a,b@c:1', '%0', '__proto__', 'constructor'];

const ODD_LOCS = ['case-b.zz', '../a/b-c.zz', 'C:\\x y.zz', 'ü "q".zz', ''].map((file, i) => at(i + 1, i * 7 + 1, i * 1000, i, file));

/** A node for every case of every operation (f16 apart, which no leaf gives), every tag and every odd text somewhere, and all parts of a graph. */
export function everything(): Graph {
  const builder = createBuilder();
  const nodeTags: Tags[] = [...ODD_TEXTS.map((name) => ({ name, stream: name })), { step: 0 }, { stage: 3, phase: 'backward' }, { step: 12, stage: 0, phase: 'update', name: 'n', stream: 's', kernel: 7, note: 'too large', at: 'temporary+4096' }];
  let turn = 0;
  const place = () => {
    turn++;
    return { tags: nodeTags[turn % nodeTags.length] ?? {}, locs: ODD_LOCS.slice(0, turn % 6) };
  };
  const operand = (text: string): ValueId => {
    const { dtype, shape } = type(text);
    return dtype === 'i32' ? builder.add('labels', [], { shape }) : builder.add('constant', [], { shape, value: 0.1 }, place());
  };
  for (const [kind, attrs, operands, result] of ALL_CASES) {
    if ([...operands, result].some((text) => text.startsWith('f16'))) continue;
    builder.add(kind, operands.map(operand), attrs, { ...place(), type: type(result) });
  }
  const cell = createBuilder();
  const constant = cell.add('constant', [], { shape: [3], value: NaN });
  cell.push({ id: 'x', kind: 'identity', inputs: [], attrs: {}, type: type('f32[B,3]'), locs: [], tags: {} });
  const sum = cell.add('add', ['x', constant], {});
  const firstOf = (kind: OpKind): ValueId => builder.nodes().find((node) => node.kind === kind)?.id ?? '';
  return {
    ...EMPTY,
    name: 'all of "it"',
    mode: 'evaluate',
    nodes: builder.nodes(),
    regions: [
      { name: 'some cell', params: [{ id: 'x', type: type('f32[B,3]') }], nodes: [cell.node(constant), cell.node(sum)], result: sum },
      { name: 'identity', params: [{ id: 'x', type: type('f32[B,3]') }, { id: 'h', type: type('i32[]') }], nodes: [], result: 'x' },
    ],
    outputs: ODD_TEXTS.map((name) => ({ name, value: firstOf('conv2d') })),
    loss: firstOf('softmax_cross_entropy'),
    classifier: { logits: firstOf('softmax'), correct: firstOf('count_correct') },
    routes: [
      { target: firstOf('relu'), mode: '=', value: firstOf('gelu') },
      { target: firstOf('relu'), mode: '+=', value: firstOf('silu') },
    ],
    gradients: [{ weight: firstOf('weight'), value: firstOf('weight') }],
    updates: [{ target: firstOf('state'), value: firstOf('state') }],
    views: [{ name: 'image', parts: [{ source: 'image', steps: [] }, { source: 'a b', steps: AUGMENTATIONS }] }],
    train: { ...SETTINGS, dataset: 'my data/"x"', optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: true }, schedule: { kind: 'inverse', rate: 1e-300 } },
  };
}

/** The same graph for the same seed: operations drawn from the table, on earlier values, with attributes that their shape rules accept. */
export function randomGraph(seed: number): Graph {
  const next = uniforms(seed);
  const int = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(items: readonly T[]): T => items[int(items.length)] as T;
  const some = <T>(items: readonly T[]): T[] => items.filter(() => next() < 0.4);
  const builder = createBuilder();
  const tags = (): Tags => Object.fromEntries(some(Object.entries({ name: pick(ODD_TEXTS), stream: pick(['L', 'R']), step: int(9), stage: int(4), kernel: int(99), note: pick(ODD_TEXTS), at: pick(['temporary+4096', 'a b']), phase: pick(['backward', 'update']) })));
  const float = (): number => pick([0.1, -0, 1e-8, 1e300, 1, next(), -next() * 1e20, Infinity, NaN]);
  const shape = (batched: boolean): Shape => [...(batched ? [pick<Dim>(['B', '2B'])] : []), ...Array.from({ length: int(4) }, () => 1 + int(4))];

  const draw = (spec: AttrSpec<unknown>, kind: OpKind, name: string, first: Shape): unknown => {
    if (name === 'salt') return int(1000);
    if (name === 'std' || name === 'label_smoothing') return next();
    if (name === 'axis') return int(Math.max(first.length, 1));
    if (name === 'axes') return some(first.map((_, i) => i));
    if (name === 'perm') return first.map((_, i) => i).reverse();
    switch (spec.form) {
      case 'int':
        return int(4);
      case 'float':
        return float();
      case 'bool':
        return next() < 0.5;
      case 'string':
        return `${pick(ODD_TEXTS)} ${builder.nodes().length}`;
      case 'ints':
        return [1 + int(5), 1 + int(5)];
      case 'dims':
        return kind === 'reshape' ? [1, dimProduct(first)] : kind === 'broadcast' ? [2, ...first] : kind === 'labels' ? ['B'] : shape(true);
      case 'enum':
        return pick(spec.values ?? []);
    }
  };
  const specs = (kind: OpKind): [string, AttrSpec<unknown>][] => Object.entries(OPS[kind].attrs);
  const kinds = OP_KINDS.filter((kind) => kind !== 'call');
  for (let i = 0; i < 150; i++) {
    const kind = pick(kinds);
    const nodes: readonly Node[] = builder.nodes();
    const arity = OPS[kind].operands[0]?.startsWith('...') ? 1 + int(3) : OPS[kind].operands.length;
    if (arity > 0 && nodes.length === 0) continue;
    // Equal operands are likelier to fit than any two.
    const repeated = pick(nodes)?.id ?? '';
    const inputs = Array.from({ length: arity }, () => (next() < 0.7 ? repeated : pick(nodes).id));
    const first = inputs[0] === undefined ? [] : builder.type(inputs[0]).shape;
    const attrs = Object.fromEntries(specs(kind).map(([name, spec]) => [name, draw(spec, kind, name, first)])) as Attrs;
    try {
      builder.add(kind, inputs, attrs, { tags: tags(), locs: some(ODD_LOCS) });
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
    }
  }
  const nodes = builder.nodes();
  const weights = nodes.filter((node) => node.kind === 'weight' || node.kind === 'state');
  return {
    ...EMPTY,
    name: pick(ODD_TEXTS),
    mode: pick(['train', 'evaluate'] as const),
    nodes,
    outputs: some(nodes).map((node, i) => ({ name: `${pick(ODD_TEXTS)} ${i}`, value: node.id })),
    routes: some(nodes).map((node) => ({ target: node.id, mode: '+=', value: node.id })),
    updates: some(weights).map((node) => ({ target: node.id, value: node.id })),
    views: nodes.flatMap((node) => (node.kind === 'input' ? [{ name: node.attrs.name, parts: [{ source: pick(ODD_TEXTS), steps: some(AUGMENTATIONS) }] }] : [])),
  };
}
