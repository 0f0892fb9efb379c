// The optimiser as nodes: from each weight's gradient its new value, and those of its moments.

import { createBuilder } from '../2-graph/builder.ts';
import type { Builder } from '../2-graph/builder.ts';
import type { Graph, Node, OptimizerSettings, TrainSettings, ValueId } from '../2-graph/graph.ts';
import type { Attrs, OpKind } from '../2-graph/ops.ts';
import { concreteShape } from '../2-graph/types.ts';
import type { Pass } from './pass.ts';
import { learningRate } from './learning-rate.ts';
import type { Formulas } from './learning-rate.ts';

/**
 * Appends the update of every weight that has a gradient, with its moments as states `m.<weight>`, `v.<weight>` and `vmax.<weight>`.
 * The formulas are PyTorch's (torch.optim.Adam, AdamW, RMSprop, SGD). Gradients are clipped first (clip_grad_norm_, all together);
 * then weight decay is added to them, except with adamw, where it shrinks the weight itself (Loshchilov and Hutter, 2019).
 * Only weights whose `decay` is set decay. Graphs without gradients stay as they are.
 */
export const optimizer: Pass = {
  name: 'optimizer',
  summary: 'appends the updates of weights and moments: schedule, clipping, decay, optimiser',
  run: (graph) => {
    if (graph.gradients.length === 0) return graph;
    const builder = createBuilder(graph.nodes, () => ({ locs: [], tags: { phase: 'update' } }));
    const f = formulas(builder);
    const updates = updatesOf(graph, builder, f);
    return { ...graph, nodes: builder.nodes(), updates: [...graph.updates, ...updates] };
  },
};

type Update = Graph['updates'][number];

function formulas(builder: Builder): Formulas {
  const made = new Map<string, ValueId>();
  const once = (key: string, make: () => ValueId): ValueId => {
    const id = made.get(key) ?? make();
    made.set(key, id);
    return id;
  };
  for (const node of builder.nodes()) if (node.kind === 'scalar') made.set(node.attrs.name, node.id);
  const constant = (value: number): ValueId => once(`=${value}`, () => builder.add('constant', [], { shape: [], value }));
  return {
    constant,
    scalar: (name) => once(name, () => builder.add('scalar', [], { name }, { id: `run.${name}` })),
    op: (kind, ...operands) => builder.add<OpKind>(kind, operands.map((operand) => (typeof operand === 'number' ? constant(operand) : operand)), {}),
  };
}

/** One weight, and what its rule works with. */
interface Task extends Formulas {
  readonly weight: ValueId;
  readonly gradient: ValueId;
  /** The learning rate of this step. */
  readonly rate: ValueId;
  /** The decay of this weight, 0 for none. */
  readonly decay: number;
  /** A state of the weight's shape, zeros at first. */
  readonly state: (prefix: 'm' | 'v' | 'vmax') => ValueId;
  /** What does not depend on the weight is made once. */
  readonly shared: <T>(key: string, make: () => T) => T;
}

type OptimizerRule<K extends OptimizerSettings['kind']> = (settings: Extract<OptimizerSettings, { kind: K }>, task: Task) => Update[];

const OPTIMIZERS: { readonly [K in OptimizerSettings['kind']]: OptimizerRule<K> } = {
  adam: (settings, task) => adam(settings, task, task.weight, withDecay(task)),
  amsgrad: (settings, task) => adam(settings, task, task.weight, withDecay(task)),
  adamw: (settings, task) => {
    const { weight, gradient, rate, decay, op, shared } = task;
    const shrink = (): ValueId => op('sub', 1, op('mul', rate, decay));
    return adam(settings, task, decay === 0 ? weight : op('mul', weight, shared('shrink', shrink)), gradient);
  },
  rmsprop: ({ alpha, eps, momentum }, task) => {
    const { op, state } = task;
    const gradient = withDecay(task);
    const v = state('v');
    const square = meanSquare(task, v, gradient, alpha);
    const scaled = op('div', gradient, op('add', op('sqrt', square), eps));
    return [...descent(task, scaled, momentum), { target: v, value: square }];
  },
  sgd: ({ momentum, nesterov }, task) => descent(task, withDecay(task), momentum, nesterov),
};

