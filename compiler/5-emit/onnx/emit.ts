// A graph as an ONNX file: what the net gives, from its inputs, with its weights inside.

import type { Graph, Node, ValueId } from '../../2-graph/graph.ts';
import { nodesById } from '../../2-graph/queries.ts';
import { batchFactor } from '../../2-graph/types.ts';
import type { Dim, Shape } from '../../2-graph/types.ts';
import { fileName } from '../file-name.ts';
import { imageLayouts, laidOut } from '../image-layout.ts';
import type { ImageLayout } from '../image-layout.ts';
import { findNorms } from '../norms.ts';
import type { Norm } from '../norms.ts';
import { encodeOnnx } from './model.ts';
import type { OnnxModel, OnnxValue } from './model.ts';
import { normalised } from './pixels.ts';
import type { PixelStatistics } from './pixels.ts';
import { convolution, product, RULES, takesBias } from './rules.ts';
import type { OnnxRule } from './rules.ts';
import { createScope } from './scope.ts';
import type { Scope, WeightData, Written } from './scope.ts';

export interface OnnxOptions {
  /** The graph's weights and states, by id. */
  readonly tensors: ReadonlyMap<ValueId, WeightData>;
  /** The version of the compiler. */
  readonly version: string;
  /** The class names, where they are known. */
  readonly classes?: readonly string[];
  /** How pixels are normalised, which the file does then; without it, it takes readings that are normalised already. */
  readonly pixels?: PixelStatistics;
}

/** The version of what the file's metadata and inputs mean. */
const FORMAT = '1';

interface Plan {
  /** In order. */
  readonly nodes: readonly Node[];
  /** Written in another way than by the rule of their kind. */
  readonly fused: ReadonlyMap<ValueId, Fused>;
}

interface Fused {
  readonly inputs: readonly ValueId[];
  readonly write: (scope: Scope) => string;
}

/**
 * The file of a graph without structure nodes: the outputs by their .zz names, from the inputs that they need, of any batch size.
 * Images come and go channels last, as in the graph, and are channels first in between.
 * Throws RangeError where a weight has no values, where the file would be larger than the format allows, or for an operation that ONNX lacks, with its place.
 */
export const emitOnnx = (graph: Graph, options: OnnxOptions): Uint8Array => encodeOnnx(onnxModel(graph, options));

/** The file as plain data. Throws as emitOnnx does. */
export function onnxModel(graph: Graph, { tensors, version, classes = [], pixels }: OnnxOptions): OnnxModel {
  const byId = nodesById(graph);
  const layouts = imageLayouts(graph.nodes, 'nhwc');
  const { nodes, fused } = planOf(graph, byId, layouts);
  const inputs = nodes.filter((node) => node.kind === 'input' || node.kind === 'labels');
  const names = new Map<ValueId, string>(inputs.map(({ id }) => [id, id]));
  const first = inputs.find(({ type: { shape } }) => batchFactor(shape[0] ?? 1) > 0);
  let current: Node | undefined;
  const scope = createScope({
    byId,
    layouts,
    tensors,
    names,
    batched: first && { name: first.id, factor: batchFactor(first.type.shape[0] ?? 1) },
    place: () => (current ? { id: current.id, label: labelOf(current), doc: docOf(current) } : { id: 'output', label: 'output', doc: '' }),
  });
  const takesPixels = pixels !== undefined || graph.train.normalize === 'none';
  for (const node of pixels ? inputs.filter(({ kind }) => kind === 'input') : []) {
    current = node;
    names.set(node.id, pixels ? normalised(scope, node.id, pixels) : node.id);
  }
  for (const node of nodes) {
    if (['input', 'labels', 'weight', 'state', 'constant'].includes(node.kind)) continue;
    current = node;
    names.set(node.id, (fused.get(node.id)?.write ?? ((s: Scope) => ruleOf(node)(s, node as never)))(scope));
  }
  current = undefined;
  const { results, final } = outputsOf(graph, byId, scope, inputs);
  const given = new Set(results.map(({ name }) => name));
  const taken = new Set([...given, ...inputs.map(({ id }) => id)]);
  for (const [id, name] of names) if (!final.has(name) && !taken.has(id)) final.set(name, id);

  const nameOf = (name: string): string => final.get(name) ?? name;
  const written = scope.nodes.map((node) => ({ ...node, inputs: node.inputs.map(nameOf), output: nameOf(node.output) }));
  const made = new Set(written.map(({ output }) => output));
  return {
    name: graph.name,
    producer: { name: 'ZigZag', version },
    doc: `The net ${graph.name}, for prediction. Images are [batch, height, width, channels].`,
    metadata: metadataOf(graph, classes, takesPixels),
    inputs: inputs.map((node) => ({ ...valueOf(node.id, node.type.shape), type: node.kind === 'labels' ? 'int32' : 'float', doc: inputDoc(node, graph, takesPixels) })),
    outputs: results,
    initializers: scope.initializers,
    nodes: written,
    values: nodes.flatMap((node) => (made.has(node.id) && !given.has(node.id) && node.type.dtype !== 'i32' ? [valueOf(node.id, laidOut(node.type.shape, layouts.get(node.id) ?? 'nhwc'))] : [])),
  };
}

const valueOf = (name: string, shape: Shape): OnnxValue => ({ name, type: 'float', shape: shape.map(dimOf) });

const dimOf = (dim: Dim): number | string => (typeof dim === 'number' ? dim : dim === 'B' ? 'batch' : `${batchFactor(dim)}*batch`);

