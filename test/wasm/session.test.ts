// The session's contract: what is kept between runs and programs, what bad input gets, memory, and the end of the threads.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { compileNet } from '../../compiler/compile.ts';
import type { BufferSpec, Model, Program, WasmStep } from '../../compiler/5-emit/model.ts';
import { emitWasm } from '../../compiler/5-emit/wasm/emit.ts';
import { BackendError } from '../../runtime/backend.ts';
import type { Session } from '../../runtime/backend.ts';
import { layOut, plan } from '../../runtime/backends/wasm/arena.ts';
import { hasRelaxedSimd, wasmBackend } from '../../runtime/backends/wasm.ts';
import { graphOf } from '../kernels/cases.ts';

const weight = { init: 'zeros', std: 0, decay: false } as const;

/** y = x + w; then w takes y, and `last` the w from before. */
function stepGraph(): Graph {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [3] }, { id: 'x' });
  builder.add('weight', [], { name: 'w', shape: [3], ...weight }, { id: 'w' });
  builder.add('state', [], { name: 'last', shape: [3], value: 0 }, { id: 'last' });
  builder.add('constant', [], { shape: [2], value: 0.5 }, { id: 'half' });
  builder.add('add', ['x', 'w'], {}, { id: 'y' });
  const updates = [
    { target: 'w', value: 'y' },
    { target: 'last', value: 'w' },
  ];
  return graphOf(builder, ['y', 'half'], { updates });
}

/** Twice the weight of the other program. */
function readGraph(): Graph {
  const builder = createBuilder();
  builder.add('weight', [], { name: 'w', shape: [3], ...weight }, { id: 'w' });
  builder.add('add', ['w', 'w'], {}, { id: 'twice' });
  return graphOf(builder, ['twice']);
}

const programOf = (graph: Graph): Program<WasmStep> => emitWasm(graph, { relaxed: hasRelaxedSimd() }, 1);
const modelOf = (programs: Readonly<Record<string, Program<WasmStep>>>): Model<WasmStep> => ({ net: 'Test', train: stepGraph().train, programs });

async function withSession(use: (session: Session) => Promise<void>, threads = 2): Promise<void> {
  const session = await wasmBackend({ threads }).open(modelOf({ step: programOf(stepGraph()), read: programOf(readGraph()) }));
  try {
    await use(session);
  } finally {
    await session.dispose();
  }
}

const feeds = new Map([['x', Float32Array.of(10, 20, 30)]]);

