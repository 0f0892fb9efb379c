// The session's contract on WebGPU: what is kept between runs and programs, what bad input gets, memory, and a device that goes away.

import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import type { BufferSpec, Program, WebGpuStep } from '../../compiler/5-emit/model.ts';
import type { Session } from '../../runtime/backend.ts';
import { webgpuBackend } from '../../runtime/backends/webgpu.ts';
import { bytesOf, jointSizes, planSlots } from '../../runtime/backends/webgpu/memory.ts';
import { graphOf } from '../kernels/cases.ts';
import { backend, missing, modelOf, skipped } from './harness.ts';

const weight = { init: 'zeros', std: 0, decay: false } as const;

/** y = x + w; then w takes y, and `last` the w from before; `count` grows by 1. */
function stepGraph(): Graph {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [3] }, { id: 'x' });
  builder.add('labels', [], { shape: [5] }, { id: 'labels' });
  builder.add('weight', [], { name: 'w', shape: [3], ...weight }, { id: 'w' });
  builder.add('state', [], { name: 'last', shape: [3], value: 0 }, { id: 'last' });
  builder.add('state', [], { name: 'count', shape: [], value: 0 }, { id: 'count' });
  builder.add('constant', [], { shape: [2], value: 0.5 }, { id: 'half' });
  builder.add('constant', [], { shape: [], value: 1 }, { id: 'one' });
  builder.add('add', ['x', 'w'], {}, { id: 'y' });
  builder.add('add', ['count', 'one'], {}, { id: 'more' });
  const updates = [
    { target: 'w', value: 'y' },
    { target: 'last', value: 'w' },
    { target: 'count', value: 'more' },
  ];
  return graphOf(builder, ['y', 'half', 'labels'], { updates });
}

/** Twice the weight of the other program. */
function readGraph(): Graph {
  const builder = createBuilder();
  builder.add('weight', [], { name: 'w', shape: [3], ...weight }, { id: 'w' });
  builder.add('add', ['w', 'w'], {}, { id: 'twice' });
  return graphOf(builder, ['twice']);
}

const programs = () => ({ step: emitWebGpu(stepGraph(), {}, 1), read: emitWebGpu(readGraph(), {}, 1) });
const open = (model: Readonly<Record<string, Program<WebGpuStep>>> = programs()): Promise<Session> => backend.open(modelOf(model, stepGraph()));

async function withSession(use: (session: Session) => Promise<void>): Promise<void> {
  const session = await open();
  try {
    await use(session);
  } finally {
    await session.dispose();
  }
}

const feeds = new Map<string, Float32Array | Int32Array>([['x', Float32Array.of(10, 20, 30)], ['labels', Int32Array.of(1, 2, 3, 4, 5)]]);

