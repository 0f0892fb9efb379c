// Lowering of a graph whose nodes are gathered into kernels: each kernel becomes loop nests with named values at the element and stores of its results.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import type { ComputeKind } from '../2-graph/ops.ts';
import { groupOf, isElementwise, isLeaf } from '../2-graph/ops.ts';
import { nodesById } from '../2-graph/queries.ts';
import { concreteShape, elementCount, sameShape } from '../2-graph/types.ts';
import { kernelsOf, namedValues, outputsOf, usersOf } from '../3-passes/cost.ts';
import { createBlock, element, operandOf } from './element.ts';
import type { Scene } from './element.ts';
import { buffersOf, load, showExpr } from './expr.ts';
import type { Expr } from './expr.ts';
import { isContraction, within } from './fused.ts';
import type { FusedKernel, Nest, Root, Store } from './fused.ts';
import { int, minus, quotient, showIndex, use } from './indexing.ts';
import type { Index, Var } from './indexing.ts';
import type { Buffer, KernelKind } from './kernel.ts';
import { LOWER } from './lower.ts';
import { mergeLoops } from './merge-loops.ts';
import { flatten, unflatten } from './rule.ts';
import type { Loops, LowerRule, Operand } from './rule.ts';

/** What all kernels of a graph share. */
interface Context {
  readonly nodes: ReadonlyMap<ValueId, Node>;
  readonly users: ReadonlyMap<ValueId, readonly Node[]>;
  readonly named: ReadonlySet<ValueId>;
  readonly node: (id: ValueId) => Node;
  readonly buffer: (id: ValueId) => Buffer;
}

/**
 * The kernels of a graph that `fuse` has been through, in the order they run; a node without a kernel's number is a kernel of its own.
 * Values that only their own kernel reads have no buffer. The graph is bound to a batch, without structure nodes.
 * Throws Error on a structure node, RangeError on a shape that still holds the batch symbol.
 */
export function lowerFused(graph: Graph): FusedKernel[] {
  const nodes = nodesById(graph);
  const node = (id: ValueId): Node => nodes.get(id) ?? missing(id);
  const buffer = (id: ValueId): Buffer => ({ id, dtype: node(id).type.dtype, shape: concreteShape(node(id).type.shape) });
  const context: Context = { nodes, users: usersOf(graph), named: namedValues(graph), node, buffer };
  const structure = graph.nodes.find(({ kind }) => groupOf(kind) === 'structure');
  if (structure) throw new Error(`%${structure.id}: ${structure.kind} is not lowered`);
  return kernelsOf(graph).flatMap((members) => lowerKernel(context, members));
}

const missing = (id: ValueId): never => {
  throw new Error(`no value %${id}`);
};

const isRoot = (node: Node): boolean => !isLeaf(node.kind) && !isElementwise(node.kind) && groupOf(node.kind) !== 'movement';

/** A kernel under construction: its members, and where each of its results is stored. */
interface Plan {
  readonly context: Context;
  readonly members: ReadonlyMap<ValueId, Node>;
  readonly outputs: readonly Node[];
  /** The operations that read many elements, which go into a value. */
  readonly rootsOf: (id: ValueId) => ReadonlySet<ValueId>;
  readonly uses: (id: ValueId) => number;
}

function lowerKernel(context: Context, members: readonly Node[]): FusedKernel[] {
  const outputs = outputsOf(members, context.users, context.named);
  const [first] = outputs;
  if (!first) return []; // nothing reads it
  const plan: Plan = { context, members: new Map(members.map((node) => [node.id, node])), outputs, rootsOf: rootsWithin(members), uses: countUses(members, outputs) };
  const root = members.find(isRoot);
  const { nests, scalars, scratch } = buildNests(plan, outputs);
  const stages = inStages(nests);
  const written = new Set([...outputs.map((node) => node.id), ...scratch.map((buffer) => buffer.id)]);
  const read = [...[...scalars, ...nests.flatMap((nest) => [...nest.lets, ...nest.stores])].map(({ value }) => value), ...nests.flatMap(operandsOf)].flatMap(buffersOf);
  const kernel: FusedKernel = {
    name: `${(root ?? first).kind}_${first.id}`,
    kind: kindOf(root),
    from: members.map((node) => node.id),
    params: [...new Set(read)].filter((id) => !written.has(id)).map(context.buffer),
    outputs: outputs.map((node) => context.buffer(node.id)),
    scratch,
    scalars,
    stages,
  };
  return [kernel];
}

