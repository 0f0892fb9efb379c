// Walks over the syntax tree by place, whatever the kinds of its nodes.

import type { Call, Expr, Name } from '../../compiler/1-syntax/ast.ts';
import type { Loc } from '../../compiler/diagnostics.ts';

/** A node of the syntax tree: anything in it that has a place. */
export interface Located {
  readonly kind?: string;
  readonly loc: Loc;
}

const isLocated = (value: unknown): value is Located => typeof value === 'object' && value !== null && 'loc' in value;

/** The parts of a node that have places of their own. */
export const partsOf = (node: Located): Located[] => Object.values(node).flatMap((value: unknown) => (Array.isArray(value) ? value.filter(isLocated) : isLocated(value) ? [value] : []));

/** A copy of a tree, or of anything else made of plain values, with other places. */
export function withPlaces<T>(tree: T, place: (loc: Loc) => Loc): T {
  if (!isObject(tree)) return tree;
  if (Array.isArray(tree)) return tree.map((each: unknown) => withPlaces(each, place)) as T;
  if (isLoc(tree)) return place(tree) as Loc & T;
  const copy = { ...tree };
  for (const key in copy) {
    const value = copy[key];
    if (isObject(value)) copy[key] = withPlaces(value, place);
  }
  return copy;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isLoc = (node: object): node is Loc => 'span' in node;

export const movedLoc = ({ file, line, column, span }: Loc, offset: number, lines: number, columns = 0): Loc => ({
  file, line: line + lines, column: column + columns, span: { start: span.start + offset, end: span.end + offset },
});

/** The nodes that hold an offset, outermost first. Where two touch, the one that begins at the offset. */
export function pathAt(root: Located, offset: number): Located[] {
  const path: Located[] = [];
  for (let node: Located | undefined = root; node !== undefined; ) {
    path.push(node);
    const around: Located[] = partsOf(node).filter(({ loc }) => loc.span.start <= offset && offset <= loc.span.end);
    node = around.findLast(({ loc }) => loc.span.start < loc.span.end) ?? around.at(-1);
  }
  return path;
}

const EXPRESSIONS: ReadonlySet<string> = new Set(['number', 'name', 'index', 'call', 'negate', 'binary', 'flow']);
export const isExpression = (node: Located): node is Expr => node.kind !== undefined && EXPRESSIONS.has(node.kind);

/** A call, or a name that may be called: after an arrow, or as a word with arguments of its own. */
export const isCall = (node: Located): node is Call | Name => node.kind === 'call' || node.kind === 'name';
