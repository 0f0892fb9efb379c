// What the dispatches of a graph compute: kernels divided into tasks for which a device has room, products into tiles, then tasks gathered again.

import type { Graph, Node, ValueId } from '../../2-graph/graph.ts';
import { isLeaf } from '../../2-graph/ops.ts';
import { elementCount } from '../../2-graph/types.ts';
import { buffersOf, children, load, sum as sumOf } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import type { ContractionRoot, FusedKernel } from '../../4-kernels/fused.ts';
import { plus, showIndex, times, use } from '../../4-kernels/indexing.ts';
import type { Index } from '../../4-kernels/indexing.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import { lowerFused } from '../../4-kernels/lower-fused.ts';
import { resultsOf } from '../../4-kernels/lower.ts';
import { flatten } from '../../4-kernels/rule.ts';
import type { BufferSpec, DeviceLimits, DeviceProfile } from '../model.ts';
import { bufferOf } from '../program.ts';
import { arenasFor } from './arenas.ts';
import type { Form } from './form.ts';
import { factorsOf, productIndices } from './gemm.ts';
import { fittingGroups, gathered } from './groups.ts';
import type { Group } from './groups.ts';
import { namesFor, namesIn, readsOf, tasksOf, valuesIn, writesOf } from './nest.ts';
import type { Task } from './nest.ts';
import { productOf } from './product.ts';
import { boundFor } from './shader.ts';
import type { Places } from './shader.ts';
import { copyOf } from './staging.ts';
import { nameOf, showTiling, slicesOf } from './tiles.ts';
import type { Sizes, Tiling } from './tiles.ts';
import { formOf, treeShape } from './tree.ts';

/** The tiling of a product, or undefined for a loop nest. */
export type Tilings = (sizes: Sizes, device: DeviceProfile) => Tiling | undefined;

/** What one dispatch computes. */
export type Part = WithTiling | Group;

export const isGroup = (part: Part): part is Group => Array.isArray(part);

export interface Plan {
  readonly tasks: readonly (Task | WithTiling)[];
  /** The tasks by dispatch. */
  readonly parts: readonly Part[];
  readonly buffers: ReadonlyMap<ValueId, Buffer>;
  readonly arenas: readonly BufferSpec[];
  /** The updates in place, by value. */
  readonly inPlace: ReadonlyMap<ValueId, ValueId>;
  readonly places: Places;
  /** Whether every task has room for its buffers. */
  readonly fits: boolean;
}

export interface PlanOptions {
  readonly device: DeviceProfile;
  readonly tiling: Tilings;
}

/** What is hoped for as kernels are divided into tasks for which there is room. */
interface Hope {
  /** Updates in place, by value: fewer buffers are bound. */
  readonly inPlace: ReadonlyMap<ValueId, ValueId>;
  /** Whether kernels that update fit as they are, since what they bind lies in arenas. */
  readonly arenas: boolean;
}

/** The dispatches of a graph; where not all that was hoped for can be had, those that do with less. */
export function planFor(graph: Graph, nodes: readonly Node[], options: PlanOptions): Plan {
  const kernels = lowerFused({ ...graph, nodes });
  const inPlace = new Map(graph.updates.map(({ target, value }) => [value, target]));
  const plan = (hope: Hope): Plan => planOf(graph, nodes, kernels, hope, options);
  const best = plan({ inPlace, arenas: true });
  if (best.fits) return best;
  const next = plan({ inPlace, arenas: false });
  return next.fits ? next : plan({ inPlace: new Map(), arenas: false });
}

function planOf(graph: Graph, nodes: readonly Node[], kernels: readonly FusedKernel[], hope: Hope, { device, tiling }: PlanOptions): Plan {
  const most = device.limits.storageBuffers;
  const divided = kernels.map((kernel) => {
    const hasRoom = hope.arenas && kernel.outputs.some(({ id }) => hope.inPlace.has(id));
    return tasksOf(kernel, { most: hasRoom ? Infinity : most, home: (id) => hope.inPlace.get(id) ?? id });
  });
  const buffers = new Map<ValueId, Buffer>(nodes.map((node) => [node.id, bufferOf(node)]));
  const add = (buffer: Buffer): Buffer => (buffers.set(buffer.id, buffer), buffer);
  for (const buffer of divided.flatMap((kernel) => kernel.scratch)) add(buffer);
  const tasks = divided.flatMap((kernel) => kernel.tasks).flatMap((task): (Task | WithTiling)[] => {
    const { root } = task;
    if (!root) return [task];
    const sizes = sizesOf(root);
    const chosen = tiling(sizes, device);
    if (!chosen) return [task];
    // A part has at least one slice.
    const possible = { ...chosen, parts: Math.min(chosen.parts, slicesOf(sizes, chosen.tile)) };
    return tiled({ ...task, ofProduct: { product: nameOf(sizes), choice: showTiling(possible) } }, root, possible, add);
  });
  const inPlace = updatesInPlace(graph, tasks, device.limits);
  const home = (id: ValueId): ValueId => inPlace.get(id) ?? id;
  const items = tasks.map((task): WithTiling | Form => ('tiling' in task ? task : formOf(task, device.limits)));
  const groups = gathered(items, (item): item is Form => 'tasks' in item, home, device.limits);
  const buffer = (id: ValueId): Buffer => buffers.get(id) ?? missing(id);
  const products = tasks.flatMap((task) => ('tiling' in task ? [{ reads: readsOf(task), writes: writesOf(task) }] : []));
  const arenas = arenasFor(groups.filter(isGroup), { limits: device.limits, home, buffer, kind: kindsIn(graph, nodes), products });
  const places: Places = { home, within: (id) => arenas.within.get(id) };
  const parts = groups.flatMap((group): Part[] => (isGroup(group) ? fittingGroups(group, places, device.limits) : [group]));
  const fits = tasks.every((task) => boundFor(valuesIn(task), places).size <= most);
  return { tasks, parts, buffers, arenas: arenas.specs, inPlace, places, fits };
}

