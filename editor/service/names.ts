// What every word of a text means: the definitions of a file, and all places where they, or words of the language, are named.
// The resolver follows the scopes of compiler/2-graph, but without building anything, so that it covers text that does not build.

import type { Arm, Call, Cell, Expr, File, Ident, Item, Name, Net, Stage, Stepping, Value } from '../../compiler/1-syntax/ast.ts';
import type { Callables, Param, Params } from '../../compiler/2-graph/build/arguments.ts';
import { value as anyValue } from '../../compiler/2-graph/build/arguments.ts';
import { VIEW_OPERATIONS } from '../../compiler/2-graph/build/view-operations.ts';
import { SETTINGS } from '../../compiler/2-graph/build.ts';
import type { Library } from '../../compiler/2-graph/build.ts';
import { FUNCTIONS } from '../../compiler/2-graph/functions.ts';
import type { Loc } from '../../compiler/diagnostics.ts';

export type DefinitionKind = 'net' | 'input' | 'view' | 'value' | 'layer' | 'cell' | 'parameter' | 'stream';

/** Something that a program gives a name. */
export interface Definition {
  readonly kind: DefinitionKind;
  readonly name: string;
  /** Of the name itself. */
  readonly loc: Loc;
  /** The statement that defines it. */
  readonly node: Net | Item;
  /** The net or cell that it belongs to; a net belongs to none. */
  readonly owner?: Net | Cell;
  /** A plain number, which cells see too. */
  readonly number: boolean;
}

/** A word of the language itself. */
export interface Builtin {
  readonly kind: 'function' | 'augmentation' | 'argument' | 'setting' | 'choice';
  readonly name: string;
  /** Of an argument, what takes it; of a choice, the argument or setting that it is for. */
  readonly of?: string;
  readonly summary?: string;
  /** Of what is called. */
  readonly params?: Params;
  /** Of an argument or setting. */
  readonly param?: Taking;
}

/** What an argument or a setting takes. */
export type Taking = Pick<Param<unknown>, 'takes' | 'words' | 'calls' | 'fallback' | 'tensor'>;

export type Meaning = { readonly definition: Definition } | { readonly builtin: Builtin };

export interface Occurrence {
  readonly loc: Loc;
  readonly name: string;
  readonly defines: boolean;
  /** Absent where nothing is called so. */
  readonly meaning?: Meaning | undefined;
}

export interface Names {
  readonly definitions: readonly Definition[];
  /** In the order of the text. */
  readonly occurrences: readonly Occurrence[];
}

/** What can be called: by its name, with its parameters. */
export interface Callable {
  readonly name: string;
  readonly params: Params;
  readonly summary?: string;
  readonly meaning: Meaning;
}

export interface Scope {
  readonly own: ReadonlyMap<string, Definition>;
  readonly outer?: Scope;
}

export const sameDefinition = (a: Definition, b: Definition): boolean => a.loc.file === b.loc.file && a.loc.span.start === b.loc.span.start;

