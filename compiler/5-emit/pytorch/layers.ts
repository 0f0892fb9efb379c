// Layers as modules: how each is constructed and called, and which tensors it holds.

import type { Graph, Node, ValueId } from '../../2-graph/graph.ts';
import { samePadding, windowSpan } from '../../2-graph/window.ts';
import type { ImageLayout } from '../image-layout.ts';
import type { Norm } from '../norms.ts';
import { momentumOf, suffixOf } from './ops.ts';
import type { Op } from './ops.ts';
import { call, heavy, indexed, method, number, tuple } from './python.ts';
import type { Py } from './python.ts';
import { relaid } from './rules.ts';
import type { Scope } from './rules.ts';

export type LayerOp = Extract<Op, { readonly kind: 'layer' | 'norm' }>;

/** A tensor of a layer: its name in the graph, and the parameter that holds it. */
export interface Held {
  readonly id: ValueId;
  readonly parameter: 'weight' | 'bias' | 'running_mean' | 'running_var';
}

export interface Layer {
  /** The weight that it is known by. */
  readonly key: ValueId;
  /** What it is called where the source gives it no name: `conv`. */
  readonly kind: string;
  readonly constructor: string;
  readonly tensors: readonly Held[];
}

/** The weight that tells a layer from others. */
export const keyOf = (op: LayerOp): ValueId => (op.kind === 'layer' ? op.weight.id : op.norm.gamma);

/** Zeros around an image, before and after its rows and its columns. */
interface Padding {
  readonly before: readonly [number, number];
  readonly after: readonly [number, number];
}

const both = (values: readonly number[]): string => (values[0] === values[1] ? String(values[0]) : tuple(values));

function paddingOf(product: Node<'conv2d' | 'conv2d_input_grad'>, size: readonly number[], k: number): Padding {
  const { stride, pad, dilation } = product.attrs;
  const [rows, columns] = size.map((length) => samePadding(length, k, stride, dilation, pad));
  return { before: [rows?.before ?? 0, columns?.before ?? 0], after: [rows?.after ?? 0, columns?.after ?? 0] };
}

/** The padding that all uses of a convolution share and that is even, or none: then each use pads its own image. */
function commonPadding(uses: readonly Padding[]): Padding['before'] | undefined {
  const [first] = uses;
  const even = uses.every(({ before, after }) => before.join() === after.join() && before.join() === first?.before.join());
  return even ? first?.before : undefined;
}

/** A description of every layer, and how an operation calls it. */
export interface Layers {
  readonly of: (op: LayerOp) => Layer;
  /** The layer's result, on the attribute that holds it. */
  readonly call: (op: LayerOp, attribute: string, scope: Scope) => Py;
}