/** An element of each operand of a nest's contraction. Emitters read them all, even where every tap lies in the padding and the value is a plain zero. */
const operandsOf = ({ root }: Nest): Expr[] => (isContraction(root) ? root.operands.map(({ shape, at }) => at(...indicesFor(shape).map(use))) : []);

const kindOf = (root: Node | undefined): KernelKind => (root === undefined ? 'map' : groupOf(root.kind) === 'contraction' ? 'contraction' : 'reduce');

function rootsWithin(members: readonly Node[]): Plan['rootsOf'] {
  const none: ReadonlySet<ValueId> = new Set();
  const found = new Map<ValueId, ReadonlySet<ValueId>>();
  for (const node of members) found.set(node.id, new Set([...(isRoot(node) ? [node.id] : []), ...node.inputs.flatMap((input) => [...(found.get(input) ?? none)])]));
  return (id) => found.get(id) ?? none;
}

function countUses(members: readonly Node[], outputs: readonly Node[]): Plan['uses'] {
  const uses = new Map<ValueId, number>();
  for (const id of [...members.flatMap((node) => node.inputs), ...outputs.map((node) => node.id)]) uses.set(id, (uses.get(id) ?? 0) + 1);
  return (id) => uses.get(id) ?? 0;
}

// Which nest stores which result.

interface Task {
  /** What the nest's elements are elements of: a root, or the results themselves. */
  readonly root?: Node<ComputeKind>;
  readonly shape: readonly number[];
  readonly stores: Stored[];
}

interface Stored {
  readonly node: Node;
  readonly form: 'whole' | 'part' | 'pool';
}

/** The nests to make. Results that are `apart` get one that reads their roots' results from memory. */
function tasksOf(plan: Plan, results: readonly Node[], apart: ReadonlySet<ValueId>): Task[] {
  const { context } = plan;
  const tasks: Task[] = [];
  const shapeOf = (node: Node): number[] => concreteShape(node.type.shape);
  const rootTask = (root: Node): Task => {
    const found = tasks.find((task) => task.root?.id === root.id);
    if (found) return found;
    const task: Task = { root: root as Node<ComputeKind>, shape: shapeOf(root), stores: [] };
    tasks.push(task);
    return task;
  };
  const touched = new Map<ValueId, Task>();
  for (const node of results) {
    const image = pooledValue(plan, node);
    const direct = isRoot(node) ? node : directRoot(plan, node);
    const whole = image ? undefined : direct;
    const part = whole || image ? undefined : partRoot(plan, node);
    const root = image ?? whole ?? part;
    if (root && !apart.has(node.id)) {
      rootTask(root).stores.push({ node, form: image ? 'pool' : whole ? 'whole' : 'part' });
      continue;
    }
    // Results of one shape that read something in common are made side by side.
    const ingredients = ingredientsOf(plan, node);
    const shared = ingredients.map((id) => touched.get(id)).find((task) => task && sameShape(task.shape, node.type.shape));
    const task: Task = shared ?? { shape: shapeOf(node), stores: [] };
    if (!shared) tasks.push(task);
    task.stores.push({ node, form: 'whole' });
    for (const id of ingredients) touched.set(id, task);
  }
  return tasks;

  /** The members and operands that go into a value, but for scalars. */
  function ingredientsOf({ members }: Plan, of: Node): ValueId[] {
    const found = new Set<ValueId>();
    const visit = (id: ValueId): void => {
      if (found.has(id) || elementCount(context.buffer(id).shape) === 1) return;
      found.add(id);
      members.get(id)?.inputs.forEach(visit);
    };
    visit(of.id);
    return [...found];
  }
}

/** The root whose result at an element goes into the value at that element. */
function directRoot(plan: Plan, node: Node): Node | undefined {
  for (const input of node.inputs) {
    const operand = plan.members.get(input);
    if (!isElementwise(node.kind) || !operand || plan.rootsOf(input).size === 0 || !sameShape(operand.type.shape, node.type.shape)) continue;
    const root = isRoot(operand) ? operand : directRoot(plan, operand);
    if (root) return root;
  }
  return undefined;
}