describe.skipIf(missing !== undefined)(`a WebGPU session${skipped}`, () => {
  it('keeps weights and states, which updates change all at once, for all programs', () =>
    withSession(async (session) => {
      expect(await session.read('w')).toEqual(Float32Array.of(0, 0, 0));
      await session.write('w', Float32Array.of(1, 2, 3));
      const first = await session.run('step', feeds, ['y', 'half', 'w', 'x', 'labels', 'count']);
      expect(first.get('y')).toEqual(Float32Array.of(11, 22, 33));
      expect(first.get('half')).toEqual(Float32Array.of(0.5, 0.5));
      expect(first.get('w')).toEqual(Float32Array.of(11, 22, 33));
      expect(first.get('x')).toEqual(Float32Array.of(10, 20, 30));
      expect(first.get('labels')).toEqual(Float32Array.of(1, 2, 3, 4, 5));
      expect(first.get('count')).toEqual(Float32Array.of(1));
      expect(await session.read('last')).toEqual(Float32Array.of(1, 2, 3));
      expect((await session.run('read', new Map(), ['twice'])).get('twice')).toEqual(Float32Array.of(22, 44, 66));
      for (let i = 0; i < 10; i++) expect((await session.run('step', feeds, [])).size).toBe(0);
      expect(await session.read('last')).toEqual(Float32Array.of(101, 202, 303));
      expect(await session.read('count')).toEqual(Float32Array.of(11));
    }));

  it('writes an update in place where nothing needs the old contents, and copies it elsewhere', () => {
    const { step } = programs();
    expect(step.updates).toEqual([{ target: 'w', value: 'y' }, { target: 'last', value: 'w' }]);
    const bound = step.steps.flatMap(({ bindings }) => bindings);
    expect(bound.filter(({ access }) => access === 'write').map(({ buffer }) => buffer)).toEqual(['count', 'y']);
    expect(bound.map(({ buffer }) => buffer)).not.toContain('more');
  });

  it('runs in the order of the calls, and gives copies', () =>
    withSession(async (session) => {
      const results = await Promise.all([1, 2, 3].map((x) => session.run('step', new Map([...feeds, ['x', Float32Array.of(x, x, x)]]), ['y'])));
      expect(results.map((result) => result.get('y')?.[0])).toEqual([1, 3, 6]);
      const weights = await session.read('w');
      weights.fill(9);
      expect(await session.read('w')).toEqual(Float32Array.of(6, 6, 6));
    }));

  it('refuses what does not fit, and works on', () =>
    withSession(async (session) => {
      await expect(session.run('other', feeds, [])).rejects.toThrow('the model has no program "other"');
      await expect(session.run('step', new Map(), [])).rejects.toThrow('there is no feed for %x');
      await expect(session.run('step', new Map([...feeds, ['x', Float32Array.of(1)]]), [])).rejects.toThrow('%x has 3 elements, not 1');
      await expect(session.run('step', feeds, ['nothing'])).rejects.toThrow('%nothing is no result');
      await expect(session.write('w', Float32Array.of(1))).rejects.toThrow('%w has 3 elements, not 1');
      await expect(session.read('y')).rejects.toThrow('%y is no weight and no state');
      expect((await session.run('step', feeds, ['y'])).get('y')).toEqual(Float32Array.of(10, 20, 30));
    }));

  it('says what it runs on, and ends once, in the middle of a run if need be', async () => {
    const session = await open();
    expect(session.backend).toBe('webgpu');
    expect(session.device).toMatch(/^WebGPU on \S/);
    const pending = session.run('step', feeds, ['y']);
    await session.dispose();
    await session.dispose();
    await pending.catch((error: unknown) => expect(String(error)).toContain('the session is disposed'));
    await expect(session.run('step', feeds, [])).rejects.toThrow('the session is disposed');
    await expect(session.read('w')).rejects.toThrow('the session is disposed');
  });

  it('tells of a device that was lost, from then on', async () => {
    let device: GPUDevice | undefined;
    const session = await webgpuBackend({ software: true, onDevice: (gpu) => (device = gpu) }).open(modelOf(programs(), stepGraph()));
    await session.run('step', feeds, ['y']);
    device?.destroy();
    await device?.lost;
    const lost = { name: 'BackendError', message: expect.stringContaining('the GPU was lost') as string, advice: expect.stringContaining('--resume') as string };
    await expect(session.run('step', feeds, ['y'])).rejects.toMatchObject(lost);
    await expect(session.run('step', feeds, [])).rejects.toMatchObject(lost);
    await expect(session.read('w')).rejects.toMatchObject(lost);
    await session.dispose();
  });

  it('names the kernel and the place where a shader does not compile', async () => {
    const { read } = programs();
    const broken = { ...read, steps: read.steps.map((step) => ({ ...step, shader: step.shader.replace('fn main', 'fn main_') .replace('let block', 'lett block') })) };
    await expect(open({ read: broken })).rejects.toMatchObject({ name: 'BackendError', message: expect.stringMatching(/the shader of add_twice does not compile here: \d+:\d+ /) as string });
  });

  it('names the bytes where a buffer is larger than the device binds', async () => {
    const { read } = programs();
    const huge: BufferSpec = { id: 'huge', dtype: 'f32', shape: [1 << 20, 1 << 12], role: { kind: 'state', value: 0 } };
    const opening = open({ read: { ...read, buffers: [...read.buffers, huge] } });
    await expect(opening).rejects.toMatchObject({ name: 'BackendError', message: expect.stringMatching(/^%huge of \[1048576, 4096\] takes 17,179,869,184 bytes, and this GPU binds [\d,]+ at once$/) as string, advice: expect.stringContaining('--batch') as string });
  });

  it('reports what WebGPU refuses at a run', async () => {
    const { read } = programs();
    const session = await open({ read: { ...read, steps: read.steps.map((step) => ({ ...step, bindings: step.bindings.map(({ access }) => ({ buffer: 'twice', access })) })) } }); // one buffer, read and written
    await expect(session.run('read', new Map(), ['twice'])).rejects.toMatchObject({ name: 'BackendError', message: expect.stringContaining('WebGPU refuses') as string });
    await session.dispose();
  });
});

