// Fused kernels as kernels of one result each, for emitters that write no others. No contraction is computed twice: what several results need of one is stored first.

import type { ValueId } from '../2-graph/graph.ts';
import { div, load, localsOf, number, reduce, reduces, replaceLocals, substitute } from './expr.ts';
import type { Expr } from './expr.ts';
import { isContraction, within } from './fused.ts';
import type { ContractionRoot, FusedKernel, Let, Nest, Store } from './fused.ts';
import { int, plus, times, use } from './indexing.ts';
import type { Index, Var } from './indexing.ts';
import { createKernel } from './kernel.ts';
import type { Buffer, Kernel, KernelKind } from './kernel.ts';
import { LOWER } from './lower.ts';
import { mergeLoops } from './merge-loops.ts';
import { flatten, unflatten } from './rule.ts';
import type { Loops, LowerRule, Operand } from './rule.ts';
import { onlyPiece } from './view.ts';

/**
 * The kernels that compute what the fused kernel does, in order; every result has memory of its own, and so has what is staged.
 * Operands of contractions that are computed or put together are staged: there they would be computed for every output that reads them.
 */
export function separate(fused: FusedKernel): Kernel[] {
  const buffers = new Map([...fused.params, ...fused.outputs, ...fused.scratch].map((buffer) => [buffer.id, buffer]));
  const kernels: Kernel[] = [];
  const known = new Map<string, Expr>();
  const emit: Emit = (output, indices, value, kind) => {
    const body = replaceLocals(value, known);
    buffers.set(output.id, output);
    const merged = kind === 'map' ? mergeLoops({ indices, lets: [], stores: [{ output, value: body, index: flatten(indices.map(use), indices.map(({ extent }) => extent)) }] }) : undefined;
    const parts = merged ? { indices: merged.indices, body: merged.stores[0]?.value ?? body } : { indices, body };
    kernels.push(createKernel({ name: `${fused.name.replace(/_[^_]*$/, '')}_${output.id}`, kind, from: fused.from, output, ...parts }, (id) => buffers.get(id) ?? missing(id)));
    return { shape: output.shape, at: (...places) => load(output.id, flatten(places, output.shape)), flat: (place) => load(output.id, place) };
  };
  for (const { name, value, of } of fused.scalars) known.set(name, emit({ id: `${of}.scalar`, dtype: 'f32', shape: [] }, [], value, 'map').flat(int(0)));
  for (const nest of fused.stages.flat()) separateNest(nest, emit);
  return kernels;
}

const missing = (id: ValueId): never => {
  throw new Error(`no buffer %${id}`);
};

/** Adds a kernel that computes a buffer; its body may name the fused kernel's scalars. */
type Emit = (output: Buffer, indices: readonly Var[], body: Expr, kind: KernelKind) => Operand;

function separateNest({ indices, root, lets, stores }: Nest, emit: Emit): void {
  const places = indices.map(use);
  const extents = indices.map(({ extent }) => extent);
  const values = new Map(lets.map(({ name, value }) => [name, isContraction(root) && name === root.local ? contraction(root, places, emit) : value]));
  // What has been stored is read; all else is computed where it is used.
  const known = new Map<string, Expr>();
  /** The lets that a value is computed from, in order, given the names that are stored. */
  const needs = (value: Expr, stored: { has(name: string): boolean }): Let[] => {
    const names = new Set<string>();
    const visit = (expr: Expr): void => {
      for (const name of localsOf(expr)) {
        const inner = values.get(name);
        if (inner === undefined || stored.has(name) || names.has(name)) continue;
        visit(inner);
        names.add(name);
      }
    };
    visit(value);
    return lets.filter(({ name }) => names.has(name)).map((each) => ({ ...each, value: values.get(each.name) ?? each.value }));
  };
  const computesRoot = (value: Expr, stored: { has(name: string): boolean }): boolean => needs(value, stored).some(({ name }) => name === root?.local);
  const whole = (value: Expr): { body: Expr; kind: KernelKind } => {
    const body = replaceLocals(within(needs(value, known), value), known);
    return { body, kind: !reduces(body) ? 'map' : computesRoot(value, known) && isContraction(root) ? 'contraction' : 'reduce' };
  };

  const { plain, parts, pools } = byForm(stores, lets);
  // A pool reads a value that is stored, for it alone if need be.
  const pooledFrom = pools.map(({ output, value }) => plain.find((each) => each.value === value || sameLocal(each.value, value)) ?? { value, output: { ...output, id: `${output.id}.whole`, shape: extents } });
  const wholes: Pick<Store, 'output' | 'value'>[] = [...new Set([...plain, ...pooledFrom])];
  const sofar = new Set<string>();
  const fromRoot = [...wholes, ...parts].filter(({ value }) => {
    const isComputed = computesRoot(value, sofar);
    if (value.kind === 'local') sofar.add(value.name);
    return isComputed;
  });
  const rootValue = values.get(root?.local ?? '');
  if (root && rootValue && fromRoot.length > 1 && reduces(rootValue)) wholes.unshift({ output: { id: root.node.id, dtype: 'f32', shape: root.shape }, value: { kind: 'local', name: root.local } });

  for (const { output, value } of wholes) {
    const { body, kind } = whole(value);
    const stored = emit(output, indices, body, kind);
    if (value.kind === 'local') known.set(value.name, stored.flat(flatten(places, extents)));
  }
  for (const { output, value, part } of parts) {
    const { body, kind } = whole(value);
    const [outer = { name: 'i0', extent: 1 }, ...inner] = indices;
    const own = { name: outer.name, extent: part.size };
    emit(output, [own, ...inner], substitute(body, new Map([[outer.name, plus(use(own), int(part.start))]])), kind);
  }
  pools.forEach(({ output, pool }, i) => {
    emit(output, output.shape.map((extent, axis) => ({ name: `i${axis}`, extent })), pooled(pooledFrom[i]?.output.id ?? '', extents, pool, output.shape), 'reduce');
  });
}

