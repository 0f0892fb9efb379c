// The statements of one module's forward function: values into variables, steps of streams and stages of twins as the source has them.

import type { Loc } from '../../diagnostics.ts';
import type { Node, ValueId } from '../../2-graph/graph.ts';
import { batchFactor } from '../../2-graph/types.ts';
import type { Dim, Shape } from '../../2-graph/types.ts';
import { imageLayouts, laidOut } from '../image-layout.ts';
import type { ImageLayout } from '../image-layout.ts';
import type { LayerOp } from './layers.ts';
import type { Op } from './ops.ts';
import { atom, call, heavy, indexed, method, number, variable, variableName } from './python.ts';
import type { Py } from './python.ts';
import { relaid, RULES } from './rules.ts';
import type { PyRule, Scope } from './rules.ts';

/** A line of the function, with the place in the source that it comes from. */
export interface Line {
  readonly text: string;
  readonly loc: Loc | undefined;
  /** A step of a streams block: equal ones in a row become a loop. */
  readonly step?: true;
}

/** A value that passes through an expression once it is there. */
export interface Passing {
  readonly id: ValueId;
  /** Lines that come first. */
  readonly before: readonly string[];
  readonly through: (x: string) => string;
  readonly loc: Loc | undefined;
}

/** What is done with values once variables hold them, because of declared backward routes. */
export interface Routing {
  readonly routed: ReadonlySet<ValueId>;
  readonly follow: (id: ValueId, variableOf: (id: ValueId) => string) => { readonly passed: readonly Passing[]; readonly lines: readonly string[] };
}

export interface UnitParts {
  readonly ops: readonly Op[];
  /** What comes from outside, and what it is called. */
  readonly params: readonly { readonly id: ValueId; readonly type: Node['type']; readonly name: string }[];
  readonly stored: ReadonlyMap<ValueId, Node>;
  /** How a layer is called, and a module for another part of the net. */
  readonly layer: (op: LayerOp, scope: Scope) => Py;
  readonly module: (node: Node<'call'>) => string;
  readonly routing?: Routing;
  /** What values without a name in the source are to be called. */
  readonly wished?: ReadonlyMap<ValueId, string>;
  /** The value that the function returns, where that is all it does with it. */
  readonly returns?: ValueId;
}

export interface Unit {
  readonly lines: readonly Line[];
  /** An expression for a value, at the end. */
  readonly value: (id: ValueId, layout?: ImageLayout) => Py;
  /** Writes the operations up to here; the others follow at the next call. */
  readonly run: (ops: readonly Op[]) => void;
  readonly push: (text: string, loc?: Loc) => void;
  /** Counts a use of a value that is none of an operation's. */
  readonly keep: (ids: readonly ValueId[]) => void;
}

/** Longer expressions are not put into others. */
const MAX_INLINE = 64;
const MAX_LINE = 110;

/** What stands for another value: routes and identities, unless they are to be seen. */
const isAlias = ({ kind, node }: Op, seen: (id: ValueId) => boolean): boolean =>
  kind === 'plain' && !seen(node.id) && (node.kind === 'identity' || (node.kind === 'route' && groupOf(node) === undefined));

/** Operations of one key that follow each other are one statement: a step of all streams, their first states, an exchange of a twin. */
function groupOf({ kind, attrs, tags: { stream, step, stage } }: Node): string | undefined {
  if (stream === undefined) return undefined;
  if (kind === 'call' && step !== undefined) return `step ${step}`;
  if (kind !== 'route') return undefined;
  if (attrs.form === 'init') return 'init';
  return stage === undefined ? undefined : `stage ${stage}`;
}

interface Target {
  readonly name: string;
  readonly text: string;
}

/** `a = x`, `a = b = x` or `a, b = x, y`; long ones take a line for each value. */
function statement(targets: readonly Target[]): string {
  const [first] = targets;
  const names = targets.map(({ name }) => name);
  if (first && targets.every(({ text }) => text === first.text)) return `${names.join(' = ')} = ${first.text}`;
  const line = `${names.join(', ')} = ${targets.map(({ text }) => text).join(', ')}`;
  return line.length <= MAX_LINE ? line : [`${names.join(', ')} = (`, ...targets.map(({ text }) => `    ${text},`), ')'].join('\n');
}

