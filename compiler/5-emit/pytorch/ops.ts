// What the values of a graph are made by, in PyTorch's terms: layers where the graph has several operations, and no values that nobody needs.

import type { Graph, Node, ValueId } from '../../2-graph/graph.ts';
import { findNorms } from '../norms.ts';
import type { Norm } from '../norms.ts';
import { isStored } from './outline.ts';

/** A value, and what it takes. */
export type Op =
  | { readonly kind: 'plain'; readonly node: Node; readonly inputs: readonly ValueId[] }
  /** A layer with a filter or matrix, and with a bias or without. */
  | { readonly kind: 'layer'; readonly node: Node; readonly inputs: readonly [ValueId]; readonly product: Node<'conv2d' | 'conv2d_input_grad' | 'matmul'>; readonly weight: Node<'weight'>; readonly bias?: Node<'weight'> }
  | { readonly kind: 'norm'; readonly node: Node; readonly inputs: readonly [ValueId]; readonly norm: Norm }
  | { readonly kind: 'dropout'; readonly node: Node; readonly inputs: readonly [ValueId]; readonly p: number }
  | { readonly kind: 'mse'; readonly node: Node; readonly inputs: readonly [ValueId, ValueId] };

/** The part of a weight's name that its layer's other weights share: `L.1` of `w.L.1`. */
export const suffixOf = (id: ValueId): string => id.slice(id.indexOf('.') + 1);

/**
 * The operations that `wanted` need, in order, each composite one in the place of what it is made of. `stored` are the graph's weights and states.
 * Throws RangeError where a weight is used as no layer uses it.
 */
export function opsOf(nodes: readonly Node[], wanted: readonly ValueId[], stored: ReadonlyMap<ValueId, Node>): Op[] {
  const byId = new Map([...stored, ...nodes.map((node) => [node.id, node] as const)]);
  const norms = findNorms([...stored.values(), ...nodes]);
  const uses = new Map<ValueId, number>();
  for (const id of [...wanted, ...nodes.flatMap(({ inputs }) => inputs)]) uses.set(id, (uses.get(id) ?? 0) + 1);
  const opOf = (node: Node): Op => composite(node, byId, norms, (id) => uses.get(id) === 1) ?? { kind: 'plain', node, inputs: node.inputs };

  const needed = new Set(wanted);
  const ops: Op[] = [];
  for (const node of nodes.toReversed()) {
    if (!needed.has(node.id) || isStored(node)) continue;
    const op = opOf(node);
    const weight = op.inputs.find((id) => stored.has(id));
    if (weight !== undefined) throw new RangeError(`PyTorch has no layer that uses %${weight} as ${node.kind} does (%${node.id})`);
    ops.push(op);
    for (const input of op.inputs) needed.add(input);
  }
  return ops.reverse();
}

type Nodes = ReadonlyMap<ValueId, Node>;

function find<K extends Node['kind']>(nodes: Nodes, id: ValueId | undefined, kind: K): Extract<Node, Node<K>> | undefined {
  const node = id === undefined ? undefined : nodes.get(id);
  return node?.kind === kind ? (node as Extract<Node, Node<K>>) : undefined;
}

function composite(node: Node, nodes: Nodes, norms: ReadonlyMap<ValueId, Norm>, once: (id: ValueId) => boolean): Op | undefined {
  const norm = norms.get(node.id);
  if (norm) return { kind: 'norm', node, inputs: [norm.x], norm };
  const [a = '', b = ''] = node.inputs;
  if (node.kind === 'add') {
    const [product, bias] = [layer(nodes.get(a), nodes), find(nodes, b, 'weight')];
    return product && bias && once(a) && suffixOf(product.weight.id) === suffixOf(b) ? { ...product, node, bias } : undefined;
  }
  if (node.kind === 'mul') return dropout(node, nodes);
  if (node.kind === 'reduce_mean') return meanSquare(node, nodes);
  return layer(node, nodes);
}

function layer(node: Node | undefined, nodes: Nodes): Extract<Op, { kind: 'layer' }> | undefined {
  if (node?.kind !== 'conv2d' && node?.kind !== 'conv2d_input_grad' && node?.kind !== 'matmul') return undefined;
  const [x = '', w] = node.inputs;
  const weight = find(nodes, w, 'weight');
  return weight && { kind: 'layer', node, inputs: [x], product: node, weight };
}

/** x * (random > p - 2^-25) * 1 / (1 - p) */
function dropout(node: Node<'mul'>, nodes: Nodes): Op | undefined {
  const [x = '', mask] = node.inputs;
  const kept = find(nodes, find(nodes, mask, 'mul')?.inputs[0], 'greater');
  const threshold = find(nodes, kept?.inputs[1], 'constant')?.attrs.value;
  if (!find(nodes, kept?.inputs[0], 'random') || threshold === undefined) return undefined;
  return { kind: 'dropout', node, inputs: [x], p: Number((threshold + 2 ** -25).toPrecision(12)) };
}

/** mean((x - target)^2) over all elements; where the source names a part of it, that stays a value. */
function meanSquare(node: Node<'reduce_mean'>, nodes: Nodes): Op | undefined {
  const square = find(nodes, node.inputs[0], 'square');
  const difference = find(nodes, square?.inputs[0], 'sub');
  const [a = '', b = ''] = difference?.inputs ?? [];
  const [left, right] = [nodes.get(a)?.type.shape.join(), nodes.get(b)?.type.shape.join()];
  const plain = square?.tags.name === undefined && difference?.tags.name === undefined;
  return node.type.shape.length === 0 && left !== undefined && left === right && plain ? { kind: 'mse', node, inputs: [a, b] } : undefined;
}

/** Running statistics keep this share of what they were. Throws RangeError where nothing updates them. */
export function momentumOf(graph: Graph, mean: ValueId): number {
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const value = find(byId, graph.updates.find(({ target }) => target === mean)?.value, 'add');
  const share = find(byId, find(byId, value?.inputs[0], 'mul')?.inputs[1], 'constant')?.attrs.value;
  if (share === undefined) throw new RangeError(`no momentum for %${mean}`);
  return share;
}
