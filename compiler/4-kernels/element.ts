// The values of one fused kernel as expressions of the element's indices: data movement moves the indices, element-wise operations are computed where they are read,
// and what is used more than once gets a name.

import type { Node, ValueId } from '../2-graph/graph.ts';
import type { Attrs, ElementwiseKind, KindsOf } from '../2-graph/ops.ts';
import { groupOf, isElementwise } from '../2-graph/ops.ts';
import { elementCount } from '../2-graph/types.ts';
import { SCALAR_RULES } from './elementwise.ts';
import { atLeastZero, load, number, select } from './expr.ts';
import type { Expr } from './expr.ts';
import { within } from './fused.ts';
import type { Let } from './fused.ts';
import { int, minus, plus, quotient, showIndex } from './indexing.ts';
import type { Index } from './indexing.ts';
import { inside } from './rules-movement.ts';
import { flatten, unflatten } from './rule.ts';
import type { Operand, View } from './rule.ts';
import { broadcastView, bufferView, concatView, padView, reshapeView, sliceView, transposeView, zerosView } from './view.ts';

/** Names that hold from their place on. */
export interface Block {
  readonly parent?: Block;
  readonly lets: Let[];
  readonly known: Map<string, Expr>;
}

export const createBlock = (parent?: Block): Block => ({ ...(parent ? { parent } : {}), lets: [], known: new Map() });

/** What a kernel's expressions are made of. */
export interface Scene {
  /** Any node of the graph. */
  readonly node: (id: ValueId) => Node;
  readonly shape: (id: ValueId) => readonly number[];
  /** Whether the kernel computes the value itself. */
  readonly isMember: (id: ValueId) => boolean;
  /** How often the kernel's values read a value, or store it. */
  readonly uses: (id: ValueId) => number;
  /** Whether an operation that reads many elements for one, of this kernel, goes into the value. */
  readonly isRooted: (id: ValueId) => boolean;
  readonly freshName: () => string;
  /** Names of values that are the same everywhere in the kernel. */
  readonly scalars: Block;
  /** The element of such an operation's result. */
  readonly root: (id: ValueId, indices: readonly Index[]) => Expr;
}

/** The element of a value at the indices, in a block. */
export function element(scene: Scene, id: ValueId, indices: readonly Index[], block: Block): Expr {
  const node = scene.node(id);
  if (node.kind === 'constant') return number(node.attrs.value);
  if (!scene.isMember(id)) return load(id, flatten(indices, scene.shape(id)));
  if (isElementwise(node.kind)) return computed(scene, node as Node<ElementwiseKind>, indices, block);
  if (groupOf(node.kind) !== 'movement') return scene.root(id, indices);
  const rule = MOVED[node.kind as MovementKind] as MoveRule;
  return rule(
    node.inputs.map((input) => ({ shape: scene.shape(input), at: (places, guarded = false) => (guarded ? closed(block, (inner) => element(scene, input, places, inner)) : element(scene, input, places, block)) })),
    indices,
    node.attrs as never,
    scene.shape(id),
  );
}

/** An expression made in a block of its own, which holds all names that it makes. */
function closed(parent: Block, make: (block: Block) => Expr): Expr {
  const block = createBlock(parent);
  return within(block.lets, make(block));
}

function computed(scene: Scene, node: Node<ElementwiseKind>, indices: readonly Index[], block: Block): Expr {
  const { id } = node;
  const isScalar = elementCount(scene.shape(id)) === 1 && !scene.isRooted(id);
  const home = isScalar ? scene.scalars : block;
  const key = isScalar ? id : `${id} ${indices.map(showIndex).join(', ')}`;
  const known = lookUp(home, key);
  if (known) return known;
  const operands = node.inputs.map((input) => element(scene, input, broadcastIndices(indices, scene.shape(input)), home));
  const value = (SCALAR_RULES[node.kind] as (attrs: object, ...operands: Expr[]) => Expr)(node.attrs, ...operands);
  const isShared = scene.uses(id) > 1 || (isScalar && block !== home);
  if (!isShared || value.kind === 'number' || value.kind === 'local') return value;
  const local: Expr = { kind: 'local', name: scene.freshName() };
  home.lets.push({ name: local.name, value, of: id });
  home.known.set(key, local);
  return local;
}

const lookUp = (block: Block | undefined, key: string): Expr | undefined => block && (block.known.get(key) ?? lookUp(block.parent, key));

