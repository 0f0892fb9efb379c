// Which `zz` the extension runs: one that is named in the settings, the workspace's own, one on the PATH, or the one that comes with the extension.

import { delimiter, isAbsolute, join } from 'node:path';

/** A way to run `zz`: the arguments of a command come after `args`. */
export interface Tool {
  readonly source: 'setting' | 'workspace' | 'path' | 'bundled';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Batch files of Windows are run by a shell. */
  readonly shell: boolean;
}

export interface Surroundings {
  /** The setting `zigzag.path`; empty where it is not set. */
  readonly setting: string;
  /** Folders of the workspace, where it is trusted. */
  readonly folders: readonly string[];
  readonly path: string;
  readonly windows: boolean;
  /** The program that runs JavaScript: the editor itself. */
  readonly node: string;
  /** The `zz` that comes with the extension. */
  readonly bundled: string;
  readonly isFile: (path: string) => boolean;
}

/** The main file of a ZigZag package, from its folder. */
const MAIN = join('dist', 'cli', 'main.js');

/** Finds the tool. Throws Error where the setting names none. */
export function findTool(around: Surroundings): Tool {
  const { setting, folders, bundled } = around;
  if (setting !== '') {
    const found = named(setting, around);
    if (!found) throw new Error(`zigzag.path is ${setting}, where there is no zz.`);
    return found;
  }
  const own = folders.flatMap((folder) => [join(folder, 'node_modules', 'zigzag-nn', MAIN), join(folder, MAIN)]).find(around.isFile);
  if (own !== undefined) return script('workspace', own, around);
  return onPath(around) ?? script('bundled', bundled, around);
}

/** A file of JavaScript, a program, or the folder of a package; relative to the first folder of the workspace. */
function named(setting: string, around: Surroundings): Tool | undefined {
  const path = isAbsolute(setting) ? setting : join(around.folders[0] ?? '', setting);
  const main = join(path, MAIN);
  if (around.isFile(main)) return script('setting', main, around);
  if (!around.isFile(path)) return undefined;
  return /\.[cm]?js$/.test(path) ? script('setting', path, around) : program('setting', path);
}

const script = (source: Tool['source'], main: string, { node }: Surroundings): Tool => ({ source, command: node, args: [main], env: { ELECTRON_RUN_AS_NODE: '1' }, shell: false });

const program = (source: Tool['source'], path: string): Tool => {
  const shell = /\.(cmd|bat)$/i.test(path);
  return { source, command: shell ? `"${path}"` : path, args: [], env: {}, shell };
};

function onPath({ path, windows, isFile }: Surroundings): Tool | undefined {
  const names = windows ? ['zz.exe', 'zz.cmd'] : ['zz'];
  const found = path.split(delimiter).filter((folder) => folder !== '').flatMap((folder) => names.map((name) => join(folder, name))).find(isFile);
  return found === undefined ? undefined : program('path', found);
}
