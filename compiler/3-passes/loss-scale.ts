// loss-scale: where adjoints are kept in f16, the loss's is scaled, so that small ones do not become zero. Gradients are divided by the scale; a step with one
// that is not finite changes nothing but the scale.

import { createBuilder } from '../2-graph/builder.ts';
import type { Graph, Node, Tags, ValueId } from '../2-graph/graph.ts';
import { isLeaf } from '../2-graph/ops.ts';
import type { Attrs, ComputeKind, OpKind } from '../2-graph/ops.ts';
import { seedOf } from './autodiff.ts';
import type { Pass } from './pass.ts';
import type { Precision } from './precision.ts';
import { freshIds } from './rewrite.ts';

/** The states: the factor, how many steps in a row had finite gradients since it last changed, and how many steps had others and were left out. */
export const SCALE = 'loss.scale';
export const GOOD_STEPS = 'loss.good_steps';
export const SKIPPED_STEPS = 'loss.skipped_steps';

/** As torch.amp.GradScaler's defaults: where it starts, what it is multiplied by after so many good steps, and after a bad one. */
const FIRST = 2 ** 16;
const GROWTH = 2;
const INTERVAL = 2000;
const BACKOFF = 0.5;
/** Where it stops growing: a gradient of zeros lets it grow for ever, and its inverse must not become zero. */
const MOST = 2 ** 126;

/**
 * Runs after autodiff and optimizer, and changes graphs with gradients if values are stored in f16. Adjoints are linear in the loss's but for declared routes,
 * whose expressions may be anything: where an operation would not take the factor to its result, its operand is divided by the scale first, and where a sum
 * has terms with the factor and without, the latter are multiplied.
 */
export const lossScale = (precision: Precision): Pass => ({
  name: 'loss-scale',
  summary: 'in f16: scales the adjoint of the loss, and leaves out steps whose gradients are not finite',
  run: (graph) => {
    const seed = precision === 'f16' && graph.gradients.length > 0 ? seedOf(graph) : undefined;
    return seed === undefined ? graph : scaled(graph, seed);
  },
});

/** From which operands an operation takes a factor to its result: any one of them, or several that must all have it. */
type Rule = { readonly each: readonly number[] } | { readonly together: readonly number[] | 'all' } | 'none';

const first: Rule = { each: [0] };
const second: Rule = { each: [1] };
const either: Rule = { each: [0, 1] };
const both: Rule = { together: [0, 1] };

/** The factor is positive: the larger of two scaled numbers is the larger one, scaled. */
const RULES: { readonly [K in ComputeKind]: Rule } = {
  identity: first,
  cast: first,
  stop_gradient: first,
  neg: first,
  abs: first,
  sign: 'none',
  floor: 'none',
  exp: 'none',
  expm1: 'none',
  log: 'none',
  sqrt: 'none',
  square: 'none',
  cos: 'none',
  tanh: 'none',
  sigmoid: 'none',
  softplus: 'none',
  relu: first,
  leaky_relu: first,
  elu: 'none',
  gelu: 'none',
  silu: 'none',

  relu_grad: second,
  leaky_relu_grad: second,
  elu_grad: second,
  gelu_grad: second,
  silu_grad: second,
  tanh_grad: second,
  sigmoid_grad: second,

  add: both,
  sub: both,
  mul: either,
  div: first,
  minimum: both,
  maximum: both,
  greater: 'none',
  equal: 'none',
  select: { together: [1, 2] },

  reduce_sum: first,
  reduce_mean: first,
  reduce_max: first,
  all_finite: 'none',
  softmax: 'none',
  log_softmax: 'none',

  reshape: first,
  broadcast: first,
  transpose: first,
  slice: first,
  pad: first,
  concat: { together: 'all' },
  upsample: first,

  matmul: either,
  conv2d: either,
  conv2d_input_grad: either,
  conv2d_filter_grad: either,

  avgpool: first,
  maxpool: first,
  maxpool_grad: second,

  softmax_cross_entropy: 'none',
  softmax_cross_entropy_grad: { each: [2] },
  count_correct: 'none',
};

type Add = <K extends OpKind>(kind: K, inputs: readonly ValueId[], attrs: Attrs<K>) => ValueId;

