// Definitions: names for values.

import type { Ident, Let } from '../../1-syntax/ast.ts';
import { batchDim } from '../types.ts';
import { count } from './arguments.ts';
import type { Context } from './context.ts';
import { fail, observed } from './context.ts';
import { evaluate } from './expressions.ts';
import type { Binding, Value } from './scope.ts';
import { isHole, POISON, tensor } from './scope.ts';

/** Defines a name in the innermost scope, once. */
export function define(c: Context, name: Ident, binding: Binding): void {
  if (isHole(name.name)) return;
  const first = c.scope.own.get(name.name);
  if (first) fail(c, 'ZZ2002', name.loc, `'${name.name}' is defined twice`, { related: [{ message: 'first defined here', loc: first.name.loc }] });
  else c.scope.own.set(name.name, { name, binding, used: false });
  if (binding.kind === 'value') observed(c, name.loc, binding.value);
  else if (binding.kind === 'stream') observed(c, name.loc, binding.last);
  else if (binding.kind === 'reading') c.observe?.value(name.loc, { dtype: 'f32', shape: [batchDim(binding.parts.length), ...binding.shape] });
}

/** Defines a value's name, and gives the node it stands for this name in dumps. */
export function defineValue(c: Context, name: Ident, value: Value): void {
  define(c, name, { kind: 'value', value });
  // In a net that another one uses, names would repeat.
  if (value.kind === 'tensor' && c.nets.length === 1 && !c.target.names.has(value.id)) c.target.names.set(value.id, name.name);
}

/** `y = expr`, or `a, b = split(...)` with a name for every part. */
export function buildLet(c: Context, { names, value: expr }: Let): void {
  const value = evaluate(c, expr);
  const parts = value.kind === 'parts' ? value.ids.map(tensor) : [value];
  const fits = value.kind === 'poison' || parts.length === names.length;
  if (!fits) fail(c, 'ZZ2016', names[0]?.loc ?? expr.loc, `${count(names.length, 'name')} for ${count(parts.length, 'part')}`);
  names.forEach((name, i) => defineValue(c, name, fits && value.kind !== 'poison' ? (parts[i] ?? POISON) : POISON));
}
