// Twins: stacks side by side, and the crossings between them.

import type { Stage, Twin } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import type { ValueId } from '../graph.ts';
import type { Attrs } from '../ops.ts';
import { count, suggestion } from './arguments.ts';
import { armOf, before, checkArms, checkStreams, streamScope, tagged, unrolled, written } from './blocks.ts';
import type { Context } from './context.ts';
import { attempt, emit, fail, toTensor } from './context.ts';
import { evaluate, pipe } from './expressions.ts';
import type { Namer } from './namer.ts';
import { counter, join } from './namer.ts';
import type { Value } from './scope.ts';
import { isHole, POISON, tensor } from './scope.ts';

type Cross = Stage & { readonly kind: 'cross' };
type Pipe = Stage & { readonly kind: 'pipe' };

/** Builds a twin block: the last value of every stream. */
export function buildTwin(c: Context, block: Twin): Value[] {
  const { names, from } = block;
  const start = from.map((expr) => evaluate(c, expr));
  const stages = unrolled<Cross | Pipe>(c, block.stages);
  const checks = [
    checkStreams(c, names, block.loc),
    ...written<Cross | Pipe>(block.stages).map((stage) => checkStage(c, block, stage)),
    from.length === names.length || refuse(c, from[names.length]?.loc ?? from.at(-1)?.loc ?? block.loc, `${count(names.length, 'stream')} from ${count(from.length, 'value')}: give one for every stream`),
  ];
  if (!stages || !checks.every(Boolean)) return names.map(() => POISON);

  const own = names.map(({ name }) => counter(join(c.namer.prefix, name)));
  const shared = counter(join(c.namer.prefix, ...names.map(({ name }) => name)));
  return stages.reduce<Value[]>((values, stage, k) => {
    const at: Context = { ...tagged(c, { stage: k }), scope: streamScope(c.scope, names, values) };
    return stage.kind === 'cross' ? cross(at, block, stage, values) : pipes(at, block, stage, values, own, shared);
  }, start.map((value, i) => asTensor(tagged(c, { stream: names[i]?.name ?? '' }), value, from[i]?.loc ?? block.loc)));
}

function refuse(c: Context, loc: Loc, message: string): false {
  fail(c, 'ZZ4005', loc, message);
  return false;
}

function checkStage(c: Context, { names }: Twin, stage: Cross | Pipe): boolean {
  if (stage.kind === 'cross') {
    if (stage.form === 'arms') return checkArms(c, names, stage.arms, stage.loc);
    if (stage.form !== 'swap' || names.length > 1) return true;
    fail(c, 'ZZ4006', stage.loc, `${names[0]?.name ?? 'the stream'} is alone, so there is no other to swap with`);
    return false;
  }
  const streams = stage.streams === 'both' ? [] : stage.streams;
  const strangers = streams.filter(({ name }) => !names.some((stream) => stream.name === name));
  for (const { name, loc } of strangers.filter((stream) => !isHole(stream.name))) fail(c, 'ZZ4001', loc, `'${name}' is no stream of this block`, suggestion(name, ['both', ...names.map((stream) => stream.name)]));
  return strangers.length === 0;
}

const asTensor = (c: Context, value: Value, loc: Loc): Value => {
  const id = toTensor(c, value, loc);
  return id === undefined ? POISON : tensor(id);
};

/** The same pipeline on some or all streams, with weights of their own unless they are shared. */
function pipes(c: Context, { names }: Twin, stage: Pipe, values: readonly Value[], own: readonly Namer[], shared: Namer): Value[] {
  const from = shared.fork();
  let used = false;
  return names.map((name, i) => {
    const value = values[i] ?? POISON;
    if (stage.streams !== 'both' && !stage.streams.some((stream) => stream.name === name.name)) return value;
    // The first stream moves the shared numbering on; the others count the same numbers again.
    const namer = stage.shared ? (used ? from.fork() : shared) : (own[i] ?? shared);
    used = true;
    const at: Context = { ...tagged(c, { stream: name.name }), namer };
    return asTensor(at, pipe(at, value, stage.loc, stage.pipe), stage.loc);
  });
}

type Form = Exclude<Attrs<'route'>['form'], 'init' | 'straight' | 'zigzag'>;

/** The streams exchange their values, all at once. */
function cross(c: Context, { names }: Twin, stage: Cross, values: readonly Value[]): Value[] {
  const { loc } = stage;
  const form: Form = stage.form === 'arms' ? 'arm' : stage.form;
  const total = stage.form === 'add' || stage.form === 'mean' ? sum(c, values, loc, stage.form === 'mean') : POISON;
  return names.map((name, i) => {
    const at = tagged(c, { stream: name.name });
    const own = values[i] ?? POISON;
    const others = values.filter((_, j) => j !== i);
    const arm = stage.form === 'arms' ? armOf(stage.arms, name) : undefined;
    const exchanged: Readonly<Record<Form, () => Value>> = {
      swap: () => values[before(i, names.length)] ?? POISON,
      concat: () => concatenated(at, [own, ...others], loc),
      add: () => total,
      mean: () => total,
      arm: () => (arm ? asTensor(at, evaluate(at, arm), arm.loc) : POISON),
    };
    const value = exchanged[form]();
    return value.kind === 'tensor' ? tensor(emit(at, arm?.loc ?? loc, 'route', [value.id], { form })) : POISON;
  });
}

const idsOf = (values: readonly Value[]): ValueId[] | undefined => {
  const ids = values.flatMap((value) => (value.kind === 'tensor' ? [value.id] : []));
  return ids.length === values.length ? ids : undefined;
};

/** Along the channels. */
function concatenated(c: Context, values: readonly Value[], loc: Loc): Value {
  const ids = idsOf(values);
  const [first] = ids ?? [];
  if (!ids || first === undefined) return POISON;
  return attempt(c, loc, () => values, () => tensor(emit(c, loc, 'concat', ids, { axis: Math.max(c.target.builder.type(first).shape.length - 1, 0) })));
}

function sum(c: Context, values: readonly Value[], loc: Loc, mean: boolean): Value {
  const ids = idsOf(values);
  if (!ids) return POISON;
  return attempt(c, loc, () => values, () => {
    const total = ids.reduce((a, b) => emit(c, loc, 'add', [a, b], {}));
    return tensor(mean ? emit(c, loc, 'mul', [total, emit(c, loc, 'constant', [], { shape: [], value: 1 / ids.length })], {}) : total);
  });
}