export function createUnit({ ops, params, stored, layer, module, routing, returns, wished }: UnitParts): Unit {
  const lines: Line[] = [];
  const byId = new Map(ops.map((op) => [op.node.id, op]));
  const types = new Map([...stored.values(), ...ops.map(({ node }) => node), ...params].map(({ id, type }) => [id, type]));
  const layouts = imageLayouts([...params.map(inputNode), ...stored.values(), ...ops.map(layoutNode)], 'nchw');
  const layout = (id: ValueId): ImageLayout => layouts.get(id) ?? 'nhwc';
  const shape = (id: ValueId): Shape => types.get(id)?.shape ?? [];

  const isRouted = (id: ValueId): boolean => routing?.routed.has(id) ?? false;
  const stands = new Map<ValueId, ValueId>();
  const resolve = (id: ValueId): ValueId => stands.get(id) ?? id;
  for (const op of ops) if (isAlias(op, isRouted)) stands.set(op.node.id, resolve(op.inputs[0] ?? ''));

  const users = new Map<ValueId, Op[]>();
  const pending = new Map<ValueId, number>();
  const expect = (id: ValueId): void => void pending.set(resolve(id), (pending.get(resolve(id)) ?? 0) + 1);
  for (const op of ops) {
    if (stands.has(op.node.id)) continue;
    for (const input of op.inputs) {
      expect(input);
      const list = users.get(resolve(input));
      if (list) list.push(op);
      else users.set(resolve(input), [op]);
    }
  }
  const kept = new Set<ValueId>();
  const returned = returns && resolve(returns);

  /** What each variable holds. */
  const holds = new Map<string, ValueId>(params.map(({ id, name }) => [name, id]));
  const nameOf = new Map<ValueId, string>(params.map(({ id, name }) => [id, name]));
  const inlined = new Set<ValueId>();

  const rows = (factor: number): Py => {
    const source = params.find(({ type }) => batchFactor(type.shape[0] ?? 1) === factor) ?? params.find(({ type }) => batchFactor(type.shape[0] ?? 1) > 0);
    if (!source) throw new RangeError('nothing says how many rows a batch has');
    const own = batchFactor(source.type.shape[0] ?? 1);
    const count = `len(${source.name})`;
    return atom(own === factor ? count : own === 1 ? `${factor} * ${count}` : `${factor} * ${count} // ${own}`);
  };
  const dim = (each: Dim): Py => (typeof each === 'number' ? atom(String(each)) : rows(batchFactor(each)));
  /** A tensor that is filled with one number. */
  const filled = (dims: Shape, fill: number, to: ImageLayout): Py => {
    const sizes = laidOut(dims, to).map((each) => dim(each).text);
    const like = params[0]?.name ?? '';
    if (fill === 0) return atom(`${like}.new_zeros(${sizes.join(', ')})`);
    return atom(fill === 1 ? `${like}.new_ones(${sizes.join(', ')})` : `${like}.new_full((${sizes.join(', ')}${sizes.length === 1 ? ',' : ''}), ${number(fill)})`);
  };

  const scope: Scope = {
    shape,
    layout: (id) => layout(resolve(id)),
    type: (id) => types.get(id),
    dim,
    value(id, wanted) {
      const from = resolve(id);
      const op = byId.get(from);
      if (op?.kind === 'plain' && op.node.kind === 'constant') return filled(op.node.type.shape, op.node.attrs.value, wanted ?? 'nchw');
      const py = op && inlined.has(from) ? render(op) : variable(nameOf.get(from) ?? '', from);
      return relaid(py, layout(from), wanted ?? layout(from), shape(from).length);
    },
    operand(id, result) {
      const from = resolve(id);
      const op = byId.get(from);
      const dims = shape(from);
      const rank = result.type.shape.length;
      const others = (byId.get(result.id)?.inputs ?? []).filter((input) => input !== id);
      const covered = others.some((other) => byId.get(resolve(other))?.node.kind !== 'constant' && shape(other).join() === result.type.shape.join());
      if (op?.node.kind === 'constant' && (dims.length === 0 || covered)) return atom(number(op.node.attrs.value));
      const wanted = layout(result.id);
      if (rank !== 4 || wanted === 'nhwc' || dims.length === 0 || dims.length === 4) return scope.value(id, rank === 4 ? wanted : 'nhwc');
      // Axes are aligned at the last, where the channels would be.
      const x = scope.value(id, 'nhwc');
      if (dims.length === 1) return indexed(x, ':', 'None', 'None');
      return dims.length === 2 ? indexed(method(x, 't'), ':', 'None') : method(x, 'permute', '2', '0', '1');
    },
  };

  function render(op: Op): Py {
    const { node } = op;
    if (op.kind === 'layer' || op.kind === 'norm') return layer(op, scope);
    if (op.kind === 'dropout') return call('F.dropout', [scope.value(op.inputs[0])], number(op.p), 'self.training');
    if (op.kind === 'mse') return call('F.mse_loss', op.inputs.map((id) => scope.value(id, layout(resolve(op.inputs[0])))));
    if (node.kind === 'call') return heavy(call(`self.${module(node)}`, node.inputs.map((id) => scope.value(id, 'nchw'))));
    if (node.kind === 'route') return scope.value(node.inputs[0] ?? '', layout(node.id));
    const rule = Object.hasOwn(RULES, node.kind) ? RULES[node.kind as keyof typeof RULES] : undefined;
    if (typeof rule === 'function') return (rule as PyRule)(scope, node as never);
    const place = node.locs.map(({ file, line, column }) => `, ${file}:${line}:${column}`).join('');
    throw new RangeError(`PyTorch has no expression for ${node.kind} (%${node.id}${place})${rule ? `: ${rule.lacks}` : ''}`);
  }

  /** The variable that a value without a name of its own takes: that of the chain it belongs to. */
  function wish(op: Op): string {
    let at: Op | undefined = op;
    for (let i = 0; at && i < 1000; i++) {
      const { name, stage, stream } = at.node.tags;
      const other = wished?.get(at.node.id);
      if (other !== undefined) return other;
      if (name !== undefined) return variableName(name);
      if (stage !== undefined && stream !== undefined) return variableName(stream);
      const next: readonly Op[] = users.get(at.node.id) ?? [];
      at = next.length === 1 && !kept.has(at.node.id) ? next[0] : undefined;
    }
    return 'y';
  }

  const isWanted = (name: string): boolean => {
    const held = holds.get(name);
    return held !== undefined && (pending.get(held) ?? 0) > 0;
  };
  const free = (name: string): string => {
    let found = name;
    for (let n = 2; isWanted(found); n++) found = `${name}_${n}`;
    return found;
  };
  const hold = (name: string, id: ValueId): void => {
    holds.set(name, id);
    nameOf.set(id, name);
  };
  /** Moves what variables hold to others, where it is still needed. */
  const clear = (names: readonly string[]): void => {
    const moved = names.filter(isWanted).map((name) => {
      const held = holds.get(name) ?? '';
      const { step } = byId.get(held)?.node.tags ?? {};
      const other = free(step === undefined ? `${name}_` : `${name}_${step}`);
      hold(other, held);
      return { name: other, text: name };
    });
    if (moved.length > 0) lines.push({ text: statement(moved), loc: undefined });
  };
  const consume = ({ refs }: Py): void => {
    for (const ref of refs) pending.set(ref, (pending.get(ref) ?? 0) - 1);
  };

  /** One statement that gives values to variables, all at once. A value without a variable takes one that is free. */
  function assign(ops: readonly Op[], step: boolean, wanted: (op: Op) => string): void {
    const loc = ops[0]?.node.locs[0];
    const found = ops.map((op) => ({ op, py: render(op) }));
    for (const { py } of found) consume(py);
    const targets = found.map(({ op, py }) => ({ id: op.node.id, name: wanted(op), text: py.text }));
    clear(targets.map(({ name }) => name));
    for (const { id, name } of targets) hold(name, id);
    const variableOf = (id: ValueId): string => nameOf.get(resolve(id)) ?? '';
    const following = targets.flatMap(({ id }) => (routing && isRouted(id) ? [routing.follow(id, variableOf)] : []));
    const [own, ...others] = following.flatMap(({ passed }) => passed);
    const [only] = targets;
    // A value that only passes does so on the way into its variable.
    const direct = targets.length === 1 && only && own?.id === only.id && own.before.length === 0 && own.loc === undefined;
    lines.push({ text: direct ? `${only.name} = ${own.through(only.text)}` : statement(targets), loc, ...(step && { step: true }) });
    for (const text of following.flatMap((each) => each.lines)) lines.push({ text, loc });
    for (const each of own && !direct ? [own, ...others] : others) {
      for (const text of [...each.before, `${variableOf(each.id)} = ${each.through(variableOf(each.id))}`]) lines.push({ text, loc: each.loc ?? loc });
    }
  }

  /** Whether a value can stand in the one expression that uses it. */
  function canInline(op: Op): boolean {
    const { node } = op;
    if (kept.has(node.id) || node.tags.name !== undefined || isRouted(node.id)) return false;
    const [user, ...others] = users.get(node.id) ?? [];
    if (!user) return node.id === returned;
    if (others.length > 0 || node.id === returned) return false;
    const py = render(op);
    return py.text.length <= MAX_INLINE && !(py.heavy && isHeavy(user));
  }

  /** Operations from `at` on that are one statement; what only they use is put into them. */
  function groupAt(list: readonly Op[], at: number, key: string): Op[] {
    const group: Op[] = [];
    for (let i = at; i < list.length; i++) {
      const op = list[i] as Op;
      const own = groupOf(op.node);
      if (own === key && !group.some(({ node }) => node.tags.stream === op.node.tags.stream)) group.push(op);
      else if (own !== undefined) break;
      else if (op.node.kind !== 'constant') {
        if (!canInline(op)) break;
        inlined.add(op.node.id);
      }
    }
    return group;
  }

  function run(list: readonly Op[]): void {
    const live = list.filter(({ node }) => !stands.has(node.id) && node.kind !== 'constant');
    const done = new Set<Op>();
    for (const [i, op] of live.entries()) {
      if (done.has(op)) continue;
      const key = groupOf(op.node);
      if (key !== undefined) {
        const group = groupAt(live, i, key);
        for (const each of group) done.add(each);
        assign(group, op.node.kind === 'call', ({ node }) => variableName(node.tags.stream ?? 'y'));
      } else if (canInline(op)) inlined.add(op.node.id);
      else assign([op], false, ({ node }) => (node.tags.name === undefined ? free(wish(op)) : variableName(node.tags.name)));
    }
  }

  return {
    lines,
    value: (id, to) => scope.value(id, to),
    run,
    push: (text, loc) => void lines.push({ text, loc }),
    keep(ids) {
      for (const id of ids) {
        kept.add(resolve(id));
        expect(id);
      }
    },
  };
}

const isHeavy = ({ kind, node }: Op): boolean =>
  kind === 'layer' || kind === 'norm' || ['call', 'avgpool', 'maxpool', 'upsample', 'concat', 'matmul', 'reduce_sum', 'reduce_mean', 'reduce_max', 'softmax_cross_entropy'].includes(node.kind);

const inputNode = ({ id, type }: { readonly id: ValueId; readonly type: Node['type'] }): Node => ({ id, kind: 'input', inputs: [], attrs: { name: id, shape: type.shape }, type, locs: [], tags: {} });

/** What the layout of an operation's value follows from. */
export function layoutNode(op: Op): Node {
  const { node } = op;
  if (op.kind === 'layer') return { ...op.product, id: node.id };
  if (op.kind === 'plain') return node;
  return { id: node.id, kind: 'identity', inputs: op.inputs, attrs: {}, type: node.type, locs: [], tags: {} };
}
