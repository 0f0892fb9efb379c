// Manual back-propagation: declared routes, and the checks that need the finished forward graph.

import type { Backward, Call } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import { diagnostic } from '../../diagnostics.ts';
import type { Node, Route, ValueId } from '../graph.ts';
import { sameShape, showShape } from '../types.ts';
import type { Context } from './context.ts';
import { emit, fail, origins, toTensor } from './context.ts';
import { bound, evaluate, find, unknown } from './expressions.ts';
import { reachable } from './liveness.ts';
import type { Value } from './scope.ts';
import { isHole, POISON, tensor } from './scope.ts';

interface Mention {
  readonly id: ValueId;
  readonly name: string;
  readonly loc: Loc;
}

/** A route with what its expression mentions. */
interface Declared extends Route {
  readonly at: Mention;
  readonly loc: Loc;
  readonly mentions: readonly Mention[];
}

/** Builds the routes of all backward blocks and checks them against the finished forward graph. */
export function buildRoutes(c: Context, loss: ValueId | undefined): Route[] {
  const { backwards } = c.workshop;
  if (backwards.length === 0) return [];
  const forward = [...c.workshop.builder.nodes()];
  const routes = backwards.flatMap(({ c: inner, block }) => blockRoutes(inner, block));
  const replaced = new Map<ValueId, Declared>();
  for (const route of routes.filter(({ mode }) => mode === '=')) {
    const first = replaced.get(route.target);
    if (first) fail(c, 'ZZ4012', route.at.loc, `the adjoint of '${route.at.name}' is replaced twice`, { related: [{ message: 'the first time', loc: first.loc }] });
    else replaced.set(route.target, route);
  }
  const toLoss = adjoints(forward, loss);
  const without = routes.flatMap(({ at, mentions }) => [at, ...mentions]).filter(({ id }) => !toLoss.has(id));
  for (const { name, loc } of new Map([...without].reverse().map((mention) => [mention.id, mention])).values()) fail(c, 'ZZ4010', loc, `the loss does not depend on '${name}', so it has no adjoint`);
  if (without.length > 0 || !acyclic(c, forward, toLoss, routes) || replaced.size < routes.filter(({ mode }) => mode === '=').length) return [];

  const [first] = backwards;
  const off = reachable(forward, routes.map(({ target }) => target), c.workshop.regions);
  const weights = forward.filter((node) => node.kind === 'weight' && off.has(node.id)).map(({ id }) => id);
  if (first && weights.length > 0) c.report(diagnostic('ZZ4101', first.block.loc, `these weights no longer follow the true gradient: ${weights.join(', ')}`));
  return routes.map(({ target, mode, value }) => ({ target, mode, value }));
}

function blockRoutes(c: Context, block: Backward): Declared[] {
  return block.routes.flatMap(({ target, mode, value, loc }): Declared[] => {
    const mentions: Mention[] = [];
    const grad = (call: Call): Value => {
      const mention = gradArgument(inner, call);
      if (!mention) return POISON;
      mentions.push(mention);
      return tensor(emit(inner, call.loc, 'adjoint', [mention.id], {}));
    };
    const inner: Context = { ...c, tags: { phase: 'backward' }, grad };
    const at = namedValue(inner, target.name, target.loc);
    const made = evaluate(inner, value);
    if (!at || made.kind === 'poison') return [];
    const { shape } = inner.target.builder.type(at.id);
    const id = made.kind === 'number' ? emit(inner, value.loc, 'constant', [], { shape, value: made.value }) : toTensor(inner, made, value.loc);
    if (id === undefined) return [];
    const found = inner.target.builder.type(id).shape;
    if (sameShape(found, shape)) return [{ target: at.id, mode, value: id, at, loc, mentions }];
    const message = `'${at.name}' is ${showShape(shape)}, but this adjoint is ${showShape(found)}`;
    fail(c, 'ZZ4008', value.loc, message, { expected: showShape(shape), found: showShape(found), related: [...origins(inner, [tensor(at.id)]), ...origins(inner, [tensor(id)])] });
    return [];
  });
}

/** What `grad(name)` names. */
function gradArgument(c: Context, { args, loc }: Call): Mention | undefined {
  const [only, ...more] = args;
  if (only?.value.kind === 'name' && isHole(only.value.name)) return undefined;
  if (only && !only.name && more.length === 0 && only.value.kind === 'name') return namedValue(c, only.value.name, only.value.loc);
  fail(c, 'ZZ4007', only?.value.loc ?? loc, 'grad takes the name of one value, as in grad(y7)');
  return undefined;
}

function namedValue(c: Context, name: string, loc: Loc): Mention | undefined {
  const entry = find(c, name);
  if (!entry) {
    unknown(c, { name, loc });
    return undefined;
  }
  const { kind } = entry.binding;
  const value = kind === 'layer' || kind === 'cell' ? undefined : bound(c, entry, loc);
  if (value?.kind === 'tensor') return { id: value.id, name, loc };
  if (value?.kind !== 'poison') fail(c, 'ZZ4007', loc, `'${name}' is not a value of the graph`, { related: [{ message: 'defined here', loc: entry.name.loc }] });
  return undefined;
}

/** Values that the loss depends on, other than through stop_gradient. */
const adjoints = (forward: readonly Node[], loss: ValueId | undefined): Set<ValueId> =>
  loss === undefined ? new Set() : reachable(forward, [loss], [], ({ kind }) => kind !== 'stop_gradient');

/**
 * The adjoint of a value depends on the adjoints of its users, unless a route replaces it, and on what its routes mention; a route that mentions
 * its own target means what autodiff found, so it depends on the users still.
 */
function acyclic(c: Context, forward: readonly Node[], toLoss: ReadonlySet<ValueId>, routes: readonly Declared[]): boolean {
  const routed = new Map<ValueId, Declared[]>();
  for (const route of routes) routed.set(route.target, [...(routed.get(route.target) ?? []), route]);
  const users = new Map<ValueId, ValueId[]>();
  for (const node of forward) {
    if (!toLoss.has(node.id) || node.kind === 'stop_gradient') continue;
    for (const input of node.inputs) {
      const list = users.get(input);
      if (list) list.push(node.id);
      else users.set(input, [node.id]);
    }
  }
  const dependsOn = (id: ValueId): ValueId[] => {
    const own = routed.get(id) ?? [];
    const mentioned = own.flatMap(({ mentions }) => mentions.map((mention) => mention.id));
    const replaced = own.some(({ mode }) => mode === '=') && !mentioned.includes(id);
    return [...(replaced ? [] : (users.get(id) ?? [])), ...mentioned.filter((other) => other !== id)];
  };
  const cyclic = routes.find(({ target }) => reaches(target, dependsOn));
  if (!cyclic) return true;
  const others = cyclic.mentions.filter(({ id }) => id !== cyclic.target).map(({ name, loc }) => ({ message: `it takes the adjoint of '${name}', which depends on it`, loc }));
  fail(c, 'ZZ4009', cyclic.loc, `the adjoint of '${cyclic.at.name}' would depend on itself`, { related: others });
  return false;
}

/** Whether a value depends on itself. */
function reaches(start: ValueId, dependsOn: (id: ValueId) => readonly ValueId[]): boolean {
  const seen = new Set<ValueId>();
  const pending = [...dependsOn(start)];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (id === start) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    pending.push(...dependsOn(id));
  }
  return false;
}
