// Joins the loops of a nest that all its expressions walk as one, so that a row-major walk over whole tensors is a single loop.

import { mapExpr } from './expr.ts';
import type { Expr } from './expr.ts';
import type { Nest } from './fused.ts';
import { int, replace, use } from './indexing.ts';
import type { Index, Var } from './indexing.ts';

/** The nest with as few loops as its loads, tests and stores allow, named i0, i1, …; loops of one turn vanish. */
export function mergeLoops(nest: Nest): Nest {
  const places = indicesOf(nest);
  const groups = nest.indices
    .filter((index) => index.extent > 1)
    .reduce<Var[][]>((done, next) => {
      const group = done.at(-1);
      const last = group?.at(-1);
      if (!group || !last || !places.every((place) => walksAsOne(place, last, next))) return [...done, [next]];
      group.push(next);
      return done;
    }, []);
  const merged = groups.map((group, i): Var => ({ name: `i${i}`, extent: group.reduce((product, { extent }) => product * extent, 1) }));
  const names = new Map(groups.flatMap((group, i) => group.map(({ name }, place) => [name, place === group.length - 1 ? use(merged[i] as Var) : int(0)] as const)));
  const onIndex = (index: Index): Index => replace(index, names);
  const onExpr = (expr: Expr): Expr => mapExpr(expr, onIndex);
  return {
    ...nest,
    indices: merged,
    lets: nest.lets.map((each) => ({ ...each, value: onExpr(each.value) })),
    stores: nest.stores.map((store) => ({ ...store, index: onIndex(store.index), value: onExpr(store.value) })),
  };
}

/** All indices that a nest's expressions and stores mention. */
function indicesOf({ lets, stores }: Nest): Index[] {
  const found: Index[] = stores.map((store) => store.index);
  const collect = (expr: Expr): void => void mapExpr(expr, (index) => (found.push(index), index));
  for (const { value } of [...lets, ...stores]) collect(value);
  return found;
}

/** Whether the index, and all that it divides, moves with `outer` as if `inner` simply went on. */
function walksAsOne(index: Index, outer: Var, inner: Var): boolean {
  const factorOf = ({ name }: Var): number => index.terms.find(({ atom }) => atom.kind === 'var' && atom.variable.name === name)?.factor ?? 0;
  return factorOf(outer) === factorOf(inner) * inner.extent && index.terms.every(({ atom }) => atom.kind === 'var' || walksAsOne(atom.of, outer, inner));
}
