// Emits programs for the reference backend: one step an operation, run by the evaluator's rule.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { computes, evaluateNode } from '../4-kernels/evaluate.ts';
import type { Program, ReferenceStep } from './model.ts';
import { bufferOf, imagesOf, neededNodes, programFrame } from './program.ts';

/** The program of a graph that is bound to a batch. `batch` is how many distinct images a run takes. Throws RangeError where the graph is not bound. */
export function emitReference(graph: Graph, batch = imagesOf(graph)): Program<ReferenceStep> {
  const nodes = neededNodes(graph);
  const buffers = nodes.map(bufferOf);
  const shapes = new Map(buffers.map(({ id, shape }) => [id, shape]));
  const shapeOf = (id: ValueId): readonly number[] => {
    const shape = shapes.get(id);
    if (!shape) throw new Error(`no value %${id}`);
    return shape;
  };
  const step = (node: Node): ReferenceStep => {
    const operands = node.inputs.map(shapeOf);
    const shape = shapeOf(node.id);
    return {
      name: `${node.kind} %${node.id}`,
      inputs: node.inputs,
      output: node.id,
      run: (inputs, out) => evaluateNode(node, { shape, data: out }, inputs.map((data, i) => ({ shape: operands[i] ?? [], data }))),
    };
  };
  return { ...programFrame(graph, batch), buffers, steps: nodes.filter((node) => computes(node.kind)).map(step) };
}
