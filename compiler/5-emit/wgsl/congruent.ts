// Tasks that do the same to other buffers, element by element, as the updates of weights do: where their buffers lie one after the other, they are one task over all of them.

import type { ValueId } from '../../2-graph/graph.ts';
import { elementCount } from '../../2-graph/types.ts';
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
  const [task, ...others] = tasks;
  // What another task stores beyond the elements must not be written over.
  if (others.length > 0 || isTree || task.stores.some(({ output, guard }) => guard || elementCount(output.shape) !== element.extent)) return undefined;
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
  const placed = forms.map((form): Placed => {
    const pattern = patternOf(form, home);
    return { form, pattern, start: within(pattern?.buffers[0] ?? '')?.offset ?? 0 };
  });
  const follows = (before: Placed, after: Placed): boolean =>
    before.pattern !== undefined && before.pattern.text === after.pattern?.text && before.pattern.buffers.every((id, i) => {
      const [a, b] = [within(id), within(after.pattern?.buffers[i] ?? '')];
      return a && b && a.arena === b.arena && b.offset - a.offset === steppedUp(before.form.element.extent);
    });
  const rows: [Placed, ...Placed[]][] = [];
  for (const each of placed.sort((a, b) => a.start - b.start)) {
    const row = rows.find((other) => follows(other.at(-1) ?? other[0], each));
    if (row) row.push(each);
    else rows.push([each]);
  }
  return rows.map(([first, ...others]): Form => {
    const last = others.at(-1);
    if (!last) return first.form;
    const extent = last.start - first.start + last.form.element.extent;
    return spanForm([...first.form.tasks, ...others.flatMap(({ form }) => form.tasks)], { ...first.form.element, extent }, first.form.wide.size > 0);
  });
}

interface Placed {
  readonly form: Form;
  readonly pattern: Pattern | undefined;
  /** Where its first buffer lies. */
  readonly start: number;
}
