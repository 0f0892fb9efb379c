// What an adapter can do, as it is told to the compiler, and a device opened with what a model's shaders use.

import { create } from 'webgpu';
import { describe, expect, it, vi } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import type { DeviceLimits, Model, Program, ShaderNeeds, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { findAdapter } from '../../runtime/backends/dawn.ts';
import { webgpuBackend } from '../../runtime/backends/webgpu.ts';
import { needsOf, refusal } from '../../runtime/backends/webgpu/needs.ts';
import { graphOf } from '../kernels/cases.ts';
import { missing, modelOf, skipped } from './harness.ts';

/** Dawn's device that computes nothing; it checks everything. */
const nullSource = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

/** y = exp(x), its shader asking for more than it does. */
function expModel(needs: Partial<ShaderNeeds> = {}): Model<WebGpuStep> {
  const builder = createBuilder();
  builder.add('input', [], { name: 'x', shape: [3] }, { id: 'x' });
  builder.add('exp', ['x'], {}, { id: 'y' });
  const graph = graphOf(builder, ['y']);
  const program = emitWebGpu(graph, {}, 1);
  return modelOf({ exp: { ...program, steps: program.steps.map((step) => ({ ...step, needs: { ...step.needs, ...needs } })) } }, graph);
}

describe.skipIf(missing !== undefined)(`the adapter${skipped}`, () => {
  it('is described by plain data, the same from another process as to the one that opens it', async () => {
    const adapter = await findAdapter();
    expect(JSON.parse(JSON.stringify(adapter))).toEqual(adapter);
    for (const [limit, least] of Object.entries(EVERY_DEVICE.limits)) expect(adapter.limits[limit as keyof DeviceLimits], limit).toBeGreaterThanOrEqual(least);
    expect(adapter.name).not.toBe('');
    expect(adapter.features).toContain('timestamp-query');
    const [least, most] = adapter.subgroupSizes ?? [0, 0];
    expect(least).toBeGreaterThan(0);
    expect(most).toBeGreaterThanOrEqual(least);
  });

  it('is known where its driver fails as the process that was asked ends', async () => {
    const adapter = await findAdapter();
    vi.stubEnv('NODE_OPTIONS', "--import=data:text/javascript,process.on('exit',()=>process.kill(process.pid,'SIGKILL'))");
    try {
      expect(await findAdapter()).toEqual(adapter);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.each([
    [{ workgroupInvocations: 1 << 20 }, '1,048,576 invocations in a workgroup; this adapter has'],
    [{ workgroupBytes: 1 << 24 }, '16,777,216 bytes of workgroup memory; this adapter has'],
  ] as const)('refuses a model made for another: %j', async (needs, message) => {
    await expect(webgpuBackend({ software: true }).open(expModel(needs))).rejects.toMatchObject({ name: 'BackendError', message: expect.stringContaining(message) as string, advice: expect.stringContaining('compile the net for this one') as string });
  });
});

describe('a device', () => {
  const open = async (model: Model<WebGpuStep>): Promise<GPUDevice> => {
    let device: GPUDevice | undefined;
    const session = await webgpuBackend({ source: nullSource, onDevice: (gpu) => (device = gpu) }).open(model);
    await session.dispose();
    if (!device) throw new Error('no device');
    return device;
  };

  it('has the features that the shaders use, and the clock, but no others', async () => {
    const with16 = await open(expModel({ features: ['shader-f16', 'subgroups'] }));
    expect(with16.features.has('shader-f16')).toBe(true);
    expect(with16.features.has('timestamp-query')).toBe(true);
    expect((await open(expModel())).features.has('shader-f16')).toBe(false);
  });

  it('needs the most that any shader of any program needs', () => {
    const { programs } = expModel();
    const more = expModel({ features: ['shader-f16'], workgroupInvocations: 512, workgroupBytes: 4096 }).programs;
    const needs = needsOf({ ...expModel(), programs: { a: programs['exp'] as never, b: more['exp'] as never } });
    expect(needs).toEqual({ features: ['shader-f16'], limits: { storageBuffers: 2, workgroupsPerDimension: 1, workgroupInvocations: 512, workgroupBytes: 4096 } });
    expect(refusal(needs, { ...EVERY_DEVICE, features: ['shader-f16'] })).toBe('512 invocations in a workgroup; this adapter has 256');
    expect(refusal(needs, EVERY_DEVICE)).toBe('the feature shader-f16, which this adapter lacks');
    expect(refusal(needsOf({ ...expModel(), programs: {} }), EVERY_DEVICE)).toBeUndefined();
    const wide = { ...programs['exp'] as Program<WebGpuStep>, steps: programs['exp']?.steps.map((step) => ({ ...step, workgroups: [1, 70_000, 1] as const })) ?? [] };
    expect(refusal(needsOf({ ...expModel(), programs: { wide } }), EVERY_DEVICE)).toBe('70,000 workgroups side by side; this adapter has 65,535');
  });
});
