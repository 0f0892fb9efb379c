// A graph as WebGPU compute shaders: tiled products for large contractions, trees for long reductions, one invocation an element for everything else.

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
import type { BufferSpec, DeviceLimits, DeviceProfile, Program, WebGpuStep } from '../model.ts';
import { bufferOf, imagesOf, neededNodes, programFrame } from '../program.ts';
import { feedOf } from './data/feed.ts';
import { factorsOf, gemmStep, productIndices } from './gemm.ts';
import { loopStep } from './loops.ts';
import { buffersIn, moved, readsOf, tasksOf } from './nest.ts';
import type { Task } from './nest.ts';
import { productOf } from './product.ts';
import { EVERY_DEVICE } from './shader.ts';
import type { Emission } from './shader.ts';
import { copyOf } from './staging.ts';
import { chooseTiling, isTiled, nameOf, showTiling, slicesOf } from './tiles.ts';
import type { Sizes, Tiling } from './tiles.ts';
import { treeShape, treeStep } from './tree.ts';
import { workOf } from './work.ts';

export interface WebGpuOptions {
  /** What the device can do; what every device can where it is not given. */
  readonly device?: DeviceProfile;
  readonly tiling?: Tilings;
  /** Whether the program can make its batches of a data set on the device; it can where this is not given. */
  readonly feed?: boolean;
}

/** The tiling of a product, or undefined for a loop nest. */
export type Tilings = (sizes: Sizes, device: DeviceProfile) => Tiling | undefined;

export const usualTiling: Tilings = (sizes, device) => (isTiled(sizes) ? chooseTiling(sizes, device) : undefined);

/**
 * The program of a graph that is bound to a batch and has no structure nodes; `fuse` decides which operations share a kernel. `batch` is how many distinct
 * images a run takes, `filledTo` how many are normalised together with them. Throws RangeError where the graph is not bound or a kernel cannot be made for the limits.
 */
export function emitWebGpu(graph: Graph, { device = EVERY_DEVICE, tiling = usualTiling, feed: wantsFeed = true }: WebGpuOptions = {}, batch = imagesOf(graph), filledTo = batch): Program<WebGpuStep> {
  const nodes = neededNodes(graph);
  const { tasks, buffers, home, inPlace } = planFor(graph, nodes, { device, tiling });
  const buffer = (id: ValueId): Buffer => buffers.get(id) ?? missing(id);
  const steps = tasks.map((task) => stepOf(task, { device, buffer, home }));

  const named = new Set([...resultsOf(graph), ...graph.updates.map(({ target }) => target), ...steps.flatMap((step) => step.bindings.map((each) => each.buffer))]);
  const leaves = nodes.filter((node) => isLeaf(node.kind) && (node.kind !== 'constant' || named.has(node.id))).map(bufferOf);
  const known = new Set(leaves.map(({ id }) => id));
  const written = [...new Set(steps.flatMap((step) => step.bindings.map((each) => each.buffer)))].filter((id) => !known.has(id));
  const frame = programFrame(graph, batch);
  const feed = wantsFeed ? feedOf({ ...frame, buffers: leaves }, graph.train.normalize, filledTo, device) : undefined;
  return {
    ...frame,
    buffers: [...leaves, ...written.map((id): BufferSpec => ({ ...buffer(id), role: { kind: 'temporary' } })), ...(feed?.buffers ?? [])],
    steps,
    ...(feed && { feed: feed.steps }),
    updates: graph.updates.filter(({ target, value }) => inPlace.get(value) !== target),
  };
}

const stepOf = (task: Task | WithTiling, emission: Emission): WebGpuStep => ({
  ...('tiling' in task ? productStep(task, emission) : nestStep(task, emission)),
  work: workOf(task, emission.buffer),
  ...(task.ofProduct && { tiling: task.ofProduct }),
});

/** A product of a program by itself, in one tiling: the steps that compute it, and what they bind. */
export interface Variant {
  readonly product: string;
  readonly tiling: Tiling;
  readonly steps: readonly WebGpuStep[];
  readonly buffers: readonly BufferSpec[];
}

/** The products of a graph, each once, with what is fused to it, in every one of the tilings that `tilings` gives for its sizes. */
export function variantsOf(graph: Graph, device: DeviceProfile, tilings: (sizes: Sizes, device: DeviceProfile) => readonly Tiling[]): Variant[] {
  // In one task each, which every tiling divides in its own way.
  const undivided: Tilings = (sizes) => (isTiled(sizes) ? { ...chooseTiling(sizes, device), parts: 1 } : undefined);
  const { tasks, buffers, home } = planFor(graph, neededNodes(graph), { device, tiling: undivided });
  const products = new Map(tasks.toReversed().flatMap((task) => ('tiling' in task ? [[nameOf(sizesOf(task.root)), task] as const] : [])));
  return [...products].flatMap(([product, { tiling: _, ...task }]) =>
    tilings(sizesOf(task.root), device).map((tiling): Variant => {
      const known = new Map(buffers);
      const buffer = (id: ValueId): Buffer => known.get(id) ?? missing(id);
      const divided = tiled({ ...task, ofProduct: { product, choice: showTiling(tiling) } }, task.root, tiling, (added) => (known.set(added.id, added), added));
      const steps = divided.map((each) => stepOf(each, { device, buffer, home }));
      const bound = new Set(steps.flatMap((step) => step.bindings.map((each) => each.buffer)));
      return { product, tiling, steps, buffers: [...bound].map((id) => ({ ...buffer(id), role: { kind: 'temporary' } })) };
    }),
  );
}

