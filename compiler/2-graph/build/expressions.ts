// Expressions to values: names, arithmetic, pipelines and calls of functions, layers and nets.

import type { Binary, Call, Expr, Flow, Ident, Index, Name, Negate } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import type { FunctionSpec } from '../functions.ts';
import { batchDim } from '../types.ts';
import { FUNCTION_NAMES, functionNamed } from '../functions.ts';
import { bind, count, suggestion, tensorsAmong, value as anyValue } from './arguments.ts';
import type { Context, Piped } from './context.ts';
import { attempt, emit, fail, hasNode, observed, shareNode, spend, toTensor } from './context.ts';
import { Maker } from './maker.ts';
import { layerNamer } from './namer.ts';
import type { Binding, Entry, Reading, Value } from './scope.ts';
import { createScope, hidden, isHole, lookup, POISON, seenFromCells, tensor, visible } from './scope.ts';
import { VIEW_NAMES } from './view-operations.ts';

/** Evaluates an expression. Mistakes are reported and give poison. Chains such as a -> b -> c or a + b + c take no stack. */
export function evaluate(c: Context, expr: Expr): Value {
  const chain: (Flow | Binary)[] = [];
  let first = expr;
  while (first.kind === 'flow' || first.kind === 'binary') {
    chain.push(first);
    first = first.kind === 'flow' ? first.value : first.left;
  }
  let value = observed(c, first.loc, atom(c, first));
  for (let link = chain.pop(); link; link = chain.pop()) {
    spend(c, link.loc);
    value = observed(c, link.loc, link.kind === 'flow' ? flow(c, value, link) : arithmetic(c, link, value, evaluate(c, link.right)));
  }
  return value;
}

/** Sends a value through a chain of calls, as the stages of a twin do. */
export const pipe = (c: Context, value: Value, loc: Loc, targets: readonly (Call | Name)[]): Value =>
  targets.reduce((piped, target) => observed(c, target.loc, c.language.call(c, asCall(target), { kind: 'piped', value: piped, loc })), value);

const asCall = (target: Call | Name): Call =>
  target.kind === 'call' ? target : { kind: 'call', callee: target, args: [], loc: target.loc };

const flow = (c: Context, value: Value, { target, value: from }: Flow): Value => observed(c, target.loc, call(c, asCall(target), { kind: 'piped', value, loc: from.loc }));

function atom(c: Context, expr: Exclude<Expr, Flow | Binary>): Value {
  spend(c, expr.loc);
  switch (expr.kind) {
    case 'number':
      // What nests too deeply is cut out by the parser and stands as no number.
      return Number.isNaN(expr.value) ? POISON : { kind: 'number', value: expr.value };
    case 'name':
      return nameValue(c, expr);
    case 'index':
      return streamState(c, expr);
    case 'call':
      return call(c, expr);
    case 'negate':
      return negate(c, expr);
  }
}

function negate(c: Context, expr: Negate): Value {
  const value = evaluate(c, expr.value);
  if (value.kind === 'number') return { kind: 'number', value: -value.value };
  const id = toTensor(c, value, expr.value.loc);
  return id === undefined ? POISON : attempt(c, expr.loc, () => [value], () => tensor(emit(c, expr.loc, 'neg', [id], {})));
}

const OPERATORS = {
  '+': { kind: 'add', fold: (a: number, b: number) => a + b },
  '-': { kind: 'sub', fold: (a: number, b: number) => a - b },
  '*': { kind: 'mul', fold: (a: number, b: number) => a * b },
  '/': { kind: 'div', fold: (a: number, b: number) => a / b },
} as const;

function arithmetic(c: Context, expr: Binary, left: Value, right: Value): Value {
  const { kind, fold } = OPERATORS[expr.op];
  if (left.kind === 'number' && right.kind === 'number') {
    const value = fold(left.value, right.value);
    return Number.isFinite(value) ? { kind: 'number', value } : fail(c, 'ZZ2007', expr.loc, `${left.value} ${expr.op} ${right.value} is no finite number`);
  }
  if (c.probing && (left.kind === 'poison') !== (right.kind === 'poison')) return left.kind === 'poison' ? right : left;
  const [a, b] = [toTensor(c, left, expr.left.loc), toTensor(c, right, expr.right.loc)];
  return a === undefined || b === undefined ? POISON : attempt(c, expr.loc, () => [left, right], () => tensor(emit(c, expr.loc, kind, [a, b], {})));
}

