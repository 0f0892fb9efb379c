// Questions that many stages ask of a graph.

import type { Graph, Node, ValueId } from './graph.ts';

/** Every value by its id. */
export const nodesById = (graph: Pick<Graph, 'nodes'>): Map<ValueId, Node> => new Map(graph.nodes.map((node) => [node.id, node]));

/** What the net gives: its outputs, the loss, the class scores and the count of right ones. */
export const resultValues = ({ outputs, loss, classifier }: Pick<Graph, 'outputs' | 'loss' | 'classifier'>): ValueId[] => [
  ...outputs.map((output) => output.value),
  ...(loss === undefined ? [] : [loss]),
  ...(classifier ? [classifier.logits, classifier.correct] : []),
];