/** `uses` are all operations of the net with layers. `typeOf` knows the values of all its parts. */
export function layersOf(graph: Graph, uses: readonly LayerOp[], typeOf: (id: ValueId) => Node['type'] | undefined): Layers {
  const sizeOf = (id: ValueId): number[] => typeOf(id)?.shape.slice(1, 3).map(Number) ?? [];
  const paddings = new Map<ValueId, Padding[]>();
  for (const op of uses) {
    if (op.kind !== 'layer' || op.product.kind !== 'conv2d') continue;
    const found = paddingOf(op.product, sizeOf(op.inputs[0]), Number(op.weight.type.shape[0]));
    paddings.set(op.weight.id, [...(paddings.get(op.weight.id) ?? []), found]);
  }
  const biases = new Map(uses.flatMap((op) => (op.kind === 'layer' && op.bias ? [[op.weight.id, op.bias.id] as const] : [])));
  const paddingFor = (op: LayerOp): Padding['before'] | undefined => commonPadding(paddings.get(keyOf(op)) ?? []);

  const ofProduct = (op: Extract<LayerOp, { kind: 'layer' }>): Layer => {
    const { product, weight } = op;
    const bias = biases.get(weight.id);
    const shape = weight.type.shape.map(Number);
    const tensors: Held[] = [{ id: weight.id, parameter: 'weight' }, ...(bias === undefined ? [] : [{ id: bias, parameter: 'bias' as const }])];
    const without = bias === undefined ? ['bias=False'] : [];
    if (product.kind === 'matmul') return { key: weight.id, kind: 'dense', constructor: construct('nn.Linear', shape, without), tensors };
    const [k = 1, , inputs = 1, outputs = 1] = shape;
    const { stride, dilation, groups } = product.attrs;
    const options = (padding: readonly number[], more: readonly string[] = []): string[] => [
      ...(stride === 1 ? [] : [`stride=${stride}`]),
      ...(padding.every((amount) => amount === 0) ? [] : [`padding=${both(padding)}`]),
      ...more,
      ...(dilation === 1 ? [] : [`dilation=${dilation}`]),
      ...(groups === 1 ? [] : [`groups=${groups}`]),
      ...without,
    ];
    if (product.kind === 'conv2d') return { key: weight.id, kind: 'conv', constructor: construct('nn.Conv2d', [inputs * groups, outputs, k], options(paddingFor(op) ?? [0])), tensors };
    const { before, beyond } = transposed(product, sizeOf(op.inputs[0]), k);
    const grown = beyond.every((amount) => amount <= 0) ? [] : [`output_padding=${both(beyond)}`];
    return { key: weight.id, kind: 'conv_transpose', constructor: construct('nn.ConvTranspose2d', [outputs, inputs * groups, k], options(before, grown)), tensors };
  };

  const ofNorm = ({ gamma, beta, kind, eps, groups }: Norm): Layer => {
    const suffix = suffixOf(gamma);
    const channels = Number(typeOf(gamma)?.shape[0]);
    const epsilon = eps === 1e-5 ? [] : [`eps=${number(eps)}`];
    const tensors: Held[] = [{ id: gamma, parameter: 'weight' }, { id: beta, parameter: 'bias' }];
    if (kind === 'layernorm') return { key: gamma, kind, constructor: construct('nn.LayerNorm', [channels], epsilon), tensors };
    if (kind === 'groupnorm') return { key: gamma, kind, constructor: construct('nn.GroupNorm', [groups, channels], epsilon), tensors };
    const momentum = Number((1 - momentumOf(graph, `mean.${suffix}`)).toPrecision(12));
    const running: Held[] = [{ id: `mean.${suffix}`, parameter: 'running_mean' }, { id: `var.${suffix}`, parameter: 'running_var' }];
    return { key: gamma, kind, constructor: construct('BatchNorm', [channels], [...epsilon, ...(momentum === 0.1 ? [] : [`momentum=${number(momentum)}`])]), tensors: [...tensors, ...running] };
  };

  const callConvolution = (op: Extract<LayerOp, { kind: 'layer' }>, attribute: string, scope: Scope): Py => {
    const [x] = op.inputs;
    if (op.product.kind === 'matmul') {
      const { transpose_a: ta, transpose_b: tb } = op.product.attrs;
      if (ta || tb) throw new RangeError(`PyTorch has no layer for the transposed product %${op.node.id}`);
      return relaid(call(attribute, [scope.value(x, 'nhwc')]), 'nhwc', scope.layout(op.node.id), op.node.type.shape.length);
    }
    const image = scope.value(x, 'nchw');
    const k = Number(op.weight.type.shape[0]);
    if (op.product.kind === 'conv2d') {
      if (paddingFor(op)) return call(attribute, [image]);
      const { before: [top, left], after: [bottom, right] } = paddingOf(op.product, sizeOf(x), k);
      return call(attribute, [call('F.pad', [image], tuple([left, right, top, bottom]))]);
    }
    const { beyond } = transposed(op.product, sizeOf(x), k);
    const [height, width] = op.product.attrs.size;
    const y = call(attribute, [image]);
    return beyond.some((amount) => amount < 0) ? indexed(y, ':', ':', `:${height}`, `:${width}`) : y;
  };

  const callNorm = ({ inputs: [x], node, norm }: Extract<LayerOp, { kind: 'norm' }>, attribute: string, scope: Scope): Py => {
    const rank = node.type.shape.length;
    const layout: ImageLayout = norm.kind === 'layernorm' ? 'nhwc' : 'nchw';
    const image = scope.value(x, layout);
    // Channels that are neither the second axis nor the last of two are brought there.
    const middle = norm.kind !== 'layernorm' && rank !== 4 && rank > 2;
    const y = call(attribute, [middle ? method(image, 'movedim', '-1', '1') : image]);
    return middle ? method(y, 'movedim', '1', '-1') : relaid(y, layout, scope.layout(node.id), rank);
  };

  return {
    of: (op) => (op.kind === 'layer' ? ofProduct(op) : ofNorm(op.norm)),
    call: (op, attribute, scope) => heavy(op.kind === 'layer' ? callConvolution(op, attribute, scope) : callNorm(op, attribute, scope)),
  };
}

const construct = (type: string, sizes: readonly number[], options: readonly string[]): string => `${type}(${[...sizes, ...options].join(', ')})`;

/** Padding before, and what lies beyond (or, where negative, is cut off) after the rows and columns that the transposed windows reach. */
function transposed(product: Node<'conv2d_input_grad'>, input: readonly number[], k: number): { before: readonly number[]; beyond: number[] } {
  const { size, stride, dilation } = product.attrs;
  const { before } = paddingOf(product, size, k);
  const reached = input.map((length, i) => (length - 1) * stride + windowSpan(k, dilation) - 2 * (before[i] ?? 0));
  return { before, beyond: size.map((length, i) => length - (reached[i] ?? 0)) };
}
