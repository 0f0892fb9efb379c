// Whole training steps of the example nets on the wasm backend: milliseconds a step and images a second, on random feeds.
// node scripts/bench.js train-step [--nets case-b,case-d] [--images 50] [--width 1] [--threads 1,2] [--rounds N] [--json FILE]

import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { loadProgram, memoryReader } from '../compiler/2-graph/build.ts';
import { optimise } from '../compiler/3-passes/pipeline.ts';
import { compileNet } from '../compiler/compile.ts';
import type { BufferSpec } from '../compiler/5-emit/model.ts';
import { emitWasm } from '../compiler/5-emit/wasm/emit.ts';
import type { Tensor } from '../runtime/backend.ts';
import { hasRelaxedSimd, wasmBackend } from '../runtime/backends/wasm.ts';
import { layOut } from '../runtime/backends/wasm/arena.ts';
import { initialValues } from '../runtime/init.ts';
import { persistent } from '../runtime/checkpoint.ts';
import { uniforms } from '../runtime/random.ts';

const { values: options } = parseArgs({
  options: {
    nets: { type: 'string', default: 'case-a,case-b,case-c,case-d,case-e' },
    images: { type: 'string', default: '50' },
    width: { type: 'string', default: '1' },
    threads: { type: 'string', default: [...new Set([1, availableParallelism()])].join() },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});

const length = ({ shape }: BufferSpec): number => shape.reduce((a, b) => a * b, 1);

function feed(spec: BufferSpec): [string, Tensor][] {
  const next = uniforms(1);
  switch (spec.role.kind) {
    case 'input':
    case 'random':
      return [[spec.id, Float32Array.from({ length: length(spec) }, next)]];
    case 'labels':
      return [[spec.id, Int32Array.from({ length: length(spec) }, () => Math.floor(10 * next()))]];
    case 'scalar':
      return [[spec.id, Float32Array.of(spec.role.name === 'step' ? 0 : 100)]];
    default:
      return [];
  }
}

const rows: Record<string, unknown>[] = [];
for (const net of options.nets.split(',')) {
  const path = `dsl-examples/${net}.zz`;
  const { graph: symbolic } = compileNet(loadProgram(path, memoryReader({ [path]: readFileSync(path, 'utf8') })), undefined, { mode: 'train', width: Number(options.width) });
  if (!symbolic) throw new Error(`${path} does not compile`);
  // A view may enter every image several times: the batch is what makes so many readings.
  const readings = Math.max(...symbolic.views.map((view) => view.parts.length));
  const batch = Number(options.images) / readings;
  const start = performance.now();
  const program = emitWasm(optimise(symbolic, { batch }), { relaxed: hasRelaxedSimd() }, batch);
  const emitted = performance.now() - start;
  const model = { net, train: symbolic.train, programs: { train: program } };
  const row: Record<string, unknown> = { net, readings: Number(options.images), steps: program.steps.length, emitMs: emitted, bytes: layOut(model.programs, 1).bytes };
  for (const threads of options.threads.split(',').map(Number)) {
    const session = await wasmBackend({ threads }).open(model);
    for (const [id, values] of initialValues(persistent(model), 1)) await session.write(id, values);
    const feeds = new Map(program.buffers.flatMap(feed));
    let best = Infinity;
    for (let round = 0; round <= Number(options.rounds); round++) {
      const before = performance.now();
      await session.run('train', feeds, []);
      if (round > 0) best = Math.min(best, performance.now() - before);
    }
    await session.dispose();
    Object.assign(row, { [`ms${threads}`]: best, [`imagesPerSecond${threads}`]: (Number(options.images) / best) * 1000 });
    console.log(`${net.padEnd(16)} ${threads} threads: ${best.toFixed(0)} ms a step of ${options.images} readings, ${((Number(options.images) / best) * 1000).toFixed(1)} a second`);
  }
  rows.push(row);
}
const result = { command: 'node scripts/bench.js train-step', date: new Date().toISOString().slice(0, 10), cpu: cpus()[0]?.model.trim(), cores: availableParallelism(), node: process.version, relaxedSimd: hasRelaxedSimd(), width: Number(options.width), rows };
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value), 2)}\n`);
