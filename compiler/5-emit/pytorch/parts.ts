// The parts of an emitted file that are the same for all nets: Python files beside this one, cut into their definitions.

import { readFileSync } from 'node:fs';

export type PartName =
  'augment' | 'batchnorm' | 'data' | 'normalise-channel' | 'normalise-none' | 'normalise-per_batch' | 'plain-readings' | 'random' | 'routes' | 'train' | 'weights';

const textOf = (name: PartName): string => readFileSync(new URL(`parts/${name}.py`, import.meta.url), 'utf8').trimEnd();

const RULE = `# ${'-'.repeat(98)}`;

/** A comment that begins a section of the file. */
export const heading = (text: string): string => `${RULE}\n# ${text}`;

/** The name that a definition gives to something. */
const definedBy = (definition: string): string => /(?:^|\n)(?:def |class )?(\w+)(?: =|[(:])/.exec(definition.replace(/^(?:[@#].*\n)+/, ''))?.[1] ?? '';

/** A part's definitions; its docstring becomes the section's heading. `wanted` says which definitions are needed. */
export function part(name: PartName, wanted: (definition: string) => boolean = () => true): string {
  const [first = '', ...rest] = textOf(name).split('\n\n\n');
  const docstring = /^"""([\s\S]*)"""$/.exec(first)?.[1];
  const definitions = (docstring === undefined ? [first, ...rest] : rest).filter((definition) => wanted(definedBy(definition)));
  return [...(docstring === undefined ? [] : [heading(docstring)]), ...definitions].join('\n\n\n');
}
