// Narrow nets: `--width 0.25` scales every channel and unit count but those of the last layers.

import type { Call } from '../../1-syntax/ast.ts';
import type { Graph, Node, Region, ValueId } from '../graph.ts';

/**
 * The calls that make the last layers: those that an output or the loss depends on without another layer between.
 * `made` tells which call made a filter or matrix whose outputs are scaled.
 */
export function lastLayers(graph: Graph, made: ReadonlyMap<ValueId, Call>): Set<Call> {
  const regions = new Map(graph.regions.map((region) => [region.name, throughRegion(region, made)]));
  const roots = [...graph.outputs.map(({ value }) => value), ...(graph.loss === undefined ? [] : [graph.loss])];
  const { weights } = search(graph.nodes, roots, made, (node) => (node.kind === 'call' ? regions.get(node.attrs.region) : undefined));
  return new Set([...weights].flatMap((weight) => made.get(weight) ?? []));
}

interface Through {
  readonly weights: ReadonlySet<ValueId>;
  /** Positions of the parameters that the result depends on without a layer between. */
  readonly params: readonly number[];
}

function throughRegion(region: Region, made: ReadonlyMap<ValueId, Call>): Through {
  const { weights, seen } = search(region.nodes, [region.result], made, () => undefined);
  return { weights, params: region.params.flatMap(({ id }, i) => (seen.has(id) ? [i] : [])) };
}

/** Goes against the arrows from `roots`, up to the first layers. */
function search(nodes: readonly Node[], roots: readonly ValueId[], made: ReadonlyMap<ValueId, Call>, through: (node: Node) => Through | undefined) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const [seen, weights] = [new Set<ValueId>(), new Set<ValueId>()];
  const pending = [...roots];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = byId.get(id);
    if (!node) continue;
    const inside = through(node);
    for (const weight of inside?.weights ?? []) weights.add(weight);
    const own = node.inputs.filter((input) => made.has(input));
    for (const weight of own) weights.add(weight);
    if (inside) pending.push(...inside.params.map((i) => node.inputs[i] ?? ''));
    else if (own.length === 0) pending.push(...node.inputs);
  }
  return { seen, weights };
}

/**
 * A narrowed net that learns at the pace of the full one. A filter whose written deviation was meant for more inputs gets one that keeps the variance
 * of its results: std * sqrt(full fan_in / fan_in). Steps of Adam and RMSprop are of one size whatever the gradients, so with fewer inputs each must be larger:
 * the learning rate is divided by the width (Yang et al., "Tensor Programs V", 2022).
 */
export function paced(narrow: Graph, full: Graph, width: number): Graph {
  const inputsOf = (node: Node<'weight'>): number => node.attrs.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const fans = new Map(full.nodes.flatMap((node) => (node.kind === 'weight' ? [[node.id, inputsOf(node)] as const] : [])));
  const nodes = narrow.nodes.map((node): Node => {
    if (node.kind !== 'weight' || (node.attrs.init !== 'normal' && node.attrs.init !== 'truncated_normal')) return node;
    const std = node.attrs.std * Math.sqrt((fans.get(node.id) ?? inputsOf(node)) / inputsOf(node));
    return { ...node, attrs: { ...node.attrs, std } };
  });
  const { optimizer } = narrow.train;
  const train = optimizer.kind === 'sgd' ? narrow.train : { ...narrow.train, optimizer: { ...optimizer, lr: optimizer.lr / width } };
  return { ...narrow, nodes, train };
}

/** `channels` by `width`, rounded, at least 1. */
export const narrowed = (channels: number, width: number): number => Math.max(1, Math.round(channels * width));
