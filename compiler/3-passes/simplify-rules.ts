// The rewrites of `simplify`, by the kind they look at. Each is an equation between values, read from left to right.

import type { Node, ValueId } from '../2-graph/graph.ts';
import { isElementwise, type AttrValue, type ElementwiseKind, type OpKind } from '../2-graph/ops.ts';
import { SCALARS } from '../2-graph/scalars.ts';
import { sameShape, sameType, type Dim, type Shape } from '../2-graph/types.ts';

/** A value to be: one that exists, or a node over drafts. It stands in the place of the node that is rewritten, or of `from`. */
export type Draft = ValueId | { readonly kind: OpKind; readonly inputs: readonly Draft[]; readonly attrs: Readonly<Record<string, AttrValue>>; readonly from?: readonly Node[] };

/** What a rule may ask of the graph so far. */
export interface View {
  node(id: ValueId): Node;
  /** How many operands and roots name the value. */
  uses(id: ValueId): number;
}

/** The value that stands for `node`, or undefined where the rule does not apply. */
type Rule = (node: Node, view: View) => Draft | undefined;

const make = (kind: OpKind, inputs: readonly Draft[], attrs: Readonly<Record<string, AttrValue>> = {}): Draft => ({ kind, inputs, attrs });
const constant = (shape: Shape, value: number): Draft => make('constant', [], { shape, value });

const operands = (node: Node, view: View): Node[] => node.inputs.map((id) => view.node(id));
const valueOf = (node: Node | undefined): number | undefined => (node?.kind === 'constant' ? node.attrs.value : undefined);
const isZero = (node: Node | undefined): boolean => valueOf(node) === 0;

/** `x` with the type of `node`. Refuses where the types already differ in dtype. */
const shapedAs = (node: Node, x: Node): Draft => (sameShape(node.type.shape, x.type.shape) ? x.id : make('broadcast', [x.id], { shape: node.type.shape }));

// ---- constants

/** f(c, d, ...) is a constant. */
const foldElementwise: Rule = (node, view) => {
  if (!isElementwise(node.kind)) return undefined;
  const values = operands(node, view).map(valueOf);
  if (!values.every((value) => value !== undefined)) return undefined;
  const scalar = SCALARS[node.kind] as (attrs: object, ...x: readonly number[]) => number;
  const value = Math.fround(scalar(node.attrs, ...values));
  return Number.isFinite(value) ? constant(node.type.shape, value) : undefined;
};

/** Moving, averaging or taking the largest of equal elements gives that element. */
const foldUniform: Rule = (node, view) => {
  const values = operands(node, view).map(valueOf);
  const [value] = values;
  return value !== undefined && values.every((other) => Object.is(other, value)) ? constant(node.type.shape, value) : undefined;
};

/** A linear map of zeros is zeros: the first step's convolution of a zero state, and its gradients. */
const foldZero: Rule = (node, view) => (operands(node, view).some(isZero) ? constant(node.type.shape, 0) : undefined);

// ---- arithmetic identities (a zero times a value that is not finite counts as zero)

const addZero: Rule = (node, view) => {
  const [a, b] = operands(node, view);
  if (a && isZero(b)) return shapedAs(node, a);
  return b && isZero(a) ? shapedAs(node, b) : undefined;
};

const subtractZero: Rule = (node, view) => {
  const [a, b] = operands(node, view);
  if (a && isZero(b)) return shapedAs(node, a);
  return b && isZero(a) && sameShape(b.type.shape, node.type.shape) ? make('neg', [b.id]) : undefined;
};

const multiplyByOne: Rule = (node, view) => {
  const [a, b] = operands(node, view);
  if (a && valueOf(b) === 1) return shapedAs(node, a);
  return b && valueOf(a) === 1 ? shapedAs(node, b) : undefined;
};

const divideByOne: Rule = (node, view) => {
  const [a, b] = operands(node, view);
  return a && valueOf(b) === 1 ? shapedAs(node, a) : undefined;
};

const negateTwice: Rule = (node, view) => {
  const [x] = operands(node, view);
  return x?.kind === 'neg' ? x.inputs[0] : undefined;
};

