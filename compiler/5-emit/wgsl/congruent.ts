// Tasks that do the same to other buffers, element by element, as the updates of weights do: where their buffers lie one after the other, they are one task over all of them.

import type { ValueId } from '../../2-graph/graph.ts';
import { load, mapExpr, showExpr } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { showIndex } from '../../4-kernels/indexing.ts';
import type { Form } from './form.ts';
import { spanForm } from './loops.ts';
import type { Places } from './shader.ts';

/** What a task does at an element, the same text for tasks that do the same, and the buffers in which it does so, in order of first use. */
export interface Pattern {
  readonly text: string;
  readonly buffers: readonly ValueId[];
}

/** Undefined where elements are not treated alike or do not keep their numbers. */
export function patternOf({ tasks, element, wide, isTree }: Form, home: Places['home']): Pattern | undefined {
  const [task] = tasks;
  if (!task || tasks.length > 1 || isTree || task.stores.some(({ guard }) => guard)) return undefined;
  const buffers: ValueId[] = [];
  const locals = new Map(task.lets.map(({ name }, i) => [name, `v${i}`]));
  let alike = true;
  const isElement = (text: string): boolean => text === element.name;
  const numbered = (id: ValueId): string => {
    const known = home(id);
    if (!buffers.includes(known)) buffers.push(known);
    return `#${buffers.indexOf(known)}`;
  };
  const named = (expr: Expr): Expr => {
    if (expr.kind === 'local') return { kind: 'local', name: locals.get(expr.name) ?? expr.name };
    if (expr.kind !== 'load') return mapExpr(expr, (index) => ((alike &&= index.terms.length === 0), index), named);
    if (expr.index.terms.length === 0) return expr;
    alike &&= isElement(showIndex(expr.index));
    return load(numbered(expr.buffer), expr.index);
  };
  const lets = task.lets.map(({ value }) => showExpr(named(value)));
  const stores = task.stores.map(({ output, value, index }) => {
    alike &&= isElement(showIndex(index));
    return `${numbered(output.id)} = ${showExpr(named(value))}`;
  });
  return alike ? { text: [wide.size > 0 ? 'vectors' : 'elements', ...lets, ...stores].join('\n'), buffers } : undefined;
}

/** Arenas are filled in steps of so many elements: 256 bytes of the smallest, where bound parts may begin on every device. */
const STEP = 128;

export const steppedUp = (elements: number): number => Math.ceil(elements / STEP) * STEP;

/** The forms with those as one that are congruent and whose buffers follow each other in the same arenas. What lies between them is written too, and read by nobody. */
export function joined(forms: readonly Form[], { home, within }: Places): Form[] {
  const placed = forms.map((form) => ({ form, pattern: patternOf(form, home) }));
  const startOf = ({ pattern }: (typeof placed)[number]): number => within(pattern?.buffers[0] ?? '')?.offset ?? 0;
  placed.sort((a, b) => startOf(a) - startOf(b));
  const rows: (typeof placed)[] = [];
  for (const each of placed) {
    const row = rows.find((other) => {
      const last = other.at(-1);
      if (!each.pattern || !last?.pattern || each.pattern.text !== last.pattern.text) return false;
      const before = last.pattern.buffers;
      return each.pattern.buffers.every((id, i) => {
        const [a, b] = [within(before[i] ?? ''), within(id)];
        return a && b && a.arena === b.arena && b.offset - a.offset === steppedUp(last.form.element.extent);
      });
    });
    if (row) row.push(each);
    else rows.push([each]);
  }
  return rows.map((row): Form => {
    const [first, last] = [row[0], row.at(-1)];
    if (!first || !last || first === last) return (row[0] as (typeof placed)[number]).form;
    const extent = startOf(last) - startOf(first) + last.form.element.extent;
    return spanForm(row.flatMap(({ form }) => form.tasks), { ...first.form.element, extent }, first.form.wide.size > 0);
  });
}
