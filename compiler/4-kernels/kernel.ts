// A kernel: one loop nest that computes every element of one buffer from an expression. What fusion joins and emitters write out.

import type { ValueId } from '../2-graph/graph.ts';
import { elementCount } from '../2-graph/types.ts';
import type { DType } from '../2-graph/types.ts';
import { buffersOf, showExpr } from './expr.ts';
import type { Expr } from './expr.ts';
import { showIndex } from './indexing.ts';
import type { Var } from './indexing.ts';

/** A contraction multiplies and adds, and pays for tiling; a reduction reads many values for one; a map reads a few. */
export type KernelKind = 'map' | 'reduce' | 'contraction';

export interface Buffer {
  readonly id: ValueId;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface Kernel {
  readonly name: string;
  readonly kind: KernelKind;
  /** The graph values it computes. */
  readonly from: readonly ValueId[];
  /** The buffers that are read, in order of first use. */
  readonly params: readonly Buffer[];
  readonly output: Buffer;
  /** The loop nest, outermost first; in this order the elements lie one after the other, so the extents multiply to the output's length. */
  readonly indices: readonly Var[];
  /** The element at these indices. */
  readonly body: Expr;
}

/** A kernel whose parameters are the buffers its body reads. Throws RangeError where the loop nest does not cover the output. */
export function createKernel(parts: Omit<Kernel, 'params'>, bufferOf: (id: ValueId) => Buffer): Kernel {
  const covered = elementCount(parts.indices.map((index) => index.extent));
  const length = elementCount(parts.output.shape);
  if (covered !== length) throw new RangeError(`${parts.name}: a loop nest of ${covered} for ${length} elements`);
  return { ...parts, params: buffersOf(parts.body).map(bufferOf) };
}

export const showBuffer = (buffer: Buffer): string => `%${buffer.id}: ${buffer.dtype}[${buffer.shape.join(',')}]`;

/** The text form: a head with the buffers, the loop nest, and the body, loops of reductions on lines of their own. */
export function printKernel(kernel: Kernel): string {
  const params = kernel.params.map(showBuffer).join(', ');
  const loops = kernel.indices.map(({ name, extent }) => `${name}<${extent}`).join(', ');
  return `${kernel.kind} ${kernel.name}(${params}) -> ${showBuffer(kernel.output)}\n  [${loops}] =\n${layoutExpr(kernel.body, '    ')}\n`;
}

/** One line where it is short; reductions, lets and long selects broken over several. */
export function layoutExpr(expr: Expr, indent: string): string {
  const line = showExpr(expr);
  if (line.length <= 100) return indent + line;
  const deeper = `${indent}  `;
  switch (expr.kind) {
    case 'reduce':
      return `${indent}${expr.op} ${expr.variable.name}<${expr.variable.extent}\n${layoutExpr(expr.body, deeper)}`;
    case 'let':
      return `${indent}let ${expr.name} =\n${layoutExpr(expr.value, deeper)}\n${layoutExpr(expr.body, indent)}`;
    case 'binary':
      return `${indent}${expr.op}\n${layoutExpr(expr.a, deeper)}\n${layoutExpr(expr.b, deeper)}`;
    case 'unary':
      return `${indent}${expr.op}\n${layoutExpr(expr.x, deeper)}`;
    case 'select': {
      const test = showExpr({ ...expr, then: { kind: 'number', value: 1 }, otherwise: { kind: 'number', value: 0 } });
      return `${indent}${test.slice(0, -', 1, 0)'.length)})\n${layoutExpr(expr.then, deeper)}\n${layoutExpr(expr.otherwise, deeper)}`;
    }
    case 'load':
      return `${indent}%${expr.buffer}[${showIndex(expr.index)}]`;
    default:
      return indent + line;
  }
}

export const printKernels = (kernels: readonly Kernel[]): string => kernels.map(printKernel).join('\n');