/** The contraction of which the node pools a result in whole windows, as it is made. */
function pooledValue(plan: Plan, node: Node): Node | undefined {
  if (node.kind !== 'avgpool' && node.kind !== 'maxpool') return undefined;
  const image = plan.members.get(node.inputs[0] ?? '');
  const root = image && (isRoot(image) ? image : directRoot(plan, image));
  const whole = image && concreteShape(image.type.shape).slice(1, 3).every((size) => size % node.attrs.k === 0);
  return whole && root && groupOf(root.kind) === 'contraction' ? root : undefined;
}

/** The root of whose result some images alone go on: the node's operands are the same slice of the first axis of values at its elements. */
function partRoot(plan: Plan, node: Node): Node | undefined {
  const start = partStart(plan, node);
  if (start === undefined || !isElementwise(node.kind)) return undefined;
  for (const input of node.inputs) {
    const slice = plan.members.get(input);
    const from = plan.members.get(slice?.inputs[0] ?? '');
    const root = from && (isRoot(from) ? from : directRoot(plan, from));
    const fits = slice && root && sameShape(slice.type.shape, node.type.shape) && sameShape(root.type.shape.slice(1), node.type.shape.slice(1));
    if (fits && slice.kind === 'slice' && slice.attrs.axis === 0 && slice.attrs.start === start) return root;
  }
  return undefined;
}

/** Where the slice begins whose elements an element-wise node reads. */
function partStart({ members, rootsOf }: Plan, node: Node): number | undefined {
  for (const input of node.inputs) {
    const slice = members.get(input);
    if (slice?.kind === 'slice' && slice.attrs.axis === 0 && rootsOf(input).size > 0) return slice.attrs.start;
  }
  return undefined;
}

// The nests.

interface Built {
  readonly nests: readonly Nest[];
  readonly scalars: FusedKernel['scalars'];
  readonly scratch: readonly Buffer[];
}

/**
 * The nests for the results. Where a root's result is read at other elements than the one it is made at, it becomes a result itself; what would read it in the
 * nest that makes it is made apart; and all is built anew.
 */
