// A syntax tree as indented text: one node a line, with its place.

import type { Loc } from '../diagnostics.ts';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlain = (value: unknown): boolean => value === null || typeof value !== 'object';

/** `binary + @3:5`, its plain fields on the line and its children below, each under the name of its field. */
export function printTree(root: unknown): string {
  const lines: string[] = [];
  // A worklist instead of recursion: a chain of 100,000 operators is a tree as deep.
  const pending: { readonly label: string; readonly value: unknown; readonly depth: number }[] = [{ label: 'file', value: root, depth: 0 }];
  for (let item = pending.pop(); item; item = pending.pop()) {
    const { label, value, depth } = item;
    lines.push(`${'  '.repeat(Math.min(depth, MAX_INDENT))}${label}${head(value)}`);
    pending.push(...children(value).map(([name, child]) => ({ label: name, value: child, depth: depth + 1 })).reverse());
  }
  return `${lines.join('\n')}\n`;
}

/** Deeper nodes are no longer moved to the right: a line stays readable and the text small. */
const MAX_INDENT = 100;

function head(value: unknown): string {
  if (isPlain(value)) return ` ${JSON.stringify(value)}`;
  if (!isObject(value)) return '';
  const { kind, loc, ...fields } = value;
  const plain = Object.entries(fields).flatMap(([name, field]) => (isPlain(field) && field !== undefined ? [`${name}=${JSON.stringify(field)}`] : []));
  const place = loc as Loc | undefined;
  return [kind === undefined ? '' : ` ${String(kind)}`, ...plain.map((text) => ` ${text}`), place ? ` @${place.line}:${place.column}` : ''].join('');
}

function children(value: unknown): [string, unknown][] {
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, field]): [string, unknown][] => {
    if (name === 'loc' || isPlain(field)) return [];
    return Array.isArray(field) ? field.map((each: unknown) => [name, each]) : [[name, field]];
  });
}
