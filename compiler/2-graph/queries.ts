// Questions that many stages ask of a graph.

import type { Graph, Node, ValueId } from './graph.ts';
import { concreteShape } from './types.ts';

/** Every value by its id. */
export const nodesById = (graph: Pick<Graph, 'nodes'>): Map<ValueId, Node> => new Map(graph.nodes.map((node) => [node.id, node]));

/** The shapes of the images that a net reads, without the batch, each once. */
export function imageShapes({ nodes }: Pick<Graph, 'nodes'>): number[][] {
  const shapes = nodes.flatMap((node) => (node.kind === 'input' ? [concreteShape(node.type.shape.slice(1))] : []));
  return [...new Map(shapes.map((shape) => [shape.join(), shape])).values()];
}

/** Class scores that the net gives an image; none for a net without a classifier. */
export function classScores({ nodes, classifier }: Pick<Graph, 'nodes' | 'classifier'>): number | undefined {
  const scores = nodes.find(({ id }) => id === classifier?.logits)?.type.shape.at(-1);
  return typeof scores === 'number' ? scores : undefined;
}

/** What the net gives: its outputs, the loss, the class scores and the count of right ones. */
export const resultValues = ({ outputs, loss, classifier }: Pick<Graph, 'outputs' | 'loss' | 'classifier'>): ValueId[] => [
  ...outputs.map((output) => output.value),
  ...(loss === undefined ? [] : [loss]),
  ...(classifier ? [classifier.logits, classifier.correct] : []),
];
