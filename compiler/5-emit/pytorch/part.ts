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

/** A part with those of its definitions that are wanted. */
export function textOf({ heading: title, text }: Part, wanted: (definition: string) => boolean = () => true): string {
  const definitions = text.trim().split('\n\n\n').filter((definition) => wanted(definedBy(definition)));
  return [...(title === undefined ? [] : [heading(title)]), ...definitions].join('\n\n\n');
}