function ruleOf(node: Node): OnnxRule {
  const rule = Object.hasOwn(RULES, node.kind) ? (RULES as Partial<Record<Node['kind'], (typeof RULES)[keyof typeof RULES]>>)[node.kind] : undefined;
  if (typeof rule === 'function') return rule as OnnxRule;
  throw new RangeError(`ONNX has no operator for ${node.kind} (%${node.id}${docOf(node) === '' ? '' : `, ${docOf(node)}`}): ${rule?.lacks ?? 'it is fed anew at each training step'}`);
}

/** The nodes that the outputs need, with what becomes one operator: batch normalisations, and biases with what they are added to. */
function planOf(graph: Graph, byId: ReadonlyMap<ValueId, Node>, layouts: ReadonlyMap<ValueId, ImageLayout>): Plan {
  const uses = new Map<ValueId, number>();
  const count = (id: ValueId): void => void uses.set(id, (uses.get(id) ?? 0) + 1);
  for (const node of graph.nodes) node.inputs.forEach(count);
  for (const { value } of graph.outputs) count(value);
  const typeOf = (id: ValueId): Node['type'] | undefined => byId.get(id)?.type;

  const fused = new Map<ValueId, Fused>();
  for (const [id, norm] of findNorms(graph.nodes)) {
    const { running, x } = norm;
    if (running && (layouts.get(x) === 'nchw' || typeOf(x)?.shape.length === 2)) fused.set(id, { inputs: [x, norm.gamma, norm.beta, running.mean, running.variance], write: (scope) => batchNormalisation(scope, norm, running) });
  }
  for (const node of graph.nodes) {
    const [y = '', b = ''] = node.inputs;
    const [from, bias] = [byId.get(y), byId.get(b)];
    if (node.kind !== 'add' || bias?.kind !== 'weight' || bias.type.shape.length !== 1 || !from || uses.get(y) !== 1 || !takesBias(from, (each) => layouts.get(each), typeOf)) continue;
    if (bias.type.shape[0] !== from.type.shape.at(-1)) continue;
    fused.set(node.id, { inputs: [...from.inputs, b], write: (scope) => (from.kind === 'conv2d' ? convolution(scope, from, scope.value(b)) : product(scope, from as Node<'matmul'>, scope.value(b))) });
  }

  const needed = new Set(graph.outputs.map(({ value }) => value));
  for (const node of graph.nodes.toReversed()) if (needed.has(node.id)) for (const input of fused.get(node.id)?.inputs ?? node.inputs) needed.add(input);
  return { nodes: graph.nodes.filter(({ id }) => needed.has(id)), fused };
}

const batchNormalisation = (scope: Scope, { x, gamma, beta, eps }: Norm, { mean, variance }: NonNullable<Norm['running']>): string =>
  scope.op('BatchNormalization', [scope.value(x), ...[gamma, beta, mean, variance].map((id) => scope.value(id))], { epsilon: { float: eps } });

/** The outputs, channels last, and which written values have their .zz names. */
function outputsOf(graph: Graph, byId: ReadonlyMap<ValueId, Node>, scope: Scope & Written, inputs: readonly Node[]): { results: OnnxValue[]; final: Map<string, string> } {
  const taken = new Set(inputs.map(({ id }) => id));
  const final = new Map<string, string>();
  const results = graph.outputs.map(({ name: wanted, value }) => {
    const node = byId.get(value);
    if (!node) throw new Error(`no value %${value}`);
    const name = taken.has(wanted) ? `${wanted}.output` : wanted;
    taken.add(name);
    const found = scope.value(value, 'nhwc');
    // What is an input, a weight or another output as well is given a second time.
    const second = final.has(found) || !scope.nodes.some(({ output }) => output === found);
    final.set(second ? scope.op('Identity', [found]) : found, name);
    return { name, type: node.type.dtype === 'i32' ? ('int32' as const) : ('float' as const), shape: node.type.shape.map(dimOf) };
  });
  return { results, final };
}

const tagsOf = ({ tags: { stream, step, stage } }: Node): string[] => [
  ...(stream === undefined ? [] : [stream]),
  ...(step === undefined ? [] : [`step${step}`]),
  ...(stage === undefined ? [] : [`stage${stage}`]),
];

/** `L.step2.seen` */
const labelOf = (node: Node): string => [...tagsOf(node), node.tags.name ?? node.kind].join('.');

/** Where the node comes from: `case-b.zz:6:30`. */
const docOf = (node: Node): string => node.locs.map(({ file, line, column }) => `${fileName(file)}:${line}:${column}`).join(' ');

const NORMALISED: { readonly [N in Graph['train']['normalize']]: string } = {
  none: '',
  channel: ', of each channel minus its mean over the training images, by its standard deviation over them',
  per_batch: ', of each pixel and channel minus its mean over a batch of images, by its standard deviation over the batch',
};

const inputDoc = (node: Node, graph: Graph, takesPixels: boolean): string =>
  node.kind === 'labels' ? 'the class of each image' : `pixels from 0 to 1${takesPixels ? '' : NORMALISED[graph.train.normalize]}`;

const metadataOf = (graph: Graph, classes: readonly string[], takesPixels: boolean): Record<string, string> => ({
  'zigzag.format': FORMAT,
  'zigzag.net': graph.name,
  'zigzag.input': takesPixels ? 'pixels' : 'normalised',
  'zigzag.normalize': graph.train.normalize,
  'zigzag.outputs': JSON.stringify(graph.outputs.map(({ name }) => name)),
  ...(classes.length > 0 && { 'zigzag.classes': JSON.stringify(classes) }),
});
