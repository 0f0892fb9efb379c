// Cells: their bodies, built once per stream as a region, and the shape of their state.

import type { Cell, Ident } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import { hasErrors } from '../../diagnostics.ts';
import { createBuilder } from '../builder.ts';
import type { Region, ValueId } from '../graph.ts';
import { sameShape, sameType, showShape, showType } from '../types.ts';
import type { TensorType } from '../types.ts';
import { suggestion } from './arguments.ts';
import type { Context, Library } from './context.ts';
import { createTarget, createWorkshop, emit, fail, inUse } from './context.ts';
import { evaluate, find } from './expressions.ts';
import { buildLet, define } from './lets.ts';
import { reachable } from './liveness.ts';
import { counter, join } from './namer.ts';
import type { Scope, Value } from './scope.ts';
import { createScope, isHole, POISON, seenFromCells, tensor, visible } from './scope.ts';

export interface CellInScope {
  readonly cell: Cell;
  /** What its body sees besides its own names. */
  readonly scope: Scope;
  readonly library: Library;
}

/** The cell of a name: one of this net, or of an imported file. Reports where there is none. */
export function findCell(c: Context, { name, loc }: Ident): CellInScope | undefined {
  if (isHole(name)) return undefined;
  const entry = find(c, name);
  if (entry?.binding.kind === 'cell') return { cell: entry.binding.cell, scope: createScope(c.scope, seenFromCells), library: c.library };
  const imported = c.library.cells.get(name);
  if (!entry && imported) return { cell: imported.cell, scope: createScope(), library: imported.library };
  if (entry) {
    if (entry.binding.kind !== 'value' || entry.binding.value.kind !== 'poison') fail(c, 'ZZ2009', loc, `'${name}' is no cell`, { related: [{ message: 'defined here', loc: entry.name.loc }] });
    return undefined;
  }
  const cells = visible(c.scope).filter(({ binding }) => binding.kind === 'cell').map((each) => each.name.name);
  fail(c, 'ZZ2001', loc, `no cell is called '${name}'`, suggestion(name, [...cells, ...c.library.cells.keys()]));
  return undefined;
}

/** The body on these values: the last expression's value. */
function runBody(c: Context, { cell, scope, library }: CellInScope, args: readonly Value[]): { result: Value; scope: Scope } {
  const own = createScope(scope);
  const inner: Context = { ...c, scope: own, library, inCell: true };
  cell.params.forEach((param, i) => define(inner, param, { kind: 'value', value: args[i] ?? POISON }));
  for (const item of cell.body) buildLet(inner, item);
  const result = evaluate(inner, cell.result);
  if (result.kind === 'parts') fail(c, 'ZZ2016', cell.result.loc, `a cell gives one new state, not ${result.ids.length} parts: join them with concat`);
  return { result, scope: own };
}

/** Reports what is wrong with a cell whatever it is given, and names that it defines in vain. */
export function checkCell(c: Context, found: CellInScope): boolean {
  const { cell } = found;
  // What the parser could not read has been reported.
  const holes = [cell.result, ...cell.body.map(({ value }) => value)].filter((part) => part.kind === 'name' && isHole(part.name));
  let sound = holes.length === 0 && cell.params.length >= 2;
  const report: Context['report'] = (each) => {
    sound &&= !hasErrors([each]);
    c.report(each);
  };
  const workshop = createWorkshop();
  const dry: Context = { ...c, workshop, target: createTarget(workshop.builder), namer: counter(''), report, observe: undefined };
  const extra = cell.params[2];
  if (extra) fail(dry, 'ZZ2016', extra.loc, 'a cell takes an input and a hidden state; pack several states along the channels and split them inside');
  const { scope } = runBody(dry, found, []);
  for (const { name, used } of scope.own.values()) {
    if (!used && !cell.params.includes(name)) fail(c, 'ZZ2104', name.loc, `'${name.name}' is never used`);
  }
  return sound;
}

/**
 * The state's type where no `init` gives it: the fixed point of the cell on an input of this type. The first guess leaves open what depends on
 * the state, so that in `conv(x, 96) + conv(h, 96)` the known term decides; where that says nothing, it is the input's own type, of which
 * only the channels may change.
 * A guess that the body refuses is given back all the same: building the cell with it reports why. Nothing where there is no fixed point.
 */
export function stateType(c: Context, cell: CellInScope, x: TensorType): TensorType | undefined {
  const open = tryBody(c, cell, x, undefined);
  let guess = open ?? x;
  for (let round = 0; round < 4; round++) {
    const next = tryBody(c, cell, x, guess);
    if (!next) return open && guess;
    if (sameType(next, guess)) return guess;
    if (!open && !sameShape(next.shape.slice(0, -1), x.shape.slice(0, -1))) return undefined;
    guess = next;
  }
  return open;
}

