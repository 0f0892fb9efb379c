// zz doctor: what it says of GPUs and of Vulkan.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gpuFindings } from '../../cli/doctor/gpu.ts';
import { vulkanFinding } from '../../cli/doctor/vulkan.ts';
import type { Adapter } from '../../runtime/backends/adapter.ts';

const H100: Adapter = {
  name: 'NVIDIA: 580.159.4', vendor: 'nvidia', architecture: 'hopper', model: 'NVIDIA H100 80GB HBM3', driver: 'NVIDIA: 580.159.4', software: false,
  limits: { storageBuffers: 16, workgroupsPerDimension: 65535, workgroupInvocations: 1024, workgroupBytes: 49152, bufferBytes: 2 ** 40, bindingBytes: 2 ** 31 - 4 },
  features: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix', 'timestamp-query'],
  subgroupSizes: [32, 32],
  matrices: [{ rows: 16, columns: 16, depth: 16, factors: 'f16', sums: 'f32' }, { rows: 16, columns: 8, depth: 16, factors: 'f16', sums: 'f32' }, { rows: 16, columns: 8, depth: 16, factors: 'f16', sums: 'f32' }],
};

describe('the GPU', () => {
  test('with all that training can use', () => {
    expect(gpuFindings(H100).map(({ what, state, detail }) => `${what}: ${state}: ${detail}`)).toEqual([
      'gpu (Dawn): ok: NVIDIA H100 80GB HBM3, NVIDIA: 580.159.4, nvidia hopper',
      'gpu 16-bit floats: ok: shader-f16: --precision f16 runs',
      'gpu matrix units: ok: f16 16x16x16 with f32 sums; f16 16x8x16 with f32 sums',
      'gpu subgroups: ok: of 32 invocations',
      'gpu timestamps: ok: timestamp-query: kernels are timed on the device',
      'gpu limits: ok: 1024 invocations and 48 KiB of memory in a workgroup, 16 buffers in a shader, 1.75 GiB in a buffer',
    ]);
  });

  test('with little: each thing that is missing has a consequence and a way out', () => {
    const missing = gpuFindings({ ...H100, features: [], matrices: [] }).filter(({ state }) => state === 'missing');
    expect(missing.map(({ what }) => what)).toEqual(['gpu 16-bit floats', 'gpu matrix units', 'gpu subgroups', 'gpu timestamps']);
    expect(missing.every(({ advice }) => advice !== undefined)).toBe(true);
  });

  test('that is none', () => {
    expect(gpuFindings({ ...H100, software: true })[0]).toMatchObject({ state: 'missing', detail: 'only a software adapter: NVIDIA: 580.159.4' });
    expect(gpuFindings('WebGPU finds no adapter')).toEqual([expect.objectContaining({ state: 'missing', detail: 'WebGPU finds no adapter' })]);
  });
});

describe('Vulkan', () => {
  let base: string;
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'zz-vulkan-'));
  });
  afterAll(() => rm(base, { recursive: true }));

  /** A file system with such files. */
  async function rootWith(files: Readonly<Record<string, string>>): Promise<string> {
    const root = await mkdtemp(join(base, 'root-'));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    return root;
  }
  const LOADER = { 'usr/lib/x86_64-linux-gnu/libvulkan.so.1': '' };
  const driver = (library: string): string => JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.3.0' } });

  test.each<[string, Record<string, string>, string, string, RegExp | undefined]>([
    ['nothing', {}, 'missing', 'no loader (libvulkan.so.1); no drivers; no GPU in /dev', /apt install libvulkan1/],
    ['a GPU and a loader, no driver', { ...LOADER, 'dev/dri/renderD128': '', 'dev/dri/card0': '' }, 'missing', 'loader; no drivers; renderD128', /mesa-vulkan-drivers/],
    ['an NVIDIA GPU whose driver lacks Vulkan', { ...LOADER, 'dev/nvidia0': '', 'dev/nvidiactl': '', 'usr/share/vulkan/icd.d/lvp_icd.x86_64.json': driver('libvulkan_lvp.so') }, 'missing', 'loader; drivers lvp; nvidia0', /NVIDIA_DRIVER_CAPABILITIES=all/],
    ['an NVIDIA GPU', { ...LOADER, 'dev/nvidia0': '', 'etc/vulkan/icd.d/nvidia_icd.json': driver('libGLX_nvidia.so.0') }, 'ok', 'loader; drivers nvidia; nvidia0', undefined],
    ['drivers that cannot be loaded', { ...LOADER, 'etc/vulkan/icd.d/a_icd.json': '{', 'etc/vulkan/icd.d/b_icd.json': '{}', 'etc/vulkan/icd.d/c_icd.json': driver('./c.so'), 'etc/vulkan/icd.d/d_icd.json': driver('./d.so'), 'etc/vulkan/icd.d/d.so': '' }, 'ok',
      'loader; drivers a (its file is damaged), b (not a driver file), c (file or library missing), d; no GPU in /dev', undefined],
  ])('%s', async (_, files, state, detail, advice) => {
    const found = await vulkanFinding({}, await rootWith(files));
    expect(found).toMatchObject({ what: 'vulkan', state, detail });
    expect(found.advice ?? '').toMatch(advice ?? /^$/);
  });

  test('drivers that the environment chooses are the ones that count', async () => {
    const root = await rootWith({ ...LOADER, 'etc/vulkan/icd.d/a_icd.json': driver('a.so'), 'opt/b.json': driver('b.so') });
    expect((await vulkanFinding({ VK_ICD_FILENAMES: `${join(root, 'opt/b.json')}:/nowhere/c_icd.json` }, root)).detail).toBe('loader; drivers by VK_DRIVER_FILES or VK_ICD_FILENAMES b, c (file or library missing); no GPU in /dev');
  });
});
