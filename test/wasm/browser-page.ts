// In the browser: every operation on the wasm backend against the evaluator, a training step and its updates, on as many threads as the page can have, compiled here too.

import { createBuilder } from '../../compiler/2-graph/builder.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import { wasmOn } from '../../runtime/backends/wasm/backend.ts';
import { takesRelaxedSimd } from '../../runtime/backends/wasm/engine.ts';
import { browserEngine } from '../../runtime/backends/wasm/isolated.ts';
import { casesGraph, graphOf, KINDS, relativeError } from '../kernels/cases.ts';

const engine = browserEngine();
const threads = Math.min(3, engine.mostThreads);

const { graph, feeds, values } = casesGraph(KINDS, 3);
const expected = evaluate(graph, feeds, { precision: 'f32', wanted: values });

const wrong: Record<string, readonly string[]> = {};
let device = '';
for (const relaxed of [true, false]) {
  const session = await wasmOn(engine, { threads }).open({ net: 'Test', train: graph.train, programs: { run: emitWasm(graph, { relaxed }, 3) } });
  const found = await session.run('run', feeds, values);
  device = session.device;
  await session.dispose();
  wrong[relaxed ? 'relaxed' : 'plain'] = values.filter((id) => !(relativeError(found.get(id) ?? [], expected.get(id) ?? []) < 1e-5));
}

/** A convolution in Winograd's way, and its adjoints. */
async function convolutions(): Promise<readonly string[]> {
  const b = createBuilder();
  const shapes = { x: [2, 9, 8, 24], f: [3, 3, 24, 40], dy: [2, 9, 8, 40] };
  const given = new Map(Object.entries(shapes).map(([id, shape]) => [id, Float32Array.from({ length: shape.reduce((a, c) => a * c, 1) }, (_, i) => Math.sin(i))] as const));
  for (const [id, shape] of Object.entries(shapes)) b.add('input', [], { name: id, shape }, { id });
  const window = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
  const wanted = [b.add('conv2d', ['x', 'f'], window), b.add('conv2d_input_grad', ['dy', 'f'], { ...window, size: [9, 8] }), b.add('conv2d_filter_grad', ['x', 'dy'], { ...window, k: 3 })];
  const net = graphOf(b, wanted);
  const session = await wasmOn(engine, { threads }).open({ net: 'Convolutions', train: net.train, programs: { run: emitWasm(net, { relaxed: takesRelaxedSimd() }, 2) } });
  const found = await session.run('run', given, wanted);
  await session.dispose();
  const right = evaluate(net, given, { precision: 'f64', wanted });
  return wanted.filter((id) => !(relativeError(found.get(id) ?? [], right.get(id) ?? []) < 1e-5));
}

const builder = createBuilder();
builder.add('input', [], { name: 'x', shape: [3] }, { id: 'x' });
builder.add('weight', [], { name: 'w', shape: [3], init: 'zeros', std: 0, decay: false }, { id: 'w' });
builder.add('add', ['x', 'w'], {}, { id: 'y' });
const sums = graphOf(builder, [], { updates: [{ target: 'w', value: 'y' }] });
const adding = await wasmOn(engine, { threads }).open({ net: 'Sums', train: sums.train, programs: { add: emitWasm(sums, { relaxed: false }, 1) } });
for (let i = 0; i < 5; i++) await adding.run('add', new Map([['x', Float32Array.of(1, 2, 3)]]), []);
const kept = [...(await adding.read('w'))];
await adding.dispose();

const refused = await wasmOn(engine, { threads: engine.mostThreads + 1 }).open({ net: 'Sums', train: sums.train, programs: {} }).then(() => '', String);

export default { isolated: globalThis.crossOriginIsolated, relaxedSimd: takesRelaxedSimd(), device, wrong: { ...wrong, convolutions: await convolutions() }, kept, refused };
