// Arenas: larger buffers for what a dispatch would otherwise bind one by one, beyond what a device has room for. Weights and states have theirs, and so has what a
// dispatch reads, and what it makes, between the steps.

import type { ValueId } from '../../2-graph/graph.ts';
import { elementCount } from '../../2-graph/types.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import type { BufferSpec, DeviceLimits, Within } from '../model.ts';
import { patternOf, steppedUp } from './congruent.ts';
import { valuesIn } from './form.ts';
import type { Form } from './form.ts';
import type { Group } from './groups.ts';
import { boundFor } from './shader.ts';
import type { Places } from './shader.ts';

export interface Arenas {
  readonly specs: readonly BufferSpec[];
  readonly within: ReadonlyMap<ValueId, Within>;
}

export interface ArenaOptions {
  readonly limits: DeviceLimits;
  readonly home: Places['home'];
  readonly buffer: (id: ValueId) => Buffer;
  /** What a value is, if it may lie in an arena. */
  readonly kind: (id: ValueId) => 'weight' | 'state' | 'temporary' | undefined;
  /** What the other steps bind. */
  readonly products: readonly { readonly reads: readonly ValueId[]; readonly writes: readonly ValueId[] }[];
}

/**
 * Places for the buffers of groups that bind too many, or do the same to several weights. The last group chooses first: it is the one that updates all weights, and
 * what it does alike to many of them should find their buffers in one order. The first such buffers of all tasks lie one after the other, then the second ones, and so on.
 */
export function arenasFor(groups: readonly Group[], { limits, home, buffer, kind, products }: ArenaOptions): Arenas {
  const within = new Map<ValueId, Within>();
  const sizes = new Map<string, number>();
  const specs = new Map<string, Omit<BufferSpec, 'shape'>>();
  const most = Math.min(limits.bindingBytes, limits.bufferBytes) / 4;
  const places: Places = { home, within: (id) => within.get(id) };

  const place = (forms: readonly Form[], name: string): void => {
    const written = new Set(forms.flatMap((form) => form.writes).map(home));
    /** The arena of a buffer: of one class and type. */
    const classOf = (id: ValueId): string => {
      const of = kind(id);
      return `${of === 'temporary' ? `${name}.${written.has(id) ? 'made' : 'read'}` : `${of}s`}${buffer(id).dtype === 'f32' ? '' : `.${buffer(id).dtype}`}`;
    };
    const rows = inOrder(forms, places).map((form) => [...new Set(valuesIn(form).map(home))].filter((id) => kind(id) && !within.has(id)));
    const added = new Map<string, Set<ValueId>>();
    for (let i = 0; i < Math.max(0, ...rows.map(({ length }) => length)); i++) {
      for (const id of rows.flatMap((row) => row[i] ?? [])) added.set(classOf(id), (added.get(classOf(id)) ?? new Set()).add(id));
    }
    const sizeOf = (ids: Iterable<ValueId>): number => [...ids].reduce((sum, id) => sum + steppedUp(elementCount(buffer(id).shape)), 0);
    if ([...added.values()].some((ids) => sizeOf(ids) > most)) {
      const middle = Math.ceil(forms.length / 2);
      if (forms.length > 1) for (const half of [forms.slice(0, middle), forms.slice(middle)]) place(half, name);
      return;
    }
    for (const [of, ids] of added) {
      // The last one that was opened, unless it is full.
      const opened = [...sizes.keys()].filter((each) => each === of || each.startsWith(`${of}#`));
      const last = opened.at(-1);
      const id = last !== undefined && (sizes.get(last) ?? 0) + sizeOf(ids) <= most ? last : opened.length === 0 ? of : `${of}#${opened.length}`;
      for (const each of ids) {
        const offset = sizes.get(id) ?? 0;
        within.set(each, { arena: `arena.${id}`, offset });
        sizes.set(id, offset + steppedUp(elementCount(buffer(each).shape)));
        specs.set(id, { id: `arena.${id}`, dtype: buffer(each).dtype, role: { kind: kind(each) === 'temporary' ? 'temporary' : 'arena' } });
      }
    }
  };
  for (const group of groups.toReversed()) {
    const forms = group.flat();
    const values = forms.flatMap(valuesIn);
    const isJoined = group.length === 1 && values.some((id) => ['weight', 'state'].includes(kind(home(id)) ?? '')) && hasTwins(forms, home);
    if (isJoined || boundFor(values, places).size > limits.storageBuffers) place(forms, forms[0]?.tasks[0].name ?? '');
  }

  // A product must not write a part of an arena while it only reads another.
  const mixed = new Set(products.flatMap(({ reads, writes }) => {
    const written = new Set(writes.map(home));
    return [...boundFor([...reads, ...writes], places)].flatMap(([arena, ids]) => (ids.length > 1 && ids.some((id) => written.has(id)) ? [arena] : []));
  }));
  return {
    specs: [...specs].map(([id, spec]) => ({ ...spec, shape: [sizes.get(id) ?? 0] })).filter(({ id }) => !mixed.has(id)),
    within: new Map([...within].filter(([, { arena }]) => !mixed.has(arena))),
  };
}

/** Whether two of the forms do the same to other buffers. */
function hasTwins(forms: readonly Form[], home: Places['home']): boolean {
  const texts = forms.flatMap((form) => patternOf(form, home)?.text ?? []);
  return new Set(texts).size < texts.length;
}

/** Forms of one pattern beside each other, in the order of what has a place already. */
function inOrder(forms: readonly Form[], { home, within }: Places): Form[] {
  const patterns = forms.map((form) => patternOf(form, home));
  const texts = [...new Set(patterns.map((pattern) => pattern?.text))];
  const keyed = forms.map((form, i) => {
    const pattern = patterns[i];
    const at = pattern?.buffers.map((id) => within(id)?.offset).find((offset) => offset !== undefined);
    return { form, order: pattern ? texts.indexOf(pattern.text) : texts.length, at: at ?? 0 };
  });
  return keyed.sort((a, b) => a.order - b.order || a.at - b.at).map(({ form }) => form);
}