/** The node that reads an input or a view, made where it is first needed. When evaluating, a view is its first source. */
function read(c: Context, name: string, reading: Reading, loc: Loc): Value {
  const [first] = reading.parts;
  if (!first) return POISON;
  const plain = c.mode === 'evaluate';
  const id = plain ? first.source : name;
  const parts = plain ? [{ source: first.source, steps: [] }] : reading.parts;
  return attempt(c, loc, () => [], () => {
    if (!hasNode(c, id)) c.workshop.views.set(id, { name: id, parts });
    return tensor(shareNode(c, loc, 'input', { name: id, shape: [batchDim(parts.length), ...reading.shape] }, id));
  });
}

const NOT_VALUES = { layer: 'a layer: put its input before it, as in x -> ', cell: 'a cell: it runs in a streams block, as in streams L, R of ' } as const;

function nameValue(c: Context, { name, loc }: Name): Value {
  const entry = find(c, name);
  if (entry) return bound(c, entry, loc);
  return unknown(c, { name, loc });
}

/** The value that an entry stands for. */
export function bound(c: Context, entry: Entry, loc: Loc): Value {
  const { binding, name } = entry;
  if (binding.kind === 'value') return binding.value;
  if (binding.kind === 'stream') return binding.last;
  if (binding.kind === 'reading') return read(c, name.name, binding, entry.name.loc);
  return fail(c, 'ZZ2009', loc, `'${name.name}' is ${NOT_VALUES[binding.kind]}${name.name}`, { related: [{ message: 'defined here', loc: name.loc }] });
}

/** Looks a name up and marks it as used. */
export function find(c: Context, name: string): Entry | undefined {
  const entry = lookup(c.scope, name);
  if (entry) entry.used = true;
  return entry;
}

/** Reports a name that stands for no value here. */
export function unknown(c: Context, { name, loc }: Ident): Value {
  if (isHole(name)) return POISON;
  const outside = hidden(c.scope, name);
  if (outside) {
    return fail(c, 'ZZ2001', loc, `a cell sees its parameters, its own values and layers, but not '${name}'`, { related: [{ message: 'defined here', loc: outside.name.loc }] });
  }
  if (functionNamed(name)) return fail(c, 'ZZ2009', loc, `'${name}' is a function: call it, as in x -> ${name}`);
  if (c.library.nets.has(name)) return fail(c, 'ZZ2009', loc, `'${name}' is a net: give it an input, as in x -> ${name}`);
  if (c.library.cells.has(name)) return fail(c, 'ZZ2009', loc, `'${name}' is ${NOT_VALUES.cell}${name}`);
  const later = c.later?.get(name);
  if (later) return fail(c, 'ZZ2001', loc, `'${name}' is used before it is defined`, { related: [{ message: 'defined here', loc: later.loc }] });
  return fail(c, 'ZZ2001', loc, `nothing is called '${name}' here`, proposal(c, name, [], (entry) => isValue(entry.binding)));
}

const MAX_PROPOSALS = 100;

/** The nearest of some names and of those in scope. */
function proposal(c: Context, name: string, names: readonly string[], wanted: (entry: Entry) => boolean): { suggestion?: string } {
  if (c.workshop.suggested++ >= MAX_PROPOSALS) return {};
  return suggestion(name, [...names, ...visible(c.scope).filter(wanted).map((entry) => entry.name.name)]);
}

const isValue = (binding: Binding): boolean => binding.kind === 'value' || binding.kind === 'reading' || binding.kind === 'stream';

