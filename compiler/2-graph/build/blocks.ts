// What streams and twin blocks share: stream counts, repeats, explicit arms.

import type { Arm, Expr, Ident, NumberLiteral } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import { suggestion } from './arguments.ts';
import type { Context } from './context.ts';
import { fail } from './context.ts';
import type { Scope, Value } from './scope.ts';
import { createScope, isHole, POISON } from './scope.ts';

const MAX_STREAMS = 16;
const MAX_STEPS = 2_000;

/** Reports a block with no streams or too many, or with a name twice. */
export function checkStreams(c: Context, names: readonly Ident[], loc: Loc): boolean {
  const twice = names.filter((name, i) => !isHole(name.name) && names.findIndex((other) => other.name === name.name) < i);
  for (const { name, loc: at } of twice) fail(c, 'ZZ2002', at, `'${name}' is defined twice`);
  const sound = names.length >= 1 && names.length <= MAX_STREAMS;
  if (!sound) fail(c, 'ZZ4003', names[MAX_STREAMS]?.loc ?? loc, `a block has 1 to ${MAX_STREAMS} streams, this one has ${names.length}`);
  return sound && twice.length === 0;
}

interface Repeat<T> {
  readonly kind: 'repeat';
  readonly count: NumberLiteral;
  readonly body: readonly (T | Repeat<T>)[];
  readonly loc: Loc;
}

const isRepeat = <T extends { readonly kind: string }>(item: T | Repeat<T>): item is Repeat<T> => item.kind === 'repeat';

/** The steps or stages as they are written, repeats opened once. */
export const written = <T extends { readonly kind: string }>(items: readonly (T | Repeat<T>)[]): T[] => items.flatMap((item) => (isRepeat(item) ? written(item.body) : [item]));

/** The steps or stages with their repeats written out. Nothing, after a report, where they are too many. */
export function unrolled<T extends { readonly kind: string; readonly loc: Loc }>(c: Context, items: readonly (T | Repeat<T>)[]): T[] | undefined {
  if (!soundRepeats(c, items)) return undefined;
  const total = countSteps(items);
  if (total > MAX_STEPS) {
    const largest = items.find((item) => isRepeat(item)) ?? items[MAX_STEPS];
    if (largest) fail(c, 'ZZ4011', isRepeat(largest) ? largest.count.loc : largest.loc, `the block comes to ${total} steps; at most ${MAX_STEPS} are allowed`);
    return undefined;
  }
  return expand(items);
}

function soundRepeats<T extends { readonly kind: string }>(c: Context, items: readonly (T | Repeat<T>)[]): boolean {
  const checked = items.filter((item) => isRepeat(item)).map(({ count: { value, text, loc }, body }) => {
    const sound = Number.isSafeInteger(value) && value >= 1;
    if (!sound) fail(c, 'ZZ2007', loc, `a block is repeated a whole number of times, from 1, found ${text}`);
    return soundRepeats(c, body) && sound;
  });
  return checked.every(Boolean);
}

const countSteps = <T extends { readonly kind: string }>(items: readonly (T | Repeat<T>)[]): number =>
  items.reduce((sum, item) => sum + (isRepeat(item) ? item.count.value * countSteps(item.body) : 1), 0);

const expand = <T extends { readonly kind: string }>(items: readonly (T | Repeat<T>)[]): T[] =>
  items.flatMap((item) => {
    if (!isRepeat(item)) return [item];
    const body = expand(item.body);
    return body.length === 0 ? [] : Array.from({ length: item.count.value }, () => body).flat();
  });

/** Reports arms that are missing, twice or of no stream of the block. */
export function checkArms(c: Context, names: readonly Ident[], arms: readonly Arm[], loc: Loc): boolean {
  const found = new Map<string, Arm>();
  let sound = true;
  for (const arm of arms) {
    const { name, loc: at } = arm.stream;
    const first = found.get(name);
    const known = names.some((stream) => stream.name === name);
    if (isHole(name)) sound = false;
    else if (!known) fail(c, 'ZZ4001', at, `'${name}' is no stream of this block`, suggestion(name, names.map((stream) => stream.name)));
    else if (first) fail(c, 'ZZ4002', at, `'${name}' has two arms`, { related: [{ message: 'the first', loc: first.loc }] });
    if (!known || first) sound = false;
    else found.set(name, arm);
  }
  const missing = names.filter((stream) => !found.has(stream.name)).map((stream) => stream.name);
  // An arm of an unknown stream is most likely the missing one, misspelt.
  if (missing.length === 0 || !sound) return sound;
  fail(c, 'ZZ4002', loc, `no arm says what ${missing.join(', ')} takes`);
  return false;
}

export const armOf = (arms: readonly Arm[], stream: Ident): Expr | undefined => arms.find((arm) => arm.stream.name === stream.name)?.value;

/** A scope in which each stream's name is one value. */
export function streamScope(parent: Scope, names: readonly Ident[], states: readonly Value[]): Scope {
  const scope = createScope(parent);
  names.forEach((name, i) => scope.own.set(name.name, { name, binding: { kind: 'value', value: states[i] ?? POISON }, used: true }));
  return scope;
}

/** The stream before this one in the list; before the first comes the last. */
export const before = (i: number, streams: number): number => (i + streams - 1) % streams;

/** A context whose nodes carry these tags as well. */
export const tagged = (c: Context, tags: Context['tags']): Context => ({ ...c, tags: { ...c.tags, ...tags } });