const selectKnown: Rule = (node, view) => {
  const [condition, a, b] = operands(node, view);
  const known = valueOf(condition);
  if (known === undefined || !a || !b) return undefined;
  return shapedAs(node, known === 0 ? b : a);
};

const passThrough: Rule = (node) => node.inputs[0];

/** c * (d * x) = (c d) * x, for constants of one element. */
const multiplyConstants: Rule = (node, view) => {
  const [c, product] = constantFirst(operands(node, view));
  if (!c || product?.kind !== 'mul' || view.uses(product.id) > 1) return undefined;
  const [d, x] = constantFirst(operands(product, view));
  const value = Math.fround((valueOf(c) ?? NaN) * (valueOf(d) ?? NaN));
  if (!d || !x || !isNormal(value) || c.type.shape.length > 0 || d.type.shape.length > 0) return undefined;
  return make('mul', [x.id, constant([], value)]);
};

/** Whether an f32 holds the number with all its digits: a product of two constants may leave the range that their turns with x would not. */
const isNormal = (value: number): boolean => Number.isFinite(value) && Math.abs(value) >= 2 ** -126;

/** The constant of two operands and the other, or nothing. */
const constantFirst = ([a, b]: readonly Node[]): readonly [Node | undefined, Node | undefined] => (valueOf(a) !== undefined ? [a, b] : valueOf(b) !== undefined ? [b, a] : [undefined, undefined]);

/**
 * f(x, a) + … + f(x, b) = f(x, a + b) + … for maps that are linear in each operand, anywhere in a sum that is needed nowhere else:
 * the weight gradients of steps that see the same image are taken once, of the summed adjoints.
 */
const sumOfProducts: Rule = (node, view) => {
  const terms = addends(node, view);
  for (const [i, p] of terms.entries()) {
    for (const [j, q] of terms.entries()) {
      const joined = j > i ? joinProducts(p, q, view) : undefined;
      if (!joined) continue;
      const rest = terms.filter((term) => term !== p && term !== q).map((term): Draft => term.id);
      return rest.reduce((sum, term) => make('add', [sum, term]), joined);
    }
  }
  return undefined;
};

/** How many terms of a sum are compared with each other; more would make long sums slow. */
const MOST_TERMS = 32;

/** The terms of a sum, through sums of the same type that nothing else needs. */
function addends(node: Node, view: View): Node[] {
  const terms = [node];
  for (let i = 0; i < terms.length && terms.length < MOST_TERMS; ) {
    const term = terms[i];
    if (term?.kind === 'add' && (term === node || view.uses(term.id) === 1) && sameType(term.type, node.type)) terms.splice(i, 1, ...operands(term, view));
    else i++;
  }
  return terms;
}

function joinProducts(p: Node, q: Node, view: View): Draft | undefined {
  if (p.id === q.id || p.kind !== q.kind || !BILINEAR.has(p.kind) || !sameType(p.type, q.type)) return undefined;
  if (view.uses(p.id) > 1 || view.uses(q.id) > 1 || JSON.stringify(p.attrs) !== JSON.stringify(q.attrs)) return undefined;
  const [pa = '', pb = ''] = p.inputs;
  const [qa = '', qb = ''] = q.inputs;
  const sum = (a: ValueId, b: ValueId): Draft | undefined => (sameType(view.node(a).type, view.node(b).type) ? make('add', [a, b]) : undefined);
  const [left, right] = [pa === qa ? pa : sum(pa, qa), pb === qb ? pb : sum(pb, qb)];
  return (pa === qa) !== (pb === qb) && left !== undefined && right !== undefined ? { kind: p.kind, inputs: [left, right], attrs: p.attrs, from: [p, q] } : undefined;
}

const BILINEAR: ReadonlySet<OpKind> = new Set<OpKind>(['conv2d', 'conv2d_input_grad', 'conv2d_filter_grad', 'matmul']);

// ---- data movement

const sameTypeAsOperand: Rule = (node, view) => {
  const [x] = operands(node, view);
  return x && sameType(x.type, node.type) ? x.id : undefined;
};

