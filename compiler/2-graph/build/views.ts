// Views: a reading of an input through augmentations, while training.

import type { Arg, Call, Expr, Value as Written, View } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import type { ViewPart } from '../graph.ts';
import { sameShape, showShape } from '../types.ts';
import type { Context } from './context.ts';
import { fail } from './context.ts';
import { find, unknown } from './expressions.ts';
import type { Binding, Reading } from './scope.ts';
import { augmentation, bare, VIEW_NAMES } from './view-operations.ts';
import { isExpr } from './arguments.ts';

/** What a view stands for: a reading of inputs or, in a net that is used by another, the value it is given. Nothing after a report. */
export function viewBinding(c: Context, view: View): Binding | undefined {
  return reading(c, view.value);
}

function reading(c: Context, expr: Written): Binding | undefined {
  const calls: Call[] = [];
  let source = expr;
  while (source.kind === 'flow') {
    calls.unshift(source.target.kind === 'call' ? source.target : bare(source.target));
    source = source.value;
  }
  const start = sourceOf(c, source);
  // The rest of the chain is checked even where its source is unknown.
  return calls.reduce<Binding | undefined>((from, call) => augmented(c, from, call), start);
}

function sourceOf(c: Context, source: Written): Binding | undefined {
  if (source.kind === 'call') return source.callee.name === 'each' ? each(c, source) : nested(c, source);
  if (source.kind !== 'name') {
    fail(c, 'ZZ5007', source.loc, 'a view reads an input or another view, as in image -> hflip(p: 1.0)');
    return undefined;
  }
  const entry = find(c, source.name);
  if (!entry) {
    unknown(c, source);
    return undefined;
  }
  const { binding } = entry;
  if (binding.kind === 'reading') return binding;
  if (binding.kind === 'value' && (binding.value.kind === 'poison' || c.nets.length > 1)) return binding.value.kind === 'poison' ? undefined : binding;
  fail(c, 'ZZ5007', source.loc, `'${source.name}' is no input and no view`, { related: [{ message: 'defined here', loc: entry.name.loc }] });
  return undefined;
}

/** `hflip(image, p: 1.0)`: the source is the first argument. */
function nested(c: Context, call: Call): Binding | undefined {
  const first = call.args[0];
  if (!VIEW_NAMES.includes(call.callee.name)) {
    augmentation(c, call);
    return undefined;
  }
  if (!first || first.name || !isExpr(first.value)) {
    fail(c, 'ZZ5007', call.loc, `'${call.callee.name}' needs an input to read: image -> ${call.callee.name}(...)`);
    return undefined;
  }
  return augmented(c, reading(c, first.value), { ...call, args: call.args.slice(1) });
}

/** One augmentation after another; through `each` a chain of its own for every argument. */
function augmented(c: Context, from: Binding | undefined, call: Call): Binding | undefined {
  if (call.callee.name === 'each') {
    fail(c, 'ZZ5007', call.loc, 'each takes the readings as its arguments: each(image, flipped)');
    return undefined;
  }
  const step = augmentation(c, call);
  if (!from || !step || from.kind !== 'reading') return step && from;
  return { ...from, parts: from.parts.map((part): ViewPart => ({ ...part, steps: [...part.steps, step] })) };
}

/** `each(a, b)`: all parts of its arguments. They must have one shape. */
function each(c: Context, call: Call): Binding | undefined {
  if (call.args.length === 0) {
    fail(c, 'ZZ2005', call.callee.loc, 'each needs the readings that enter: each(image, flipped)');
    return undefined;
  }
  const found = call.args.map((arg) => part(c, arg));
  const values = found.filter((binding) => binding?.kind === 'value');
  if (values.length > 0) return values[0];
  const readings = found.filter((binding): binding is Reading => binding?.kind === 'reading');
  const [first] = readings;
  if (!first || readings.length < found.length) return undefined;
  const other = readings.findIndex((reading) => !sameShape(reading.shape, first.shape));
  if (other < 0) return { ...first, parts: readings.flatMap((reading) => reading.parts) };
  const loc: Loc = call.args[other]?.loc ?? call.loc;
  fail(c, 'ZZ3006', loc, `this reading is ${showShape(readings[other]?.shape ?? [])} for each image, the first ${showShape(first.shape)}`);
  return undefined;
}

function part(c: Context, { name, value }: Arg): Binding | undefined {
  if (!name) return reading(c, value as Expr);
  fail(c, 'ZZ2004', name.loc, 'each takes its readings by place: each(image, flipped)');
  return undefined;
}
