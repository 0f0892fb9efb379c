// Which GPU adapter WebGPU gives here. In Node the question is put in a process of its own: drivers write warnings to standard error, and a broken one
// can end the process that loads it.

export interface Adapter {
  readonly name: string;
  /** Drawn by the processor: never a GPU. */
  readonly software: boolean;
}

/** What is asked for of GPUAdapter.info. */
type Info = Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'device' | 'description' | 'isFallbackAdapter'>;

/** Seconds after which a driver that does not answer counts as missing. */
const PATIENCE = 20;

/** Names the adapter, or throws Error with the reason why there is none. */
export async function findAdapter(): Promise<Adapter> {
  const info = globalThis.navigator?.gpu ? await ownInfo() : await askElsewhere();
  return { name: nameOf(info), software: isSoftware(info) };
}

export const nameOf = ({ vendor, architecture, device, description }: Info): string =>
  description || device || [vendor, architecture].filter(Boolean).join(' ') || 'an unnamed adapter';

/** Whether the processor does the drawing. */
export const isSoftware = (info: Info): boolean =>
  info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(`${nameOf(info)} ${info.architecture}`);

async function ownInfo(): Promise<Info> {
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error('WebGPU finds no adapter');
  return adapter.info;
}

const QUESTION = (dawn: string): string => `
  const { create } = await import(${JSON.stringify(dawn)});
  const adapter = await create([]).requestAdapter();
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter?.info ?? {};
  process.stdout.write(JSON.stringify(adapter ? { vendor, architecture, device, description, isFallbackAdapter } : null), () => process.exit());
`;

async function askElsewhere(): Promise<Info> {
  if (typeof process === 'undefined' || !process.versions?.node) throw new Error('this browser has no WebGPU');
  const [{ execFile }, { createRequire }, { pathToFileURL }] = await Promise.all([import('node:child_process'), import('node:module'), import('node:url')]);
  const dawn = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  const answer = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, ['--input-type=module', '-e', QUESTION(dawn)], { timeout: PATIENCE * 1000 }, (error, stdout) => {
      if (error) reject(new Error('WebGPU does not start here', { cause: error }));
      else resolve(stdout);
    });
  });
  const info = JSON.parse(answer) as Info | null;
  if (!info) throw new Error('WebGPU finds no adapter');
  return info;
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