/** Where an operand that is broadcast is read for the element at these indices. */
const broadcastIndices = (indices: readonly Index[], shape: readonly number[]): Index[] =>
  shape.map((extent, axis) => (extent === 1 ? int(0) : (indices[indices.length - shape.length + axis] ?? int(0))));

// Data movement: the element of the result is an element of an operand.

interface Moved {
  readonly shape: readonly number[];
  /** Guarded reads may lie outside where they are not taken. */
  at(places: readonly Index[], guarded?: boolean): Expr;
}

type MovementKind = KindsOf<'movement'>;
type MoveRule<K extends MovementKind = MovementKind> = (inputs: readonly Moved[], indices: readonly Index[], attrs: Attrs<K>, shape: readonly number[]) => Expr;

const first = (inputs: readonly Moved[]): Moved => {
  const [only] = inputs;
  if (!only) throw new Error('an operand is missing');
  return only;
};
const along = (indices: readonly Index[], axis: number): Index => indices[axis] ?? int(0);

const MOVED: { readonly [K in MovementKind]: MoveRule<K> } = {
  reshape: (inputs, indices, _, shape) => first(inputs).at(unflatten(flatten(indices, shape), first(inputs).shape)),
  broadcast: (inputs, indices) => first(inputs).at(broadcastIndices(indices, first(inputs).shape)),
  transpose: (inputs, indices, { perm }) => first(inputs).at(perm.map((_, axis) => along(indices, perm.indexOf(axis)))),
  slice: (inputs, indices, { axis, start }) => first(inputs).at(indices.with(axis, plus(along(indices, axis), int(start)))),
  pad: (inputs, indices, { axis, before }) => {
    const place = minus(along(indices, axis), int(before));
    return select(inside(place, first(inputs).shape[axis] ?? 1), first(inputs).at(indices.with(axis, place), true), number(0));
  },
  concat: (inputs, indices, { axis }) => {
    const from = ([part, ...others]: readonly Moved[], start: number): Expr => {
      if (!part) throw new Error('an operand is missing');
      const end = start + (part.shape[axis] ?? 1);
      const place = minus(along(indices, axis), int(start));
      if (inputs.length === 1) return part.at(indices.with(axis, place));
      const here = part.at(indices.with(axis, place), true);
      return others.length === 0 ? here : select(atLeastZero(minus(int(end - 1), along(indices, axis))), here, from(others, end));
    };
    return from(inputs, 0);
  },
  upsample: (inputs, [n = int(0), y = int(0), x = int(0), c = int(0)], { k }) => first(inputs).at([n, quotient(y, k), quotient(x, k), c]),
};

// Operands of the operations that read many elements.

/** A value as an operand: each element is made in a block of its own, so that a rule may ask for it anywhere. */
export function operandOf(scene: Scene, id: ValueId): Operand {
  const shape = scene.shape(id);
  const view = viewOf(scene, id);
  const isBuffer = !scene.isMember(id) && scene.node(id).kind !== 'constant';
  const at = (...indices: readonly Index[]): Expr => closed(scene.scalars, (block) => element(scene, id, indices, block));
  return { shape, at, flat: (place) => (isBuffer ? load(id, place) : at(...unflatten(place, shape))), ...(view ? { view } : {}) };
}

/** Where a value's elements lie, if data movement alone makes it of buffers and zeros. */
function viewOf(scene: Scene, id: ValueId): View | undefined {
  const node = scene.node(id);
  const shape = scene.shape(id);
  if (node.kind === 'constant') return node.attrs.value === 0 ? zerosView(shape) : undefined;
  if (!scene.isMember(id)) return bufferView(id, shape);
  const [input = ''] = node.inputs;
  const fromShape = scene.shape(input);
  const from = <T>(make: (view: View) => T): T | undefined => {
    const view = viewOf(scene, input);
    return view && make(view);
  };
  switch (node.kind) {
    case 'identity':
    case 'stop_gradient':
      return from((view) => view);
    case 'concat':
      return concatView(node.inputs.map((part) => viewOf(scene, part)), node.attrs.axis, node.inputs.map((part) => scene.shape(part)[node.attrs.axis] ?? 1));
    case 'slice':
      return from((view) => sliceView(view, node.attrs.axis, node.attrs.start, node.attrs.size));
    case 'pad':
      return from((view) => padView(view, fromShape, node.attrs.axis, node.attrs.before, node.attrs.after));
    case 'transpose':
      return from((view) => transposeView(view, node.attrs.perm));
    case 'reshape':
      return from((view) => reshapeView(view, fromShape, shape));
    case 'broadcast':
      return from((view) => broadcastView(view, fromShape, shape));
    default:
      return undefined;
  }
}
