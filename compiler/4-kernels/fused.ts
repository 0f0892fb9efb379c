// A fused kernel: what one launch computes. Loop nests over elements, named values at the element, and stores of several of them.

import type { Node, ValueId } from '../2-graph/graph.ts';
import { groupOf } from '../2-graph/ops.ts';
import type { ComputeKind } from '../2-graph/ops.ts';
import { showExpr } from './expr.ts';
import type { Expr } from './expr.ts';
import { showIndex } from './indexing.ts';
import type { Index, Var } from './indexing.ts';
import { layoutExpr, showBuffer } from './kernel.ts';
import type { Buffer, KernelKind } from './kernel.ts';
import type { Operand } from './rule.ts';
import { showView } from './view.ts';

export interface Let {
  readonly name: string;
  readonly value: Expr;
  /** The graph value that it is. */
  readonly of: ValueId;
}

/** The operation of a nest that reads many elements for one, for emitters that compute it in their own way: tiles, trees, … */
export interface Root {
  readonly node: Node<ComputeKind>;
  /** Its operands as functions of their own coordinates, whatever lies behind; `view` tells where they are copies of buffers. */
  readonly operands: readonly Operand[];
  /** In what a contraction multiplies them: f16 where all of them are stored so. Sums are f32. */
  readonly factors: 'f32' | 'f16';
  /** The shape of its result, which the nest's indices walk. */
  readonly shape: readonly number[];
  /** The first of the nest's lets: the result at the element. */
  readonly local: string;
}

export interface Store {
  readonly output: Buffer;
  readonly value: Expr;
  /** The place in the output; every place is stored once. */
  readonly index: Index;
  /** Stored only where the outermost index is from `start` to `start + size - 1`; elsewhere the value has no meaning. */
  readonly part?: { readonly start: number; readonly size: number };
  /** What is stored is the mean or the largest of the value over windows of k by k elements along the second and third index. */
  readonly pool?: { readonly op: 'mean' | 'max'; readonly k: number };
}

export interface Nest {
  /** Outermost first. */
  readonly indices: readonly Var[];
  readonly root?: Root;
  /** Values at the element, each after those that it reads. */
  readonly lets: readonly Let[];
  /** All values of a kernel are computed before any is stored: a result may lie where an operand was. */
  readonly stores: readonly Store[];
}

export interface FusedKernel {
  readonly name: string;
  readonly kind: KernelKind;
  /** The graph values it computes. */
  readonly from: readonly ValueId[];
  /** The buffers that are read, in order of first use. */
  readonly params: readonly Buffer[];
  readonly outputs: readonly Buffer[];
  /** Buffers that only the kernel itself uses, between its stages. */
  readonly scratch: readonly Buffer[];
  /** Values that are the same for all elements, in all nests. */
  readonly scalars: readonly Let[];
  /** Nests of one stage run side by side, and read what the stages before have stored. */
  readonly stages: readonly (readonly Nest[])[];
}

export type ContractionKind = 'matmul' | 'conv2d' | 'conv2d_input_grad' | 'conv2d_filter_grad';
export type ContractionRoot = Root & { readonly node: Node<ContractionKind> };

export const isContraction = (root: Root | undefined): root is ContractionRoot => root !== undefined && groupOf(root.node.kind) === 'contraction';

/** The expression inside the lets. */
export const within = (lets: readonly Let[], body: Expr): Expr => lets.reduceRight<Expr>((inner, { name, value }) => ({ kind: 'let', name, value, body: inner }), body);

// The text form.

/** The text form: a head with the buffers, then each stage's nests with their lets and stores. */
function printFused(kernel: FusedKernel): string {
  const list = (buffers: readonly Buffer[]): string => buffers.map(showBuffer).join(', ');
  const scratch = kernel.scratch.length === 0 ? '' : ` with ${list(kernel.scratch)}`;
  const stages = kernel.stages.map((nests) => nests.map(showNest).join('')).join('  then\n');
  return `${kernel.kind} ${kernel.name}(${list(kernel.params)}) -> ${list(kernel.outputs)}${scratch}\n${kernel.scalars.map((each) => showLet(each, '  ')).join('')}${stages}`;
}

export const printFusedKernels = (kernels: readonly FusedKernel[]): string => kernels.map(printFused).join('\n');

function showNest({ indices, root, lets, stores }: Nest): string {
  const loops = indices.map(({ name, extent }) => `${name}<${extent}`).join(', ');
  const named = lets.map((each) => (isContraction(root) && each.name === root.local ? showContraction(root) : showLet(each, '    ')));
  return `  [${loops}]\n${named.join('')}${stores.map(showStore).join('')}`;
}

const assigned = (head: string, value: Expr, indent: string): string => {
  const line = `${indent}${head} = ${showExpr(value)}\n`;
  return line.length <= 140 ? line : `${indent}${head} =\n${layoutExpr(value, `${indent}  `)}\n`;
};

const showLet = ({ name, value, of }: Let, indent: string): string => assigned(`${name} %${of}`, value, indent);

function showStore({ output, value, index, part, pool }: Store): string {
  const where = part ? ` where ${part.start} <= i0 < ${part.start + part.size}` : pool ? ` ${pool.op} of ${pool.k} by ${pool.k}` : '';
  return assigned(`%${output.id}[${showIndex(index)}]${where}`, value, '    ');
}

/** A contraction by its operands: where they lie, or what their elements are. */
function showContraction({ node, operands, local }: ContractionRoot): string {
  const attrs = Object.entries(node.attrs).map(([name, value]) => `${name}=${Array.isArray(value) ? `[${value.join(',')}]` : String(value)}`);
  const lines = operands.map((operand, i) => {
    const { shape, view } = operand;
    const head = `${'ab'[i] ?? '?'}[${shape.join(',')}]`;
    if (view) return `      ${head} = ${showView(view, shape)}\n`;
    const names = shape.map((extent, axis) => ({ name: `j${axis}`, extent }));
    return assigned(head, operand.at(...names.map((variable) => ({ terms: [{ factor: 1, atom: { kind: 'var' as const, variable } }], offset: 0 }))), '      ');
  });
  return `    ${local} %${node.id} = ${node.kind} {${attrs.join(', ')}} of\n${lines.join('')}`;
}