function buildNests(plan: Plan, results: readonly Node[], apart: ReadonlySet<ValueId> = new Set()): Built {
  const { context, members, outputs, rootsOf, uses } = plan;
  const scalars = createBlock();
  const scratch: Buffer[] = results.filter((node) => !outputs.includes(node)).map((node) => context.buffer(node.id));
  const stored = new Set(results.map((node) => node.id));
  const elsewhere = new Set<ValueId>();
  const torn = new Set<ValueId>();
  const staged = new Map<string, Operand>();
  const nests: Nest[] = [];
  let names = 0;

  const scene: Scene = {
    node: context.node,
    shape: (id) => context.buffer(id).shape,
    isMember: (id) => members.has(id),
    uses,
    isRooted: (id) => rootsOf(id).size > 0,
    freshName: () => `v${names++}`,
    scalars,
    root: (id, indices) => {
      if (!stored.has(id)) elsewhere.add(id);
      return load(id, flatten(indices, context.buffer(id).shape));
    },
  };

  /** A rule's own stage: a nest that stores into scratch. Two that compute the same are one. */
  const stage = (node: Node) => (suffix: string, shape: readonly number[], loops: Loops): Operand => {
    const indices = indicesFor(loops.extents ?? shape);
    const value = loops.body(...indices.map(use));
    const key = `${indices.map(({ extent }) => extent).join()} ${showExpr(value)}`;
    const known = staged.get(key);
    if (known) return known;
    const output: Buffer = { id: `${node.id}.${suffix}`, dtype: 'f32', shape };
    scratch.push(output);
    nests.push(mergeLoops({ indices, lets: [], stores: [{ output, value, index: flatten(indices.map(use), loops.extents ?? shape) }] }));
    const operand: Operand = { shape, at: (...places) => load(output.id, flatten(places, shape)), flat: (place) => load(output.id, place) };
    staged.set(key, operand);
    return operand;
  };

  const rootOf = (node: Node<ComputeKind>, shape: readonly number[]): { root: Root; value: (indices: readonly Index[]) => Expr } => {
    const operands = node.inputs.map((input) => operandOf(scene, input));
    const rule = LOWER[node.kind] as LowerRule;
    const stages = groupOf(node.kind) === 'contraction' ? inline : stage(node);
    const loops = rule({ node, attrs: node.attrs as never, inputs: operands, shape, stage: stages }, ...operands);
    return {
      root: { node, operands, factors: node.inputs.every((input) => context.buffer(input).dtype === 'f16') ? 'f16' : 'f32', shape, local: ROOT },
      value: (indices) => loops.body(...(loops.extents ? unflatten(flatten(indices, shape), loops.extents) : indices)),
    };
  };

  const build = ({ root: node, shape, stores }: Task): Nest => {
    const indices = indicesFor(shape);
    const places = indices.map(use);
    const isHere = (at: readonly Index[]): boolean => at.every((index, axis) => showIndex(index) === showIndex(places[axis] ?? int(0)));
    const block = createBlock(scalars);
    const root = node && rootOf(node, shape);
    if (node && root) block.lets.push({ name: ROOT, value: root.value(places), of: node.id });
    let current = '';
    const own: Scene = {
      ...scene,
      // A nest of one element needs no scalars.
      scalars: elementCount(shape) === 1 ? block : scalars,
      root: (id, at) => {
        if (id === node?.id && isHere(at)) return { kind: 'local', name: ROOT };
        if (node && (id === node.id || stores.some((other) => other.node.id === id))) torn.add(current);
        return scene.root(id, at);
      },
    };
    const valueOf = (id: ValueId, at: readonly Index[], inside = block): Expr => element(own, id, at, inside);
    const made = stores.map(({ node: result, form }): Store => {
      current = result.id;
      const output = context.buffer(result.id);
      if (form === 'pool' && (result.kind === 'avgpool' || result.kind === 'maxpool')) {
        const { k } = result.attrs;
        const index = flatten(places.map((place, axis) => (axis === 1 || axis === 2 ? quotient(place, k) : place)), output.shape);
        return { output, index, value: valueOf(result.inputs[0] ?? '', places), pool: { op: result.kind === 'avgpool' ? 'mean' : 'max', k } };
      }
      if (form === 'whole') return { output, index: flatten(places, shape), value: valueOf(result.id, places) };
      const start = partStart(plan, result) ?? 0;
      const size = output.shape[0] ?? 1;
      const at = places.with(0, minus(places[0] ?? int(0), int(start)));
      const inside = createBlock(block);
      const value = valueOf(result.id, at, inside);
      return { output, index: flatten(at, output.shape), value: within(inside.lets, value), part: { start, size } };
    });
    const nest: Nest = { indices, ...(root ? { root: root.root } : {}), lets: block.lets, stores: made };
    return root ? nest : mergeLoops(nest);
  };

  for (const task of tasksOf(plan, results, apart)) nests.push(build(task));
  const more = [...elsewhere].map(context.node);
  if (more.length > 0 || torn.size > 0) return buildNests(plan, [...results, ...more], new Set([...apart, ...torn]));
  return { nests, scalars: scalars.lets, scratch };
}

/** The name of a root's result at the element. */
const ROOT = 'acc';

const indicesFor = (shape: readonly number[]): Var[] => shape.map((extent, axis) => ({ name: `i${axis}`, extent }));

/** A stage whose elements are computed where they are read. */
const inline = (_: string, shape: readonly number[], { body, extents }: Loops): Operand => {
  const at = (...indices: readonly Index[]): Expr => body(...(extents ? unflatten(flatten(indices, shape), extents) : indices));
  return { shape, at, flat: (place) => at(...unflatten(place, shape)) };
};

/** Nests in as few stages as possible, each after those that store what it reads. */
function inStages(nests: readonly Nest[]): Nest[][] {
  const writer = new Map(nests.flatMap((nest) => nest.stores.map((store) => [store.output.id, nest] as const)));
  const levels = new Map<Nest, number>();
  const levelOf = (nest: Nest): number => {
    const known = levels.get(nest);
    if (known !== undefined) return known;
    const reads = [...nest.lets, ...nest.stores].flatMap(({ value }) => buffersOf(value));
    const before = reads.map((id) => writer.get(id)).filter((other) => other !== undefined && other !== nest);
    const level = before.reduce((most, other) => Math.max(most, 1 + (other ? levelOf(other) : 0)), 0);
    levels.set(nest, level);
    return level;
  };
  const stages: Nest[][] = [];
  for (const nest of nests) (stages[levelOf(nest)] ??= []).push(nest);
  return stages;
}