/** reshape(reshape(x)) = reshape(x). */
const mergeReshapes: Rule = (node, view) => {
  const [x] = operands(node, view);
  return node.kind === 'reshape' && x?.kind === 'reshape' ? make('reshape', x.inputs, node.attrs) : undefined;
};

const mergeBroadcasts: Rule = (node, view) => {
  const [x] = operands(node, view);
  return node.kind === 'broadcast' && x?.kind === 'broadcast' ? make('broadcast', x.inputs, node.attrs) : undefined;
};

const mergeTransposes: Rule = (node, view) => {
  const [x] = operands(node, view);
  if (node.kind !== 'transpose') return undefined;
  if (node.attrs.perm.every((from, to) => from === to)) return x?.id;
  if (x?.kind !== 'transpose') return undefined;
  const inner = x.attrs.perm;
  return make('transpose', x.inputs, { perm: node.attrs.perm.map((axis) => inner[axis] ?? axis) });
};

/** A slice of a slice, and a slice that lies in one part of a concatenation. */
const sliceThrough: Rule = (node, view) => {
  const [x] = operands(node, view);
  if (node.kind !== 'slice' || !x) return undefined;
  const { axis, start, size } = node.attrs;
  if (x.kind === 'slice' && x.attrs.axis === axis) return make('slice', x.inputs, { axis, start: x.attrs.start + start, size });
  // In a fixed order, outer axes last, so that slices of other axes meet.
  if (x.kind === 'slice' && x.attrs.axis > axis) return make('slice', [make('slice', x.inputs, node.attrs)], x.attrs);
  if (x.kind !== 'concat' || x.attrs.axis !== axis) return undefined;
  let offset = 0;
  for (const part of operands(x, view)) {
    const length = part.type.shape[axis];
    if (typeof length !== 'number') return undefined;
    if (start >= offset && start + size <= offset + length) return make('slice', [part.id], { axis, start: start - offset, size });
    offset += length;
  }
  return undefined;
};

/** Slices side by side of one value are one slice, and one operand alone is itself. */
const concatSlices: Rule = (node, view) => {
  if (node.kind !== 'concat') return undefined;
  const { axis } = node.attrs;
  const parts = operands(node, view);
  if (parts.length === 1) return node.inputs[0];
  const merged = parts.reduce<(Draft & object)[] | undefined>((done, part) => {
    if (!done || part.kind !== 'slice' || part.attrs.axis !== axis) return undefined;
    const last = done.at(-1);
    const { start, size } = part.attrs;
    if (last && typeof last !== 'string' && last.inputs[0] === part.inputs[0] && Number(last.attrs.start) + Number(last.attrs.size) === start) {
      return [...done.slice(0, -1), { ...last, attrs: { axis, start: last.attrs.start ?? 0, size: Number(last.attrs.size) + size } }];
    }
    return [...done, { kind: 'slice', inputs: part.inputs, attrs: part.attrs }];
  }, []);
  if (!merged || merged.length === parts.length) return undefined;
  return merged.length === 1 ? merged[0] : make('concat', merged, { axis });
};

/** concat(concat(a, b), concat(c, d)) along two axes = concat(concat(a, c), concat(b, d)), where the inner ones become slices that join. */
const swapConcats: Rule = (node, view) => {
  const parts = operands(node, view);
  const [first] = parts;
  if (node.kind !== 'concat' || first?.kind !== 'concat' || first.attrs.axis === node.attrs.axis) return undefined;
  const { axis } = first.attrs;
  const lengths = (part: Node): string => JSON.stringify(operands(part, view).map((operand) => operand.type.shape[axis]));
  if (!parts.every((part) => part.kind === 'concat' && part.attrs.axis === axis && view.uses(part.id) === 1 && lengths(part) === lengths(first))) return undefined;
  const columns = first.inputs.map((_, i) => parts.map((part) => part.inputs[i] ?? ''));
  if (!columns.some((column) => areNeighbours(column, node.attrs.axis, view))) return undefined;
  return make('concat', columns.map((column) => make('concat', column, node.attrs)), { axis });
};

