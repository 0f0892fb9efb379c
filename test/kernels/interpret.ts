// A slow and obvious interpreter of kernels, which refuses to load outside a buffer.

import type { ValueId } from '../../compiler/2-graph/graph.ts';
import { elementCount } from '../../compiler/2-graph/types.ts';
import { binaryValue, compareValue, unaryValue } from '../../compiler/4-kernels/expr.ts';
import type { Expr, Test } from '../../compiler/4-kernels/expr.ts';
import type { Atom, Index } from '../../compiler/4-kernels/indexing.ts';
import type { Kernel } from '../../compiler/4-kernels/kernel.ts';

type Buffers = ReadonlyMap<ValueId, ArrayLike<number>>;
type Names = ReadonlyMap<string, number>;

export function interpret(kernels: readonly Kernel[], feeds: Buffers): Map<ValueId, Float32Array> {
  const buffers = new Map<ValueId, Float32Array>([...feeds].map(([id, values]) => [id, Float32Array.from(values)]));
  for (const kernel of kernels) {
    const out = new Float32Array(elementCount(kernel.output.shape));
    for (let place = 0; place < out.length; place++) {
      let rest = place;
      const names = new Map<string, number>();
      for (const { name, extent } of kernel.indices.toReversed()) {
        names.set(name, rest % extent);
        rest = Math.floor(rest / extent);
      }
      out[place] = valueOf(kernel.body, buffers, names, new Map());
    }
    buffers.set(kernel.output.id, out);
  }
  return buffers;
}

export function indexOf(index: Index, names: Names): number {
  const atom = (of: Atom): number => {
    if (of.kind === 'var') return names.get(of.variable.name) ?? NaN;
    const inner = indexOf(of.of, names);
    const whole = Math.floor(inner / of.by);
    return of.kind === 'div' ? whole : inner - whole * of.by;
  };
  return index.terms.reduce((total, { factor, atom: part }) => total + factor * atom(part), index.offset);
}

function valueOf(expr: Expr, buffers: Buffers, names: Names, locals: Names): number {
  const go = (e: Expr): number => valueOf(e, buffers, names, locals);
  switch (expr.kind) {
    case 'number':
      return expr.value;
    case 'local':
      return locals.get(expr.name) ?? NaN;
    case 'load': {
      const place = indexOf(expr.index, names);
      const value = buffers.get(expr.buffer)?.[place];
      if (value === undefined) throw new RangeError(`load of %${expr.buffer}[${place}]`);
      return value;
    }
    case 'index':
      return indexOf(expr.index, names);
    case 'unary':
      return unaryValue(expr.op, go(expr.x));
    case 'binary':
      return binaryValue(expr.op, go(expr.a), go(expr.b));
    case 'select':
      return holds(expr.test, buffers, names, locals) ? go(expr.then) : go(expr.otherwise);
    case 'let':
      return valueOf(expr.body, buffers, names, new Map([...locals, [expr.name, go(expr.value)]]));
    case 'reduce': {
      const terms = Array.from({ length: expr.variable.extent }, (_, i) => valueOf(expr.body, buffers, new Map([...names, [expr.variable.name, i]]), locals));
      return expr.op === 'sum' ? terms.reduce((a, b) => a + b, 0) : Math.max(...terms);
    }
  }
}

function holds(test: Test, buffers: Buffers, names: Names, locals: Names): boolean {
  switch (test.kind) {
    case 'constant':
      return test.value;
    case 'compare':
      return compareValue(test.op, valueOf(test.a, buffers, names, locals), valueOf(test.b, buffers, names, locals));
    case 'atLeastZero':
      return indexOf(test.index, names) >= 0;
    case 'isZero':
      return indexOf(test.index, names) === 0;
    case 'all':
      return test.tests.every((part) => holds(part, buffers, names, locals));
  }
}