/** What values are that may lie in arenas. Programs that update nothing find weights where those that do have put them. */
function kindsIn(graph: Graph, nodes: readonly Node[]): (id: ValueId) => 'weight' | 'state' | 'temporary' | undefined {
  const leaves = new Map(nodes.flatMap((node) => (isLeaf(node.kind) ? [[node.id, node.kind] as const] : [])));
  return (id) => {
    const kind = leaves.get(id);
    if (kind === undefined) return 'temporary';
    return graph.updates.length > 0 && (kind === 'weight' || kind === 'state') ? kind : undefined;
  };
}

export const missing = (id: ValueId): never => {
  throw new Error(`no value %${id}`);
};

/** What a tiling is chosen by. */
export function sizesOf(root: ContractionRoot): Sizes {
  const { groups, rows, columns, depth, ...product } = productOf(root);
  const at = productIndices({ groups, rows, columns, depth }, 1);
  const { left, right } = factorsOf({ groups, rows, columns, depth, left: product.left(at.group, at.row, at.depth), right: product.right(at.group, at.depth, at.column) });
  return { groups, rows, columns, depth, left: copyOf(left), right: copyOf(right), factors: root.factors };
}

export type WithTiling = Task & { readonly root: ContractionRoot; readonly tiling: Tiling };

/** The task with its tiling; a summed axis in parts takes two: one for the parts' sums, and one that adds them up and goes on. */
export function tiled(task: Task, root: ContractionRoot, tiling: Tiling, add: (buffer: Buffer) => Buffer): (Task | WithTiling)[] {
  if (tiling.parts === 1) return [{ ...task, root, tiling }];
  const shape = task.indices.map(({ extent }) => extent);
  const count = elementCount(shape);
  const place = flatten(task.indices.map(use), shape);
  const sums = add({ id: `${task.stores[0]?.output.id ?? root.node.id}.parts`, dtype: 'f32', shape: [tiling.parts, ...shape] });
  const at = (part: Index): Index => plus(times(part, count), place);
  const own = namesFor([root.local], task.lets);
  const first: WithTiling = {
    ...task,
    name: `${task.name}_parts`,
    root,
    tiling,
    lets: own,
    stores: [{ output: sums, index: at(use({ name: 'part', extent: tiling.parts })), value: { kind: 'local', name: root.local } }],
  };
  const { root: _, ...rest } = task;
  const total = sumOf('part', tiling.parts, (part) => load(sums.id, at(part)));
  const added = task.lets.map((each) => (each.name === root.local ? { ...each, value: total } : each));
  return [first, { ...rest, lets: namesFor(namesIn(task.stores), added) }];
}

/**
 * Updates whose value can be written straight into its target, by value: one task stores it, element by element, no task after that reads the old contents,
 * and the new ones are nobody's result. Other updates are copies after the last step.
 */
function updatesInPlace(graph: Graph, tasks: readonly (Task | WithTiling)[], limits: DeviceLimits): Map<ValueId, ValueId> {
  const results = resultsOf({ ...graph, updates: [], gradients: [] });
  const values = graph.updates.map((update) => update.value);
  const places = new Map<ValueId, ValueId>();
  const lastRead = new Map(tasks.flatMap((task, at) => readsOf(task).map((id) => [id, at] as const)));
  for (const { target, value } of graph.updates) {
    const writers = tasks.filter((task) => task.stores.some(({ output }) => output.id === value));
    const [writer] = writers;
    const store = writer?.stores.find(({ output }) => output.id === value);
    const isSingle = values.filter((each) => each === value).length === 1 && writers.length === 1 && !values.includes(target) && !results.has(value);
    if (!writer || !store || !isSingle || store.guard || (!('tiling' in writer) && treeShape(writer, limits))) continue;
    const readLater = (lastRead.get(target) ?? -1) > tasks.indexOf(writer);
    // The factors of a product are read by other threads than the one that stores.
    const factors = 'tiling' in writer ? writer.lets.filter(({ name }) => name === writer.root.local).flatMap((each) => buffersOf(each.value)) : [];
    const here = [...writer.lets, ...writer.stores].every((each) => readsOnlyAt(each.value, target, showIndex(store.index)));
    if (!readLater && here && !factors.includes(target)) places.set(value, target);
  }
  return places;
}

/** Whether every load from the buffer, if any, is from this very place. */
const readsOnlyAt = (expr: Expr, buffer: ValueId, place: string): boolean =>
  expr.kind === 'load' ? expr.buffer !== buffer || showIndex(expr.index) === place : children(expr).every((inner) => readsOnlyAt(inner, buffer, place));
