// Fused kernels as kernels of one result each, for emitters that write no others. No contraction is computed twice: what several results need of one is stored first.

import type { Node, ValueId } from '../2-graph/graph.ts';
import { buffersOf, div, load, localsOf, number, reduce, reduces, replaceLocals, substitute } from './expr.ts';
import type { Expr } from './expr.ts';
import { isContraction, within } from './fused.ts';
import type { ContractionKind, ContractionRoot, FusedKernel, Let, Nest, Store } from './fused.ts';
import { int, plus, times, use } from './indexing.ts';
import type { Index, Var } from './indexing.ts';
import { createKernel } from './kernel.ts';
import type { Buffer, Kernel, KernelKind } from './kernel.ts';
import { LOWER } from './lower.ts';
import { mergeLoops } from './merge-loops.ts';
import { flatten, stridesOf, unflatten } from './rule.ts';
import type { Loops, LowerRule, Operand } from './rule.ts';
import { onlyPiece } from './view.ts';

/** A contraction of whole buffers and what follows at the element: an expression in which the local `acc` is the contraction's result. */
export interface Contraction {
  readonly node: Node<ContractionKind>;
  /** Whole buffers, whose elements may have another shape than the operands. */
  readonly operands: readonly Buffer[];
  readonly shapes: readonly (readonly number[])[];
  readonly output: Buffer;
  /** Of the output's elements, outermost first. */
  readonly indices: readonly Var[];
  readonly acc: string;
  readonly body: Expr;
  /** Buffers that the body reads. */
  readonly params: readonly Buffer[];
}

/** Emits contractions in its own way: undefined where it has none for this one. */
export type Contract<P> = (contraction: Contraction) => P | undefined;

/**
 * The kernels that compute what the fused kernel does, in order; every result has memory of its own, and so has what is staged.
 * Operands of contractions that are computed or put together are staged: there they would be computed for every output that reads them.
 */
export const separate = (fused: FusedKernel): Kernel[] => separateWith<never>(fused, () => undefined);

/** As `separate`, with `contract` in place of the kernels of contractions. */
export function separateWith<P>(fused: FusedKernel, contract: Contract<P>): (Kernel | P)[] {
  const buffers = new Map([...fused.params, ...fused.outputs, ...fused.scratch].map((buffer) => [buffer.id, buffer]));
  const bufferOf = (id: ValueId): Buffer => buffers.get(id) ?? missing(id);
  const made: (Kernel | P)[] = [];
  const scalars = new Map<string, Expr>();
  const writer: Writer = {
    compute(output, indices, value, kind) {
      const body = replaceLocals(value, scalars);
      const merged = kind === 'map' ? mergeLoops({ indices, lets: [], stores: [{ output, value: body, index: rowMajor(indices) }] }) : undefined;
      const parts = merged ? { indices: merged.indices, body: merged.stores[0]?.value ?? body } : { indices, body };
      made.push(createKernel({ name: `${fused.name.replace(/_[^_]*$/, '')}_${output.id}`, kind, from: fused.from, output, ...parts }, bufferOf));
      buffers.set(output.id, output);
      return readsOf(output);
    },
    contract(root, operands, output, indices, value) {
      const body = replaceLocals(value, scalars);
      const part = contract({ node: root.node, operands: operands.map(bufferOf), shapes: root.operands.map(({ shape }) => shape), output, indices, acc: root.local, body, params: buffersOf(body).map(bufferOf) });
      if (part === undefined) return undefined;
      made.push(part);
      buffers.set(output.id, output);
      return readsOf(output);
    },
  };
  for (const { name, value, of } of fused.scalars) scalars.set(name, writer.compute({ id: `${of}.scalar`, dtype: 'f32', shape: [] }, [], value, 'map').flat(int(0)));
  for (const nest of fused.stages.flat()) separateNest(nest, writer);
  return made;
}

const missing = (id: ValueId): never => {
  throw new Error(`no buffer %${id}`);
};

/** The row-major place of the element at a nest's indices. */
export const rowMajor = (indices: readonly Var[]): Index => flatten(indices.map(use), indices.map(({ extent }) => extent));

const readsOf = ({ id, shape }: Buffer): Operand => ({ shape, at: (...places) => load(id, flatten(places, shape)), flat: (place) => load(id, place) });

/** Adds what computes a buffer; values may name the fused kernel's scalars. */
interface Writer {
  compute(output: Buffer, indices: readonly Var[], value: Expr, kind: KernelKind): Operand;
  /** As the emitter computes contractions, if it does this one. */
  contract(root: ContractionRoot, operands: readonly ValueId[], output: Buffer, indices: readonly Var[], value: Expr): Operand | undefined;
}