/** A step along a gradient, or along its running sum where there is momentum; Nesterov's looks one step of the sum ahead. */
function descent({ weight, rate, op, state }: Task, gradient: ValueId, momentum: number, nesterov = false): Update[] {
  const stepped = (direction: ValueId): Update => ({ target: weight, value: op('sub', weight, op('mul', direction, rate)) });
  if (momentum === 0) return [stepped(gradient)];
  const m = state('m');
  const velocity = op('add', op('mul', m, momentum), gradient);
  return [stepped(nesterov ? op('add', gradient, op('mul', velocity, momentum)) : velocity), { target: m, value: velocity }];
}

/** L2 decay: the gradient of decay / 2 * |w|^2 is added. */
const withDecay = ({ weight, gradient, decay, op }: Task): ValueId => (decay === 0 ? gradient : op('add', gradient, op('mul', weight, decay)));

/** The running mean of a gradient's square, of which `kept` is what was. */
const meanSquare = ({ op }: Task, was: ValueId, gradient: ValueId, kept: number): ValueId => op('add', op('mul', was, kept), op('mul', op('square', gradient), 1 - kept));

/** Adam (Kingma and Ba, 2015), and AMSGrad (Reddi, Kale and Kumar, 2018) with the largest second moment so far, in PyTorch's order of operations. */
function adam(settings: Extract<OptimizerSettings, { beta1: number }>, task: Task, from: ValueId, gradient: ValueId): Update[] {
  const { kind, beta1, beta2, eps } = settings;
  const { weight, rate, op, state, shared } = task;
  const m = state('m');
  const v = state('v');
  const newM = op('add', op('mul', m, beta1), op('mul', gradient, 1 - beta1));
  const newV = meanSquare(task, v, gradient, beta2);
  const updates = [{ target: m, value: newM }, { target: v, value: newV }];
  let second = newV;
  if (kind === 'amsgrad') {
    const largest = state('vmax');
    second = op('maximum', largest, newV);
    updates.push({ target: largest, value: second });
  }
  const size = shared('size', () => op('div', rate, biasCorrection(beta1, task)));
  const root = shared('root', () => op('sqrt', biasCorrection(beta2, task)));
  const denominator = op('add', op('div', op('sqrt', second), root), eps);
  return [{ target: weight, value: op('sub', from, op('mul', op('div', newM, denominator), size)) }, ...updates];
}

/** 1 - beta^t at step t, counted from 1; as -expm1(t log beta), which keeps its digits in f32 while beta^t is near 1. */
function biasCorrection(beta: number, { op, scalar, constant }: Formulas): ValueId {
  if (beta === 0) return constant(1);
  return op('neg', op('expm1', op('mul', op('add', scalar('step'), 1), Math.log(beta))));
}

function updatesOf(graph: Graph, builder: Builder, f: Formulas): Update[] {
  const { optimizer: settings, schedule, weightDecay, clipNorm } = graph.train;
  const rate = learningRate(settings.lr, schedule, f);
  const clip = clipNorm > 0 ? clipFactor(graph, clipNorm, builder, f) : undefined;
  const rule = OPTIMIZERS[settings.kind] as OptimizerRule<TrainSettings['optimizer']['kind']>;
  const cache = new Map<string, unknown>();
  const shared = <T>(key: string, make: () => T): T => {
    if (!cache.has(key)) cache.set(key, make());
    return cache.get(key) as T;
  };
  return graph.gradients.flatMap(({ weight, value }) => {
    const node = builder.node(weight) as Node<'weight'>;
    const shape = concreteShape(node.type.shape);
    const state = (prefix: string): ValueId => {
      const id = `${prefix}.${weight}`;
      const attrs: Attrs<'state'> = { name: id, shape, value: 0 };
      return builder.add('state', [], attrs, { id });
    };
    const gradient = clip === undefined ? value : f.op('mul', value, clip);
    return rule(settings, { ...f, weight, gradient, rate, decay: node.attrs.decay ? weightDecay : 0, state, shared });
  });
}

/** min(1, limit / (|g| + 1e-6)), |g| the norm of all gradients laid end to end (torch.nn.utils.clip_grad_norm_). */
function clipFactor(graph: Graph, limit: number, builder: Builder, { op }: Formulas): ValueId {
  const squares = graph.gradients.map(({ value }) => {
    const square = op('square', value);
    const axes = builder.type(value).shape.map((_, axis) => axis);
    return builder.add('reduce_sum', [square], { axes, keep: false });
  });
  const norm = op('sqrt', squares.reduce((a, b) => op('add', a, b)));
  return op('minimum', op('div', limit, op('add', norm, 1e-6)), 1);
}