/** concat(f(a, b), f(c, d)) = f(concat(a, c), concat(b, d)), where the parts of each operand are slices that join to one. */
const concatElementwise: Rule = (node, view) => {
  const parts = operands(node, view);
  const [first] = parts;
  if (node.kind !== 'concat' || !first || !isElementwise(first.kind)) return undefined;
  const alike = parts.every(
    (part) => part.kind === first.kind && view.uses(part.id) === 1 && JSON.stringify(part.attrs) === JSON.stringify(first.attrs) && operands(part, view).every((operand) => sameType(operand.type, part.type)),
  );
  const columns = first.inputs.map((_, i) => parts.map((part) => part.inputs[i] ?? ''));
  if (!alike || !columns.every((column) => areNeighbours(column, node.attrs.axis, view))) return undefined;
  return make(first.kind, columns.map((column) => make('concat', column, node.attrs)), first.attrs);
};

/** pool(concat of slices of x along the channels) = the same slices of pool(x), concatenated: pooling then meets the operation that made x. */
const poolBeforeReorder: Rule = (node, view) => {
  const [moved] = operands(node, view);
  if (moved?.kind !== 'concat' || moved.attrs.axis !== CHANNELS || view.uses(moved.id) > 1) return undefined;
  const parts = operands(moved, view);
  const source = parts[0]?.inputs[0];
  if (source === undefined || !parts.every((part) => part.kind === 'slice' && part.attrs.axis === CHANNELS && part.inputs[0] === source)) return undefined;
  if (!sameType(view.node(source).type, moved.type)) return undefined;
  const pooled = make(node.kind, [source], node.attrs);
  return make('concat', parts.map((part) => make('slice', [pooled], part.attrs)), moved.attrs);
};

/** The last axis of NHWC maps. */
const CHANNELS = 3;

/** Whether values are slices of one value that follow each other along an axis. */
function areNeighbours(ids: readonly ValueId[], axis: number, view: View): boolean {
  let end: number | undefined;
  return ids.every((id) => {
    const node = view.node(id);
    if (node.kind !== 'slice' || node.attrs.axis !== axis || node.inputs[0] !== view.node(ids[0] ?? '').inputs[0]) return false;
    const follows = end === undefined || node.attrs.start === end;
    end = node.attrs.start + node.attrs.size;
    return follows;
  });
}

const padNothing: Rule = (node) => (node.kind === 'pad' && node.attrs.before === 0 && node.attrs.after === 0 ? node.inputs[0] : undefined);

const reduceNothing: Rule = (node, view) => {
  const [x] = operands(node, view);
  if ((node.kind !== 'reduce_sum' && node.kind !== 'reduce_mean' && node.kind !== 'reduce_max') || !x) return undefined;
  const reduced = node.attrs.axes.map((axis): Dim | undefined => x.type.shape[axis]);
  return reduced.every((dim) => dim === 1) ? make('reshape', [x.id], { shape: node.type.shape }) : undefined;
};

/** f(broadcast(x), y) = f(x, y) where y alone already gives the result's shape. */
const operandNeedsNoBroadcast: Rule = (node, view) => {
  if (node.inputs.length < 2) return undefined;
  const parts = operands(node, view);
  const full = parts.some((part) => part.kind !== 'broadcast' && sameShape(part.type.shape, node.type.shape));
  if (!full || !parts.some((part) => part.kind === 'broadcast')) return undefined;
  return make(node.kind, parts.map((part) => (part.kind === 'broadcast' ? (part.inputs[0] ?? part.id) : part.id)), node.attrs);
};

