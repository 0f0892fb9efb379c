// What a dispatch does, counted: floating-point operations and bytes.

import { elementCount } from '../../2-graph/types.ts';
import type { ValueId } from '../../2-graph/graph.ts';
import type { Expr, Test } from '../../4-kernels/expr.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import type { Work } from '../model.ts';
import { readsOf } from './nest.ts';
import type { Task } from './nest.ts';
import { productOf } from './product.ts';

/** A multiplication and an addition count as two, any function as one, indices and comparisons not; each buffer counts once, with all its bytes. */
export function workOf(task: Task, buffer: (id: ValueId) => Buffer): Work {
  const elements = task.indices.reduce((product, { extent }) => product * extent, 1);
  const { root } = task;
  const varying = new Set<string>();
  let operations = 0;
  for (const { name, value } of task.lets) {
    if (root && name === root.local) {
      const { groups, rows, columns, depth } = productOf(root);
      operations += 2 * groups * rows * columns * depth;
      varying.add(name);
    } else {
      const varies = dependsOnElement(value, varying);
      operations += count(value) * (varies ? elements : 1);
      if (varies) varying.add(name);
    }
  }
  for (const { value } of task.stores) operations += count(value) * elements;
  const bytes = [...readsOf(task), ...new Set(task.stores.map(({ output }) => output.id))].reduce((sum, id) => sum + bytesOf(buffer(id)), 0);
  return { operations, bytes };
}

/** Operations for one element, terms of reductions included. */
export const operationsAt = ({ lets, stores }: Pick<Task, 'lets' | 'stores'>): number => [...lets, ...stores].reduce((sum, { value }) => sum + count(value), 0);

const bytesOf = ({ shape, dtype }: Buffer): number => elementCount(shape) * (dtype === 'f16' ? 2 : 4);

function count(expr: Expr): number {
  switch (expr.kind) {
    case 'number':
    case 'load':
    case 'index':
    case 'local':
      return 0;
    case 'unary':
      return 1 + count(expr.x);
    case 'binary':
      return 1 + count(expr.a) + count(expr.b);
    case 'select':
      return Math.max(count(expr.then), count(expr.otherwise)) + countTest(expr.test);
    case 'let':
      return count(expr.value) + count(expr.body);
    case 'reduce':
      return expr.variable.extent * (1 + count(expr.body));
  }
}

const countTest = (test: Test): number =>
  test.kind === 'compare' ? count(test.a) + count(test.b) : test.kind === 'all' ? test.tests.reduce((sum, each) => sum + countTest(each), 0) : 0;

/** Whether the value differs from element to element; what does not is computed once. */
function dependsOnElement(expr: Expr, varying: ReadonlySet<string>): boolean {
  const inside = (each: Expr): boolean => dependsOnElement(each, varying);
  switch (expr.kind) {
    case 'number':
      return false;
    case 'load':
    case 'index':
      return expr.index.terms.length > 0;
    case 'local':
      return varying.has(expr.name);
    case 'unary':
      return inside(expr.x);
    case 'binary':
      return inside(expr.a) || inside(expr.b);
    case 'select':
      return true;
    case 'let':
      return inside(expr.value) || inside(expr.body);
    case 'reduce':
      return true;
  }
}
