// Streams: a cell run once per step on every stream, the states routed between steps.

import type { Expr, Stepping, StepRoute, Streams } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import type { Attrs } from '../ops.ts';
import type { TensorType } from '../types.ts';
import { sameShape, showShape } from '../types.ts';
import { armOf, before, checkArms, checkStreams, streamScope, tagged, unrolled, written } from './blocks.ts';
import type { CellInScope, Instance } from './cells.ts';
import { checkCell, createInstance, findCell, stateType, step as runStep } from './cells.ts';
import type { Context } from './context.ts';
import { attempt, emit, fail, origins, toTensor } from './context.ts';
import { evaluate } from './expressions.ts';
import { join } from './namer.ts';
import type { Binding, Value } from './scope.ts';
import { lookup, POISON, tensor } from './scope.ts';

type Step = Stepping & { readonly kind: 'step' };
type StreamBinding = Binding & { readonly kind: 'stream' };

/** Builds a streams block: for every stream its states after each step. */
export function buildStreams(c: Context, block: Streams): StreamBinding[] {
  const { names } = block;
  const poisoned = names.map((): StreamBinding => ({ kind: 'stream', states: [], last: POISON }));
  const cell = findCell(c, block.cell);
  const sound = checkStreams(c, names, block.loc);
  const routes = written<Step>(block.steps).map((step) => checkRoute(c, block, step.route));
  const steps = unrolled<Step>(c, block.steps);
  // A written step's input is made once, however often it is repeated.
  const inputs = new Map(written<Step>(block.steps).map((step, t) => [step, evaluate(tagged(c, { step: t }), step.value)]));
  if (!cell || !steps || !sound || !routes.every(Boolean)) return poisonedSteps(poisoned, steps?.length ?? 0);

  const cellSound = checkCell(c, cell);
  const opening = steps[0] && inputs.get(steps[0]);
  const type = initialType(c, block, cell, opening, cellSound);
  if (!type) return poisonedSteps(poisoned, steps.length);
  const init = names.map((name) => routed(tagged(c, { stream: name.name }), 'init', filled(c, type.value, type.type, block.init?.loc ?? block.loc), block.init?.loc ?? block.loc));
  const prefix = sharedPrefix(c, block);
  const instances = names.map(({ name }): Instance => {
    const own = join(c.namer.prefix, name);
    return block.shared ? createInstance(cell, prefix, prefix) : createInstance(cell, own, join(c.namer.prefix, cell.cell.name.name, name));
  });
  if (block.shared) instances.fill(instances[0] as Instance);

  const states: Value[][] = [];
  for (const [t, step] of steps.entries()) {
    const taken = takeStates(c, block, step.route, states.at(-1) ?? init, type.type, t);
    const next = names.map((name, i) => {
      const [x, h] = [inputs.get(step) ?? POISON, taken[i] ?? POISON];
      const at = tagged(c, { stream: name.name, step: t });
      const id = toTensor(at, x, step.value.loc);
      return id === undefined || h.kind !== 'tensor' ? POISON : runStep(at, instances[i] as Instance, id, h.id, step.loc);
    });
    states.push(next);
  }
  return names.map((_, i) => ({ kind: 'stream', states: states.map((after) => after[i] ?? POISON), last: (states.at(-1) ?? init)[i] ?? POISON }));
}

/** Streams of a block that failed: as many steps as it has, so that `L[2]` stays silent. */
const poisonedSteps = (streams: readonly StreamBinding[], steps: number): StreamBinding[] => streams.map((stream) => ({ ...stream, states: Array.from({ length: Math.max(steps, 1) }, () => POISON) }));

function checkRoute(c: Context, block: Streams, route: StepRoute): boolean {
  if (route.form === 'arms') return checkArms(c, block.names, route.arms, route.loc);
  if (route.form === 'straight' || block.names.length > 1) return true;
  fail(c, 'ZZ4006', route.loc, `${block.names[0]?.name ?? 'the stream'} is alone, so there is no other to zigzag with; write straight`);
  return false;
}

