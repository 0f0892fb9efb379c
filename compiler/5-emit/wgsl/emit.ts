// A graph as WebGPU compute shaders: tiled products for large contractions, trees for long reductions, one invocation an element for everything else.

import type { Graph, ValueId } from '../../2-graph/graph.ts';
import { isLeaf } from '../../2-graph/ops.ts';
import { localsOf } from '../../4-kernels/expr.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import { resultsOf } from '../../4-kernels/lower.ts';
import type { BufferSpec, DeviceProfile, Program, StepPart, WebGpuStep } from '../model.ts';
import { bufferOf, imagesOf, neededNodes, programFrame } from '../program.ts';
import { feedOf } from './data/feed.ts';
import { gemmStep, productIndices } from './gemm.ts';
import { moved, namesFor, namesIn, readsOf, writesOf } from './nest.ts';
import { nestsStep } from './nests.ts';
import { isGroup, missing, planFor, sizesOf, tiled } from './plan.ts';
import type { Part, Tilings, WithTiling } from './plan.ts';
import { productOf } from './product.ts';
import { EVERY_DEVICE } from './shader.ts';
import type { Emission, Places } from './shader.ts';
import { chooseTiling, isTiled, nameOf, showTiling } from './tiles.ts';
import type { Sizes, Tiling } from './tiles.ts';
import { formOf } from './tree.ts';
import { workOf } from './work.ts';

export type { Tilings } from './plan.ts';

export interface WebGpuOptions {
  /** What the device can do; what every device can where it is not given. */
  readonly device?: DeviceProfile;
  readonly tiling?: Tilings;
  /** Whether the program can make its batches of a data set on the device; it can where this is not given. */
  readonly feed?: boolean;
}

export const usualTiling: Tilings = (sizes, device) => (isTiled(sizes) ? chooseTiling(sizes, device) : undefined);

/**
 * The program of a graph that is bound to a batch and has no structure nodes; `fuse` decides which operations share a kernel. `batch` is how many distinct
 * images a run takes, `filledTo` how many are normalised together with them. Throws RangeError where the graph is not bound or a kernel cannot be made for the limits.
 */
export function emitWebGpu(graph: Graph, { device = EVERY_DEVICE, tiling = usualTiling, feed: wantsFeed = true }: WebGpuOptions = {}, batch = imagesOf(graph), filledTo = batch): Program<WebGpuStep> {
  const nodes = neededNodes(graph);
  const { parts, buffers, places, arenas, inPlace } = planFor(graph, nodes, { device, tiling });
  const buffer = (id: ValueId): Buffer => buffers.get(id) ?? missing(id);
  const steps = parts.map((part) => stepOf(part, { device, buffer, places }));

  const arenaIds = new Set(arenas.map(({ id }) => id));
  const bound = new Set(steps.flatMap(({ bindings, parts: of = [] }) => [...bindings.map((each) => each.buffer), ...of.flatMap(({ reads, writes }) => [...reads, ...writes])]).filter((id) => !arenaIds.has(id)));
  const named = new Set([...resultsOf(graph), ...graph.updates.map(({ target }) => target), ...bound]);
  const placed = (spec: BufferSpec): BufferSpec => {
    const within = places.within(spec.id);
    return within ? { ...spec, within } : spec;
  };
  const leaves = nodes.filter((node) => isLeaf(node.kind) && (node.kind !== 'constant' || named.has(node.id))).map(bufferOf);
  const known = new Set(leaves.map(({ id }) => id));
  const written = [...bound].filter((id) => !known.has(id));
  const frame = programFrame(graph, batch);
  const feed = wantsFeed ? feedOf({ ...frame, buffers: leaves }, graph.train.normalize, filledTo, device) : undefined;
  return {
    ...frame,
    buffers: [...[...leaves, ...written.map((id): BufferSpec => ({ ...buffer(id), role: { kind: 'temporary' } }))].map(placed), ...arenas, ...(feed?.buffers ?? [])],
    steps,
    ...(feed && { feed: feed.steps }),
    updates: graph.updates.filter(({ target, value }) => inPlace.get(value) !== target),
  };
}

function stepOf(part: Part, emission: Emission): WebGpuStep {
  const tasks = isGroup(part) ? part.flatMap((forms) => forms.flatMap((form) => form.tasks)) : [part];
  const [tiling] = tasks.flatMap(({ ofProduct }) => ofProduct ?? []);
  const works = tasks.map((task) => workOf(task, emission.buffer));
  const step = isGroup(part) ? nestsStep(part, emission) : productStep(part, emission);
  const bound = new Set(step.bindings.map(({ buffer }) => buffer));
  const { home } = emission.places;
  const parts = tasks.map((task): StepPart => ({ name: task.name, reads: [...new Set(readsOf(task).map(home))], writes: writesOf(task).map(home) }));
  const isWhole = parts.length === 1 && parts.every(({ reads, writes }) => [...reads, ...writes].every((id) => bound.has(id)));
  return {
    ...step,
    ...(!isWhole && { parts }),
    work: { operations: works.reduce((sum, { operations }) => sum + operations, 0), bytes: works.reduce((sum, { bytes }) => sum + bytes, 0) },
    ...(tiling && { tiling }),
  };
}

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
  const { tasks, buffers, places: { home } } = planFor(graph, neededNodes(graph), { device, tiling: undivided });
  const places: Places = { home, within: () => undefined };
  const products = new Map(tasks.toReversed().flatMap((task) => ('tiling' in task ? [[nameOf(sizesOf(task.root)), task] as const] : [])));
  return [...products].flatMap(([product, { tiling: _, ...task }]) =>
    tilings(sizesOf(task.root), device).map((tiling): Variant => {
      const known = new Map(buffers);
      const buffer = (id: ValueId): Buffer => known.get(id) ?? missing(id);
      const divided = tiled({ ...task, ofProduct: { product, choice: showTiling(tiling) } }, task.root, tiling, (added) => (known.set(added.id, added), added));
      const steps = divided.map((each) => stepOf('tiling' in each ? each : [[formOf(each, device.limits)]], { device, buffer, places }));
      const bound = new Set(steps.flatMap((step) => step.bindings.map((each) => each.buffer)));
      return { product, tiling, steps, buffers: [...bound].map((id) => ({ ...buffer(id), role: { kind: 'temporary' } })) };
    }),
  );
}

function productStep({ root, tiling, ...task }: WithTiling, emission: Emission): WebGpuStep {
  const product = productOf(root);
  const { group, row, column, depth } = productIndices(product, tiling.parts);
  const places = product.place(group, row, column);
  const lets = task.lets.filter((each) => each.name !== root.local);
  const by = new Map(task.indices.map(({ name }, axis) => [name, places[axis] ?? missing(name)]));
  const { groups, rows, columns, depth: length } = product;
  const [left, right] = [product.left(group, row, depth), product.right(group, depth, column)];
  const scalars = namesFor([left, right].flatMap(localsOf), lets);
  const values = moved({ lets: namesFor(namesIn(task.stores), lets), stores: task.stores }, by);
  return gemmStep(task.name, { groups, rows, columns, depth: length, factors: root.factors, left, right, scalars, values, sum: root.local }, tiling, emission);
}
