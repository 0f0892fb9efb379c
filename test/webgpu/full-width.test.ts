// The five networks at full width, 50 and 512 readings a step: no shader, binding or dispatch asks for more than the device has that it was written for, be it what every
// device has or what large ones have. A device that computes nothing, but checks everything, compiles them, and takes steps of 50 readings.

import { readFileSync } from 'node:fs';
import { create } from 'webgpu';
import { expect, test } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { compileModel } from '../../compiler/compile.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import type { DeviceProfile, Model, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { webgpuBackend } from '../../runtime/backends/webgpu.ts';
import { bytesOf, stepsOf } from '../../runtime/backends/webgpu/memory.ts';
import { compilePipelines } from '../../runtime/backends/webgpu/pipelines.ts';
import { trainSelection } from '../../runtime/data/loader.ts';
import { syntheticDataset } from '../../runtime/data/synthetic.ts';

const LARGE: DeviceProfile = {
  ...EVERY_DEVICE,
  limits: { storageBuffers: 16, workgroupsPerDimension: 65535, workgroupInvocations: 1024, workgroupBytes: 49152, bufferBytes: 2 ** 32, bindingBytes: 2 ** 31 },
};

/** A net's training program for so many readings a step; d and e enter each image twice. */
function compile(net: string, readings: number, device: DeviceProfile): Model<WebGpuStep> {
  const path = `${net}.zz`;
  const program = loadProgram(path, memoryReader({ [path]: readFileSync(new URL(`../../dsl-examples/${path}`, import.meta.url), 'utf8') }));
  const batch = ['case-d', 'case-e'].includes(net) ? readings / 2 : readings;
  const compiled = compileModel(program, undefined, { train: { mode: 'train', batch } }, { fused: true, emit: (graph, images, filledTo) => emitWebGpu(graph, { device }, images, filledTo) }, {});
  if ('diagnostics' in compiled) throw new Error(`${net} does not compile`);
  return compiled.model;
}

/** What asks for more than the limits say, or counts beyond an i32. */
function excesses({ programs }: Model<WebGpuStep>, { limits }: DeviceProfile): string[] {
  return Object.values(programs).flatMap((program) => {
    const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
    return stepsOf(program).flatMap(({ name, bindings, workgroups, needs }) => {
      const bytes = bindings.map(({ buffer }) => { const spec = specs.get(buffer); return spec ? bytesOf(spec) : 0; });
      const asked: [string, number, number][] = [
        ['storage buffers', bindings.length, limits.storageBuffers],
        ['workgroups', Math.max(...workgroups), limits.workgroupsPerDimension],
        ['invocations of all', needs.workgroupInvocations * workgroups.reduce((a, b) => a * b, 1), 2 ** 31 - 1],
        ['invocations', needs.workgroupInvocations, limits.workgroupInvocations],
        ['bytes in a workgroup', needs.workgroupBytes, limits.workgroupBytes],
        ['bytes of a binding', Math.max(0, ...bytes), 2 ** 31],
      ];
      return asked.flatMap(([what, wanted, most]) => (wanted > most ? [`${name}: ${wanted} ${what}, of ${most}`] : []));
    });
  });
}

const source = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

test.each(['case-a', 'case-b', 'case-c', 'case-d', 'case-e'])('%s', async (net) => {
  const [small, large] = [compile(net, 50, EVERY_DEVICE), compile(net, 512, EVERY_DEVICE)];
  const forLarge = compile(net, 512, LARGE);
  expect([small, large].flatMap((model) => excesses(model, EVERY_DEVICE))).toEqual([]);
  expect(excesses(forLarge, LARGE)).toEqual([]);
  expect(excesses(forLarge, EVERY_DEVICE)).not.toEqual([]);

  let gpu: GPUDevice | undefined;
  const session = await webgpuBackend({ source, software: true, onDevice: (device) => (gpu = device) }).open(small);
  if (!gpu) throw new Error('no device');
  await expect(compilePipelines(gpu, Object.values(large.programs).flatMap(stepsOf))).resolves.toBeInstanceOf(Map);

  const { batch = 0, views = [], loss = '' } = small.programs['train'] ?? {};
  const { seed, normalize } = small.train;
  const dataset = syntheticDataset({ train: 2 * batch, test: 1 });
  const runner = await session.load?.({ splits: { train: dataset.train } });
  for (let step = 0; step < 2; step++) {
    await runner?.begin({ program: 'train', selection: trainSelection(dataset, { batch, views, seed, normalize }, step), clock: { step, stepsPerEpoch: 2, totalSteps: 2 }, wanted: [loss] });
  }
  expect(await runner?.finish()).toHaveLength(2);
  await session.dispose();
});
