// The outline of a text: its nets and what is in them.

import type { Item, Net } from '../../compiler/1-syntax/ast.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';

export interface Entry {
  readonly name: string;
  readonly kind: 'net' | Item['kind'];
  readonly detail?: string;
  /** The whole statement. */
  readonly span: Span;
  /** What is selected in it: its name, if it has one. */
  readonly selection: Span;
  readonly children: readonly Entry[];
}

/** The outline. Statements whose names could not be read are left out. */
export const outline = ({ ast, source: { text } }: Analysis): Entry[] => ast.nets.flatMap((net) => (net.name.name === '' ? [] : [netEntry(net, text)]));

const netEntry = (net: Net, text: string): Entry => ({
  name: net.name.name,
  kind: 'net',
  span: net.loc.span,
  selection: net.name.loc.span,
  children: net.items.flatMap((item) => itemEntries(item, text)),
});

function itemEntries(item: Item, text: string): Entry[] {
  const { kind, loc: { span } } = item;
  const entry = (name: string, selection: Span, detail?: string): Entry[] =>
    name === '' || selection.start < span.start || selection.end > span.end ? [] : [{ name, kind, span, selection, children: [], ...(detail !== undefined && { detail }) }];
  switch (kind) {
    case 'let':
      return entry(listed(item.names), item.names[0]?.loc.span ?? span);
    case 'streams':
      return entry(listed(item.names), item.names[0]?.loc.span ?? span, `of ${item.cell.name}`);
    case 'twin':
      return entry(listed(item.names), item.names[0]?.loc.span ?? span, 'twin');
    case 'input':
      return entry(item.name.name, item.name.loc.span, `[${item.shape.map((size) => size.text).join(', ')}]`);
    case 'view':
    case 'layer':
      return entry(item.name.name, item.name.loc.span, shortened(text.slice(item.value.loc.span.start, item.value.loc.span.end)));
    case 'cell':
      return entry(item.name.name, item.name.loc.span, `(${item.params.map(({ name }) => name).join(', ')})`);
    case 'output':
      return entry(item.name.name, item.name.loc.span, 'output');
    case 'loss':
      return entry('loss', { start: span.start, end: Math.min(span.end, span.start + 'loss'.length) }, shortened(text.slice(item.value.loc.span.start, item.value.loc.span.end)));
    case 'backward':
    case 'train':
      return entry(kind, { start: span.start, end: Math.min(span.end, span.start + kind.length) });
  }
}

const listed = (names: readonly { readonly name: string }[]): string => names.map(({ name }) => name).filter(Boolean).join(', ');

const shortened = (text: string): string => {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 40 ? `${line.slice(0, 39)}…` : line;
};
