// hoist: convolutions of one filter over several steps run as one, over the concatenated batch; so does the sum of their filter gradients.
// Needs a bound batch size: slices of the batch axis are numbers.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { nodesById } from '../2-graph/queries.ts';
import { concreteShape } from '../2-graph/types.ts';
import type { Pass } from './pass.ts';
import { bundle, countUses, createEmitter, dropDead, type Emitter } from './rewrite.ts';
import { simplify } from './simplify.ts';

export const hoist: Pass = {
  name: 'hoist',
  summary: 'one convolution over the concatenated batch for all steps that share a filter, and one reduction for their filter gradients',
  // Images that several filters read are concatenated once: simplify merges the copies.
  run: (graph) => simplify.run(hoistGradients(hoistForward(graph))),
};

/** conv(x0, w), conv(x1, w), … = slices of conv(concat(x0, x1, …), w), where no x depends on another's result. */
function hoistForward(graph: Graph): Graph {
  const emitter = createEmitter(graph);
  for (const members of bundle(graph, convolutionKey(graph))) {
    const [first] = members;
    if (members.length > 1 && first?.kind === 'conv2d') overBatch(emitter, first, members);
    else members.forEach(emitter.push);
  }
  return { ...graph, nodes: emitter.nodes() };
}

/**
 * Convolutions with equal keys differ in their images alone. Where the images are results of layers, only those of one step go together:
 * the steps of a recurrence wait for each other, and are better fused with the other streams' of their own step.
 */
function convolutionKey(graph: Graph): (node: Node) => string | undefined {
  const learnt = new Set<ValueId>();
  for (const node of graph.nodes) if (node.kind === 'weight' || node.inputs.some((input) => learnt.has(input))) learnt.add(node.id);
  return (node) => {
    if (node.kind !== 'conv2d') return undefined;
    const [image = '', filter] = node.inputs;
    return JSON.stringify([filter, node.attrs, node.type.shape.slice(1), node.type.dtype, learnt.has(image) ? node.tags.step : 'input']);
  };
}

function overBatch(emitter: Emitter, first: Node<'conv2d'>, members: readonly Node[]): void {
  const x = emitter.add('concat', members.map((member) => member.inputs[0] ?? ''), { axis: 0 }, members);
  const y = emitter.add('conv2d', [x, first.inputs[1] ?? ''], first.attrs, members);
  let start = 0;
  for (const member of members) {
    const size = concreteShape(member.type.shape)[0] ?? 0;
    emitter.replace(member, 'slice', [y], { axis: 0, start, size });
    start += size;
  }
}

/** The filter gradients that a sum adds up, if it adds up nothing else. */
function addends(node: Node | undefined, nodes: ReadonlyMap<ValueId, Node>, uses: ReadonlyMap<ValueId, number>, root: boolean): Node<'conv2d_filter_grad'>[] | undefined {
  if (!node || (!root && uses.get(node.id) !== 1)) return undefined;
  if (node.kind === 'conv2d_filter_grad') return [node];
  if (node.kind !== 'add') return undefined;
  const [a, b] = node.inputs.map((input) => addends(nodes.get(input), nodes, uses, false));
  return a && b ? [...a, ...b] : undefined;
}

/** grad(x0, d0) + grad(x1, d1) + … = grad(concat(x0, x1, …), concat(d0, d1, …)). */
function hoistGradients(graph: Graph): Graph {
  const uses = countUses(graph);
  const nodes = nodesById(graph);
  const sums = new Map<ValueId, Node<'conv2d_filter_grad'>[]>();
  const inner = new Set<ValueId>();
  for (const node of graph.nodes.toReversed()) {
    if (node.kind !== 'add' || inner.has(node.id)) continue;
    const terms = addends(node, nodes, uses, true);
    const [first] = terms ?? [];
    if (!terms || !first || !terms.every((term) => JSON.stringify(term.attrs) === JSON.stringify(first.attrs) && sameSample(term, first, nodes))) continue;
    sums.set(node.id, terms);
    markInner(node, nodes, inner);
  }
  const emitter = createEmitter(graph);
  for (const node of graph.nodes) {
    const terms = sums.get(node.id);
    const [first] = terms ?? [];
    if (!terms || !first) {
      emitter.push(node);
      continue;
    }
    const x = emitter.add('concat', terms.map((term) => term.inputs[0] ?? ''), { axis: 0 }, terms);
    const dy = emitter.add('concat', terms.map((term) => term.inputs[1] ?? ''), { axis: 0 }, terms);
    emitter.replace(node, 'conv2d_filter_grad', [x, dy], first.attrs, terms);
  }
  return dropDead({ ...graph, nodes: emitter.nodes() });
}

/** Whether two filter gradients read images of the same size. */
function sameSample(a: Node, b: Node, nodes: ReadonlyMap<ValueId, Node>): boolean {
  return a.inputs.every((input, i) => {
    const left = nodes.get(input)?.type;
    const right = nodes.get(b.inputs[i] ?? '')?.type;
    return left !== undefined && right !== undefined && left.dtype === right.dtype && JSON.stringify(left.shape.slice(1)) === JSON.stringify(right.shape.slice(1));
  });
}

function markInner(node: Node, nodes: ReadonlyMap<ValueId, Node>, inner: Set<ValueId>): void {
  for (const input of node.inputs) {
    const operand = nodes.get(input);
    if (operand?.kind !== 'add') continue;
    inner.add(operand.id);
    markInner(operand, nodes, inner);
  }
}
