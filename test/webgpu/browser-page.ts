// In the browser: operations and updates through navigator.gpu against the evaluator; exports the device and what differs.

import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { ComputeKind } from '../../compiler/2-graph/ops.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { webgpuBackend } from '../../runtime/backends/webgpu.ts';
import { casesGraph, graphOf, relativeError } from '../kernels/cases.ts';

const KINDS: readonly ComputeKind[] = [
  'add', 'select', 'tanh', 'softplus', 'elu_grad', 'reduce_sum', 'reduce_max', 'softmax', 'transpose', 'concat', 'pad', 'matmul', 'conv2d', 'conv2d_input_grad',
  'conv2d_filter_grad', 'maxpool', 'maxpool_grad', 'softmax_cross_entropy', 'softmax_cross_entropy_grad', 'count_correct',
];
const TILE = { rows: 16, columns: 16, depth: 8, threadRows: 4, threadColumns: 4 };

const { graph, feeds, values } = casesGraph(KINDS, 2);
const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });
const programs = {
  nests: emitWebGpu(graph, { tiling: () => undefined }, 2),
  tiles: emitWebGpu(graph, { tiling: () => ({ tile: TILE, parts: 2, buffers: 2 }) }, 2),
};
const session = await webgpuBackend({ software: true }).open({ net: 'Test', train: graph.train, programs });
const wrong = async (program: string): Promise<string[]> => {
  const found = await session.run(program, feeds, values);
  return values.filter((id) => !(relativeError(found.get(id) ?? [], expected.get(id) ?? []) < 1e-5));
};
const [nests, tiles] = [await wrong('nests'), await wrong('tiles')];
await session.dispose();

const builder = createBuilder();
builder.add('input', [], { name: 'x', shape: [3] }, { id: 'x' });
builder.add('weight', [], { name: 'w', shape: [3], init: 'zeros', std: 0, decay: false }, { id: 'w' });
builder.add('add', ['x', 'w'], {}, { id: 'y' });
const sums = graphOf(builder, [], { updates: [{ target: 'w', value: 'y' }] });
const adding = await webgpuBackend({ software: true }).open({ net: 'Sums', train: sums.train, programs: { add: emitWebGpu(sums, {}, 1) } });
for (let i = 0; i < 5; i++) await adding.run('add', new Map([['x', Float32Array.of(1, 2, 3)]]), []);
const kept = [...(await adding.read('w'))];
await adding.dispose();

export default { device: session.device, nests, tiles, kept };
