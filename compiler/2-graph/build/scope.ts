// Names and what they stand for, scope by scope.

import type { Ident, Cell, Call } from '../../1-syntax/ast.ts';
import type { ValueId, ViewPart } from '../graph.ts';
import type { Shape } from '../types.ts';

/** What an expression gives. `poison` stands for a value whose making failed: whatever uses it stays silent. */
export type Value =
  | { readonly kind: 'tensor'; readonly id: ValueId }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'parts'; readonly ids: readonly ValueId[] }
  | { readonly kind: 'poison' };

/** Whether a name stands for a part that the parser could not read and has reported. */
export const isHole = (name: string): boolean => name === '';

export const POISON: Value = { kind: 'poison' };
export const tensor = (id: ValueId): Value => ({ kind: 'tensor', id });

/** An input, or a view of inputs, all of one shape (without the batch). */
export interface Reading {
  readonly kind: 'reading';
  readonly parts: readonly ViewPart[];
  readonly shape: Shape;
}

export type Binding =
  | { readonly kind: 'value'; readonly value: Value }
  | Reading
  /** The states after each step, and the last one (or, without steps, the first). */
  | { readonly kind: 'stream'; readonly states: readonly Value[]; readonly last: Value }
  /** `prefix` names its weights; its arguments mean what they meant where it was defined. */
  | { readonly kind: 'layer'; readonly call: Call; readonly prefix: string; readonly scope: Scope }
  | { readonly kind: 'cell'; readonly cell: Cell };


export interface Entry {
  readonly name: Ident;
  readonly binding: Binding;
  /** Whether something has referred to it. */
  used: boolean;
}

export interface Scope {
  readonly parent: Scope | undefined;
  /** Whether the parent's entry is seen from here. */
  readonly sees: (entry: Entry) => boolean;
  readonly own: Map<string, Entry>;
}

/** A scope inside `parent`. A cell's body, for one, sees only the layers of its net. */
export const createScope = (parent?: Scope, sees: (entry: Entry) => boolean = () => true): Scope => ({ parent, sees, own: new Map() });

/** The entry of a name, from the innermost scope that has it. */
export function lookup(scope: Scope, name: string): Entry | undefined {
  const own = scope.own.get(name);
  if (own || !scope.parent) return own;
  const outer = lookup(scope.parent, name);
  return outer && scope.sees(outer) ? outer : undefined;
}

/** Whether a name is known somewhere outwards, though not seen from here. */
export const hidden = (scope: Scope, name: string): Entry | undefined => scope.own.get(name) ?? (scope.parent && hidden(scope.parent, name));

/** All entries seen from here, inner ones first. */
export const visible = (scope: Scope): Entry[] => [...scope.own.values(), ...(scope.parent ? visible(scope.parent).filter(scope.sees) : [])];

/** What a cell's body sees of its net: layers and plain numbers, but no values of the graph. */
export const seenFromCells = ({ binding }: Entry): boolean => binding.kind === 'layer' || (binding.kind === 'value' && binding.value.kind === 'number');