const sameLocal = (a: Expr, b: Expr): boolean => a.kind === 'local' && b.kind === 'local' && a.name === b.name;

/** Stores of whole values, those that have a name first and in the order of the names; of parts; and of pools. */
function byForm(stores: readonly Store[], lets: readonly Let[]) {
  const order = ({ value }: Store): number => (value.kind === 'local' ? lets.findIndex(({ name }) => name === value.name) : lets.length);
  return {
    plain: stores.filter(({ part, pool }) => !part && !pool).toSorted((a, b) => order(a) - order(b)),
    parts: stores.flatMap((store) => (store.part ? [{ ...store, part: store.part }] : [])),
    pools: stores.flatMap((store) => (store.pool ? [{ ...store, pool: store.pool }] : [])),
  };
}

/** Windows of k by k elements of a buffer, along the second and third axis. */
function pooled(buffer: ValueId, shape: readonly number[], { op, k }: { readonly op: 'mean' | 'max'; readonly k: number }, out: readonly number[]): Expr {
  const places = out.map((extent, axis) => use({ name: `i${axis}`, extent }));
  const moved = (axis: number, by: Index): Index => plus(times(places[axis] ?? int(0), k), by);
  const reducer = op === 'mean' ? 'sum' : 'max';
  const window = reduce(reducer, 'ky', k, (ky) => reduce(reducer, 'kx', k, (kx) => load(buffer, flatten(places.with(1, moved(1, ky)).with(2, moved(2, kx)), shape))));
  return op === 'mean' ? div(window, number(k * k)) : window;
}

/** The contraction at an element, of buffers alone. */
function contraction({ node, operands, shape }: ContractionRoot, places: readonly Index[], emit: Emit): Expr {
  const plain = operands.map((operand, i) => (operand.view && onlyPiece(operand.view) ? operand : stagedOperand(`${node.id}.${'ab'[i] ?? String(i)}`, operand, emit)));
  const stage = (suffix: string, stageShape: readonly number[], { body, kind, extents }: Loops): Operand => {
    const own = (extents ?? stageShape).map((extent, axis) => ({ name: `i${axis}`, extent }));
    return emit({ id: `${node.id}.${suffix}`, dtype: 'f32', shape: stageShape }, own, body(...own.map(use)), kind);
  };
  const loops = (LOWER[node.kind] as LowerRule)({ node, attrs: node.attrs as never, inputs: plain, shape, stage }, ...plain);
  return loops.body(...(loops.extents ? unflatten(flatten(places, shape), loops.extents) : places));
}

function stagedOperand(id: ValueId, { shape, at }: Operand, emit: Emit): Operand {
  const indices = shape.map((extent, axis) => ({ name: `i${axis}`, extent }));
  return emit({ id, dtype: 'f32', shape }, indices, at(...indices.map(use)), 'map');
}