/** What each stream takes its state from, at one step. */
function takeStates(c: Context, { names }: Streams, route: StepRoute, last: readonly Value[], type: TensorType, t: number): Value[] {
  const scope = streamScope(c.scope, names, last);
  return names.map((name, i) => {
    const at = tagged(c, { stream: name.name, step: t });
    if (route.form !== 'arms') return routed(at, route.form, last[route.form === 'straight' ? i : before(i, names.length)] ?? POISON, route.loc);
    const arm = armOf(route.arms, name);
    return arm ? routed(at, 'arm', filled(c, evaluate({ ...at, scope }, arm), type, arm.loc), arm.loc) : POISON;
  });
}

const routed = (c: Context, form: Attrs<'route'>['form'], value: Value, loc: Loc): Value => (value.kind === 'tensor' ? tensor(emit(c, loc, 'route', [value.id], { form })) : POISON);

/** A value as a state: numbers fill it, constants repeat along the batch, anything else must have its shape. */
function filled(c: Context, value: Value, type: TensorType, loc: Loc): Value {
  if (value.kind === 'number') return tensor(emit(c, loc, 'constant', [], { shape: type.shape, value: value.value }));
  const id = toTensor(c, value, loc);
  if (id === undefined) return POISON;
  const { shape } = c.target.builder.type(id);
  if (sameShape(shape, type.shape)) return value;
  if (shape[0] === 1 && sameShape(shape.slice(1), type.shape.slice(1))) {
    return attempt(c, loc, () => [value], () => tensor(emit(c, loc, 'broadcast', [id], { shape: type.shape })));
  }
  return fail(c, 'ZZ3011', loc, `a stream takes ${showShape(shape)} here, but its state is ${showShape(type.shape)}`, { related: origins(c, [value]) });
}

/** The state before step 0: what `init` gives, else zeros of the shape that the cell keeps. */
function initialType(c: Context, block: Streams, cell: CellInScope, opening: Value | undefined, cellSound: boolean): { type: TensorType; value: Value } | undefined {
  const given = block.init ? initValue(c, block.init) : { kind: 'number' as const, value: 0 };
  if (given.kind === 'poison') return undefined;
  const batch = opening?.kind === 'tensor' ? c.target.builder.type(opening.id).shape[0] : undefined;
  if (given.kind !== 'number') {
    const id = toTensor(c, given, block.init?.loc ?? block.loc);
    if (id === undefined) return undefined;
    const { dtype, shape } = c.target.builder.type(id);
    return { value: given, type: { dtype, shape: shape[0] === 1 && batch !== undefined ? [batch, ...shape.slice(1)] : shape } };
  }
  if (opening?.kind === 'poison') return undefined;
  const x = opening && toTensor(c, opening, block.loc);
  const type = x === undefined ? undefined : stateType(c, cell, c.target.builder.type(x));
  if (type) return { type, value: given };
  if (cellSound) fail(c, 'ZZ3011', block.cell.loc, `nothing says which shape the state of '${block.cell.name}' has: give the first one, as in init zeros([32, 32, 96])`);
  return undefined;
}

/** `init zeros` and `init ones` fill a state of the shape that the cell keeps. */
function initValue(c: Context, init: Expr): Value {
  const fills: Readonly<Record<string, number>> = { zeros: 0, ones: 1 };
  const fill = init.kind === 'name' && Object.hasOwn(fills, init.name) && !lookup(c.scope, init.name) ? fills[init.name] : undefined;
  return fill === undefined ? evaluate(c, init) : { kind: 'number', value: fill };
}

/** Shared weights go by the cell's name; a later block of the same cell adds its first stream's. */
function sharedPrefix(c: Context, block: Streams): string {
  const { prefixes } = c.workshop;
  const prefix = join(c.namer.prefix, block.cell.name);
  const owner = prefixes.get(prefix) ?? block;
  if (block.shared) prefixes.set(prefix, owner);
  return owner === block ? prefix : join(prefix, block.names[0]?.name ?? '');
}
