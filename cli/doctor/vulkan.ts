// What of Vulkan is installed on Linux: the loader, drivers, and the devices that they drive. Says why a machine with a GPU may show none.

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Finding } from './finding.ts';

const LIBRARIES = ['usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu', 'usr/lib64', 'usr/lib', 'lib64', 'usr/local/lib'];
/** Where the loader looks: https://vulkan.lunarg.com/doc/view/latest/linux/LoaderDriverInterface.html */
const DRIVERS = ['etc/vulkan/icd.d', 'usr/share/vulkan/icd.d', 'usr/local/share/vulkan/icd.d', 'usr/local/etc/vulkan/icd.d'];

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** `root` is the root of the file system, for tests. */
export async function vulkanFinding(env: Readonly<Record<string, string | undefined>>, root = '/'): Promise<Finding> {
  const what = 'vulkan';
  const loader = (await Promise.all(LIBRARIES.map((folder) => list(join(root, folder))))).flat().includes('libvulkan.so.1');
  const chosen = env['VK_DRIVER_FILES'] ?? env['VK_ICD_FILENAMES'];
  const files = chosen === undefined ? (await Promise.all(DRIVERS.map(async (folder) => (await list(join(root, folder))).map((file) => join(root, folder, file))))).flat() : chosen.split(':').filter(Boolean);
  const drivers = (await Promise.all(files.filter((file) => file.endsWith('.json')).map(describe))).sort();
  const devices = [...(await list(join(root, 'dev'))).filter((name) => /^nvidia\d+$/.test(name)), ...(await list(join(root, 'dev/dri'))).filter((name) => name.startsWith('renderD'))];
  const nvidia = devices.some((name) => name.startsWith('nvidia'));
  const detail = [
    loader ? 'loader' : 'no loader (libvulkan.so.1)',
    drivers.length === 0 ? 'no drivers' : `${chosen === undefined ? 'drivers' : 'drivers by VK_DRIVER_FILES or VK_ICD_FILENAMES'} ${drivers.join(', ')}`,
    devices.length === 0 ? 'no GPU in /dev' : devices.join(', '),
  ].join('; ');
  if (!loader) return { what, state: 'missing', detail, advice: 'Install it: apt install libvulkan1, dnf install vulkan-loader, pacman -S vulkan-icd-loader.' };
  if (nvidia && !drivers.some((driver) => driver.includes('nvidia'))) {
    return { what, state: 'missing', detail, advice: 'The NVIDIA driver\'s Vulkan part is not there. In a container set NVIDIA_DRIVER_CAPABILITIES=all; otherwise point VK_DRIVER_FILES to its nvidia_icd.json.' };
  }
  if (drivers.length === 0) return { what, state: 'missing', detail, advice: 'Install the driver of the GPU\'s maker, or Mesa\'s: apt install mesa-vulkan-drivers.' };
  return { what, state: 'ok', detail };
}

/** A driver by its file, and why it cannot be loaded. */
async function describe(file: string): Promise<string> {
  const name = basename(file).replace(/(_icd)?(\.\w+)?\.json$/, '');
  try {
    const { ICD } = JSON.parse(await readFile(file, 'utf8')) as { ICD?: { library_path?: string } };
    const library = ICD?.library_path;
    if (library === undefined) return `${name} (not a driver file)`;
    // A bare name is looked for by the system's linker, a path from the file's folder.
    if (!library.includes('/')) return name;
    await stat(library.startsWith('/') ? library : join(file, '..', library));
    return name;
  } catch (error) {
    return error instanceof SyntaxError ? `${name} (its file is damaged)` : `${name} (file or library missing)`;
  }
}
