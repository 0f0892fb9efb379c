// The parts of an emitted file that are the same for all nets: Python text, cut into its definitions.

/** Definitions that stand two empty lines apart, under a heading or not. */
export interface Part {
  readonly heading?: string;
  readonly text: string;
}

const RULE = `# ${'-'.repeat(98)}`;

/** A comment that begins a section of the file. */
export const heading = (text: string): string => `${RULE}\n# ${text}`;

/** The name that a definition gives to something. */
const definedBy = (definition: string): string => /^(?:def |class )?(\w+)(?: =|[(:])/.exec(definition.replace(/^(?:[@#].*\n)+/, ''))?.[1] ?? '';

const definitionsOf = ({ text }: Part): string[] => text.trim().split('\n\n\n');

/** All that a part gives names to; constants one a line. */
export const namesOf = (part: Part): string[] => definitionsOf(part).flatMap((definition) => [definedBy(definition), ...definition.split('\n').flatMap((line) => /^(\w+(?:, \w+)*) = /.exec(line)?.[1]?.split(', ') ?? [])]);

/** A part with those of its definitions that are wanted. */
export function textOf(part: Part, wanted: (definition: string) => boolean = () => true): string {
  const definitions = definitionsOf(part).filter((definition) => wanted(definedBy(definition)));
  return [...(part.heading === undefined ? [] : [heading(part.heading)]), ...definitions].join('\n\n\n');
}
