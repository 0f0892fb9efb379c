// What the programs of all backends have in common: buffers and their roles, results and updates, read off a graph that is bound to a batch.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { concreteShape } from '../2-graph/types.ts';
import { SCALE, SKIPPED_STEPS } from '../3-passes/loss-scale.ts';
import type { BufferSpec, Program, Role } from './model.ts';

/** What fills a node's buffer. */
function roleOf(node: Node): Role {
  switch (node.kind) {
    case 'input':
      return { kind: 'input', view: node.attrs.name };
    case 'labels':
      return { kind: 'labels' };
    case 'weight':
      return { kind: 'weight', init: node.attrs.init, std: node.attrs.std };
    case 'state':
      return { kind: 'state', value: node.attrs.value };
    case 'scalar':
      return { kind: 'scalar', name: node.attrs.name };
    case 'random':
      return { kind: 'random', salt: node.attrs.salt };
    case 'constant':
      return { kind: 'constant', value: node.attrs.value };
    default:
      return { kind: 'temporary' };
  }
}

/** The buffer that holds a node's value, under its id. Throws RangeError where the batch size is not known. */
export const bufferOf = (node: Node): BufferSpec => ({ id: node.id, dtype: node.type.dtype, shape: concreteShape(node.type.shape), role: roleOf(node) });

/** How many distinct images a run of the graph takes: a view enters each of them once per part. */
export function imagesOf(graph: Graph): number {
  for (const node of graph.nodes) {
    if (node.kind !== 'input') continue;
    const [rows = 0] = concreteShape(node.type.shape);
    return rows / (graph.views.find((view) => view.name === node.attrs.name)?.parts.length ?? 1);
  }
  throw new RangeError(`net ${graph.name} has no input`);
}

/** A program without its steps and buffers: the batch, results, updates and views. */
export function programFrame(graph: Graph, batch: number): Omit<Program<never>, 'buffers' | 'steps'> {
  return {
    batch,
    outputs: graph.outputs.map(({ name, value }) => ({ name, buffer: value })),
    ...(graph.loss === undefined ? {} : { loss: graph.loss }),
    ...(graph.classifier ? { logits: graph.classifier.logits, correct: graph.classifier.correct } : {}),
    ...(graph.nodes.some(({ id }) => id === SCALE) && { scaling: { scale: SCALE, skipped: SKIPPED_STEPS } }),
    updates: graph.updates,
    views: graph.views,
  };
}

/** The nodes that a run needs, in order: what results and updates depend on, and all that is kept or fed. */
export function neededNodes(graph: Graph): Node[] {
  const { loss, classifier, outputs, updates } = graph;
  const results = [loss, classifier?.logits, classifier?.correct].filter((id) => id !== undefined);
  const needed = new Set<ValueId>([...results, ...outputs.map((output) => output.value), ...updates.map((update) => update.value)]);
  const kept = graph.nodes.toReversed().filter((node) => {
    if (!needed.has(node.id) && !['input', 'weight', 'state'].includes(node.kind)) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  });
  return kept.reverse();
}
