// Which GPU adapter WebGPU gives here, and what it can do. In Node the question is put in a process of its own: drivers write warnings to standard error, and a
// broken one can end the process that loads it.

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
interface Answer {
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

/**
 * Toggles of Dawn. The first three show Node the 16-bit numbers and matrices of subgroups that an adapter has. The other two leave out what our shaders do not
 * need: an index that is confined at every access (none is out of bounds: test/webgpu/bounds.test.ts), and workgroup memory filled with zeros (all of it is
 * written before it is read). Browsers do both.
 */
const TOGGLES = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', 'use_vulkan_memory_model', 'disable_robustness', 'disable_workgroup_init'];
export const DAWN_FLAGS: readonly string[] = [`enable-dawn-features=${TOGGLES.join(',')}`];

export const ADAPTER_OPTIONS = { powerPreference: 'high-performance' } as const;

/** Seconds after which a driver that does not answer counts as missing. */
const PATIENCE = 20;

/** The adapter, or Error with the reason why there is none. */
export const findAdapter = async (): Promise<Adapter> => describe(hasDawn() ? await askElsewhere() : answerOf(await ownAdapter()));

/** Whether WebGPU comes from the `webgpu` package here, and not from a browser. */
const hasDawn = (): boolean => typeof process !== 'undefined' && process.versions?.node !== undefined;

let dawn: Promise<GPU> | undefined;

/** navigator.gpu, or what stands for it in Node: one instance of Dawn, never let go, for the process ends with a fault where one is collected before its devices. */
export async function webgpu(): Promise<GPU> {
  if (hasDawn()) return (dawn ??= import('webgpu').then(({ create }) => create([...DAWN_FLAGS])));
  if (!globalThis.navigator?.gpu) throw new Error('this browser has no WebGPU');
  return navigator.gpu;
}

async function ownAdapter(): Promise<GPUAdapter> {
  const adapter = await (await webgpu()).requestAdapter(ADAPTER_OPTIONS);
  if (!adapter) throw new Error('WebGPU finds no adapter');
  return adapter;
}

/** What an open adapter is. */
export const profileOf = (adapter: GPUAdapter): Adapter => describe(answerOf(adapter));

function describe({ info, features, limits, matrices }: Answer): Adapter {
  const { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } = info;
  const name = description || device || [vendor, architecture].filter(Boolean).join(' ') || 'an unnamed adapter';
  return {
    name,
    vendor,
    architecture,
    model: device,
    driver: description,
    software: isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(`${name} ${architecture}`),
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

/** `answerOf` for another process. */
const QUESTION = (dawn: string): string => `
  const { create } = await import(${JSON.stringify(dawn)});
  const adapter = await create(${JSON.stringify(DAWN_FLAGS)}).requestAdapter(${JSON.stringify(ADAPTER_OPTIONS)});
  const pick = (from, names) => Object.fromEntries(names.map((name) => [name, from[name]]));
  const answer = adapter && {
    info: pick(adapter.info, ['vendor', 'architecture', 'device', 'description', 'isFallbackAdapter', 'subgroupMinSize', 'subgroupMaxSize']),
    features: [...adapter.features],
    limits: pick(adapter.limits, ${JSON.stringify(Object.values(LIMIT_NAMES))}),
    matrices: (adapter.info.subgroupMatrixConfigs ?? []).map((each) => pick(each, ['componentType', 'resultComponentType', 'M', 'N', 'K'])),
  };
  process.stdout.write(JSON.stringify(answer ?? null), () => process.exit());
`;

async function askElsewhere(): Promise<Answer> {
  const [{ execFile }, { createRequire }, { pathToFileURL }] = await Promise.all([import('node:child_process'), import('node:module'), import('node:url')]);
  const dawn = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  const text = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, ['--input-type=module', '-e', QUESTION(dawn)], { timeout: PATIENCE * 1000 }, (error, stdout) => {
      if (error) reject(new Error('WebGPU does not start here', { cause: error }));
      else resolve(stdout);
    });
  });
  const answer = JSON.parse(text) as Answer | null;
  if (!answer) throw new Error('WebGPU finds no adapter');
  return answer;
}

/** Makes sure that navigator.gpu is there: in Node it comes from Dawn, through the `webgpu` package. */
export async function installDawn(): Promise<void> {
  if (globalThis.navigator?.gpu) return;
  if (typeof process === 'undefined') throw new Error('this browser has no WebGPU');
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true, writable: true });
  Object.defineProperty(globalThis.navigator, 'gpu', { value: create([]), configurable: true });
}