function separateNest({ indices, root, lets, stores }: Nest, writer: Writer): void {
  const extents = indices.map(({ extent }) => extent);
  const summed = isContraction(root) ? contraction(root, indices, writer) : undefined;
  const values = new Map(lets.map(({ name, value }) => [name, value]));
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
    return lets.filter(({ name }) => names.has(name));
  };
  const computesRoot = (value: Expr, stored: { has(name: string): boolean }): boolean => needs(value, stored).some(({ name }) => name === root?.local);
  /** The value of what is stored; a contraction stays a local. */
  const whole = (value: Expr): Expr => replaceLocals(within(needs(value, known).filter(({ name }) => !summed || name !== root?.local), value), known);
  const write = (output: Buffer, value: Expr): void => {
    const body = whole(value);
    const isSum = summed !== undefined && computesRoot(value, known);
    const stored = isSum ? summed(output, body) : writer.compute(output, indices, body, reduces(body) ? 'reduce' : 'map');
    if (value.kind === 'local') known.set(value.name, stored.flat(rowMajor(indices)));
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
  // Parts are cut out of what is whole.
  const isShared = fromRoot.length > 1 || parts.some((part) => fromRoot.includes(part));
  if (root && rootValue && isShared && reduces(rootValue)) wholes.unshift({ output: { id: root.node.id, dtype: 'f32', shape: root.shape }, value: { kind: 'local', name: root.local } });

  for (const { output, value } of wholes) write(output, value);
  for (const { output, value, part } of parts) {
    const [outer = { name: 'i0', extent: 1 }, ...inner] = indices;
    const own = { name: outer.name, extent: part.size };
    const body = substitute(whole(value), new Map([[outer.name, plus(use(own), int(part.start))]]));
    writer.compute(output, [own, ...inner], body, reduces(body) ? 'reduce' : 'map');
  }
  pools.forEach(({ output, pool }, i) => {
    writer.compute(output, output.shape.map((extent, axis) => ({ name: `i${axis}`, extent })), pooled(pooledFrom[i]?.output.id ?? '', extents, pool, output.shape), 'reduce');
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

/**
 * What computes a value that a contraction goes into. Where the emitter does not do both at once, it may do the contraction alone; else it is a kernel like any other.
 * The operands are buffers from here on.
 */
function contraction(root: ContractionRoot, indices: readonly Var[], writer: Writer): (output: Buffer, value: Expr) => Operand {
  const { node, shape, local } = root;
  const operands = root.operands.map((operand, i) => wholeBuffer(`${node.id}.${'ab'[i] ?? String(i)}`, operand, writer));
  const ids = operands.map(({ id }) => id);
  const acc: Expr = { kind: 'local', name: local };
  const rule = (): Expr => {
    const reads = operands.map(({ operand }) => operand);
    const stage = (suffix: string, stageShape: readonly number[], { body, kind, extents }: Loops): Operand => {
      const own = (extents ?? stageShape).map((extent, axis) => ({ name: `i${axis}`, extent }));
      return writer.compute({ id: `${node.id}.${suffix}`, dtype: 'f32', shape: stageShape }, own, body(...own.map(use)), kind);
    };
    const loops = (LOWER[node.kind] as LowerRule)({ node, attrs: node.attrs as never, inputs: reads, shape, stage }, ...reads);
    return loops.body(...(loops.extents ? unflatten(rowMajor(indices), loops.extents) : indices.map(use)));
  };
  return (output, value) => {
    const both = writer.contract(root, ids, output, indices, value);
    if (both) return both;
    const alone = value.kind === 'local' ? undefined : writer.contract(root, ids, { id: node.id, dtype: 'f32', shape }, indices, acc);
    if (alone) return writer.compute(output, indices, replaceLocals(value, new Map([[local, alone.flat(rowMajor(indices))]])), 'map');
    const sum = rule();
    return writer.compute(output, indices, value.kind === 'local' ? sum : { kind: 'let', name: local, value: sum, body: value }, 'contraction');
  };
}

/** An operand that is a whole buffer, copied or computed into one if need be. */
function wholeBuffer(id: ValueId, { shape, at, flat, view }: Operand, writer: Writer): { readonly id: ValueId; readonly operand: Operand } {
  const source = view && onlyPiece(view)?.source;
  const isWhole = source?.offset === 0 && stridesOf(shape).every((stride, axis) => shape[axis] === 1 || stride === source.strides[axis]);
  if (isWhole) return { id: source.buffer, operand: { shape, at, flat } };
  const indices = shape.map((extent, axis) => ({ name: `i${axis}`, extent }));
  return { id, operand: writer.compute({ id, dtype: 'f32', shape }, indices, at(...indices.map(use)), 'map') };
}