/** The occurrence that an offset lies in or touches. */
export function occurrenceAt({ occurrences }: Names, offset: number): Occurrence | undefined {
  let [low, high] = [0, occurrences.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((occurrences[middle]?.loc.span.end ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  // Between two that touch, the one that begins here.
  const [found, next] = [occurrences[low], occurrences[low + 1]];
  if (next && next.loc.span.start <= offset) return next;
  return found && found.loc.span.start <= offset ? found : undefined;
}

export const netDefinition = (net: Net): Definition => ({ kind: 'net', name: net.name.name, loc: net.name.loc, node: net, number: false });
const cellDefinition = (cell: Cell): Definition => ({ kind: 'cell', name: cell.name.name, loc: cell.name.loc, node: cell, number: false });

/** Whether an expression is a plain number, by its form. */
const isNumber = (expr: Expr, scope: Scope): boolean => {
  if (expr.kind === 'number') return true;
  if (expr.kind === 'name') return lookup(scope, expr.name)?.number ?? false;
  if (expr.kind === 'negate') return isNumber(expr.value, scope);
  // A chain of operations may be long: it is followed in a loop.
  let part: Expr = expr;
  while (part.kind === 'binary' && isNumber(part.right, scope)) part = part.left;
  return part.kind !== 'binary' && part !== expr && isNumber(part, scope);
};

const lookup = ({ own, outer }: Scope, name: string): Definition | undefined => own.get(name) ?? (outer && lookup(outer, name));

export const EACH = 'Every image enters once per argument; when evaluating, as the first.';
const GRAD = 'The adjoint of a named value: how the loss changes with it. Stands in a backward block only.';

const builtins = (kind: Builtin['kind'], all: Callables): ReadonlyMap<string, Callable> =>
  new Map(Object.entries(all).map(([name, { params, summary }]) => [name, { name, params, summary, meaning: { builtin: { kind, name, params, summary } } }]));

const FUNCTION_CALLS = builtins('function', { ...FUNCTIONS, grad: { params: { y: anyValue }, summary: GRAD } });
const VIEW_CALLS = builtins('augmentation', { ...VIEW_OPERATIONS, each: { params: {}, summary: EACH } });

/** What a name means as the thing that is called; `scope` gives its layers. */
export function callable(library: Library, scope: Scope, name: string, inView: boolean): Callable | undefined {
  if (inView) return VIEW_CALLS.get(name);
  const own = lookup(scope, name);
  if (own?.kind === 'layer') return layerCallable(own);
  const known = FUNCTION_CALLS.get(name);
  if (known) return known;
  const net = library.nets.get(name);
  if (net) return netCallable(net.net);
  return own && { name, params: {}, meaning: { definition: own } };
}

export const layerCallable = (definition: Definition): Callable => ({ name: definition.name, params: { x: anyValue }, meaning: { definition } });
export const netCallable = (net: Net): Callable => ({ name: net.name.name, params: Object.fromEntries(inputsOf(net).map(({ name }) => [name.name, anyValue])), meaning: { definition: netDefinition(net) } });
const inputsOf = (net: Net) => net.items.flatMap((item) => (item.kind === 'input' ? [item] : []));

interface Defined {
  /** Of a name that is defined twice, all. */
  readonly all: Definition[];
  /** The first of each name, as they are added. */
  readonly scope: Scope;
  readonly add: (definition: Definition) => void;
}

function defined(outer?: Scope): Defined {
  const all: Definition[] = [];
  const own = new Map<string, Definition>();
  return {
    all,
    scope: { own, ...(outer && { outer }) },
    add(definition) {
      if (definition.name === '') return;
      all.push(definition);
      if (!own.has(definition.name)) own.set(definition.name, definition);
    },
  };
}

/** The definitions of a net, those inside its cells aside. */
function definitionsOf(net: Net): Defined {
  const found = defined();
  const add = (kind: DefinitionKind, node: Item, { name, loc }: Ident, number = false): void => { found.add({ kind, name, loc, node, owner: net, number }); };
  for (const item of net.items) {
    if (item.kind === 'let') {
      const number = isNumber(item.value, found.scope);
      for (const name of item.names) add('value', item, name, number);
    } else if (item.kind === 'streams' || item.kind === 'twin') for (const name of item.names) add('stream', item, name);
    else if (item.kind === 'output' && item.value) add('value', item, item.name);
    else if (item.kind === 'input' || item.kind === 'view' || item.kind === 'layer' || item.kind === 'cell') add(item.kind, item, item.name);
  }
  return found;
}

function cellDefinitions(cell: Cell, outer: Scope): Defined {
  const found = defined(outer);
  for (const { name, loc } of cell.params) found.add({ kind: 'parameter', name, loc, node: cell, owner: cell, number: false });
  for (const part of cell.body) {
    for (const { name, loc } of part.names) found.add({ kind: 'value', name, loc, node: part, owner: cell, number: isNumber(part.value, found.scope) });
  }
  return found;
}

/** Of a name that is defined twice, the first definition counts. */
export function scopeOf(definitions: readonly Definition[]): Scope {
  const { add, scope } = defined();
  definitions.forEach(add);
  return scope;
}

/** Resolves all names of a file. */
export function resolveNames(file: File, library: Library): Names {
  const nets = file.nets.filter(({ name }) => name.name !== '').map(netDefinition);
  const definitions: Definition[] = [...nets];
  const occurrences: Occurrence[] = nets.map(defining);
  const define = ({ all }: Defined): void => {
    for (const definition of all) {
      definitions.push(definition);
      occurrences.push(defining(definition));
    }
  };
  const add = (found: Occurrence): void => { occurrences.push(found); };
  for (const net of file.nets) {
    const own = definitionsOf(net);
    define(own);
    for (const item of net.items) {
      if (item.kind !== 'cell') continue;
      const inner = cellDefinitions(item, own.scope);
      define(inner);
      inCell(item, { library, scope: inner.scope, add });
    }
    inNet(net, { library, scope: own.scope, add });
  }
  occurrences.sort((a, b) => a.loc.span.start - b.loc.span.start);
  return { definitions, occurrences };
}

const defining = (definition: Definition): Occurrence => ({ loc: definition.loc, name: definition.name, defines: true, meaning: { definition } });

interface Walk {
  readonly library: Library;
  readonly scope: Scope;
  readonly add: (found: Occurrence) => void;
}

function inCell(cell: Cell, w: Walk): void {
  for (const part of cell.body) expression(part.value, w);
  expression(cell.result, w);
}

const ITEMS: { readonly [K in Item['kind']]: (item: Extract<Item, { kind: K }>, w: Walk) => void } = {
  input: () => undefined,
  cell: () => undefined,
  view: (item, w) => { reading(item.value, w); },
  let: (item, w) => { expression(item.value, w); },
  layer: (item, w) => { call(item.value, w, 1); },
  streams(item, w) {
    cellName(item.cell, w);
    if (item.init) argument(item.init, INIT, 'init', w);
    steppings(item.steps, w);
  },
  twin(item, w) {
    for (const from of item.from) expression(from, w);
    stages(item.stages, w);
  },
  backward(item, w) {
    for (const route of item.routes) {
      name(route.target, w);
      expression(route.value, w);
    }
  },
  output(item, w) {
    if (item.value) expression(item.value, w);
    else name(item.name, w);
  },
  loss: (item, w) => { expression(item.value, w); },
  train(item, w) {
    for (const { key, value } of item.settings) {
      const setting = Object.hasOwn(SETTINGS, key.name) ? SETTINGS[key.name as keyof typeof SETTINGS] : undefined;
      if (key.name === '') continue;
      w.add(word(key, setting && { builtin: { kind: 'setting', name: key.name, summary: setting.summary, param: setting } }));
      if (setting) argument(value, setting, key.name, { ...w, scope: { own: new Map() } });
    }
  },
};

/** The state before step 0: a value, or one of two words. */
const INIT: Taking = { takes: 'a value, zeros or ones', words: ['zeros', 'ones'], tensor: true };

function inNet(net: Net, w: Walk): void {
  for (const item of net.items) (ITEMS[item.kind] as (item: Item, w: Walk) => void)(item, w);
}

const word = ({ name, loc }: Ident | Name, meaning?: Meaning): Occurrence => ({ loc, name, defines: false, meaning });

function name(ident: Ident | Name, w: Walk): void {
  if (ident.name === '') return;
  const definition = lookup(w.scope, ident.name);
  w.add(word(ident, definition && { definition }));
}

function cellName(ident: Ident, w: Walk): void {
  const imported = w.library.cells.get(ident.name);
  if (lookup(w.scope, ident.name) || !imported) name(ident, w);
  else w.add(word(ident, { definition: cellDefinition(imported.cell) }));
}

function steppings(steps: readonly Stepping[], w: Walk): void {
  for (const step of steps) {
    if (step.kind === 'repeat') steppings(step.body, w);
    else {
      expression(step.value, w);
      if (step.route.form === 'arms') arms(step.route.arms, w);
    }
  }
}

function stages(all: readonly Stage[], w: Walk): void {
  for (const stage of all) {
    if (stage.kind === 'repeat') stages(stage.body, w);
    else if (stage.kind === 'pipe') {
      if (stage.streams !== 'both') for (const stream of stage.streams) name(stream, w);
      for (const target of stage.pipe) called(target, w);
    } else if (stage.form === 'arms') arms(stage.arms, w);
  }
}

function arms(all: readonly Arm[], w: Walk): void {
  for (const { stream, value } of all) {
    name(stream, w);
    expression(value, w);
  }
}

/** An expression; chains are followed in a loop, as they may be long. */
function expression(expr: Expr, w: Walk): void {
  let part = expr;
  while (part.kind === 'flow' || part.kind === 'binary') {
    if (part.kind === 'flow') called(part.target, w);
    else expression(part.right, w);
    part = part.kind === 'flow' ? part.value : part.left;
  }
  if (part.kind === 'name') name(part, w);
  else if (part.kind === 'index') name(part.stream, w);
  else if (part.kind === 'call') call(part, w, 0);
  else if (part.kind === 'negate') expression(part.value, w);
}

/** The target of an arrow. */
const called = (target: Call | Name, w: Walk): void => { call(asCall(target), w, 1); };

const asCall = (target: Call | Name): Call => (target.kind === 'call' ? target : { kind: 'call', callee: target, args: [], loc: target.loc });

/** A call; `piped` arguments come before those in brackets. */
function call({ callee, args }: Call, w: Walk, piped: number): void {
  const found = callable(w.library, w.scope, callee.name, false);
  if (callee.name !== '') w.add(word(callee, found?.meaning));
  passArguments(args, found, w, piped);
}

function passArguments(args: Call['args'], to: Callable | undefined, w: Walk, piped: number): void {
  if (args.length === 0) return;
  const params = to?.params ?? {};
  const names = Object.keys(params);
  const rest = names.findIndex((each) => params[each]?.rest);
  let place = piped;
  for (const { name: named, value } of args) {
    if (named === undefined) {
      const of = names[rest >= 0 ? Math.min(place, rest) : place];
      place++;
      argument(value, of === undefined ? undefined : params[of], of ?? '', w);
      continue;
    }
    const param = Object.hasOwn(params, named.name) ? params[named.name] : undefined;
    if (named.name !== '') w.add(word(named, to && param && argumentMeaning(to, named.name, param)));
    argument(value, param, named.name, w);
  }
}

/** The name of an argument: for a net, one of its inputs. */
function argumentMeaning(to: Callable, name: string, param: Param<unknown>): Meaning {
  const net = 'definition' in to.meaning && 'items' in to.meaning.definition.node ? to.meaning.definition.node : undefined;
  const input = net && inputsOf(net).find((each) => each.name.name === name);
  if (input) return { definition: { kind: 'input', name, loc: input.name.loc, node: input, owner: net, number: false } };
  return { builtin: { kind: 'argument', name, of: to.name, param } };
}

/** The value of an argument or a setting: words and calls of its own kind first. */
function argument(given: Value, param: Taking | undefined, of: string, w: Walk): void {
  if (given.kind === 'list') for (const item of given.items) argument(item, param, of, w);
  else if (given.kind === 'name' && param?.words?.includes(given.name)) w.add(word(given, { builtin: { kind: 'choice', name: given.name, of, param } }));
  else if (given.kind === 'name' || given.kind === 'call') {
    const made = asCall(given);
    const own = param?.calls && Object.hasOwn(param.calls, made.callee.name) ? param.calls[made.callee.name] : undefined;
    if (own) {
      const builtin: Builtin = { kind: param?.calls === VIEW_OPERATIONS ? 'augmentation' : 'choice', name: made.callee.name, of, ...own };
      w.add(word(made.callee, { builtin }));
      passArguments(made.args, { name: made.callee.name, params: own.params, meaning: { builtin } }, w, 0);
    } else expression(given, w);
  } else if (given.kind === 'boolean') w.add(word({ name: String(given.value), loc: given.loc }, { builtin: { kind: 'choice', name: String(given.value), of, ...(param && { param }) } }));
  else if (given.kind !== 'string' && given.kind !== 'range') expression(given, w);
}

/** The value of a view: inputs, other views and augmentations of them. */
function reading(value: Value, w: Walk): void {
  let part = value;
  while (part.kind === 'flow') {
    augmentation(asCall(part.target), w, false);
    part = part.value;
  }
  if (part.kind === 'name') name(part, w);
  else if (part.kind === 'call') augmentation(part, w, true);
  else if (part.kind === 'number' || part.kind === 'negate' || part.kind === 'binary' || part.kind === 'index') expression(part, w);
}

/** `hflip(p: 1.0)` after an arrow, or with what it reads as its first argument. */
function augmentation(made: Call, w: Walk, withSource: boolean): void {
  const { callee, args } = made;
  const found = callable(w.library, w.scope, callee.name, true);
  if (callee.name !== '') w.add(word(callee, found?.meaning));
  const sources = callee.name === 'each' ? args : withSource ? args.slice(0, 1) : [];
  for (const source of sources) reading(source.value, w);
  passArguments(args.slice(sources.length), found, w, 0);
}