/** f(move(x), move(y)) = move(f(x, y)) for one reshape or transpose, so that movements meet and cancel; operands of one element do not mind. */
const elementwiseBeforeMovement: Rule = (node, view) => {
  const parts = operands(node, view);
  const moved = parts.filter((part) => (part.kind === 'reshape' || part.kind === 'transpose') && view.uses(part.id) === 1);
  const scalars = parts.filter((part) => part.type.shape.length === 0);
  const [first] = moved;
  if (!first || moved.length + scalars.length !== parts.length || !sameShape(first.type.shape, node.type.shape)) return undefined;
  const before = view.node(first.inputs[0] ?? '').type.shape;
  const alike = moved.every((part) => part.kind === first.kind && JSON.stringify(part.attrs) === JSON.stringify(first.attrs) && sameShape(view.node(part.inputs[0] ?? '').type.shape, before));
  if (!alike || before.length === 0) return undefined;
  const inner = make(node.kind, parts.map((part) => (moved.includes(part) ? (part.inputs[0] ?? part.id) : part.id)), node.attrs);
  return make(first.kind, [inner], first.attrs);
};

/** A product of transposed matrices is a product that reads them the other way. */
const productOfTransposes: Rule = (node, view) => {
  if (node.kind !== 'matmul') return undefined;
  const swapped = operands(node, view).map((part) => part.kind === 'transpose' && swapsLastTwo(part.attrs.perm));
  if (!swapped.includes(true)) return undefined;
  const inputs = operands(node, view).map((part, i) => (swapped[i] ? (part.inputs[0] ?? part.id) : part.id));
  return make('matmul', inputs, { transpose_a: node.attrs.transpose_a !== (swapped[0] ?? false), transpose_b: node.attrs.transpose_b !== (swapped[1] ?? false) });
};

const swapsLastTwo = (perm: readonly number[]): boolean =>
  perm.length >= 2 && perm.every((from, to) => from === (to === perm.length - 1 ? perm.length - 2 : to === perm.length - 2 ? perm.length - 1 : to));

const elementwise: readonly Rule[] = [foldElementwise, operandNeedsNoBroadcast, elementwiseBeforeMovement];
const activationGradient: readonly Rule[] = [(node, view) => (isZero(operands(node, view)[1]) ? constant(node.type.shape, 0) : undefined), ...elementwise];

const ELEMENTWISE_RULES: { readonly [K in ElementwiseKind]?: readonly Rule[] } = {
  identity: [passThrough],
  stop_gradient: [passThrough],
  neg: [negateTwice, ...elementwise],
  add: [addZero, sumOfProducts, ...elementwise],
  sub: [subtractZero, ...elementwise],
  mul: [foldZero, multiplyByOne, multiplyConstants, ...elementwise],
  div: [divideByOne, ...elementwise],
  select: [selectKnown, ...elementwise],
  relu_grad: activationGradient,
  leaky_relu_grad: activationGradient,
  elu_grad: activationGradient,
  gelu_grad: activationGradient,
  silu_grad: activationGradient,
  tanh_grad: activationGradient,
  sigmoid_grad: activationGradient,
};

const otherElementwise = (Object.keys(SCALARS) as ElementwiseKind[]).map((kind) => [kind, ELEMENTWISE_RULES[kind] ?? elementwise] as const);

export const RULES: { readonly [K in OpKind]?: readonly Rule[] } = {
  ...Object.fromEntries(otherElementwise),
  reduce_sum: [foldZero, reduceNothing],
  reduce_mean: [foldUniform, reduceNothing],
  reduce_max: [foldUniform, reduceNothing],
  reshape: [foldUniform, sameTypeAsOperand, mergeReshapes],
  broadcast: [foldUniform, sameTypeAsOperand, mergeBroadcasts],
  transpose: [foldUniform, mergeTransposes],
  slice: [foldUniform, sameTypeAsOperand, sliceThrough],
  pad: [foldZero, padNothing],
  concat: [foldUniform, concatSlices, swapConcats, concatElementwise],
  upsample: [foldUniform],
  matmul: [foldZero, productOfTransposes],
  conv2d: [foldZero],
  conv2d_input_grad: [foldZero],
  conv2d_filter_grad: [foldZero],
  avgpool: [foldUniform, poolBeforeReorder],
  maxpool: [foldUniform, poolBeforeReorder],
  maxpool_grad: [(node, view) => (isZero(operands(node, view)[1]) ? constant(node.type.shape, 0) : undefined)],
};