interface Plan {
  readonly tasks: readonly (Task | WithTiling)[];
  readonly buffers: ReadonlyMap<ValueId, Buffer>;
  /** The updates in place, by value. */
  readonly inPlace: ReadonlyMap<ValueId, ValueId>;
  readonly home: (id: ValueId) => ValueId;
  /** Whether every task has room for its buffers. */
  readonly fits: boolean;
}

type PlanOptions = Required<Pick<WebGpuOptions, 'device' | 'tiling'>>;

/** The dispatches of a graph. */
function planFor(graph: Graph, nodes: readonly Node[], options: PlanOptions): Plan {
  const kernels = lowerFused({ ...graph, nodes });
  const updated = new Map(graph.updates.map(({ target, value }) => [value, target]));
  // With updates in place fewer buffers are bound; where not all that was hoped for can be done in place, kernels are divided anew without that hope.
  const best = planOf(graph, nodes, kernels, updated, options);
  return best.fits ? best : planOf(graph, nodes, kernels, new Map(), options);
}

/** The dispatches of the kernels, made to fit the device if the updates `hoped` for are in place. */
function planOf(graph: Graph, nodes: readonly Node[], kernels: readonly FusedKernel[], hoped: ReadonlyMap<ValueId, ValueId>, { device, tiling }: PlanOptions): Plan {
  const most = device.limits.storageBuffers;
  const divided = kernels.map((kernel) => tasksOf(kernel, { most, home: (id) => hoped.get(id) ?? id }));
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
  return { tasks, buffers, inPlace, home, fits: tasks.every((task) => buffersIn(task, home).length <= most) };
}

const missing = (id: ValueId): never => {
  throw new Error(`no value %${id}`);
};

/** What a tiling is chosen by. */
function sizesOf(root: ContractionRoot): Sizes {
  const { groups, rows, columns, depth, ...product } = productOf(root);
  const at = productIndices({ groups, rows, columns, depth }, 1);
  const { left, right } = factorsOf({ groups, rows, columns, depth, left: product.left(at.group, at.row, at.depth), right: product.right(at.group, at.depth, at.column) });
  return { groups, rows, columns, depth, left: copyOf(left), right: copyOf(right), factors: root.factors };
}

const nestStep = (task: Task, emission: Emission): WebGpuStep => {
  const shape = treeShape(task, emission.device.limits);
  return shape ? treeStep(task, shape, emission) : loopStep(task, emission);
};

// Products.

type WithTiling = Task & { readonly root: ContractionRoot; readonly tiling: Tiling };

/** The task with its tiling; a summed axis in parts takes two: one for the parts' sums, and one that adds them up and goes on. */
function tiled(task: Task, root: ContractionRoot, tiling: Tiling, add: (buffer: Buffer) => Buffer): (Task | WithTiling)[] {
  if (tiling.parts === 1) return [{ ...task, root, tiling }];
  const shape = task.indices.map(({ extent }) => extent);
  const count = elementCount(shape);
  const place = flatten(task.indices.map(use), shape);
  const sums = add({ id: `${task.stores[0]?.output.id ?? root.node.id}.parts`, dtype: 'f32', shape: [tiling.parts, ...shape] });
  const at = (part: Index): Index => plus(times(part, count), place);
  const own = task.lets.filter((each) => each.name === root.local);
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
  return [first, { ...rest, lets: task.lets.map((each) => (each.name === root.local ? { ...each, value: total } : each)) }];
}

function productStep({ root, tiling, ...task }: WithTiling, emission: Emission): WebGpuStep {
  const product = productOf(root);
  const { group, row, column, depth } = productIndices(product, tiling.parts);
  const places = product.place(group, row, column);
  const values = { lets: task.lets.filter((each) => each.name !== root.local), stores: task.stores };
  const by = new Map(task.indices.map(({ name }, axis) => [name, places[axis] ?? missing(name)]));
  const { groups, rows, columns, depth: length } = product;
  const whole = { groups, rows, columns, depth: length, factors: root.factors, left: product.left(group, row, depth), right: product.right(group, depth, column) };
  return gemmStep(task.name, { ...whole, values: moved(values, by), sum: root.local }, tiling, emission);
}

// Updates.

/**
 * Updates whose value can be written straight into its target, by value: one task stores it, element by element, no task after that reads the old contents,
 * and the new ones are nobody's result. Other updates are copies after the last step.
 */
function updatesInPlace(graph: Graph, tasks: readonly (Task | WithTiling)[], limits: DeviceLimits): Map<ValueId, ValueId> {
  const results = resultsOf({ ...graph, updates: [], gradients: [] });
  const values = graph.updates.map((update) => update.value);
  const places = new Map<ValueId, ValueId>();
  for (const { target, value } of graph.updates) {
    const writers = tasks.filter((task) => task.stores.some(({ output }) => output.id === value));
    const [writer] = writers;
    const store = writer?.stores.find(({ output }) => output.id === value);
    const isSingle = values.filter((each) => each === value).length === 1 && writers.length === 1 && !values.includes(target) && !results.has(value);
    if (!writer || !store || !isSingle || store.guard || (!('tiling' in writer) && treeShape(writer, limits))) continue;
    const readLater = tasks.slice(tasks.indexOf(writer) + 1).some((task) => readsOf(task).includes(target));
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

