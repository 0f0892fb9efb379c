// Products and convolutions on the wasm backend, beside a bare loop of multiply-adds in registers on the same cores in the same run. Convolutions are counted as direct
// ones, whatever they are computed by: in Winograd's way they take a quarter of the multiplications, and pass the loop.
// node scripts/bench.js wasm-gemm [--rounds N] [--only REGEXP] [--json FILE]

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { createCode, define, finish } from '../compiler/5-emit/wasm/code.ts';
import { emitWasm } from '../compiler/5-emit/wasm/emit.ts';
import type { Program, WasmStep } from '../compiler/5-emit/model.ts';
import type { Session } from '../runtime/backend.ts';
import { hasRelaxedSimd, wasmBackend } from '../runtime/backends/wasm.ts';
import { uniforms } from '../runtime/random.ts';
import { convolution, product, TRAIN } from './graphs.ts';
import type { Work } from './graphs.ts';
import { commandLine, openRecord, ownVersions, thisMachine } from './record.ts';
import type { ProductRow } from './rows.ts';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, only: { type: 'string', default: '' }, json: { type: 'string' } } });
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
  define(code, 'run', 4, (fn, [thread]) => {
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
  return { batch: 1, buffers: [], steps: [{ kernel: 'run', reads: [], writes: '', scratch: 0 }], outputs: [], updates: [], views: [], code: finish(code) };
}

const works: readonly Work[] = [
  ...[128, 256, 512, 1024, 2048].map(product),
  ...convolution(50, 16, 192, 192, 3),
  ...convolution(50, 8, 192, 192, 3),
  ...convolution(50, 32, 96, 96, 3),
  ...convolution(50, 16, 96, 192, 3),
  ...convolution(50, 32, 3, 96, 3).filter(({ name }) => !name.includes('input_grad')),
  ...convolution(50, 32, 16, 16, 3),
  ...convolution(50, 16, 64, 64, 5),
  ...convolution(50, 16, 64, 64, 7),
  ...convolution(50, 8, 192, 192, 1),
  ...convolution(50, 32, 96, 96, 1),
  ...convolution(50, 32, 64, 128, 3, { stride: 2 }),
  ...convolution(50, 16, 192, 192, 3, { groups: 192 }),
  ...convolution(1, 32, 96, 96, 3),
].filter(({ name }) => new RegExp(options.only).test(name));

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

/** How long a turn lasts at least, in milliseconds: threads that have just woken may share a core until the system moves one. */
const TURN = 30;

/** The shortest run of a turn. */
async function time(session: Session): Promise<number> {
  const start = performance.now();
  for (let [last, best] = [start, Infinity]; ; ) {
    await session.run('run', new Map(), []);
    const now = performance.now();
    best = Math.min(best, now - last);
    last = now;
    if (now - start > TURN) return best;
  }
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
const perThreads = (number: (threads: number) => number): Record<string, number> => Object.fromEntries(threadCounts.map((threads) => [threads, number(threads)]));
const record = await openRecord<ProductRow>(
  options.json,
  { benchmark: 'products', command: commandLine('wasm-gemm'), machine: await thisMachine(), versions: ownVersions(), options: { rounds, relaxedSimd: relaxed } },
  ({ name }) => name,
);
console.log(`relaxed SIMD ${relaxed ? 'on' : 'off'}; a bare loop of multiply-adds: ${threadCounts.map((threads) => `${ceiling(threads).toFixed(1)} GFLOP/s on ${threads}`).join(', ')}`);
await record.add({ name: 'bare loop', gflops: perThreads(ceiling), share: perThreads(() => 1), speedup: threadCounts.length > 1 ? ceiling(2) / ceiling(1) : 1 });
for (const each of measured) {
  const row: ProductRow = {
    name: each.name,
    gflops: perThreads((threads) => gflops(each, threads)),
    share: perThreads((threads) => gflops(each, threads) / ceiling(threads)),
    speedup: (each.best.get(1) ?? NaN) / (each.best.get(Math.max(...threadCounts)) ?? NaN),
  };
  await record.add(row);
  const parts = threadCounts.map((threads) => `${threads}: ${gflops(each, threads).toFixed(1)} GFLOP/s (${((100 * gflops(each, threads)) / ceiling(threads)).toFixed(0)} %)`);
  console.log(`${each.name.padEnd(62)} ${parts.join('   ')}, ${row.speedup.toFixed(2)} x`);
}
