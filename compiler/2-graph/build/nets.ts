// A net's items in order, and nets that are used as functions of other nets.

import type { Call, Ident, Input, Item, Net, Train } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import type { ValueId } from '../graph.ts';
import { sameShape, showShape } from '../types.ts';
import { bind, value as anyValue } from './arguments.ts';
import { checkCell } from './cells.ts';
import type { Context, Language, Library, Piped } from './context.ts';
import { fail, inUse, spend, toTensor } from './context.ts';
import { call, evaluate, find, unknownCallee } from './expressions.ts';
import { functionNamed } from '../functions.ts';
import { buildLet, define, defineValue } from './lets.ts';
import { join } from './namer.ts';
import type { Value } from './scope.ts';
import { createScope, lookup, POISON, seenFromCells, tensor } from './scope.ts';
import { buildStreams } from './streams.ts';
import { buildTwin } from './twin.ts';
import { viewBinding } from './views.ts';

const MAX_DEPTH = 50;

/** What a net's items come to. */
export interface Draft {
  readonly outputs: { readonly name: Ident; readonly value: Value }[];
  readonly losses: { readonly value: ValueId; readonly loc: Loc }[];
  train?: Train;
}

type Builders = { readonly [K in Item['kind']]: (c: Context, item: Extract<Item, { kind: K }>, draft: Draft, args?: ReadonlyMap<string, Value>) => void };

const BUILDERS: Builders = {
  input(c, item, _, args) {
    const dims = item.shape.map((dim) => dim.value);
    const bad = item.shape.find(({ value }) => !Number.isSafeInteger(value) || value < 1);
    if (bad) fail(c, 'ZZ3013', bad.loc, `a dimension is a whole number from 1, found ${bad.text}`);
    else if (dims.reduce((a, b) => a * b, 1) > 2 ** 31) fail(c, 'ZZ3013', item.shape[0]?.loc ?? item.loc, `[${dims.join(',')}] has more than 2^31 elements for each image`);
    const sound = !bad && dims.reduce((a, b) => a * b, 1) <= 2 ** 31;
    const name = item.name.name;
    if (args) define(c, item.name, { kind: 'value', value: args.get(name) ?? POISON });
    else define(c, item.name, sound ? { kind: 'reading', parts: [{ source: name, steps: [] }], shape: dims } : { kind: 'value', value: POISON });
  },
  view(c, item) {
    define(c, item.name, viewBinding(c, item) ?? { kind: 'value', value: POISON });
  },
  let: buildLet,
  layer(c, item) {
    const { callee } = item.value;
    const known = functionNamed(callee.name) ?? c.library.nets.get(callee.name);
    if (!known) unknownCallee(c, callee, lookup(c.scope, callee.name));
    define(c, item.name, known ? { kind: 'layer', call: item.value, prefix: join(c.namer.prefix, item.name.name), scope: c.scope } : { kind: 'value', value: POISON });
  },
  cell(c, item) {
    checkCell(c, { cell: item, scope: createScope(c.scope, seenFromCells), library: c.library });
    define(c, item.name, { kind: 'cell', cell: item });
  },
  streams(c, item) {
    const built = buildStreams(c, item);
    item.names.forEach((name, i) => {
      const binding = built[i];
      if (binding) define(c, name, binding);
    });
  },
  twin(c, item) {
    const built = buildTwin(c, item);
    item.names.forEach((name, i) => {
      defineValue(c, name, built[i] ?? POISON);
    });
  },
  backward(c, item) {
    if (c.target.builder === c.workshop.builder) c.workshop.backwards.push({ c, block: item });
  },
  output(c, { name, value: expr }, draft) {
    const first = draft.outputs.find((output) => output.name.name === name.name);
    if (first) {
      fail(c, 'ZZ2002', name.loc, `there are two outputs '${name.name}'`, { related: [{ message: 'the first', loc: first.name.loc }] });
      return;
    }
    const made = expr ? evaluate(c, expr) : evaluate(c, { kind: 'name', ...name });
    const id = toTensor(c, made, expr?.loc ?? name.loc);
    const value = id === undefined ? POISON : tensor(id);
    if (expr) defineValue(c, name, value);
    find(c, name.name);
    draft.outputs.push({ name, value });
  },
  loss(c, { value: expr }, draft, args) {
    if (args) return;
    const id = toTensor(c, evaluate(c, expr), expr.loc);
    if (id === undefined) return;
    const { shape } = c.target.builder.type(id);
    if (shape.length === 0) draft.losses.push({ value: id, loc: expr.loc });
    else fail(c, 'ZZ3009', expr.loc, `this loss is ${showShape(shape)}: take its mean or sum`);
  },
  train(c, item, draft) {
    if (draft.train) fail(c, 'ZZ5006', item.loc, 'the net has two train blocks', { related: [{ message: 'the first', loc: draft.train.loc }] });
    else draft.train = item;
  },
};

