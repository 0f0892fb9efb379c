// Runs fused graphs in the interpreter, with every buffer at the place that the memory plan gives it.

import type { Graph, Node, ValueId } from '../../compiler/2-graph/graph.ts';
import { concreteShape, elementCount } from '../../compiler/2-graph/types.ts';
import { namedValues } from '../../compiler/3-passes/cost.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import type { FusedKernel } from '../../compiler/4-kernels/fused.ts';
import { use } from '../../compiler/4-kernels/indexing.ts';
import type { Buffer, Kernel } from '../../compiler/4-kernels/kernel.ts';
import { lowerFused } from '../../compiler/4-kernels/lower-fused.ts';
import { flatten } from '../../compiler/4-kernels/rule.ts';
import { separate } from '../../compiler/4-kernels/separate.ts';
import { relativeError } from './cases.ts';
import { interpretFused } from './interpret-fused.ts';
import type { Memory } from './interpret-fused.ts';

export type Feeds = ReadonlyMap<ValueId, ArrayLike<number>>;

const MOST_BYTES = 1 << 27;

/** The memory of each value: an arena's bytes from the value's offset on, or bytes of its own for feeds and values without a place. */
function memories(graph: Graph, feeds: Feeds): (id: ValueId) => Memory {
  const arenas = new Map<string, ArrayBuffer>();
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const own = new Map<ValueId, Memory>();
  const arenaOf = (name: string): ArrayBuffer => {
    const arena = arenas.get(name) ?? new ArrayBuffer(MOST_BYTES);
    arenas.set(name, arena);
    return arena;
  };
  const memoryOf = (id: ValueId): Memory => {
    const known = own.get(id);
    if (known) return known;
    const node = nodes.get(id);
    if (!node) throw new Error(`no value %${id}`);
    const length = elementCount(concreteShape(node.type.shape));
    const [arena, offset] = node.tags.at?.split('+') ?? [];
    const memory = arena === undefined ? new Float32Array(length) : new Float32Array(arenaOf(arena), Number(offset), length);
    own.set(id, memory);
    return memory;
  };
  for (const [id, values] of feeds) if (nodes.has(id)) memoryOf(id).set(values);
  return memoryOf;
}

/** The results of a fused graph's kernels. */
export function runFused(graph: Graph, feeds: Feeds, kernels: readonly FusedKernel[] = lowerFused(graph)): Map<ValueId, Memory> {
  const memoryOf = memories(graph, feeds);
  interpretFused(kernels, ({ id }) => memoryOf(id));
  return new Map([...namedValues(graph)].map((id) => [id, memoryOf(id)]));
}

/** The results of the kernels of one result each that they come apart into. */
export function runSeparate(graph: Graph, feeds: Feeds): Map<ValueId, Memory> {
  const memories = new Map<ValueId, Memory>([...feeds].map(([id, values]) => [id, Float32Array.from(values)]));
  const memoryOf = ({ id, shape }: Buffer): Memory => {
    const memory = memories.get(id) ?? new Float32Array(elementCount(shape)).fill(NaN);
    memories.set(id, memory);
    return memory;
  };
  interpretFused(lowerFused(graph).flatMap(separate).map(asFused), memoryOf);
  return new Map([...namedValues(graph)].flatMap((id) => [...memories].filter(([key]) => key === id)));
}

const asFused = ({ output, indices, body, ...kernel }: Kernel): FusedKernel => ({
  ...kernel,
  outputs: [output],
  scratch: [],
  scalars: [],
  stages: [[{ indices, lets: [], stores: [{ output, value: body, index: flatten(indices.map(use), indices.map(({ extent }) => extent)) }] }]],
});

/** The passes that need a batch, on a graph that is bound already. */
export const fused = (graph: Graph): Graph => optimise(withViews(graph), { batch: 1 });

/** Every input of a graph made by hand is a view of itself. */
const withViews = (graph: Graph): Graph => ({
  ...graph,
  views: graph.nodes.flatMap((node) => (node.kind === 'input' ? [graph.views.find(({ name }) => name === node.attrs.name) ?? { name: node.attrs.name, parts: [{ source: node.attrs.name, steps: [] }] }] : [])),
});

/**
 * Each result with its error: what the kernels of the fused graph give against what the evaluator gives for the graph as it is, in f32 as well; less what f32 alone
 * costs the evaluator against f64, which is more than 1e-5 where norms of few numbers follow each other.
 */
export function errorsOf(graph: Graph, feeds: Feeds, optimised: Graph = fused(graph), runs = [runFused, runSeparate]): { what: string; error: number }[] {
  const found = runs.map((run) => run(optimised, feeds));
  const pairs = [
    ...graph.outputs.map(({ value }, i) => ({ what: `output ${value}`, id: value, now: optimised.outputs[i]?.value })),
    { what: 'loss', id: graph.loss, now: optimised.loss },
    { what: 'correct', id: graph.classifier?.correct, now: optimised.classifier?.correct },
    ...graph.updates.map(({ target, value }) => ({ what: `update of ${target}`, id: value, now: optimised.updates.find((update) => update.target === target)?.value })),
  ].flatMap(({ what, id, now }) => (id === undefined || now === undefined ? [] : [{ what, id, now }]));
  const leaves = new Map(optimised.nodes.filter(isLeafOf(feeds)).map((node) => [node.id, feeds.get(node.id) ?? []]));
  const constants = new Map(optimised.nodes.flatMap((node) => (node.kind === 'constant' ? [[node.id, node.attrs.value] as const] : [])));
  const wanted = pairs.map(({ id }) => id);
  const expected = evaluate(graph, feeds, { precision: 'f32', wanted });
  const exact = evaluate(graph, feeds, { precision: 'f64', wanted });
  return pairs.flatMap(({ what, id, now }) => found.map((results) => ({ what, id, now, results }))).map(({ what, id, now, results }) => {
    const values = expected.get(id) ?? [];
    const constant = constants.get(now);
    const actual = constant === undefined ? (leaves.get(now) ?? results.get(now) ?? []) : Array.from(values, () => constant);
    return { what, error: relativeError(actual, values) - relativeError(values, exact.get(id) ?? []) };
  });
}

const isLeafOf =
  (feeds: Feeds) =>
  (node: Node): boolean =>
    feeds.has(node.id);
