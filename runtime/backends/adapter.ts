// What a GPU adapter is, and what it can do.

import type { DeviceFeature, DeviceLimits, DeviceProfile, MatrixShape } from '../../compiler/5-emit/model.ts';

export interface Adapter extends DeviceProfile {
  /** For people. */
  readonly name: string;
  /** What it says of itself: all of this together tells one device and driver from another. */
  readonly vendor: string;
  readonly architecture: string;
  readonly model: string;
  readonly driver: string;
  /** Drawn by the processor: never a GPU. */
  readonly software: boolean;
}

/** What is read of a GPUAdapter, as plain data. */
export interface Answer {
  readonly info: Readonly<Record<'vendor' | 'architecture' | 'device' | 'description', string>> & {
    readonly isFallbackAdapter: boolean;
    readonly subgroupMinSize?: number;
    readonly subgroupMaxSize?: number;
  };
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly matrices: readonly MatrixConfig[];
}

/** An entry of GPUAdapterInfo.subgroupMatrixConfigs (WebGPU proposal "Subgroup Matrix"). */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** WebGPU's names of the limits. */
export const LIMIT_NAMES = {
  storageBuffers: 'maxStorageBuffersPerShaderStage',
  workgroupsPerDimension: 'maxComputeWorkgroupsPerDimension',
  workgroupInvocations: 'maxComputeInvocationsPerWorkgroup',
  workgroupBytes: 'maxComputeWorkgroupStorageSize',
  bufferBytes: 'maxBufferSize',
  bindingBytes: 'maxStorageBufferBindingSize',
} as const satisfies { readonly [L in keyof DeviceLimits]: keyof GPUSupportedLimits };

const FEATURES: { readonly [F in DeviceFeature]: true } = {
  'shader-f16': true,
  subgroups: true,
  'subgroup-size-control': true,
  'chromium-experimental-subgroup-matrix': true,
  'timestamp-query': true,
};

export const ADAPTER_OPTIONS = { powerPreference: 'high-performance' } as const;

/** What an open adapter is. */
export const profileOf = (adapter: GPUAdapter): Adapter => describe(answerOf(adapter));

export function describe({ info, features, limits, matrices }: Answer): Adapter {
  const { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } = info;
  // Dawn describes an adapter by its driver alone; browsers may name neither.
  const name = device || description || [vendor, architecture].filter(Boolean).join(' ') || 'an unnamed adapter';
  return {
    name,
    vendor,
    architecture,
    model: device,
    driver: description,
    software: isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(`${device} ${description} ${architecture}`),
    limits: Object.fromEntries(Object.entries(LIMIT_NAMES).map(([limit, known]) => [limit, limits[known] ?? 0])) as unknown as DeviceLimits,
    features: (Object.keys(FEATURES) as DeviceFeature[]).filter((feature) => features.includes(feature)),
    ...(subgroupMinSize !== undefined && subgroupMaxSize !== undefined && { subgroupSizes: [subgroupMinSize, subgroupMaxSize] as const }),
    matrices: matrices.flatMap(shapeOf),
  };
}

/** A configuration of numbers; those of integers are left out. */
function shapeOf({ componentType: factors, resultComponentType: sums, M, N, K }: MatrixConfig): MatrixShape[] {
  const isFloat = (type: string): type is 'f16' | 'f32' => type === 'f16' || type === 'f32';
  return isFloat(factors) && isFloat(sums) ? [{ rows: M, columns: N, depth: K, factors, sums }] : [];
}

function answerOf({ info, features, limits }: GPUAdapter): Answer {
  const { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } = info;
  const { subgroupMatrixConfigs = [] } = info as { readonly subgroupMatrixConfigs?: readonly MatrixConfig[] };
  const sizes = subgroupMinSize !== undefined && subgroupMaxSize !== undefined ? { subgroupMinSize, subgroupMaxSize } : {};
  return {
    info: { vendor, architecture, device, description, isFallbackAdapter, ...sizes },
    features: [...features],
    limits: Object.fromEntries(Object.values(LIMIT_NAMES).map((name) => [name, limits[name]])),
    matrices: [...subgroupMatrixConfigs],
  };
}