/** Builds a net's items in order. `args` are the values of its inputs where it is used as a function. */
export function buildItems(c: Context, net: Net, args?: ReadonlyMap<string, Value>): Draft {
  const draft: Draft = { outputs: [], losses: [] };
  const inner: Context = { ...c, later: definitions(net) };
  for (const item of net.items) (BUILDERS[item.kind] as Builders['let'])(inner, item as never, draft, args);
  return draft;
}

/** Where a net first defines each of its names. */
function definitions(net: Net): Map<string, Ident> {
  const names = net.items.flatMap((item): readonly Ident[] => {
    if ('names' in item) return item.names;
    return 'name' in item && item.kind !== 'output' ? [item.name] : [];
  });
  return new Map([...names].reverse().map((name) => [name.name, name]));
}

/** A net as a function: its inputs take the arguments, and it gives its first output. Its losses and settings are left aside. */
function useNet(c: Context, expr: Call, piped: Piped | undefined, net: Net, library: Library): Value {
  spend(c, expr.loc);
  const key = `${net.loc.file} ${net.name.name}`;
  c.workshop.used.add(net);
  if (c.nets.includes(key)) {
    const related = [{ message: 'the net', loc: net.name.loc }];
    return fail(c, 'ZZ2017', expr.callee.loc, `'${net.name.name}' would contain itself`, { related });
  }
  if (c.nets.length > MAX_DEPTH) return fail(c, 'ZZ1005', expr.callee.loc, `nets use each other more than ${MAX_DEPTH} deep`);
  const inputs = net.items.filter((item): item is Input => item.kind === 'input');
  const bound = bind(c, expr, Object.fromEntries(inputs.map(({ name }) => [name.name, anyValue])), piped);
  if (!bound) return POISON;
  // A narrowed net's values have other channels than its inputs declare.
  const misfit = c.scale ? undefined : inputs.find(({ name, shape }) => !sameShape(typeOf(c, bound[name.name]).slice(1), shape.map(({ value }) => value)));
  if (misfit) {
    const found = typeOf(c, bound[misfit.name.name]);
    const message = `'${net.name.name}' takes ${showShape(['B', ...misfit.shape.map(({ value }) => value)])} as its ${misfit.name.name}, found ${showShape(found)}`;
    return fail(c, 'ZZ2006', expr.loc, message, { related: [{ message: 'the input', loc: misfit.loc }] });
  }
  const args = new Map(Object.entries(bound).map(([name, id]) => [name, tensor(id)]));
  const namer = c.namer.use(net.name.name);
  const inner: Context = { ...inUse(c, namer.prefix), scope: createScope(), library, namer, nets: [...c.nets, key], inCell: false, observe: undefined };
  const [output] = buildItems(inner, net, args).outputs;
  return output?.value ?? fail(c, 'ZZ2015', expr.callee.loc, `'${net.name.name}' gives no output`, { related: [{ message: 'the net', loc: net.name.loc }] });
}

const typeOf = (c: Context, id: ValueId | undefined) => (id === undefined ? [] : c.target.builder.type(id).shape);

export const LANGUAGE: Language = { evaluate, call, useNet };
