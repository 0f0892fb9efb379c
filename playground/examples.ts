// The nets that can be opened: where one begins, and dsl-examples. Each is also what an import of its name finds.

import start from './start.zz?raw';

const found: Readonly<Record<string, string>> = import.meta.glob('../dsl-examples/*.zz', { query: '?raw', import: 'default', eager: true });

export const START = 'zigzag.zz';

/** Texts by file name, the one to begin with first. */
export const EXAMPLES: Readonly<Record<string, string>> = {
  [START]: start,
  ...Object.fromEntries(Object.entries(found).map(([path, text]) => [path.slice(path.lastIndexOf('/') + 1), text])),
};

/** What a menu says of an example: its first comment, without the last full stop. */
export const titleOf = (text: string): string => /^\/\/ (.*?)\.?$/m.exec(text)?.[1] ?? '';
