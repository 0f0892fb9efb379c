// Trees at another place of their text: what an edit moves is copied with new places, not read again.

import type { Arg, Arm, Call, Comment, Expr, Ident, Import, Item, Let, Name, Net, NumberLiteral, Stage, Stepping, StepRoute, Value } from '../../compiler/1-syntax/ast.ts';
import type { Loc } from '../../compiler/diagnostics.ts';

/** Where something at a place stands now. */
type Place = (loc: Loc) => Loc;
/** None where everything stays. */
export type Move = Place | undefined;

/** By so many characters, lines and columns. */
export const movedLoc = ({ file, line, column, span }: Loc, offset: number, lines: number, columns = 0): Loc => ({
  file, line: line + lines, column: column + columns, span: { start: span.start + offset, end: span.end + offset },
});

/** Nodes where they stand now; the same ones where there is no move. */
export const movedComment = (node: Comment, move: Move): Comment => (move ? { text: node.text, loc: move(node.loc) } : node);
export const movedImport = (node: Import, move: Move): Import => (move ? { path: node.path, loc: move(node.loc) } : node);
export const movedNet = (node: Net, move: Move): Net => (move ? net(node, move) : node);
export const movedItem = (node: Item, move: Move): Item => (move ? item(node, move) : node);

const net = ({ name, items, loc }: Net, to: Place): Net => ({ name: ident(name, to), items: items.map((each) => item(each, to)), loc: to(loc) });
const item = (node: Item, to: Place): Item => (ITEMS[node.kind] as (node: Item, to: Place) => Item)(node, to);

type Moves<Node extends { readonly kind: string }> = { readonly [K in Node['kind']]: (node: Extract<Node, { readonly kind: K }>, to: Place) => Extract<Node, { readonly kind: K }> };

const ident = ({ name, loc }: Ident, to: Place): Ident => ({ name, loc: to(loc) });
const idents = (all: readonly Ident[], to: Place): Ident[] => all.map((each) => ident(each, to));
const number = ({ kind, value: given, text, loc }: NumberLiteral, to: Place): NumberLiteral => ({ kind, value: given, text, loc: to(loc) });
const arm = ({ stream, value: given, loc }: Arm, to: Place): Arm => ({ stream: ident(stream, to), value: expr(given, to), loc: to(loc) });
const arms = (all: readonly Arm[], to: Place): Arm[] => all.map((each) => arm(each, to));
const call = ({ kind, callee, args, loc }: Call, to: Place): Call => ({ kind, callee: ident(callee, to), args: args.map((each) => arg(each, to)), loc: to(loc) });
const arg = ({ name, value: given, loc }: Arg, to: Place): Arg => ({ ...(name && { name: ident(name, to) }), value: value(given, to), loc: to(loc) });
const nameOf = ({ kind, name, loc }: Name, to: Place): Name => ({ kind, name, loc: to(loc) });
const target = (node: Call | Name, to: Place): Call | Name => (node.kind === 'call' ? call(node, to) : nameOf(node, to));
const lets = ({ kind, names, value: given, keyword, loc }: Let, to: Place): Let => ({ kind, names: idents(names, to), value: expr(given, to), keyword, loc: to(loc) });

const expr = (node: Expr, to: Place): Expr => value(node, to) as Expr;
const value = (node: Value, to: Place): Value => (VALUES[node.kind] as (node: Value, to: Place) => Value)(node, to);

const VALUES: Moves<Value> = {
  number,
  name: nameOf,
  index: ({ kind, stream, index, loc }, to) => ({ kind, stream: ident(stream, to), index, loc: to(loc) }),
  call,
  negate: ({ kind, value: given, loc }, to) => ({ kind, value: expr(given, to), loc: to(loc) }),
  binary: ({ kind, op, left, right, loc }, to) => ({ kind, op, left: expr(left, to), right: expr(right, to), loc: to(loc) }),
  flow: ({ kind, value: given, target: link, loc }, to) => ({ kind, value: expr(given, to), target: target(link, to), loc: to(loc) }),
  string: ({ kind, value: given, loc }, to) => ({ kind, value: given, loc: to(loc) }),
  boolean: ({ kind, value: given, loc }, to) => ({ kind, value: given, loc: to(loc) }),
  range: ({ kind, low, high, loc }, to) => ({ kind, low: number(low, to), high: number(high, to), loc: to(loc) }),
  list: ({ kind, items, loc }, to) => ({ kind, items: items.map((each) => value(each, to)), loc: to(loc) }),
};

const ITEMS: Moves<Item> = {
  input: ({ kind, name, shape, loc }, to) => ({ kind, name: ident(name, to), shape: shape.map((each) => number(each, to)), loc: to(loc) }),
  view: ({ kind, name, value: given, loc }, to) => ({ kind, name: ident(name, to), value: expr(given, to), loc: to(loc) }),
  let: lets,
  layer: ({ kind, name, value: given, loc }, to) => ({ kind, name: ident(name, to), value: call(given, to), loc: to(loc) }),
  cell: ({ kind, name, params, body, result, loc }, to) => ({
    kind, name: ident(name, to), params: idents(params, to), body: body.map((each) => lets(each, to)), result: expr(result, to), loc: to(loc),
  }),
  streams: ({ kind, names, cell, shared, init, steps, loc }, to) => ({
    kind, names: idents(names, to), cell: ident(cell, to), shared, ...(init && { init: expr(init, to) }), steps: steps.map((each) => stepping(each, to)), loc: to(loc),
  }),
  twin: ({ kind, names, from, stages, loc }, to) => ({ kind, names: idents(names, to), from: from.map((each) => expr(each, to)), stages: stages.map((each) => stage(each, to)), loc: to(loc) }),
  backward: ({ kind, routes, loc }, to) => ({
    kind, routes: routes.map((each) => ({ target: ident(each.target, to), mode: each.mode, value: expr(each.value, to), loc: to(each.loc) })), loc: to(loc),
  }),
  output: ({ kind, name, value: given, loc }, to) => ({ kind, name: ident(name, to), ...(given && { value: expr(given, to) }), loc: to(loc) }),
  loss: ({ kind, value: given, loc }, to) => ({ kind, value: expr(given, to), loc: to(loc) }),
  train: ({ kind, settings, loc }, to) => ({ kind, settings: settings.map((each) => ({ key: ident(each.key, to), value: value(each.value, to), loc: to(each.loc) })), loc: to(loc) }),
};

function stepping(node: Stepping, to: Place): Stepping {
  if (node.kind === 'repeat') return { kind: 'repeat', count: number(node.count, to), body: node.body.map((each) => stepping(each, to)), loc: to(node.loc) };
  return { kind: 'step', value: expr(node.value, to), route: route(node.route, to), loc: to(node.loc) };
}

const route = (node: StepRoute, to: Place): StepRoute => (node.form === 'arms' ? { form: 'arms', arms: arms(node.arms, to), loc: to(node.loc) } : { form: node.form, loc: to(node.loc) });

function stage(node: Stage, to: Place): Stage {
  if (node.kind === 'repeat') return { kind: 'repeat', count: number(node.count, to), body: node.body.map((each) => stage(each, to)), loc: to(node.loc) };
  if (node.kind === 'cross') return node.form === 'arms' ? { kind: 'cross', form: 'arms', arms: arms(node.arms, to), loc: to(node.loc) } : { kind: 'cross', form: node.form, loc: to(node.loc) };
  const { kind, streams, pipe, shared, loc } = node;
  return { kind, streams: streams === 'both' ? streams : idents(streams, to), pipe: pipe.map((each) => target(each, to)), shared, loc: to(loc) };
}
