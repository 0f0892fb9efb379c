// Shared by the syntax tests: sources in short.

import { parse } from '../../compiler/1-syntax/parse.ts';
import { formatFile } from '../../compiler/1-syntax/print.ts';
import type { Expr, Item, Net } from '../../compiler/1-syntax/ast.ts';

/** The diagnostics as `code line:column`. */
export const errorsOf = (text: string): string[] => parse({ file: 't.zz', text }).diagnostics.map(({ code, loc }) => `${code} ${loc.line}:${loc.column}`);

/** The first net of a valid text. */
export function netOf(text: string): Net {
  const { file, diagnostics } = parse({ file: 't.zz', text });
  const [net] = file.nets;
  if (net === undefined || diagnostics.length > 0) throw new Error(diagnostics.map((d) => d.message).join('\n') || 'no net');
  return net;
}

export const itemsOf = (items: string): readonly Item[] => netOf(`net A {\n${items}\n}`).items;

/** An expression with all its parentheses. */
export function explicit(e: Expr): string {
  switch (e.kind) {
    case 'number':
      return e.text;
    case 'name':
      return e.name;
    case 'index':
      return `${e.stream.name}[${e.index}]`;
    case 'call':
      return `${e.callee.name}(${e.args.map((a) => (a.name === undefined ? '' : `${a.name.name}:`) + ('loc' in a.value && isExpr(a.value) ? explicit(a.value) : a.value.kind)).join(', ')})`;
    case 'negate':
      return `(-${explicit(e.value)})`;
    case 'binary':
      return `(${explicit(e.left)} ${e.op} ${explicit(e.right)})`;
    case 'flow':
      return `(${explicit(e.value)} -> ${explicit(e.target)})`;
  }
}
const isExpr = (value: { readonly kind: string }): value is Expr => ['number', 'name', 'index', 'call', 'negate', 'binary', 'flow'].includes(value.kind);

export const exprOf = (text: string): string => {
  const [item] = itemsOf(`v = ${text}`);
  if (item?.kind !== 'let') throw new Error('not a let');
  return explicit(item.value);
};

/** The canonical form of a valid text. */
export function fmt(text: string): string {
  const source = { file: 't.zz', text };
  const { file, diagnostics } = parse(source);
  if (diagnostics.length > 0) throw new Error(diagnostics.map((d) => d.message).join('\n'));
  return formatFile(file, source);
}
