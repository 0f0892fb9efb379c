// Tokens and trees as text, and as plain data for JSON.

import type { Loc } from '../diagnostics.ts';
import type { File } from './ast.ts';
import type { Token } from './parse.ts';

/** A token a line: its place, its role, its text. */
export function printTokens(tokens: readonly Token[]): string {
  return tokens.map(({ type, text, loc }) => `${at(loc).padEnd(8)} ${type.padEnd(10)} ${text}\n`).join('');
}

/** The tokens as plain data: offsets from 0 in UTF-16 units, lines and columns from 1. */
export const tokensToJson = (tokens: readonly Token[]): unknown => tokens.map(({ type, text, loc }) => ({ type, text, ...flatLoc(loc) }));

/** The tree as plain data, each node with its place. */
export const astToJson = (file: File): unknown => plain(file);

const at = ({ line, column }: Loc): string => `${line}:${column}`;
const flatLoc = ({ line, column, span }: Loc) => ({ line, column, start: span.start, end: span.end });

type Fields = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isLoc = (value: unknown): value is Loc => isNode(value) && 'span' in value;

const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (!isNode(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, part]) => (isLoc(part) ? Object.entries(flatLoc(part)) : [[key, plain(part)]])));
};

/** A node a line, indented by depth: the field it is in, its kind, its names and values, its place. */
export function printAst(file: File): string {
  const lines: string[] = [];
  const visit = (field: string, node: Fields, depth: number): void => {
    const words: string[] = [];
    const inner: [string, Fields][] = [];
    for (const [key, value] of Object.entries(node)) {
      if (key === 'kind' || key === 'loc') continue;
      if (Array.isArray(value) && value.every(isIdent)) words.push(`${key}=[${value.map(({ name }) => name).join(', ')}]`);
      else if (Array.isArray(value)) inner.push(...value.filter(isNode).map((part): [string, Fields] => [key, part]));
      else if (isIdent(value)) words.push(`${key}=${value.name}`);
      else if (isNode(value)) inner.push([key, value]);
      else words.push(`${key}=${key === 'name' ? String(value) : JSON.stringify(value)}`);
    }
    const head = [`${field}:`, ...(typeof node['kind'] === 'string' ? [node['kind']] : []), ...words];
    lines.push(`${'  '.repeat(depth)}${head.join(' ')}${isLoc(node['loc']) ? ` @${at(node['loc'])}` : ''}\n`);
    for (const [key, part] of inner) visit(key, part, depth + 1);
  };
  for (const [field, parts] of [['import', file.imports], ['net', file.nets], ['comment', file.comments]] as const) {
    for (const part of parts) visit(field, { ...part }, 0);
  }
  return lines.join('');
}

/** A name and its place, and nothing else. */
const isIdent = (value: unknown): value is { readonly name: string } => isNode(value) && typeof value['name'] === 'string' && Object.keys(value).length === 2 && 'loc' in value;
