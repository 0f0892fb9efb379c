// Where WebGPU comes from: navigator.gpu in a browser, in Node Dawn, through the `webgpu` package. In Node the question which adapter there is is put in a process of
// its own: drivers write warnings to standard error, and a broken one can end the process that loads it.

import { ADAPTER_OPTIONS, describe, LIMIT_NAMES, profileOf, type Adapter, type Answer } from './adapter.ts';

/**
 * Toggles of Dawn. The first three show Node the 16-bit numbers and matrices of subgroups that an adapter has. The other two leave out what our shaders do not
 * need: an index that is confined at every access (none is out of bounds: test/webgpu/bounds.test.ts), and workgroup memory filled with zeros (all of it is
 * written before it is read). Browsers do both. Timestamps are not rounded, as browsers round them.
 */
const TOGGLES = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', 'use_vulkan_memory_model', 'disable_robustness', 'disable_workgroup_init'];
const DAWN_FLAGS: readonly string[] = [`enable-dawn-features=${TOGGLES.join(',')}`, 'disable-dawn-features=timestamp_quantization'];

/** Seconds after which a driver that does not answer counts as missing. One that wakes several GPUs of a server first takes half a minute. */
const PATIENCE = 60;

/** The adapter, or Error with the reason why there is none. */
export const findAdapter = async (): Promise<Adapter> => (hasDawn() ? describe(await askElsewhere()) : profileOf(await ownAdapter()));

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

/** What another process is asked: an Answer about its adapter. */
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
  process.stdout.write(JSON.stringify(answer ?? null) + '\\n', () => process.exit());
`;

async function askElsewhere(): Promise<Answer> {
  const [{ execFile }, { createRequire }, { pathToFileURL }] = await Promise.all([import('node:child_process'), import('node:module'), import('node:url')]);
  const dawn = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  const text = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, ['--input-type=module', '-e', QUESTION(dawn)], { timeout: PATIENCE * 1000 }, (error, stdout) => {
      // A driver may fail as the process ends, when all is said.
      if (error && !stdout.endsWith('\n')) reject(new Error('WebGPU does not start here', { cause: error }));
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
