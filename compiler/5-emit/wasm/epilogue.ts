// What follows a product element by element, computed on its sums before they are written.

import type { Expr } from '../../4-kernels/expr.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import { showIndex } from '../../4-kernels/indexing.ts';
import { mergeLoops } from '../../4-kernels/merge-loops.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import { rowMajor } from '../../4-kernels/separate.ts';
import type { Fn, Local, Ref } from './code.ts';
import type { Product, Store } from './gemm.ts';
import { emitExpr, emitIndex } from './lanes.ts';
import type { Source } from './lanes.ts';
import { cutsOf, decode, sourceOf, testsOf } from './nest.ts';

export interface Epilogue {
  /** Of the product's result, outermost first, as few as the body allows. */
  readonly indices: readonly Var[];
  /** The local that is the sum. */
  readonly acc: string;
  readonly body: Expr;
  readonly params: readonly Buffer[];
}

/** The epilogue in as few loops as it allows; undefined where four elements that lie side by side cannot be computed at once. */
export function epilogueOf({ indices, acc, body, params }: Epilogue, output: Buffer, product: Product): Epilogue | undefined {
  const nest = mergeLoops({ indices, lets: [], stores: [{ output, value: body, index: rowMajor(indices) }] });
  const [store] = nest.stores;
  const lane = nest.indices.at(-1);
  if (!store || !lane) return undefined;
  // A test may change between vectors, not inside one.
  const isAligned = product.outStride % 4 === 0 && product.outGroupStride % 4 === 0;
  const isWhole = testsOf(store.value).every((test) => {
    if (test.kind === 'compare' || !('index' in test) || !test.index.terms.some((term) => mentionsLane(term.atom, lane))) return true;
    const cuts = cutsOf(test, lane);
    return isAligned && cuts.length > 0 && cuts.every((cut) => cut % 4 === 0);
  });
  return isWhole ? { indices: nest.indices, acc, body: store.value, params } : undefined;
}

type Atom = Index['terms'][number]['atom'];
const mentionsLane = (atom: Atom, lane: Var): boolean => (atom.kind === 'var' ? atom.variable.name === lane.name : atom.of.terms.some((term) => mentionsLane(term.atom, lane)));

/** The store of a product whose sums go through the epilogue. `extra` are the addresses of the epilogue's parameters. */
export const storeThrough =
  ({ indices, acc, body, params }: Epilogue, product: Product): Store =>
  (fn, value, row, column, group, extra) => {
    const { m } = fn.code;
    const lane = indices.at(-1) ?? { name: 'i', extent: 1 };
    const sources = new Map<string, Source>(params.map((param, i) => [param.id, sourceOf(param.id, param.dtype, extra[i])]));
    const outer = indices.slice(0, -1);
    const along = fn.i32();
    const { variables, statements: places } = placesOf(fn, product, outer, lane, along, { row, column, group });
    const statements: Ref[] = [];
    const hoisted = new Map<string, Local>();
    const hoist = (part: Index): Local => {
      const key = showIndex(part);
      const found = hoisted.get(key);
      if (found) return found;
      const { local, statement } = fn.keep(emitIndex({ fn, variables }, part));
      before.push(statement);
      hoisted.set(key, local);
      return local;
    };
    const sum = fn.v128();
    const before: Ref[] = [sum.set(value), ...places];
    const [result] = emitExpr({ fn, sources, variables, locals: new Map([[acc, [sum]]]), lane, vectors: 1, outer, hoist }, body, statements);
    return m.block(null, [...before, ...statements, result as Ref], fn.code.vector);
  };

/** The index variables of the element at (row, column) of a group, the lane's in `along`. */
function placesOf(fn: Fn, product: Product, outer: readonly Var[], lane: Var, along: Local, at: { row: Local; column: Ref; group: Local }): { variables: ReadonlyMap<string, Local>; statements: Ref[] } {
  const { m, c } = fn.code;
  const { groups, rows, outStride, outGroupStride } = product;
  const [only] = outer;
  const inRow = groups === 1 ? at.column : m.i32.add(m.i32.mul(at.group.get(), c(outGroupStride)), at.column);
  // Where the rows are the only other loop, nothing needs dividing.
  if (only && outer.length === 1 && only.extent === rows && lane.extent === outStride) {
    return { variables: new Map([[only.name, at.row], [lane.name, along]]), statements: [along.set(inRow)] };
  }
  const place = m.i32.add(m.i32.mul(at.row.get(), c(outStride)), inRow);
  if (!only) return { variables: new Map([[lane.name, along]]), statements: [along.set(place)] };
  const line = fn.i32();
  const { variables, statements } = decode(fn, line, outer);
  return {
    variables: new Map([...variables, [lane.name, along]]),
    statements: [along.set(place), line.set(m.i32.div_u(along.get(), c(lane.extent))), along.set(m.i32.sub(along.get(), m.i32.mul(line.get(), c(lane.extent)))), ...statements],
  };
}
