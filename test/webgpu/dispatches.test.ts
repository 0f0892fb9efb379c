// How many dispatches a training step takes: weights are updated together, small tasks share a workgroup, and neither changes a result or goes beyond what a device has.

import { create } from 'webgpu';
import { describe, expect, test } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { compileModel } from '../../compiler/compile.ts';
import type { Precision } from '../../compiler/3-passes/precision.ts';
import type { BufferId, BufferSpec, DeviceProfile, Model, Program, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { isKept, partsOf } from '../../runtime/backends/buffers.ts';
import { webgpuBackend } from '../../runtime/backends/webgpu.ts';
import { bytesOf, lengthOf, offsetOf } from '../../runtime/backends/webgpu/memory.ts';
import { NumericsError } from '../../runtime/numerics.ts';
import { relativeError } from '../kernels/cases.ts';
import { example } from '../passes/nets.ts';
import { backend, missing, skipped } from './harness.ts';
import { differences } from './steps.ts';

const withLimits = (limits: Partial<DeviceProfile['limits']>): DeviceProfile => ({ ...EVERY_DEVICE, features: ['shader-f16'], limits: { ...EVERY_DEVICE.limits, ...limits } });

interface Options {
  readonly device?: DeviceProfile;
  readonly precision?: Precision;
  readonly batch?: number;
}

function compile(text: string, { device = withLimits({}), precision = 'f32', batch = 25 }: Options = {}): Model<WebGpuStep> {
  const program = loadProgram('net.zz', memoryReader({ 'net.zz': text }));
  const layout = { train: { mode: 'train', batch }, evaluate: { mode: 'evaluate', batch } } as const;
  const compiled = compileModel(program, undefined, layout, { fused: true, emit: (graph, images, filledTo) => emitWebGpu(graph, { device }, images, filledTo) }, { precision });
  if ('diagnostics' in compiled) throw new Error(compiled.diagnostics.map(({ message }) => message).join('\n'));
  return compiled.model;
}

const step = (text: string, options?: Options): Program<WebGpuStep> => compile(text, options).programs['train'] as Program<WebGpuStep>;

/** The values that a step writes, those in arenas too. */
const written = (each: WebGpuStep): readonly string[] => partsOf(each).flatMap(({ writes }) => writes);

const updating = ({ steps, buffers }: Program<WebGpuStep>): WebGpuStep[] => {
  const weights = new Set(buffers.filter(({ role }) => role.kind === 'weight').map(({ id }) => id));
  return steps.filter((each) => written(each).some((id) => weights.has(id)));
};

const branches = ({ shader }: WebGpuStep): number => 1 + (shader.match(/if block </g) ?? []).length;

/** Layers of a net of dense layers and biases: widths of no, of one, and of more vectors of four. */
const net = (train: string, bias = true): string => `net Layers {
  input image: [32, 32, 3]
  logits = image -> avgpool(4) -> flatten -> dense(64, bias: ${bias}) -> tanh -> dense(33, bias: ${bias}) -> tanh -> dense(3, bias: ${bias}) -> tanh -> dense(10, bias: ${bias})
  output logits
  loss softmax_cross_entropy(logits)
  train { ${train} }
}`;

const OPTIMIZERS = [
  'optimizer adam(lr: 1e-3)',
  'optimizer adam(lr: 1e-3) weight_decay 0.1 clip_norm 0.5',
  'optimizer amsgrad(lr: 1e-3) schedule cosine(warmup: 2)',
  'optimizer adamw(lr: 1e-3) weight_decay 0.1',
  'optimizer rmsprop(lr: 1e-3, momentum: 0.9) weight_decay 0.01',
  'optimizer sgd(lr: 0.05)',
  'optimizer sgd(lr: 0.05, momentum: 0.9, nesterov: true) weight_decay 0.01 clip_norm 1',
];

describe('updates', () => {
  test.each(OPTIMIZERS)('of all weights are one dispatch: %s', (train) => {
    for (const [precision, storageBuffers] of [['f32', 8], ['f32', 16], ['f16', 8], ['f16', 16]] as const) {
      const program = step(net(train), { precision, device: withLimits({ storageBuffers }) });
      expect(updating(program)).toHaveLength(1);
      expect(program.updates).toEqual([]);
    }
  });

  test('of congruent weights are one computation over all of them, with a branch for each kind', () => {
    expect(updating(step(net('optimizer adam(lr: 1e-3)', false))).map(branches)).toEqual([1]);
    const decaying = updating(step(net('optimizer adam(lr: 1e-3) weight_decay 0.1')));
    // Matrices that decay, and biases that do not.
    expect(decaying.map(branches)).toEqual([2]);
  });

  test('count as much work as one by one', () => {
    const work = ({ steps }: Program<WebGpuStep>): number[] => (['operations', 'bytes'] as const).map((key) => steps.reduce((sum, each) => sum + (each.work?.[key] ?? 0), 0));
    const [apart, together] = [2 ** 12, 2 ** 27].map((bindingBytes) => step(net('optimizer adam(lr: 1e-3)', false), { device: withLimits({ bindingBytes }) }));
    if (!apart || !together) throw new Error('two programs');
    expect(updating(apart).length).toBeGreaterThan(1);
    expect(work(together)).toEqual(work(apart));
  });

  test.each(['f32', 'f16'] as const)('of more layers are no more dispatches, in %s', (precision) => {
    const counts = [8, 16].map((layers) => {
      const deep = net('optimizer adam(lr: 1e-3) weight_decay 0.1 clip_norm 1').replace('flatten', `flatten ${'-> dense(32) -> tanh '.repeat(layers)}`);
      const program = step(deep, { precision, batch: 16 });
      expect(updating(program)).toHaveLength(1);
      return program.steps.length;
    });
    // A product forward and two backward, and the sum of the bias's gradient.
    expect((counts[1] ?? 0) - (counts[0] ?? 0)).toBeLessThanOrEqual(4 * 8);
  });

  test('of streams whose gradients are parts of one are in the same dispatch', () => {
    const [only, ...more] = updating(step(example('case-a')));
    expect(more).toEqual([]);
    expect(only && written(only).filter((id) => id.startsWith('w.')).sort()).toEqual(['w.1', 'w.2', 'w.3', 'w.4', 'w.5', 'w.6', 'w.L.1', 'w.L.2', 'w.R.1', 'w.R.2']);
  });
});

describe('arenas', () => {
  test.each([2 ** 10, 2 ** 14, 2 ** 16, 2 ** 18])('of at most %i bytes hold what lies in them, at places that can be bound', (bindingBytes) => {
    const program = step(net('optimizer adam(lr: 1e-3) weight_decay 0.1'), { device: withLimits({ bindingBytes }) });
    const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
    const ends = new Map<string, number>();
    for (const spec of program.buffers.filter(({ within }) => within).sort((a, b) => offsetOf(a) - offsetOf(b))) {
      const arena = spec.within?.arena ?? '';
      expect(offsetOf(spec) % 256).toBe(0);
      expect(offsetOf(spec)).toBeGreaterThanOrEqual(ends.get(arena) ?? 0);
      ends.set(arena, offsetOf(spec) + bytesOf(spec));
      expect(specs.get(arena)).toMatchObject({ dtype: spec.dtype });
    }
    for (const [arena, end] of ends) {
      const spec = specs.get(arena);
      expect(spec && bytesOf(spec)).toBeGreaterThanOrEqual(end);
      expect(spec && bytesOf(spec)).toBeLessThanOrEqual(bindingBytes);
    }
    if (bindingBytes === 2 ** 10) expect(updating(program).length).toBeGreaterThan(1);
    if (bindingBytes === 2 ** 18) expect(updating(program)).toHaveLength(1);
    if (bindingBytes > 2 ** 10) expect(ends.size).toBeGreaterThan(0);
  });

  test('are of programs that update; others find weights in them', () => {
    const { programs } = compile(net('optimizer adam(lr: 1e-3)'), { precision: 'f16' });
    const kept = (name: string): (string | undefined)[] => programs[name]?.buffers.flatMap(({ role, within }) => (role.kind === 'weight' ? [within?.arena] : [])) ?? [];
    expect(new Set(kept('train'))).toEqual(new Set(['arena.weights']));
    expect(new Set(kept('evaluate'))).toEqual(new Set([undefined]));
  });

  test('no dispatch binds a buffer as a whole and in parts, and none for which another buffer is only read', () => {
    for (const name of ['case-a', 'case-e', 'mlp', 'siamese']) {
      for (const precision of ['f32', 'f16'] as const) {
        const { steps, buffers } = step(example(name), { precision, device: withLimits({ storageBuffers: 16 }) });
        const arenaOf = new Map(buffers.map(({ id, within }) => [id, within?.arena ?? id]));
        for (const { bindings } of steps) expect(new Set(bindings.map(({ buffer }) => arenaOf.get(buffer))).size).toBe(bindings.length);
      }
    }
  });
});

describe('small tasks', () => {
  const staged = ({ steps }: Program<WebGpuStep>): WebGpuStep[] => steps.filter(({ shader }) => shader.includes('storageBarrier'));

  test('that follow each other are one workgroup: the loss, the right answers and the gradient', () => {
    const [only, ...more] = staged(step(example('case-d')));
    expect(more).toEqual([]);
    expect(only).toMatchObject({ name: 'reduce_mean_24 + softmax_cross_entropy_25', workgroups: [1, 1, 1], needs: { workgroupInvocations: 256 } });
  });

  test('are no longer small with so many elements that a workgroup takes long', () => {
    const softmax = (batch: number): number => step(example('case-d'), { batch }).steps.filter(({ name }) => name.includes('softmax')).length;
    expect(softmax(25)).toBe(1);
    expect(softmax(256)).toBeGreaterThan(1);
    expect(staged(step(example('case-d'), { batch: 4096 }))).toEqual([]);
  });

  test('of devices with small workgroups are smaller', () => {
    const [only] = staged(step(example('case-d'), { device: withLimits({ workgroupInvocations: 64 }) }));
    expect(only?.needs.workgroupInvocations).toBe(64);
  });
});

test('no step is merged with a product, or with one that waits for a product in between', () => {
  const { steps } = step(example('case-d'));
  const names = steps.map(({ name }) => name);
  expect(names.filter((name) => name.includes('conv2d') && name.includes(' + '))).toEqual([]);
  expect(names.indexOf('conv2d_3_pool')).toBe(names.indexOf('conv2d_3') + 1);
});

test.each(['f32', 'f16'] as const)('shaders with arenas and branches compile in %s', async (precision) => {
  const source = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  for (const text of [...OPTIMIZERS.map((train) => net(train)), example('case-a'), example('case-d'), example('case-e'), example('mlp')]) {
    const session = await webgpuBackend({ source, software: true }).open(compile(text, { precision }));
    await session.dispose();
  }
});

describe.skipIf(missing !== undefined)(`on a device${skipped}`, () => {
  test.each(OPTIMIZERS)('three steps give what the evaluator gives: %s', async (train) => {
    expect(await differences(backend, net(`${train} batch 2`), undefined, 3, { options: { device: EVERY_DEVICE }, width: 1 })).toEqual({});
  });

  test.each([
    { storageBuffers: 6 },
    { storageBuffers: 12 },
    { bindingBytes: 2 ** 13 },
    { workgroupInvocations: 16, workgroupsPerDimension: 128 },
  ])('and so with other limits: %o', async (limits) => {
    const device = { ...EVERY_DEVICE, limits: { ...EVERY_DEVICE.limits, ...limits } };
    const tiling = limits.workgroupInvocations === 16 ? () => undefined : undefined;
    for (const train of OPTIMIZERS.slice(1, 3)) {
      expect(await differences(backend, net(`${train} batch 2`), undefined, 2, { options: { device, ...(tiling && { tiling }) }, width: 1 })).toEqual({});
    }
  });

  test('a product of more values than a device binds is computed of parts that are stored first', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    const text = `net Net {
      input image: [32, 32, 3]
      ${names.map((name) => `${name} = image -> avgpool(8) -> conv(2) -> sigmoid`).join('\n')}
      output logits = a -> globalavgpool -> dense(10)
      loss softmax_cross_entropy(logits)
      loss mean(${names.join(' * ')})
      train { optimizer sgd(lr: 0.1) }
    }`;
    expect(await differences(backend, text, undefined, 2, { options: { device: EVERY_DEVICE }, width: 1 })).toEqual({});
  });

  test('terms of a reduction that read more than a device binds are stored first', async () => {
    const text = `net Net {
      input image: [32, 32, 3]
      a = image -> avgpool(4) -> layernorm
      b = mean(a, axis: 2, keep: true) -> batchnorm
      c = b -> batchnorm -> slice(axis: channel, start: 1)
      output logits = concat(tanh(globalavgpool(c)), tanh(globalavgpool(b -> conv(16, stride: 2))), tanh(globalavgpool(a -> conv(15, k: 7, groups: 3)))) -> dense(10)
      loss softmax_cross_entropy(logits)
      loss 0.2 * mse(tanh(b), sigmoid(b))
      train { optimizer sgd(lr: 0.1) }
    }`;
    expect(await differences(backend, text, undefined, 2, { options: { device: EVERY_DEVICE }, width: 1 })).toEqual({});
  });

  test('weights that nothing updates stay as they are between those that are', async () => {
    const text = net('optimizer adam(lr: 1e-3) weight_decay 0.1 batch 2').replace('-> dense(33, bias: true) -> tanh', '-> dense(33, bias: true) -> stop_gradient -> dense(16) -> tanh');
    expect(updating(step(text)).flatMap(written)).not.toContain('w.1');
    expect(await differences(backend, text, undefined, 3, { options: { device: EVERY_DEVICE }, width: 1 })).toEqual({});
  });

  const text = net('optimizer adam(lr: 1e-3)');
  const feedsOf = (model: Model<WebGpuStep>, name: string): Map<BufferId, Float32Array> => {
    const fed = model.programs[name]?.buffers.filter(({ role }) => ['input', 'labels', 'scalar'].includes(role.kind)) ?? [];
    return new Map(fed.map((spec, i) => [spec.id, Float32Array.from({ length: lengthOf(spec) }, (_, j) => (spec.role.kind === 'input' ? Math.sin(i + j) : 1))]));
  };
  const keptOf = (model: Model<WebGpuStep>): BufferSpec[] => model.programs['train']?.buffers.filter(isKept) ?? [];

  test('weights in arenas are written and read each for itself, and are those of the other programs', async () => {
    const model = compile(text, { batch: 2 });
    const session = await backend.open(model);
    try {
      const values = new Map(keptOf(model).map((spec, i) => [spec.id, Float32Array.from({ length: lengthOf(spec) }, (_, j) => 0.01 * Math.cos(100 * i + j))]));
      for (const [id, each] of values) await session.write(id, each);
      for (const [id, each] of values) expect(await session.read(id)).toEqual(each);
      const { logits = '' } = model.programs['evaluate'] ?? {};
      const evaluated = async (): Promise<Float32Array | undefined> => (await session.run('evaluate', feedsOf(model, 'evaluate'), [logits])).get(logits);
      const before = await evaluated();
      const trained = await session.run('train', feedsOf(model, 'train'), ['w.1', logits]);
      expect(relativeError(trained.get(logits) ?? [], before ?? [])).toBeLessThan(1e-5);
      expect(trained.get('w.1')).toEqual(await session.read('w.1'));
      expect(trained.get('w.1')).not.toEqual(values.get('w.1'));
      const after = await evaluated();
      expect(after).not.toEqual(before);
      // The weights that training has left give the same scores, written anew.
      for (const { id } of keptOf(model)) await session.write(id, await session.read(id));
      expect(await evaluated()).toEqual(after);
    } finally {
      await session.dispose();
    }
  });

  test('a checked run names the weight that is no longer finite, though all are updated together', async () => {
    const model = compile(text, { batch: 2 });
    const session = await backend.open(model, { checkNumerics: true });
    try {
      for (const spec of keptOf(model)) await session.write(spec.id, new Float32Array(lengthOf(spec)).fill(spec.id === 'w.3' ? 3.4e38 : 0));
      await session.write('m.w.3', new Float32Array(lengthOf(keptOf(model).find(({ id }) => id === 'm.w.3') as BufferSpec)).fill(-3e38));
      const error: unknown = await session.run('train', feedsOf(model, 'train'), []).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(NumericsError);
      const { finding } = error as NumericsError;
      expect(finding.found.map(({ buffer }) => buffer)).toEqual(['w.3']);
      expect(finding.inputs.map(({ buffer }) => buffer)).toEqual(expect.arrayContaining(['m.w.3', 'v.w.3', 'w.3']));
      expect(finding.inputs.map(({ buffer }) => buffer)).not.toContain('w.1');
    } finally {
      await session.dispose();
    }
  });

  test('a profile has a row for each dispatch', async () => {
    const model = compile(text, { batch: 2 });
    const session = await backend.open(model);
    try {
      const [run] = (await session.profiler?.run('train', feedsOf(model, 'train'), 1)) ?? [];
      if (session.profiler) expect(run?.steps).toHaveLength(model.programs['train']?.steps.length ?? 0);
    } finally {
      await session.dispose();
    }
  });
});