/** `L[t]`: the state after step t; negative steps count from the last. */
function streamState(c: Context, { stream, index, loc }: Index): Value {
  const entry = find(c, stream.name);
  if (!entry) return unknown(c, stream);
  if (entry.binding.kind === 'value' && entry.binding.value.kind === 'poison') return POISON;
  if (entry.binding.kind !== 'stream') {
    return fail(c, 'ZZ4013', loc, `'${stream.name}' is no stream of a streams block`, { related: [{ message: 'defined here', loc: entry.name.loc }] });
  }
  const { states, last } = entry.binding;
  if (last.kind === 'poison') return POISON;
  if (!Number.isSafeInteger(index)) return fail(c, 'ZZ4013', loc, `a step is a whole number, found ${index}`);
  const steps = count(states.length, 'step');
  return states.at(index) ?? fail(c, 'ZZ4004', loc, `'${stream.name}' has ${steps}: [0] to [${states.length - 1}], or [-${states.length}] to [-1]`);
}

/** A call of a layer, a function or a net. */
export function call(c: Context, expr: Call, piped?: Piped): Value {
  const { callee } = expr;
  spend(c, expr.loc);
  const entry = lookup(c.scope, callee.name);
  if (entry?.binding.kind === 'layer') return useLayer(c, expr, entry, entry.binding, piped);
  if (callee.name === 'grad' && c.grad) return c.grad(expr);
  const spec = functionNamed(callee.name);
  if (spec) return useFunction(c, spec, expr, expr.loc, piped);
  const net = c.library.nets.get(callee.name);
  if (net) return c.language.useNet(c, expr, piped, net.net, net.library);
  skipArguments(c, expr);
  return unknownCallee(c, callee, entry);
}

function useFunction(c: Context, spec: FunctionSpec, expr: Call, loc: Loc, piped?: Piped): Value {
  const args = bind(c, expr, spec.params, piped);
  return args ? attempt(c, loc, () => tensorsAmong(spec.params, args), () => spec.build(new Maker(c, expr, loc), args)) : POISON;
}

/** `f(x)` or `x -> f`: the layer's call with x before its arguments. */
function useLayer(c: Context, expr: Call, entry: Entry, layer: Binding & { kind: 'layer' }, piped?: Piped): Value {
  entry.used = true;
  const args = bind(c, expr, { x: anyValue }, piped);
  if (!args) return POISON;
  const scope = c.inCell ? createScope(layer.scope, seenFromCells) : layer.scope;
  const inner: Context = { ...c, scope, namer: layerNamer(layer.prefix) };
  const given: Piped = { kind: 'piped', value: tensor(args.x), loc: piped?.loc ?? expr.loc };
  const spec = functionNamed(layer.call.callee.name);
  if (spec) return useFunction(inner, spec, layer.call, expr.loc, given);
  const net = c.library.nets.get(layer.call.callee.name);
  return net ? c.language.useNet(inner, layer.call, given, net.net, net.library) : POISON;
}

/** Evaluates the arguments of a call that cannot be made, for the mistakes in them. */
function skipArguments(c: Context, expr: Call): void {
  for (const { value } of expr.args) if (value.kind === 'flow' || value.kind === 'binary' || value.kind === 'index') evaluate(c, value);
}

export function unknownCallee(c: Context, callee: Ident, entry?: Entry): Value {
  const { name, loc } = callee;
  if (isHole(name)) return POISON;
  if (entry?.binding.kind === 'cell' || c.library.cells.has(name)) return fail(c, 'ZZ2009', loc, `'${name}' is ${NOT_VALUES.cell}${name}`);
  if (entry?.binding.kind === 'value' && entry.binding.value.kind === 'poison') return POISON;
  if (entry) return fail(c, 'ZZ2003', loc, `'${name}' is a value, not a function, a layer or a net`, { related: [{ message: 'defined here', loc: entry.name.loc }] });
  if (name === 'grad') return fail(c, 'ZZ2003', loc, 'grad stands in a backward block only');
  if (VIEW_NAMES.includes(name)) return fail(c, 'ZZ2003', loc, `'${name}' augments inputs: write view v = image -> ${name}(...)`);
  const names = [...FUNCTION_NAMES, ...c.library.nets.keys()];
  return fail(c, 'ZZ2003', loc, `no function, layer or net is called '${name}'`, proposal(c, name, names, ({ binding }) => binding.kind === 'layer'));
}