function scaled(graph: Graph, seed: ValueId): Graph {
  const nodes = createBuilder();
  const fresh = freshIds(graph);
  const adding =
    (tags: Tags, locs: Node['locs'] = []): Add =>
    (kind, inputs, attrs) => nodes.add(kind, inputs, attrs, { id: fresh(), locs, tags });
  const [update, check] = [adding({ phase: 'update' }), adding({ phase: 'backward' })];
  nodes.add('state', [], { name: SCALE, shape: [], value: FIRST }, { id: SCALE });
  for (const id of [GOOD_STEPS, SKIPPED_STEPS]) nodes.add('state', [], { name: id, shape: [], value: 0 }, { id });
  const inverse = update('div', [update('constant', [], { shape: [], value: 1 }), SCALE], {});

  const carries = new Set<ValueId>([seed]);
  const without = once((id) => update('mul', [id, inverse], {}));
  for (const node of graph.nodes) {
    if (node.id === seed) nodes.add('identity', [SCALE], {}, { id: seed, locs: node.locs, tags: node.tags });
    else {
      const place = adding(node.tags, node.locs);
      const { inputs, carrying } = operandsOf(node, carries, (id) => (node.tags.phase === 'update' ? without(id) : place('mul', [id, inverse], {})), (id) => place('mul', [id, SCALE], {}));
      nodes.push({ ...node, inputs });
      if (carrying) carries.add(node.id);
    }
  }
  const gradients = graph.gradients.map(({ weight, value }) => ({ weight, value: carries.has(value) ? without(value) : value }));

  // Known before the updates, which are then one kernel.
  const good = graph.gradients.map(({ value }) => check('all_finite', [value], {})).reduce((a, b) => check('minimum', [a, b], {}));
  const updates = graph.updates.map(({ target, value }) => ({ target, value: update('select', [good, value, target], {}) }));
  return { ...graph, nodes: nodes.nodes(), gradients, updates: [...updates, ...scaleUpdates(update, good)] };
}

const once = (make: (id: ValueId) => ValueId): ((id: ValueId) => ValueId) => {
  const made = new Map<ValueId, ValueId>();
  return (id) => {
    const known = made.get(id) ?? make(id);
    made.set(id, known);
    return known;
  };
};

/** A node's operands, with as many of them times the scale as its rule takes; whether its result is. */
function operandsOf(node: Node, carries: ReadonlySet<ValueId>, without: (id: ValueId) => ValueId, withScale: (id: ValueId) => ValueId): { inputs: ValueId[]; carrying: boolean } {
  const inputs = [...node.inputs];
  if (isLeaf(node.kind) || !inputs.some((input) => carries.has(input))) return { inputs, carrying: false };
  // The optimiser works with the gradients as they are.
  const rule = node.tags.phase === 'update' ? 'none' : RULES[node.kind as ComputeKind];
  const allowed = rule === 'none' ? [] : 'each' in rule ? rule.each.filter((i) => carries.has(inputs[i] ?? '')).slice(0, 1) : rule.together === 'all' ? inputs.map((_, i) => i) : rule.together;
  const carrying = allowed.some((i) => carries.has(inputs[i] ?? ''));
  return {
    inputs: inputs.map((input, i) => {
      const wanted = carrying && allowed.includes(i);
      return wanted === carries.has(input) ? input : wanted ? withScale(input) : without(input);
    }),
    carrying,
  };
}

/** After a bad step the scale is halved; after enough good ones in a row it is doubled, up to a limit, and they are counted anew. */
function scaleUpdates(add: Add, good: ValueId): Graph['updates'] {
  const number = (value: number): ValueId => add('constant', [], { shape: [], value });
  const count = add('add', [GOOD_STEPS, number(1)], {});
  const grows = add('greater', [count, number(INTERVAL - 0.5)], {});
  const grown = add('select', [grows, add('minimum', [add('mul', [SCALE, number(GROWTH)], {}), number(MOST)], {}), SCALE], {});
  const scale = add('select', [good, grown, add('mul', [SCALE, number(BACKOFF)], {})], {});
  const counted = add('mul', [good, add('select', [grows, number(0), count], {})], {});
  const skipped = add('add', [SKIPPED_STEPS, add('sub', [number(1), good], {})], {});
  return [{ target: SCALE, value: scale }, { target: GOOD_STEPS, value: counted }, { target: SKIPPED_STEPS, value: skipped }];
}