describe('slots', () => {
  const temporary = (id: string, size: number): BufferSpec => ({ id, dtype: 'f32', shape: [size], role: { kind: 'temporary' } });
  const step = (writes: string, ...reads: string[]): WebGpuStep => ({
    name: writes, shader: '', workgroups: [1, 1, 1],
    bindings: [...reads.map((buffer) => ({ buffer, access: 'read' as const })), { buffer: writes, access: 'write' as const }],
    needs: { features: [], workgroupInvocations: 1, workgroupBytes: 0 },
  });
  const program = (buffers: BufferSpec[], steps: WebGpuStep[], outputs: string[]): Program<WebGpuStep> => ({
    batch: 1, buffers, steps, outputs: outputs.map((buffer) => ({ name: buffer, buffer })), updates: [], views: [],
  });

  it('are used again once their values are read for the last time, and not before', () => {
    const { slots, sizes } = planSlots(program(['a', 'b', 'c', 'd'].map((id) => temporary(id, 1000)), [step('a'), step('b', 'a'), step('c', 'b'), step('d', 'c')], ['d']));
    expect(slots.get('a')).toBe(slots.get('c'));
    expect(slots.get('b')).toBe(slots.get('d'));
    expect(sizes).toEqual([4000, 4000]);
  });

  it('hold values that are alive at once apart, results to the end, and each value whole', () => {
    const lengths = [700, 30, 1200, 64, 900, 5, 300, 2000];
    const specs = lengths.map((length, i) => temporary(`t${i}`, length));
    const steps = specs.map(({ id }, i) => step(id, ...specs.slice(Math.max(0, i - 3), i).filter((_, j) => (i + j) % 2 === 0).map((spec) => spec.id)));
    const { slots, sizes } = planSlots(program(specs, steps, ['t1', 't7']));
    const ends = specs.map(({ id }, i) => (['t1', 't7'].includes(id) ? 99 : Math.max(i, ...steps.flatMap(({ bindings }, at) => (bindings.some(({ buffer }) => buffer === id) ? [at] : [])))));
    specs.forEach((spec, a) => {
      expect(sizes[slots.get(spec.id) ?? -1]).toBeGreaterThanOrEqual(bytesOf(spec));
      specs.slice(0, a).forEach((other, b) => {
        if ((ends[b] ?? 0) >= a) expect(slots.get(other.id), `${other.id} and ${spec.id}`).not.toBe(slots.get(spec.id));
      });
    });
  });

  it('serve programs in turn, the largest of each together', () => {
    expect(jointSizes([{ slots: new Map(), sizes: [100, 10] }, { slots: new Map(), sizes: [50, 40, 5] }])).toEqual([100, 40, 5]);
    expect(jointSizes([])).toEqual([]);
  });
});
