// What zz doctor says of the GPU: which adapter WebGPU gives, and what of it training uses.

import type { DeviceFeature, MatrixShape } from '../../compiler/5-emit/model.ts';
import type { Adapter } from '../../runtime/backends/adapter.ts';
import type { Finding } from './finding.ts';

const NO_GPU = 'Install a GPU driver with Vulkan (Linux: libvulkan1 and the maker\'s driver), Metal or Direct3D 12; without one zz runs on the processor.';

/** The adapter, and what it can do; or the reason why there is none. */
export function gpuFindings(found: Adapter | string): Finding[] {
  const what = 'gpu (Dawn)';
  if (typeof found === 'string') return [{ what, state: 'missing', detail: found, advice: NO_GPU }];
  const adapter: Finding = found.software
    ? { what, state: 'missing', detail: `only a software adapter: ${found.name}`, advice: NO_GPU }
    : { what, state: 'ok', detail: named(found) };
  return [adapter, ...CAPABILITIES.map(({ feature, is, ok, missing, advice }): Finding => {
    const has = feature === 'matrices' ? found.matrices.length > 0 : found.features.includes(feature);
    return has ? { what: is, state: 'ok', detail: ok(found) } : { what: is, state: 'missing', detail: missing, advice };
  }), limits(found)];
}

/** Model, driver and maker, each once. */
const named = ({ model, driver, vendor, architecture }: Adapter): string => [...new Set([model, driver, [vendor, architecture].filter(Boolean).join(' ')].filter(Boolean))].join(', ');

interface Capability {
  readonly feature: DeviceFeature | 'matrices';
  readonly is: string;
  readonly ok: (adapter: Adapter) => string;
  readonly missing: string;
  readonly advice: string;
}

const NEWER = 'A newer driver may bring it.';

const CAPABILITIES: readonly Capability[] = [
  {
    feature: 'shader-f16',
    is: 'gpu 16-bit floats',
    ok: () => 'shader-f16: --precision f16 runs',
    missing: 'no shader-f16: --precision f16 does not run on this adapter',
    advice: `${NEWER} f32 runs on every adapter.`,
  },
  {
    feature: 'matrices',
    is: 'gpu matrix units',
    ok: ({ matrices }) => [...new Set(matrices.map(shown))].join('; '),
    missing: 'no products by subgroups: f16 runs without the GPU\'s matrix units (tensor cores)',
    advice: 'On Linux they come with drivers that have VK_KHR_cooperative_matrix.',
  },
  {
    feature: 'subgroups',
    is: 'gpu subgroups',
    ok: ({ subgroupSizes: [least, most] = [0, 0] }) => (least === most ? `of ${least} invocations` : `of ${least} to ${most} invocations`),
    missing: 'none',
    advice: NEWER,
  },
  {
    feature: 'timestamp-query',
    is: 'gpu timestamps',
    ok: () => 'timestamp-query: kernels are timed on the device',
    missing: 'no timestamp-query: tuning goes by the host\'s clock, and zz bench --profile has no times of kernels',
    advice: NEWER,
  },
];

const shown = ({ rows, columns, depth, factors, sums }: MatrixShape): string => `${factors} ${rows}x${columns}x${depth} with ${sums} sums`;

const limits = ({ limits: { workgroupInvocations, workgroupBytes, storageBuffers, bufferBytes, bindingBytes } }: Adapter): Finding => ({
  what: 'gpu limits',
  state: 'ok',
  detail: `${workgroupInvocations} invocations and ${size(workgroupBytes)} of memory in a workgroup, ${storageBuffers} buffers in a shader, ${size(Math.min(bufferBytes, bindingBytes))} in a buffer`,
});

/** Bytes in the largest unit of which there is a whole number of quarters. */
function size(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${Math.floor((4 * bytes) / 2 ** (10 * power)) / 4} ${['bytes', 'KiB', 'MiB', 'GiB'][power] ?? ''}`;
}
