// twin-fuse: what parallel streams do alike becomes one operation over their concatenated channels; convolutions become grouped ones.
// Each stream's result stays visible as a slice of the common one. Needs a bound batch size.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { isElementwise } from '../2-graph/ops.ts';
import { nodesById } from '../2-graph/queries.ts';
import { concreteShape, sameShape } from '../2-graph/types.ts';
import type { Pass } from './pass.ts';
import { bundle, createEmitter, dropDead, type Emitter } from './rewrite.ts';
import { simplify } from './simplify.ts';

export const twinFuse: Pass = {
  name: 'twin-fuse',
  summary: 'equal operations of parallel streams become one over their concatenated channels, convolutions and their gradients grouped ones',
  // The slices and concatenations between two fused operations cancel in simplify.
  run: (graph) => simplify.run(fuseStreams(graph)),
};

/** Activations are NHWC and filters HWIO: channels, and a filter's outputs, are axis 3. */
const CHANNELS = 3;

function fuseStreams(graph: Graph): Graph {
  const emitter = createEmitter(graph);
  const nodes = nodesById(graph);
  const typeOf = (id: ValueId): Node['type'] => nodes.get(id)?.type ?? { dtype: 'f32', shape: [] };
  for (const members of bundle(graph, streamKeys(graph, typeOf))) {
    if (members.length > 1) fuseMembers(emitter, members, typeOf);
    else members.forEach(emitter.push);
  }
  return dropDead({ ...graph, nodes: emitter.nodes() });
}

/**
 * Nodes get the same key when they do the same at the same place of different streams: kind, attributes, types, step and stage agree,
 * and each is the n-th such node of its stream.
 */
function streamKeys(graph: Graph, typeOf: (id: ValueId) => Node['type']): (node: Node) => string | undefined {
  const counts = new Map<string, number>();
  const keys = new Map<ValueId, string>();
  for (const node of graph.nodes) {
    const { stream, step, stage, phase } = node.tags;
    if (stream === undefined || phase === 'update' || !fusible(node, typeOf)) continue;
    const operands = node.inputs.map(typeOf);
    const place = JSON.stringify([node.kind, node.attrs, node.type, operands, step, stage, phase]);
    const nth = counts.get(`${stream} ${place}`) ?? 0;
    counts.set(`${stream} ${place}`, nth + 1);
    keys.set(node.id, `${nth} ${place}`);
  }
  return (node) => keys.get(node.id);
}

/** Operations on maps that treat channels alike, or that have a grouped form. */
function fusible(node: Node, typeOf: (id: ValueId) => Node['type']): boolean {
  switch (node.kind) {
    case 'conv2d':
    case 'conv2d_input_grad':
    case 'conv2d_filter_grad':
    case 'avgpool':
    case 'maxpool':
    case 'maxpool_grad':
    case 'upsample':
      return true;
    default:
      return isElementwise(node.kind) && node.type.shape.length === 4 && node.inputs.every((input) => sameShape(typeOf(input).shape, node.type.shape) || typeOf(input).shape.length === 0);
  }
}

function fuseMembers(emitter: Emitter, members: readonly Node[], typeOf: (id: ValueId) => Node['type']): void {
  const [first] = members;
  if (!first) return;
  const operand = (i: number): ValueId[] => members.map((member) => member.inputs[i] ?? '');
  const shared = (i: number): boolean => new Set(operand(i)).size === 1;
  const joined = (i: number): ValueId => emitter.add('concat', operand(i), { axis: CHANNELS }, members);
  const result = fused();
  if (result === undefined) {
    members.forEach(emitter.push);
    return;
  }
  let start = 0;
  for (const member of members) {
    const size = concreteShape(member.type.shape)[CHANNELS] ?? 0;
    emitter.replace(member, 'slice', [result], { axis: CHANNELS, start, size });
    start += size;
  }

  function fused(): ValueId | undefined {
    if (!first) return undefined;
    switch (first.kind) {
      // One image through several filters is one convolution with more channels; different images need groups.
      case 'conv2d':
      case 'conv2d_filter_grad': {
        const image = shared(0);
        if (image && first.attrs.groups > 1) return undefined;
        const groups = image ? 1 : first.attrs.groups * members.length;
        return emitter.add(first.kind, [image ? (first.inputs[0] ?? '') : joined(0), joined(1)], { ...first.attrs, groups } as never, members);
      }
      case 'conv2d_input_grad':
        return emitter.add(first.kind, [joined(0), joined(1)], { ...first.attrs, groups: first.attrs.groups * members.length }, members);
      default: {
        const inputs = first.inputs.map((input, i) => (typeOf(input).shape.length > 0 ? joined(i) : shared(i) ? input : undefined));
        return inputs.every((input) => input !== undefined) ? emitter.add(first.kind, inputs, first.attrs as never, members) : undefined;
      }
    }
  }
}
