// Appends typed nodes to a list, with fresh ids. Build and every pass that adds values use it.

import type { Loc } from '../diagnostics.ts';
import type { Node, Tags, ValueId } from './graph.ts';
import type { Attrs, OpKind } from './ops.ts';
import { inferType } from './shapes.ts';
import type { TensorType } from './types.ts';

export interface Builder {
  /** Appends a node and returns its id. The type is inferred; throws ShapeError where the shape rule refuses. */
  add<K extends OpKind>(kind: K, inputs: readonly ValueId[], attrs: Attrs<K>, place?: Place): ValueId;
  /** Appends a node made elsewhere, under its own id. Throws Error where the id is taken. */
  push(node: Node): void;
  type(id: ValueId): TensorType;
  node(id: ValueId): Node;
  /** The nodes so far, in order. */
  nodes(): readonly Node[];
}

export interface Place {
  readonly id?: ValueId;
  readonly locs?: readonly Loc[];
  readonly tags?: Tags;
  /** For a call, whose type is its region's. */
  readonly type?: TensorType;
}

/**
 * A builder that starts from `nodes`. Ids that are given must be new; others are the next free numbers.
 * `defaults` is asked for locations and tags where a node gives none.
 */
export function createBuilder(nodes: readonly Node[] = [], defaults: () => { locs: readonly Loc[]; tags: Tags } = () => ({ locs: [], tags: {} })): Builder {
  const list: Node[] = [...nodes];
  const byId = new Map(list.map((node) => [node.id, node]));
  let next = list.reduce((most, { id }) => Math.max(most, numberAfter(id)), 0);

  const node = (id: ValueId): Node => {
    const found = byId.get(id);
    if (!found) throw new Error(`no value %${id}`);
    return found;
  };
  const push = (added: Node): void => {
    if (byId.has(added.id)) throw new Error(`value %${added.id} is defined twice`);
    list.push(added);
    byId.set(added.id, added);
    next = Math.max(next, numberAfter(added.id));
  };
  return {
    add(kind, inputs, attrs, place = {}) {
      const id = place.id ?? String(next);
      const operands = inputs.map((input) => node(input).type);
      const type = place.type ?? inferType(kind, attrs, operands);
      const fallback = place.locs && place.tags ? place : defaults();
      push({ id, kind, inputs, attrs, type, locs: place.locs ?? fallback.locs, tags: place.tags ?? fallback.tags } as Node);
      return id;
    },
    push,
    type: (id) => node(id).type,
    node,
    nodes: () => list,
  };
}

/** One more than a plain number; 0 for other ids. */
const numberAfter = (id: ValueId): number => (/^\d+$/.test(id) ? Number(id) + 1 : 0);
