// Shapes beside the text: after each named value, and after each line of a chain.

import type { Expr, Item } from '../../compiler/1-syntax/ast.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';

export interface Hint {
  readonly offset: number;
  readonly text: string;
}

/** Shapes without their dtype, for the values of a part of the text. Nothing where a shape is not known, or differs between streams. */
export function hintsIn(analysis: Analysis, { start, end }: Span): Hint[] {
  const found = analysis.ast.nets.flatMap((net) => {
    if (net.loc.span.end < start || end < net.loc.span.start) return [];
    const facts = analysis.facts(net);
    return net.items.flatMap(placesOf).flatMap(({ offset, shown }) => {
      const [only, ...more] = offset < start || offset > end ? [] : shown.map((expr) => facts.at(expr.loc)).find((found) => found.length > 0) ?? [];
      return only === undefined || more.length > 0 || !only.includes('[') ? [] : [{ offset, text: only.replace(/\bf32(?=\[)/g, '') }];
    });
  });
  return found.sort((a, b) => a.offset - b.offset);
}

interface Place {
  readonly offset: number;
  readonly shown: readonly Pick<Expr, 'loc'>[];
}

/** Where shapes stand: behind the names of values and streams, and at the ends of lines within a chain. */
function placesOf(item: Item): Place[] {
  if (item.kind === 'streams' || item.kind === 'twin') return item.names.map((name) => ({ offset: name.loc.span.end, shown: [name] }));
  if (item.kind === 'view') return [{ offset: item.name.loc.span.end, shown: [item.name] }];
  if (item.kind === 'let') return [...item.names.map((name) => ({ offset: name.loc.span.end, shown: [name] })), ...lineEnds(item.value)];
  if (item.kind === 'output' && item.value) return [{ offset: item.name.loc.span.end, shown: [item.name] }, ...lineEnds(item.value)];
  return [];
}

/** The links of a chain that are the last on their line, but the last of all, whose shape stands at the name. */
function lineEnds(value: Expr): Place[] {
  const found: Place[] = [];
  for (let part = value; part.kind === 'flow'; part = part.value) {
    const { target, value: before } = part;
    const lastLine = before.kind === 'flow' ? before.target.loc.line : before.loc.line;
    if (target.loc.line > lastLine) found.push({ offset: before.loc.span.end, shown: [before] });
  }
  return found;
}
