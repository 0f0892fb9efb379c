// Graphs of one operation, with weights for operands: they are on the device before a run, so that a run measures the operation alone.

import { createBuilder } from '../compiler/2-graph/builder.ts';
import type { Graph, TrainSettings } from '../compiler/2-graph/graph.ts';
import type { Attrs, OpKind } from '../compiler/2-graph/ops.ts';

export const TRAIN: TrainSettings = {
  dataset: 'synthetic',
  optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false },
  schedule: { kind: 'constant' },
  batch: 1,
  epochs: 1,
  seed: 1,
  normalize: 'none',
  weightDecay: 0,
  clipNorm: 0,
};

export interface Work {
  readonly name: string;
  readonly graph: Graph;
  /** Floating-point operations: two for each multiply-add. */
  readonly operations: number;
}

/** One operation on operands of the given shapes. */
export function work<K extends OpKind>(name: string, operations: number, kind: K, attrs: Attrs<K>, ...operands: readonly (readonly number[])[]): Work {
  const builder = createBuilder();
  const inputs = operands.map((shape, i) => builder.add('weight', [], { name: `x${i}`, shape, init: 'normal', std: 1, decay: false }, { id: `x${i}` }));
  const value = builder.add(kind, inputs, attrs, { id: 'y' });
  const graph: Graph = { name: 'Bench', mode: 'evaluate', nodes: builder.nodes(), regions: [], outputs: [{ name: 'y', value }], routes: [], gradients: [], updates: [], views: [], train: TRAIN };
  return { name, graph, operations };
}

/** A square product. */
export const product = (n: number): Work => work(`matmul ${n}^3`, 2 * n ** 3, 'matmul', { transpose_a: false, transpose_b: false }, [n, n], [n, n]);

/** A convolution with `same` padding, and both its adjoints. */
export function convolution(batch: number, size: number, inputs: number, outputs: number, k: number, { stride = 1, groups = 1 } = {}): Work[] {
  const out = Math.ceil(size / stride);
  const operations = (2 * batch * out * out * inputs * outputs * k * k) / groups;
  const attrs = { stride, pad: 'same', dilation: 1, groups } as const;
  const [x, filter, y] = [[batch, size, size, inputs], [k, k, inputs / groups, outputs], [batch, out, out, outputs]];
  const kind = groups === inputs ? 'depthwise ' : groups > 1 ? `${groups} groups ` : '';
  const name = `${kind}${k}x${k} ${inputs}->${outputs} at ${size}x${size}${stride === 1 ? '' : `, stride ${stride}`}, batch ${batch}`;
  return [
    work(`conv2d ${name}`, operations, 'conv2d', attrs, x, filter),
    work(`conv2d_input_grad ${name}`, operations, 'conv2d_input_grad', { ...attrs, size: [size, size] }, y, filter),
    work(`conv2d_filter_grad ${name}`, operations, 'conv2d_filter_grad', { ...attrs, k }, x, y),
  ];
}