/** The type of the new state, or nothing where the body refuses. Leaves no trace. */
function tryBody(c: Context, cell: CellInScope, x: TensorType, h: TensorType | undefined): TensorType | undefined {
  const workshop = createWorkshop();
  const target = regionTarget(cell.cell, [x, h ?? x]);
  let refused = false;
  const report: Context['report'] = (each) => {
    refused ||= hasErrors([each]);
  };
  const trial: Context = { ...c, workshop, target, namer: counter(''), probing: h === undefined, report, observe: undefined };
  const { result } = runBody(trial, cell, [tensor(paramId(cell.cell, 0)), h ? tensor(paramId(cell.cell, 1)) : POISON]);
  return !refused && result.kind === 'tensor' ? target.builder.type(result.id) : undefined;
}

const paramId = (cell: Cell, i: number): ValueId => cell.params[i]?.name ?? String(i);

/** A builder for a body, whose parameters are there as stand-ins. */
function regionTarget(cell: Cell, types: readonly TensorType[]): ReturnType<typeof createTarget> {
  const params = types.map((type, i) => ({ id: paramId(cell, i), kind: 'input' as const, inputs: [], attrs: { name: paramId(cell, i), shape: type.shape }, type, locs: cell.params[i] ? [cell.params[i].loc] : [], tags: {} }));
  return createTarget(createBuilder(params.filter((param, i) => params.findIndex((other) => other.id === param.id) === i)));
}

/** A cell with one set of weights. */
export interface Instance {
  readonly cell: CellInScope;
  readonly prefix: string;
  readonly name: string;
  /** By the input's type. */
  readonly regions: Map<string, Region | 'inline' | 'refused'>;
}

export const createInstance = (cell: CellInScope, prefix: string, name: string): Instance => ({ cell, prefix, name, regions: new Map() });

/** One step of one stream: a call of the instance's region, made where it is new. */
export function step(c: Context, instance: Instance, x: ValueId, h: ValueId, loc: Loc): Value {
  const types = [x, h].map((id) => c.target.builder.type(id));
  const key = types.map(showType).join(' ');
  const region = instance.regions.get(key) ?? (c.target.builder === c.workshop.builder ? buildRegion(c, instance, types) : 'inline');
  instance.regions.set(key, region);
  if (region === 'refused') return POISON;
  if (region === 'inline') return checkState(c, instance, types[1], runBody({ ...inUse(c, instance.name), namer: counter(instance.prefix) }, instance.cell, [tensor(x), tensor(h)]).result);
  return tensor(emit(c, loc, 'call', [x, h], { region: region.name }, types[1] ? { type: types[1] } : {}));
}

/** The body as a region; `inline` where it has random numbers, labels or running statistics, which each step has its own of. */
function buildRegion(c: Context, instance: Instance, types: readonly TensorType[]): Region | 'inline' | 'refused' {
  const { cell } = instance.cell;
  const target = regionTarget(cell, types);
  const inner: Context = { ...c, target, namer: counter(instance.prefix), tags: {} };
  const result = checkState(inner, instance, types[1], runBody(inner, instance.cell, [tensor(paramId(cell, 0)), tensor(paramId(cell, 1))]).result);
  if (target.impure) return 'inline';
  if (result.kind !== 'tensor') return 'refused';
  const params = types.map((type, i) => ({ id: paramId(cell, i), type }));
  const outside = new Set([...params.map((param) => param.id), ...c.workshop.shared]);
  const live = reachable(target.builder.nodes(), [result.id]);
  const nodes = target.builder.nodes().filter((node) => live.has(node.id) && !outside.has(node.id));
  const same = instance.regions.size;
  const region = { name: same === 0 ? instance.name : join(instance.name, String(same + 1)), params, nodes: named(nodes, target.names), result: result.id };
  c.workshop.regions.push(region);
  return region;
}

/** Nodes with the .zz names of their values. */
export const named = <N extends Region['nodes'][number]>(nodes: readonly N[], names: ReadonlyMap<ValueId, string>): N[] =>
  nodes.map((node) => (names.has(node.id) ? { ...node, tags: { name: names.get(node.id), ...node.tags } } : node));

/** Reports a new state of another shape than the one before. */
function checkState(c: Context, { cell }: Instance, expected: TensorType | undefined, result: Value): Value {
  const { loc } = cell.cell.result;
  if (result.kind === 'number' && expected) return tensor(emit(c, loc, 'constant', [], { shape: expected.shape, value: result.value }));
  if (result.kind !== 'tensor' || !expected) return POISON;
  const type = c.target.builder.type(result.id);
  if (sameType(type, expected)) return result;
  return fail(c, 'ZZ3011', loc, `the new state is ${showShape(type.shape)}, but the state before it is ${showShape(expected.shape)}`);
}
