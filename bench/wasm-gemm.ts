// Products and convolutions on the wasm backend, beside a bare loop of multiply-adds in registers on the same cores in the same run.
// node scripts/bench.js wasm-gemm [--rounds N] [--json FILE]

import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { createCode, define, finish } from '../compiler/5-emit/wasm/code.ts';
import { emitWasm } from '../compiler/5-emit/wasm/emit.ts';
import type { Program, WasmStep } from '../compiler/5-emit/model.ts';
import type { Session } from '../runtime/backend.ts';
import { hasRelaxedSimd, wasmBackend } from '../runtime/backends/wasm.ts';
import { uniforms } from '../runtime/random.ts';
import { convolution, product, TRAIN } from './graphs.ts';
import type { Work } from './graphs.ts';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, json: { type: 'string' } } });
const rounds = Number(options.rounds);
const relaxed = hasRelaxedSimd();
const threadCounts = [...new Set([1, Math.min(2, availableParallelism()), availableParallelism()])];

const TURNS = 4_000_000;
/** Eight sums of four lanes: the register tile of the product, without its loads. */
const SUMS = 8;

/** A program whose threads each count TURNS times SUMS multiply-adds of vectors that never leave the registers. */
function bareLoop(): Program<WasmStep> {
  const code = createCode({ relaxed });
  const { m, c, v } = code;
  define(code, 'run', 2, (fn, [thread]) => {
    if (!thread) throw new Error('arity');
    const sums = Array.from({ length: SUMS }, () => fn.v128());
    const [a, b] = [fn.v128(), fn.v128()];
    return [
      a.set(v(0.999999)),
      b.set(v(1e-7)),
      fn.loop(c(0), () => c(TURNS), 1, () => sums.map((sum) => sum.set(code.madd(a.get(), b.get(), sum.get())))),
      ...sums.map((sum, i) => m.v128.store(i * 16, 16, m.i32.mul(thread.get(), c(SUMS * 16)), sum.get())),
    ];
  });
  m.addFunctionExport('run', 'run');
  return { batch: 1, buffers: [], steps: [], outputs: [], updates: [], views: [], code: finish(code) };
}

const works: readonly Work[] = [
  product(1024),
  ...convolution(50, 16, 192, 192, 3),
  ...convolution(50, 8, 192, 192, 3),
  ...convolution(50, 32, 96, 96, 3),
  ...convolution(50, 32, 3, 96, 3).filter(({ name }) => !name.includes('input_grad')),
  ...convolution(50, 8, 192, 192, 1),
];

interface Measured {
  readonly name: string;
  readonly operations: number;
  /** The best of all rounds, by number of threads, in milliseconds. */
  readonly best: Map<number, number>;
}

async function open(threads: number, program: Program<WasmStep>): Promise<Session> {
  const session = await wasmBackend({ threads }).open({ net: 'Bench', train: TRAIN, programs: { run: program } });
  const next = uniforms(1);
  for (const { id, shape, role } of program.buffers) {
    if (role.kind === 'weight') await session.write(id, Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, () => next() - 0.5));
  }
  return session;
}

async function time(session: Session): Promise<number> {
  const start = performance.now();
  await session.run('run', new Map(), []);
  return performance.now() - start;
}

const bare: Measured = { name: 'bare loop', operations: TURNS * SUMS * 8, best: new Map() };
const measured = works.map(({ name, operations }): Measured => ({ name, operations, best: new Map() }));
const keep = ({ best }: Measured, threads: number, ms: number): unknown => best.set(threads, Math.min(ms, best.get(threads) ?? Infinity));

const loops = new Map<number, Session>();
for (const threads of threadCounts) loops.set(threads, await open(threads, bareLoop()));
for (const [i, { graph }] of works.entries()) {
  const program = emitWasm(graph, { relaxed }, 1);
  const sessions = new Map<number, Session>();
  for (const threads of threadCounts) sessions.set(threads, await open(threads, program));
  // Turn by turn, so that all meet the same clock and the same neighbours; the first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const threads of threadCounts) {
      const [loop, own] = [await time(loops.get(threads) as Session), await time(sessions.get(threads) as Session)];
      if (round === 0) continue;
      keep(bare, threads, loop);
      keep(measured[i] as Measured, threads, own);
    }
  }
  for (const session of sessions.values()) await session.dispose();
}
for (const loop of loops.values()) await loop.dispose();

const gflops = ({ operations, best }: Measured, threads: number): number => operations / (best.get(threads) ?? NaN) / 1e6;
/** Every thread of the bare loop does the whole count. */
const ceiling = (threads: number): number => threads * gflops(bare, threads);
const rows = measured.map((each) => ({
  name: each.name,
  ...Object.fromEntries(threadCounts.map((threads) => [`gflops${threads}`, gflops(each, threads)])),
  ...Object.fromEntries(threadCounts.map((threads) => [`share${threads}`, gflops(each, threads) / ceiling(threads)])),
  ...(threadCounts.length > 1 ? { speedup2: (each.best.get(1) ?? NaN) / (each.best.get(2) ?? NaN) } : {}),
}));
const result = {
  command: 'node scripts/bench.js wasm-gemm',
  date: new Date().toISOString().slice(0, 10),
  cpu: cpus()[0]?.model.trim(),
  cores: availableParallelism(),
  node: process.version,
  relaxedSimd: relaxed,
  rounds,
  bareLoopGflops: Object.fromEntries(threadCounts.map((threads) => [threads, ceiling(threads)])),
  rows,
};
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value), 2)}\n`);
console.log(`${result.cpu}, ${result.cores} cores, Node ${result.node}, relaxed SIMD ${relaxed ? 'on' : 'off'}`);
console.log(`bare loop: ${threadCounts.map((threads) => `${ceiling(threads).toFixed(1)} GFLOP/s on ${threads}`).join(', ')}`);
for (const each of measured) {
  const parts = threadCounts.map((threads) => `${threads}: ${gflops(each, threads).toFixed(1)} GFLOP/s (${((100 * gflops(each, threads)) / ceiling(threads)).toFixed(0)} %)`);
  const speedup = threadCounts.length > 1 ? `, 2 threads ${((each.best.get(1) ?? NaN) / (each.best.get(2) ?? NaN)).toFixed(2)} x` : '';
  console.log(`${each.name.padEnd(58)} ${parts.join('   ')}${speedup}`);
}