describe('a session', () => {
  it('keeps weights and states, which updates change all at once, for all programs', () =>
    withSession(async (session) => {
      expect(await session.read('w')).toEqual(Float32Array.of(0, 0, 0));
      await session.write('w', Float32Array.of(1, 2, 3));
      const first = await session.run('step', feeds, ['y', 'half', 'w', 'x']);
      expect(first.get('y')).toEqual(Float32Array.of(11, 22, 33));
      expect(first.get('half')).toEqual(Float32Array.of(0.5, 0.5));
      expect(first.get('w')).toEqual(Float32Array.of(11, 22, 33));
      expect(first.get('x')).toEqual(Float32Array.of(10, 20, 30));
      expect(await session.read('last')).toEqual(Float32Array.of(1, 2, 3));
      expect((await session.run('read', new Map(), ['twice'])).get('twice')).toEqual(Float32Array.of(22, 44, 66));
      await session.run('step', feeds, []);
      expect(await session.read('last')).toEqual(Float32Array.of(11, 22, 33));
      expect(await session.read('w')).toEqual(Float32Array.of(21, 42, 63));
    }));

  it('gives copies, not views of the memory', () =>
    withSession(async (session) => {
      const weights = await session.read('w');
      weights.fill(9);
      expect(await session.read('w')).toEqual(Float32Array.of(0, 0, 0));
      const { y } = Object.fromEntries(await session.run('step', feeds, ['y']));
      expect(y?.buffer).toBeInstanceOf(ArrayBuffer);
    }));

  it('refuses what does not fit, and works on', () =>
    withSession(async (session) => {
      await expect(session.run('other', feeds, [])).rejects.toThrow(RangeError);
      await expect(session.run('step', new Map(), [])).rejects.toThrow('there is no feed for %x');
      await expect(session.run('step', new Map([['x', Float32Array.of(1)]]), [])).rejects.toThrow('%x has 3 elements, not 1');
      await expect(session.run('step', feeds, ['nothing'])).rejects.toThrow('%nothing is no result');
      await expect(session.write('w', Float32Array.of(1))).rejects.toThrow('%w has 3 elements, not 1');
      await expect(session.read('y')).rejects.toThrow('%y is no weight and no state');
      expect((await session.run('step', feeds, ['y'])).get('y')).toEqual(Float32Array.of(10, 20, 30));
    }));

  it('says what it runs on, and ends once', async () => {
    const session = await wasmBackend({ threads: 1 }).open(modelOf({ read: programOf(readGraph()) }));
    expect([session.backend, session.device]).toEqual(['wasm', 'WebAssembly SIMD on 1 thread']);
    await session.dispose();
    await session.dispose();
    await expect(session.run('read', new Map(), [])).rejects.toThrow('the session is disposed');
  });

  it('runs one at a time, and ends in the middle of a run', async () => {
    const session = await wasmBackend({ threads: 2 }).open(modelOf({ step: programOf(stepGraph()) }));
    const together = await Promise.all([1, 2, 3].map((x) => session.run('step', new Map([['x', Float32Array.of(x, x, x)]]), ['y'])));
    expect(together.map((result) => result.get('y')?.[0])).toEqual([1, 3, 6]);
    const pending = session.run('step', feeds, ['y']);
    const later = session.run('step', feeds, ['y']);
    const ended = session.dispose();
    await expect(later).rejects.toThrow('the session is disposed');
    await pending.catch((error: unknown) => expect(String(error)).toContain('the session is disposed'));
    await ended;
  });

  it('refuses a number of threads that makes no sense', async () => {
    for (const threads of [0, -1, 1.5, 1000]) await expect(wasmBackend({ threads }).open(modelOf({ read: programOf(readGraph()) }))).rejects.toThrow(RangeError);
  });

  it('reports a module that is damaged', async () => {
    const program = programOf(readGraph());
    const broken = { ...program, code: (program.code ?? new Uint8Array(0)).slice(0, -5) };
    await expect(wasmBackend({ threads: 1 }).open(modelOf({ read: broken }))).rejects.toThrow(BackendError);
  });

  const withHuge = (count: number): Model<WasmStep> => {
    const program = programOf(readGraph());
    const huge: BufferSpec = { id: 'huge', dtype: 'f32', shape: [count], role: { kind: 'state', value: 0 } };
    return modelOf({ read: { ...program, buffers: [huge, ...program.buffers] } });
  };

  it('names the bytes that are needed where the memory cannot hold them', async () => {
    const opening = wasmBackend({ threads: 1 }).open(withHuge(2 ** 31));
    await expect(opening).rejects.toThrow(/needs 8,590,\d{3},\d{3} bytes \(8\.00 GiB\).*4 GiB at most/);
    await expect(opening).rejects.toMatchObject({ name: 'BackendError', advice: expect.stringContaining('--width') });
  });

  it('proposes a batch that fits', async () => {
    const path = 'dsl-examples/case-d.zz';
    const source = loadProgram(path, memoryReader({ [path]: readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8') }));
    const { graph } = compileNet(source, undefined, { mode: 'train' });
    if (!graph) throw new Error('case-d has errors');
    const at = (batch: number): Model<WasmStep> => modelOf({ train: emitWasm(optimise(graph, { batch }), { relaxed: false }, batch) });
    const refusal: unknown = await wasmBackend({ threads: 2 }).open(at(2000)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(BackendError);
    const [, proposed] = /of the 2000 images fit \(--batch (\d+)\)/.exec((refusal as BackendError).advice) ?? [];
    expect(Number(proposed)).toBeGreaterThan(500);
    const { bytes } = layOut(at(Number(proposed)).programs, 2);
    expect(bytes).toBeLessThanOrEqual(2 ** 32);
    expect(bytes).toBeGreaterThan(0.9 * 2 ** 32);
  });

  it('computes beyond the second GiB', async () => {
    const session = await wasmBackend({ threads: 2 }).open(withHuge(3 * 2 ** 28));
    try {
      await session.write('w', Float32Array.of(1, 2, 3));
      expect((await session.run('read', new Map(), ['twice'])).get('twice')).toEqual(Float32Array.of(2, 4, 6));
    } finally {
      await session.dispose();
    }
  });
});

describe('the memory plan', () => {
  const temporary = (id: string, size: number): BufferSpec => ({ id, dtype: 'f32', shape: [size], role: { kind: 'temporary' } });
  const step = (writes: string, ...reads: string[]): WasmStep => ({ kernel: 'k', reads, writes, scratch: 0 });
  const program = (buffers: BufferSpec[], steps: WasmStep[], outputs: string[]): Program<WasmStep> => ({
    batch: 1, buffers, steps, outputs: outputs.map((buffer) => ({ name: buffer, buffer })), updates: [], views: [],
  });

  it('uses a place again once its buffer is read for the last time, and not before', () => {
    const { offsets, bytes } = plan(program(['a', 'b', 'c', 'd'].map((id) => temporary(id, 1000)), [step('a'), step('b', 'a'), step('c', 'b'), step('d', 'c')], ['d']));
    expect(offsets.get('a')).toBe(offsets.get('c'));
    expect(offsets.get('b')).toBe(offsets.get('d'));
    expect(bytes).toBe(8192);
  });

  it('leaves results alone to the end, and gives no two live buffers one place', () => {
    const sizes = [700, 30, 1200, 64, 900, 5, 300, 2000];
    const names = sizes.map((_, i) => `t${i}`);
    const steps = names.map((name, i) => step(name, ...names.slice(Math.max(0, i - 3), i).filter((_, j) => (i + j) % 2 === 0)));
    const graph = program(sizes.map((size, i) => temporary(`t${i}`, size)), steps, ['t1', 't7']);
    const { offsets } = plan(graph);
    const life = (i: number): [number, number] => [i, ['t1', 't7'].includes(`t${i}`) ? 99 : Math.max(i, ...steps.flatMap(({ reads }, at) => (reads.includes(`t${i}`) ? [at] : [])))];
    for (let a = 0; a < sizes.length; a++) {
      for (let b = 0; b < a; b++) {
        const [[fromA, toA], [fromB, toB]] = [life(a), life(b)];
        if (fromA > toB || fromB > toA) continue;
        const [x, y] = [offsets.get(`t${a}`) as number, offsets.get(`t${b}`) as number];
        expect(x + 4 * (sizes[a] as number) <= y || y + 4 * (sizes[b] as number) <= x, `t${a} and t${b}`).toBe(true);
      }
    }
  });

  it('lays programs over each other, weights apart', () => {
    const arena = layOut({ step: programOf(stepGraph()), read: programOf(readGraph()) }, 2);
    const [a, b] = [arena.buffers.get('step'), arena.buffers.get('read')];
    expect(a?.get('w')).toBe(b?.get('w'));
    expect(new Set([a?.get('w'), a?.get('last'), a?.get('x'), a?.get('y'), a?.get('half')]).size).toBe(5);
    expect(arena.bytes % 65536).toBe(0);
  });
});
